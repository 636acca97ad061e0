//! Arrays of f32 that LLVM turns into whatever vectors the target has.

use std::f32::consts::LN_2;

use super::activation::EXPONENT_LIMIT;
use super::exp2::{magic, shift};
use super::gemm::{TileArgs, tiles};
use super::{Kernel, LANES, Shape, Simd, Vector};

/// The instructions that every target has.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Portable;

/// Minimax for `2^f - 1` over f, `|f| <= 1/2`, lowest power first; within 1.1e-7.
const POLYNOMIAL: [f32; 5] = [LN_2, 0.240_222_83, 0.055_505_585, 0.009_669_691, 0.001_330_06];

/// Whether the target's vectors share 16 registers, as x86-64's without AVX-512 do, or fewer; others have 32.
const FEW_REGISTERS: bool = cfg!(any(target_arch = "x86_64", target_arch = "x86"));

/// Eight values.
#[derive(Clone, Copy)]
pub(in super::super) struct Array([f32; LANES]);

impl Array {
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        let mut values = self.0;
        for value in &mut values {
            *value = f(*value);
        }
        Self(values)
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut values = self.0;
        for (value, other) in values.iter_mut().zip(other.0) {
            *value = f(*value, other);
        }
        Self(values)
    }
}

impl Vector for Array {
    const LENGTH: usize = LANES;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for that many values; an array of f32 has the alignment of one.
        Self(unsafe { from.cast::<[f32; LANES]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<[f32; LANES]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // `f32::mul_add` is a call of the C library where the target has no such instruction.
        self.zip(a.zip(b, |a, b| a * b), |sum, product| sum + product)
    }

    #[inline(always)]
    unsafe fn clamp(self, low: f32, high: f32) -> Self {
        self.map(|x| clamp(x, low, high))
    }

    #[inline(always)]
    unsafe fn one_plus_exp2(self) -> Self {
        self.map(one_plus_exp2)
    }
}

#[inline(always)]
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    // Written so that NaN stays NaN in two instructions.
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}

/// That of [`Vector`].
#[inline(always)]
fn one_plus_exp2(t: f32) -> f32 {
    let rounded = t + magic(1);
    let f = t - (rounded - magic(1));
    // Estrin's scheme: Horner's has each step wait for the one before.
    let [c1, c2, c3, c4, c5] = POLYNOMIAL;
    let square = f * f;
    let p = ((c5 * f + c4) * square + (c3 * f + c2)) * square + (c1 * f + 1.0);
    let power = p.to_bits().wrapping_add(rounded.to_bits() << shift(1));
    1.0 + f32::from_bits(power)
}

/// [`Act::Swish`](super::Act::Swish) of each value.
#[inline(always)]
fn swish<const N: usize>(values: &mut [f32; N]) {
    for t in values {
        *t /= one_plus_exp2(clamp(*t, -EXPONENT_LIMIT, EXPONENT_LIMIT));
    }
}

impl Simd for Portable {
    type Full = Array;
    type Half = Array;

    const PITCH: usize = 16;
    // With more, LLVM loads so much ahead that the sums no longer fit into the few registers.
    const UNROLL: usize = if FEW_REGISTERS { 1 } else { 4 };

    #[inline(always)]
    unsafe fn narrow(full: Array) -> Array {
        full
    }

    unsafe fn run<K: Kernel>(self, kernel: K) {
        // SAFETY: every target has these instructions; the caller vouches for the rest.
        unsafe { kernel.call::<Self>() }
    }

    fn panel(rest: usize, _: usize) -> Shape {
        Shape { full: rest.min(2), half: 0 }
    }

    /// With few registers: eight sums, four weights, a broadcast value and a product, four values in each.
    fn tile_rows(_: Shape) -> usize {
        if FEW_REGISTERS { 2 } else { 4 }
    }

    unsafe fn tile(self, shape: Shape, rows: usize, args: &TileArgs<'_>) {
        // In a loop of its own, LLVM makes faster code of swish than at the end of each tile.
        let before_swish = args.before_swish();
        let sums = before_swish.as_ref().unwrap_or(args);
        tiles!(self, shape, rows, sums; (2, 0): 1 2 3 4; (1, 0): 1 2 3 4);
        if before_swish.is_some() {
            let pixels = rows * args.tiles();
            // SAFETY: these are the pixels and the channels of the tiles.
            unsafe {
                match shape.full {
                    1 => args.change::<LANES>(pixels, swish),
                    _ => args.change::<{ 2 * LANES }>(pixels, swish),
                }
            }
        }
    }
}
