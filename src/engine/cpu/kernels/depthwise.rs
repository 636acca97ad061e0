//! A depthwise convolution: each channel is filtered on its own.
//!
//! One row of outputs is computed from the `K` rows above and below it, seven neighbouring outputs of one vector of
//! channels at a time. Each input column is loaded once and added to all sums that it belongs to; kernel size, stride and
//! number of outputs are constants, so that this pattern is decided when the loop is compiled:
//!
//! ```text
//!   K = 3, stride 1             column   0   1   2   3   4   5   6   7   8
//!                               sum 0   w0  w1  w2
//!   for each row of the         sum 1       w0  w1  w2
//!   kernel: its 3 weights       sum 2           w0  w1  w2
//!   in registers, 9 loads,      ...
//!   21 multiply-adds            sum 6                           w0  w1  w2
//! ```
//!
//! Columns left and right of the map are zeros in memory; rows above and below it are left out.

use super::activation::{Apply, Identity, Relu6, Swish};
use super::{Act, Kernel, LANES, Shape, Simd, Vector, pieces, unrolled};
use crate::engine::cpu::pack::{Depthwise, Panel};

/// The largest kernel.
pub(in super::super) const MAX_KERNEL: usize = 5;
/// Outputs that are computed together: the widths of EfficientNet's maps divide by 7.
const OUTPUTS: usize = 7;

/// One row of outputs of one panel of channels.
pub(in super::super) struct DepthwiseRow<'a> {
    pub(in super::super) layer: &'a Depthwise,
    pub(in super::super) panel: &'a Panel,
    /// Kernel row number and input row, for those rows of the kernel that meet the map. An input row begins with its left
    /// padding; its columns are [`Simd::PITCH`] values apart.
    pub(in super::super) rows: &'a [(usize, &'a [f32])],
    /// Applied to each sum.
    pub(in super::super) act: Act,
    /// Begins at the panel's first channel of the row's first output; the outputs are `layer.channels` apart.
    pub(in super::super) output: &'a mut [f32],
    /// Number of outputs.
    pub(in super::super) count: usize,
    /// One value per channel of the panel, to which all outputs are added.
    pub(in super::super) sums: &'a mut [f32],
}

/// Computes the row.
pub(in super::super) fn depthwise_row<S: Simd>(simd: S, row: DepthwiseRow<'_>) {
    let DepthwiseRow { layer, panel, rows, act, output, count, sums } = row;
    let (kernel, stride, width) = (layer.kernel, layer.stride, panel.shape.width::<S>());
    let weights = &layer.weights[panel.weights.clone()];
    let bias = &layer.bias[panel.first..][..width];
    assert!(count > 0 && rows.len() <= MAX_KERNEL && S::PITCH >= width && layer.channels >= width);
    let reach = ((count - 1) * stride + kernel - 1) * S::PITCH + width;
    assert!(rows.iter().all(|(y, input)| *y < kernel && input.len() >= reach));
    assert!(weights.len() >= kernel * kernel * S::PITCH);
    assert!(output.len() >= (count - 1) * layer.channels + width && sums.len() >= width);

    let mut args = Args {
        inputs: [std::ptr::null(); MAX_KERNEL],
        weights: [std::ptr::null(); MAX_KERNEL],
        rows: rows.len(),
        shape: panel.shape,
        bias: bias.as_ptr(),
        act,
        output: output.as_mut_ptr(),
        step: layer.channels,
        sums: sums.as_mut_ptr(),
        tiles: 0,
    };
    for ((input, start), (y, values)) in args.inputs.iter_mut().zip(&mut args.weights).zip(rows) {
        *input = values.as_ptr();
        *start = weights[y * kernel * S::PITCH..].as_ptr();
    }
    for (tiles, outputs) in pieces(count, OUTPUTS) {
        if tiles == 0 {
            continue;
        }
        args.tiles = tiles;
        // SAFETY: the assertions above are the kernel's conditions for all outputs; the pieces add up to them.
        unsafe { dispatch(simd, kernel, stride, outputs, &args) };
        let outputs = tiles * outputs;
        for input in &mut args.inputs[..args.rows] {
            *input = input.wrapping_add(outputs * stride * S::PITCH);
        }
        args.output = args.output.wrapping_add(outputs * layer.channels);
    }
}

/// Runs the kernel for a size, a stride and a number of outputs that are known only now.
///
/// # Safety
/// That of [`Tiles`].
unsafe fn dispatch<S: Simd>(simd: S, kernel: usize, stride: usize, outputs: usize, args: &Args) {
    macro_rules! sizes {
        ($($k:literal $s:literal: $($n:literal)*;)*) => {
            match (kernel, stride, outputs) {
                // SAFETY: the caller's.
                $($( ($k, $s, $n) => unsafe { simd.run(Tiles::<$k, $s, $n>(args)) }, )*)*
                _ => unreachable!("no depthwise kernel of size {kernel}, stride {stride}"),
            }
        };
    }
    sizes! {
        3 1: 1 2 3 4 5 6 7;
        3 2: 1 2 3 4 5 6 7;
        5 1: 1 2 3 4 5 6 7;
        5 2: 1 2 3 4 5 6 7;
    }
}

/// What the kernel needs, as pointers.
struct Args {
    inputs: [*const f32; MAX_KERNEL],
    weights: [*const f32; MAX_KERNEL],
    rows: usize,
    shape: Shape,
    bias: *const f32,
    act: Act,
    output: *mut f32,
    step: usize,
    sums: *mut f32,
    tiles: usize,
}

/// `args.tiles` times `N` outputs of all channels of the panel, with a kernel of `K` x `K` and that stride.
///
/// # Safety
/// For the first `rows` inputs and weights, and all `tiles * N` outputs: the panel's channels at each input column that the
/// outputs need, at each output, at bias and sums, and at each of the `K` weights of the row.
struct Tiles<'a, const K: usize, const STRIDE: usize, const N: usize>(&'a Args);

impl<const K: usize, const STRIDE: usize, const N: usize> Kernel for Tiles<'_, K, STRIDE, N> {
    #[inline(always)]
    unsafe fn call<S: Simd>(self) {
        // SAFETY: the caller's.
        unsafe {
            match self.0.act {
                Act::None => self.all::<S, Identity>(),
                Act::Relu6 => self.all::<S, Relu6>(),
                Act::Swish => self.all::<S, Swish>(),
            }
        }
    }
}

impl<const K: usize, const STRIDE: usize, const N: usize> Tiles<'_, K, STRIDE, N> {
    /// # Safety
    /// That of [`Tiles`], within [`Simd::run`].
    #[inline(always)]
    unsafe fn all<S: Simd, A: Apply>(&self) {
        let Args { shape, tiles, .. } = *self.0;
        // SAFETY: the vectors of a panel lie side by side.
        unsafe {
            for tile in 0..tiles {
                for v in 0..shape.full {
                    self.vector::<S, S::Full, A>(tile, v * S::Full::LENGTH);
                }
                for v in 0..shape.half {
                    self.vector::<S, S::Half, A>(tile, shape.full * S::Full::LENGTH + v * LANES);
                }
            }
        }
    }

    /// One tile's outputs of one vector of channels, which begins at `channel` of the panel.
    ///
    /// # Safety
    /// That of [`Tiles`], within [`Simd::run`].
    #[inline(always)]
    unsafe fn vector<S: Simd, V: Vector, A: Apply>(&self, tile: usize, channel: usize) {
        let args = self.0;
        // SAFETY: the caller's; column `column` exists because it is at most `(N - 1) * STRIDE + K - 1`.
        unsafe {
            let mut filtered = [V::load(args.bias.add(channel)); N];
            for row in 0..args.rows {
                let weights = args.weights[row].add(channel);
                let input = args.inputs[row].add(tile * N * STRIDE * S::PITCH + channel);
                let mut w = [V::splat(0.0); K];
                for x in 0..K {
                    w[x] = V::load(weights.add(x * S::PITCH));
                }
                unrolled!(column < (N - 1) * STRIDE + K, {
                    let value = V::load(input.add(column * S::PITCH));
                    for x in 0..K {
                        if column >= x && (column - x).is_multiple_of(STRIDE) && (column - x) / STRIDE < N {
                            let sum = (column - x) / STRIDE;
                            filtered[sum] = filtered[sum].mul_add(value, w[x]);
                        }
                    }
                });
            }
            let mut total = V::splat(0.0);
            let output = args.output.add(tile * N * args.step + channel);
            unrolled!(at < N, {
                let value = A::apply(filtered[at]);
                total = total.add(value);
                value.store(output.add(at * args.step));
            });
            total.add(V::load(args.sums.add(channel))).store(args.sums.add(channel));
        }
    }
}
