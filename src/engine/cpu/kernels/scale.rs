//! Squeeze-excite's last step: channels times factors, in the map or in the weights that read it.

use super::{Kernel, LANES, Simd, Vector};

/// Multiplies each value of a map by the factor of its channel. `map` holds rows of `factors.len()` channels.
pub(in super::super) fn scale_channels<S: Simd>(simd: S, map: &mut [f32], factors: &[f32]) {
    let length = factors.len();
    assert!(length.is_multiple_of(LANES) && map.len().is_multiple_of(length));
    let rows = map.len() / length;
    // SAFETY: `map` is `rows` rows of `length` values, `factors` one.
    unsafe { simd.run(ByChannel { map: map.as_mut_ptr(), factors: factors.as_ptr(), rows, length }) };
}

/// Multiplies each row of weights by its factor: `from` and `to` are `factors.len()` rows of `length` values.
pub(in super::super) fn scale_rows<S: Simd>(simd: S, from: &[f32], to: &mut [f32], factors: &[f32], length: usize) {
    assert!(length.is_multiple_of(LANES));
    assert!(from.len() >= factors.len() * length && to.len() >= factors.len() * length);
    // SAFETY: just asserted.
    unsafe { simd.run(ByRow { from: from.as_ptr(), to: to.as_mut_ptr(), factors, length }) };
}

/// # Safety
/// `rows` times `length` values at `map`, `length` at `factors`.
struct ByChannel {
    map: *mut f32,
    factors: *const f32,
    rows: usize,
    length: usize,
}

impl Kernel for ByChannel {
    #[inline(always)]
    unsafe fn call<S: Simd>(self) {
        // SAFETY: the conditions of the type, whose `length` is a multiple of the short vector.
        unsafe {
            for row in 0..self.rows {
                let values = self.map.add(row * self.length);
                let mut at = 0;
                while at + S::Full::LENGTH <= self.length {
                    let factors = S::Full::load(self.factors.add(at));
                    S::Full::load(values.add(at)).mul(factors).store(values.add(at));
                    at += S::Full::LENGTH;
                }
                if at < self.length {
                    let factors = S::Half::load(self.factors.add(at));
                    S::Half::load(values.add(at)).mul(factors).store(values.add(at));
                }
            }
        }
    }
}

/// # Safety
/// `factors.len()` times `length` values at `from` and `to`.
struct ByRow<'a> {
    from: *const f32,
    to: *mut f32,
    factors: &'a [f32],
    length: usize,
}

impl Kernel for ByRow<'_> {
    #[inline(always)]
    unsafe fn call<S: Simd>(self) {
        // SAFETY: the conditions of the type, whose `length` is a multiple of the short vector.
        unsafe {
            for (row, factor) in self.factors.iter().enumerate() {
                let (from, to) = (self.from.add(row * self.length), self.to.add(row * self.length));
                let mut at = 0;
                while at + S::Full::LENGTH <= self.length {
                    S::Full::load(from.add(at)).mul(S::Full::splat(*factor)).store(to.add(at));
                    at += S::Full::LENGTH;
                }
                if at < self.length {
                    S::Half::load(from.add(at)).mul(S::Half::splat(*factor)).store(to.add(at));
                }
            }
        }
    }
}
