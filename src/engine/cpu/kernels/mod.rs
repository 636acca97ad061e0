//! The loops that all the time goes into, written once over a vector type and compiled once for each [`Isa`](super::Isa).
//!
//! A [`Simd`] value is the proof that the machine has its instructions: it is made by detection only. A [`Kernel`] is a
//! loop nest; [`Simd::run`] compiles it with those instructions switched on. The functions that the engine calls
//! ([`multiply`], [`depthwise()`], [`scale_rows`]) take slices, check every bound once, and only then turn to pointers.
#![allow(unsafe_code)] // intrinsics and pointers; each block tells why it is sound
#![allow(clippy::needless_range_loop)] // an index that is a constant to the compiler is what keeps arrays in registers

mod activation;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod depthwise;
mod exp2;
mod gemm;
mod portable;
mod scale;

pub(super) use activation::{Act, logistic};
#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
pub(super) use depthwise::{DepthwiseRows, depthwise};
pub(super) use gemm::{Output, Pixels, Place, Places, multiply};
pub(super) use portable::Portable;
pub(super) use scale::{scale_channels, scale_rows};

use gemm::TileArgs;

/// Every row of channels in memory is a multiple of this many values, the rest zeros: the shortest vector of all.
pub(super) const LANES: usize = 8;

/// Values of a cache line.
pub(super) const LINE: usize = 16;

/// How many vectors lie side by side in a panel of weights, and so in a tile of accumulators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Vectors of the full width.
    pub(super) full: usize,
    /// Vectors of [`LANES`] values after them, 0 or 1.
    pub(super) half: usize,
}

impl Shape {
    /// Channels in all, with the vectors of `S`.
    #[inline(always)]
    pub(super) fn width<S: Simd>(self) -> usize {
        self.full * S::Full::LENGTH + self.half * LANES
    }

    /// Values from one row of a panel's weights to the next: whole cache lines.
    #[inline(always)]
    pub(super) fn step<S: Simd>(self) -> usize {
        self.width::<S>().next_multiple_of(LINE)
    }
}

/// A vector of f32.
///
/// # Safety
/// Each method needs the instructions of the [`Simd`] that the type belongs to; `load` and `store` need [`Vector::LENGTH`]
/// values at the pointer, at any alignment.
pub(super) trait Vector: Copy {
    const LENGTH: usize;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    /// `self + a * b`, rounded once where the instructions can.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    unsafe fn clamp(self, low: f32, high: f32) -> Self;
    /// The value, or `limit` with its sign where that is nearer to zero. NaN may become `limit`.
    #[inline(always)]
    unsafe fn clamp_symmetric(self, limit: f32) -> Self {
        // SAFETY: the caller's.
        unsafe { self.clamp(-limit, limit) }
    }
    /// `1 + 2^self` for values in -126..=126, within 1.5e-7 of the exact value.
    unsafe fn one_plus_exp2(self) -> Self;
}

/// A set of instructions that this machine has.
pub(super) trait Simd: Copy + Send + Sync + 'static {
    /// The widest vector.
    type Full: Vector;
    /// A vector of [`LANES`] values, for the rest of a row.
    type Half: Vector;

    /// Channels of the widest panel of a depthwise layer and of the layer before it. A ring's columns and a depthwise layer's
    /// weights are this many values apart, whatever the panel: with distances that are not constants, LLVM keeps some
    /// hundred addresses on the stack.
    const PITCH: usize;

    /// Inputs per turn of a dense kernel's innermost loop: what a turn costs besides its multiply-adds counts little among
    /// four.
    const UNROLL: usize = 4;

    /// Cache lines that a dense kernel asks for with each turn of its innermost loop. Each holds one of the processor's few
    /// buffers until it comes; if all are taken, the kernel's own loads wait. One per 20 cycles or so is not too many.
    const LINES_PER_TURN: usize = 1;

    /// The first values of a vector whose values are all the same.
    ///
    /// # Safety
    /// Only from within [`Simd::run`].
    unsafe fn narrow(full: Self::Full) -> Self::Half;

    /// Asks for the cache line at `address`, which need not exist.
    #[inline(always)]
    fn prefetch(_address: *const f32) {}

    /// Runs `kernel`, compiled with these instructions.
    ///
    /// # Safety
    /// That of the kernel.
    unsafe fn run<K: Kernel>(self, kernel: K);

    /// The next panel for `rest` times [`LANES`] channels that have none yet, at most `limit` channels wide.
    fn panel(rest: usize, limit: usize) -> Shape;

    /// How many pixels a tile of this shape has at most.
    fn tile_rows(shape: Shape) -> usize;

    /// Runs the tile kernel of `shape` with `rows` pixels, at most [`Simd::tile_rows`].
    ///
    /// # Safety
    /// That of [`gemm::Tile`].
    unsafe fn tile(self, shape: Shape, rows: usize, args: &TileArgs<'_>);
}

/// A loop nest over vectors. Implementations are `#[inline(always)]`, so that they are compiled where they are run.
pub(super) trait Kernel {
    /// Runs it.
    ///
    /// # Safety
    /// Only from within [`Simd::run`] of that same `S`; and what the implementation asks for.
    unsafe fn call<S: Simd>(self);
}

/// Cuts `total` items into pieces of at most `limit`, as equal as can be: (pieces of that size, size), larger first.
///
/// A small last piece would leave most of the multiply-adders idle: 15 rows in tiles of 7 become 5 + 5 + 5.
fn pieces(total: usize, limit: usize) -> [(usize, usize); 2] {
    let count = total.div_ceil(limit);
    let (size, larger) = (total / count, total % count);
    [(larger, size + 1), (count - larger, size)]
}

/// Repeats a statement for `$i` = 0, 1, 2, ... below a constant `$n` (at most 17), each with `$i` a constant.
///
/// Arrays of vectors stay in registers only if every index is known when the loop is compiled; LLVM unrolls long bodies
/// only up to a limit, and a kernel that crosses it becomes ten times slower.
macro_rules! unrolled {
    ($i:ident < $n:expr, $body:block) => {
        unrolled!(@ $i, $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    (@ $i:ident, $n:expr, $body:block, $($k:literal)*) => {
        $( if $k < $n { let $i: usize = $k; $body } )*
    };
}
use unrolled;
