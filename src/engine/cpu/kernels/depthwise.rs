//! A depthwise convolution: each channel is filtered on its own.
//!
//! A row of outputs is computed from the `K` rows above and below it, seven neighbouring outputs of one vector of
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

use std::ops::Range;

use super::activation::{Apply, Identity, Relu6, Swish};
use super::{Act, Kernel, LANES, Shape, Simd, Vector, pieces, unrolled};
use crate::engine::cpu::pack::{Depthwise, Panel};
use crate::engine::cpu::ring::Ring;

/// Outputs that are computed together: the widths of EfficientNet's maps divide by 7.
const OUTPUTS: usize = 7;

/// Some rows of outputs of one panel of channels.
pub(in super::super) struct DepthwiseRows<'a> {
    pub(in super::super) layer: &'a Depthwise,
    pub(in super::super) panel: &'a Panel,
    /// The panel's.
    pub(in super::super) weights: &'a [f32],
    /// The rows of the map that these outputs need. A row begins with its left padding; its columns are [`Simd::PITCH`]
    /// values apart.
    pub(in super::super) ring: &'a Ring<'a>,
    /// Rows of the whole map, and rows of zeros above it.
    pub(in super::super) map: (usize, usize),
    /// Applied to each sum.
    pub(in super::super) act: Act,
    /// Which rows of outputs.
    pub(in super::super) rows: Range<usize>,
    /// Begins at the panel's first channel of the first row's first output; the outputs are `layer.channels` apart.
    pub(in super::super) output: &'a mut [f32],
    /// Number of outputs in a row.
    pub(in super::super) count: usize,
    /// One value per channel of the panel, to which all outputs are added.
    pub(in super::super) sums: &'a mut [f32],
}

/// Computes the rows.
pub(in super::super) fn depthwise<S: Simd>(simd: S, rows: DepthwiseRows<'_>) {
    let DepthwiseRows { layer, panel, weights, ring, map: (height, above), act, rows, output, count, sums } = rows;
    let Depthwise { kernel, stride, channels, .. } = *layer;
    let width = panel.shape.width::<S>();
    let bias = &layer.bias[panel.first..][..width];
    assert!(count > 0 && !rows.is_empty() && above < kernel && S::PITCH >= width && channels >= width);
    assert!(ring.row_len() >= ((count - 1) * stride + kernel - 1) * S::PITCH + width);
    assert_eq!(ring.values().len(), ring.slots() * ring.row_len());
    assert!(weights.len() >= kernel * kernel * S::PITCH);
    assert!(output.len() >= (rows.len() * count - 1) * channels + width && sums.len() >= width);

    let mut args = Args {
        ring: ring.values().as_ptr(),
        slots: ring.slots(),
        row: ring.row_len(),
        height,
        above,
        weights: weights.as_ptr(),
        shape: panel.shape,
        bias: bias.as_ptr(),
        act,
        rows,
        output: output.as_mut_ptr(),
        count,
        channels,
        sums: sums.as_mut_ptr(),
        first: 0,
        tiles: 0,
    };
    for (tiles, outputs) in pieces(count, OUTPUTS) {
        if tiles == 0 {
            continue;
        }
        args.tiles = tiles;
        // SAFETY: the assertions above are the kernel's conditions for all outputs; the pieces add up to them.
        unsafe { dispatch(simd, kernel, stride, outputs, &args) };
        args.first += tiles * outputs;
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
    ring: *const f32,
    slots: usize,
    /// Values of a row of the ring.
    row: usize,
    height: usize,
    above: usize,
    weights: *const f32,
    shape: Shape,
    bias: *const f32,
    act: Act,
    rows: Range<usize>,
    output: *mut f32,
    count: usize,
    channels: usize,
    sums: *mut f32,
    /// The first output of each row that is to be computed.
    first: usize,
    tiles: usize,
}

/// In each of `args.rows` `args.tiles` times `N` outputs of all channels of the panel, with a kernel of `K` x `K` and that
/// stride.
///
/// # Safety
/// The panel's channels at each column of each of the ring's slots that the outputs `first..first + tiles * N` of a row
/// need, at each output, at bias and sums, and at each of the `K * K` weights.
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
        let args = self.0;
        // SAFETY: the vectors of a panel lie side by side; a slot is one of the ring's, whatever row it holds.
        unsafe {
            for (number, y) in args.rows.clone().enumerate() {
                let mut taps = Taps { inputs: [std::ptr::null(); K], weights: args.weights, rows: 0 };
                // Row `k` of the kernel meets row `y * STRIDE + k - above` of the map, where there is one.
                let first = args.above.saturating_sub(y * STRIDE);
                let end = (args.height + args.above).saturating_sub(y * STRIDE).min(K);
                let mut slot = (y * STRIDE + first - args.above) % args.slots;
                for input in taps.inputs.iter_mut().take(end.saturating_sub(first)) {
                    *input = args.ring.add(slot * args.row + args.first * STRIDE * S::PITCH);
                    taps.rows += 1;
                    slot = if slot + 1 == args.slots { 0 } else { slot + 1 };
                }
                taps.weights = args.weights.add(first * K * S::PITCH);
                let output = args.output.add((number * args.count + args.first) * args.channels);
                for tile in 0..args.tiles {
                    for v in 0..args.shape.full {
                        self.vector::<S, S::Full, A>(&taps, output, tile, v * S::Full::LENGTH);
                    }
                    for v in 0..args.shape.half {
                        let channel = args.shape.full * S::Full::LENGTH + v * LANES;
                        self.vector::<S, S::Half, A>(&taps, output, tile, channel);
                    }
                }
            }
        }
    }

    /// One tile's outputs of one vector of channels, which begins at `channel` of the panel.
    ///
    /// # Safety
    /// That of [`Tiles`], within [`Simd::run`].
    #[inline(always)]
    unsafe fn vector<S: Simd, V: Vector, A: Apply>(
        &self,
        taps: &Taps<K>,
        output: *mut f32,
        tile: usize,
        channel: usize,
    ) {
        let args = self.0;
        // SAFETY: the caller's; column `column` exists because it is at most `(N - 1) * STRIDE + K - 1`.
        unsafe {
            let mut filtered = [V::load(args.bias.add(channel)); N];
            for row in 0..taps.rows {
                let weights = taps.weights.add(row * K * S::PITCH + channel);
                let input = taps.inputs[row].add(tile * N * STRIDE * S::PITCH + channel);
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
            let output = output.add(tile * N * args.channels + channel);
            unrolled!(at < N, {
                let value = A::apply(filtered[at]);
                total = total.add(value);
                value.store(output.add(at * args.channels));
            });
            total.add(V::load(args.sums.add(channel))).store(args.sums.add(channel));
        }
    }
}

/// Those rows of a kernel that meet the map.
struct Taps<const K: usize> {
    /// The row of the map that each meets.
    inputs: [*const f32; K],
    /// The weights of the first.
    weights: *const f32,
    /// How many there are.
    rows: usize,
}
