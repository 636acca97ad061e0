//! What happens to a sum before it is stored.

use super::{Kernel, LANES, Simd, Vector};

/// A nonlinearity as the kernels compute it.
///
/// Swish needs `2^(-x * log2 e)`. The factor `-log2 e` is folded into the weights that make `x`, its inverse into the
/// weights that take the result: the kernels see `t = -x * log2 e` and store `t / (1 + 2^t)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Act {
    /// The value itself.
    None,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `t / (1 + 2^t)`: swish of `x`, divided by `-ln 2`.
    Swish,
}

/// Where ReLU6 saturates (Krizhevsky 2010; Sandler et al. 2018).
const RELU6_LIMIT: f32 = 6.0;
/// 2^126 is the largest power of two of which 1 + 2^126 and its inverse are both normal numbers.
pub(super) const EXPONENT_LIMIT: f32 = 126.0;

/// An [`Act`] that is known when a loop is compiled.
pub(super) trait Apply {
    /// Applies it to each value.
    ///
    /// # Safety
    /// The instructions of `V`.
    unsafe fn apply<V: Vector>(x: V) -> V;
}

/// [`Act::None`].
pub(super) struct Identity;
/// [`Act::Relu6`].
pub(super) struct Relu6;
/// [`Act::Swish`].
pub(super) struct Swish;

impl Apply for Identity {
    #[inline(always)]
    unsafe fn apply<V: Vector>(x: V) -> V {
        x
    }
}

impl Apply for Relu6 {
    #[inline(always)]
    unsafe fn apply<V: Vector>(x: V) -> V {
        // SAFETY: the caller has the instructions.
        unsafe { x.clamp(0.0, RELU6_LIMIT) }
    }
}

impl Apply for Swish {
    #[inline(always)]
    unsafe fn apply<V: Vector>(x: V) -> V {
        // SAFETY: the caller has the instructions.
        unsafe { x.div(x.clamp_symmetric(EXPONENT_LIMIT).one_plus_exp2()) }
    }
}

/// Replaces each value `t` by `1 / (1 + 2^t)`: the logistic function of `x` where `t = -x * log2 e`.
pub(in super::super) fn logistic<S: Simd>(simd: S, values: &mut [f32]) {
    // SAFETY: the pieces are as long as the kernel's vectors.
    unsafe { simd.run(Logistic(values.as_chunks_mut().0)) };
}

struct Logistic<'a>(&'a mut [[f32; LANES]]);

impl Kernel for Logistic<'_> {
    #[inline(always)]
    unsafe fn call<S: Simd>(self) {
        for values in self.0 {
            // SAFETY: we are within `run`, and the array is as long as the vector.
            unsafe {
                let t = S::Half::load(values.as_ptr()).clamp_symmetric(EXPONENT_LIMIT);
                S::Half::splat(1.0).div(t.one_plus_exp2()).store(values.as_mut_ptr());
            }
        }
    }
}
