//! The rows that a block's depthwise convolution reads, made from top to bottom, one panel of channels at a time.

use super::ahead::Ahead;
use super::kernels::{Act, Output, Pixels, Simd, multiply};
use super::pack::Panel;
use super::plan::{BlockPlan, COLORS, MAX_STEM, Plan, Stem, Widen};
use super::ring::Ring;

/// Where the rows of one panel come from.
pub(super) struct Source<'a> {
    block: &'a BlockPlan,
    act: Act,
    /// The block's input.
    input: &'a [f32],
    made: Made<'a>,
}

/// What is kept from one row to the next.
enum Made<'a> {
    /// The picture's rows, where the block is the one after the stem.
    Picture(PictureRows<'a>),
    /// The panel's whole map, without padding, made with its first row.
    Map(&'a mut [f32]),
    Nothing,
}

impl<'a> Source<'a> {
    /// `input` is the block's, `picture` the network's, `room` is for what is kept.
    pub(super) fn new(
        plan: &Plan,
        block: &'a BlockPlan,
        input: &'a [f32],
        picture: &'a [f32],
        room: &'a mut [f32],
    ) -> Self {
        let made = match &block.widen {
            Widen::Stem(stem) => Made::Picture(PictureRows::new(stem, plan.side, block.side, picture, room)),
            Widen::ExpandMap(_) => Made::Map(room),
            Widen::Expand(_) | Widen::Copy => Made::Nothing,
        };
        Self { block, act: plan.act, input, made }
    }

    /// Writes row `y` of the panel with that number to `row`, whose pixels are `panel.step` values apart. The rows are asked
    /// for from the first to the last. With each product the next piece of `ahead` is brought to the cache on the side.
    pub(super) fn row<S: Simd>(
        &mut self,
        simd: S,
        y: usize,
        number: usize,
        panel: &Panel,
        row: &mut [f32],
        ahead: &mut Ahead<'_>,
    ) {
        let BlockPlan { side, channels_in, .. } = *self.block;
        let output = |values| Output { values, step: panel.step, act: self.act, residual: None };
        match (&self.block.widen, &mut self.made) {
            (Widen::Stem(stem), Made::Picture(picture)) => {
                let (segments, ahead) = picture.of(y);
                let (length, step) = (stem.kernel * COLORS, stem.stride * COLORS);
                let pixels = Pixels { segments: &segments[..stem.kernel], length, step, count: side };
                multiply(simd, pixels, &stem.dense, &stem.dense.weights, number, output(row), ahead);
            }
            (Widen::Expand(dense), _) => {
                let segments = [&self.input[y * side * channels_in..]];
                let pixels = Pixels { segments: &segments, length: dense.inputs, step: channels_in, count: side };
                multiply(simd, pixels, dense, &dense.weights, number, output(row), ahead.next());
            }
            (Widen::ExpandMap(dense), Made::Map(map)) => {
                let length = side * panel.step;
                let map = &mut map[..side * length];
                if y == 0 {
                    let count = side * side;
                    let pixels = Pixels { segments: &[self.input], length: dense.inputs, step: channels_in, count };
                    multiply(simd, pixels, dense, &dense.weights, number, output(map), ahead.next());
                }
                row[..length].copy_from_slice(&map[y * length..][..length]);
            }
            _ => {
                let pixels = self.input[y * side * channels_in..].chunks_exact(channels_in).take(side);
                for (pixel, to) in pixels.zip(row.chunks_exact_mut(panel.step)) {
                    to[..panel.width()].copy_from_slice(&pixel[panel.first..][..panel.width()]);
                }
            }
        }
    }
}

/// The picture's rows with zeros around them, copied shortly before the stem reads them.
struct PictureRows<'a> {
    stem: &'a Stem,
    side: usize,
    picture: &'a [f32],
    ring: Ring<'a>,
    zeros: &'a [f32],
    filled: usize,
}

impl<'a> PictureRows<'a> {
    fn new(stem: &'a Stem, side: usize, outputs: usize, picture: &'a [f32], room: &'a mut [f32]) -> Self {
        let columns = stem.columns(side, outputs);
        let (zeros, ring) = room.split_at_mut(columns * COLORS);
        zeros.fill(0.0);
        let ring = Ring::new(ring, stem.kernel, columns, COLORS, (stem.before, columns - stem.before - side));
        Self { stem, side, picture, ring, zeros, filled: 0 }
    }

    /// The rows, in their first `stem.kernel` places, that row `y` of the stem's outputs is made of; and those of the
    /// picture that the next row of outputs needs besides.
    fn of(&mut self, y: usize) -> ([&[f32]; MAX_STEM], &[f32]) {
        let Stem { kernel, stride, before, .. } = *self.stem;
        let (top, length) = (y * stride, self.side * COLORS);
        while self.filled < (top + kernel - before).min(self.side) {
            let row = &mut self.ring.row_mut(self.filled)[before * COLORS..][..length];
            row.copy_from_slice(&self.picture[self.filled * length..][..length]);
            self.filled += 1;
        }
        let next = &self.picture[self.filled * length..];
        let mut rows = [self.zeros; MAX_STEM];
        for (k, row) in rows.iter_mut().enumerate().take(kernel) {
            if let Some(y) = (top + k).checked_sub(before).filter(|y| *y < self.side) {
                *row = self.ring.row(y);
            }
        }
        (rows, &next[..next.len().min(stride * length)])
    }
}
