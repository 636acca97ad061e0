//! The rows that a block's depthwise convolution reads, made from top to bottom, one panel of channels at a time.

use std::ops::Range;

use super::ahead::Ahead;
use super::kernels::{Act, Output, Pixels, Place, Simd, multiply};
use super::pack::{Dense, Panel};
use super::plan::{BlockPlan, COLORS, MAX_STEM, Plan, Stem, Widen};
use super::ring::Ring;

/// Where the rows of one panel come from.
pub(super) struct Source<'a> {
    block: &'a BlockPlan,
    act: Act,
    /// The network's.
    weights: &'a [f32],
    /// The block's input.
    input: &'a [f32],
    /// The picture's rows, where the block is the one after the stem.
    picture: Option<PictureRows<'a>>,
}

impl<'a> Source<'a> {
    /// `input` is the block's, `picture` the network's, `room` is for the rows of the picture.
    pub(super) fn new(
        plan: &'a Plan,
        block: &'a BlockPlan,
        input: &'a [f32],
        picture: &'a [f32],
        room: &'a mut [f32],
    ) -> Self {
        let picture = match &block.widen {
            Widen::Stem(stem) => Some(PictureRows::new(stem, plan.side, block.side, picture, room)),
            Widen::Expand(_) | Widen::Copy => None,
        };
        Self { block, act: plan.act, weights: &plan.weights, input, picture }
    }

    /// Makes these rows of the panel with that number in `ring`. They are asked for from the first to the last. With each
    /// product the next piece of `ahead` is brought to the cache on the side.
    pub(super) fn rows<S: Simd>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        (number, panel): (usize, &Panel),
        ring: &mut Ring<'_>,
        ahead: &mut Ahead<'_>,
    ) {
        let BlockPlan { side, channels_in, padding: (before, _), .. } = *self.block;
        let row = ring.row_len();
        let count = rows.len();
        let weights = |dense: &Dense| &self.weights[dense.panels[number].weights.clone()];
        let values = &mut ring.rows_mut(rows.clone())[before * panel.step..];
        match (&self.block.widen, &mut self.picture) {
            (Widen::Stem(stem), Some(picture)) => {
                let (length, step) = (stem.kernel * COLORS, stem.stride * COLORS);
                for (y, values) in rows.zip(values.chunks_mut(row)) {
                    let (segments, ahead) = picture.of(y);
                    let pixels = Pixels { segments: &segments[..stem.kernel], length, step, count: side };
                    let output = Output { values, place: Place::Step(panel.step), act: self.act, residual: None };
                    multiply(simd, pixels, (&stem.dense, number), weights(&stem.dense), output, ahead);
                }
            }
            (Widen::Expand(dense), _) => {
                let segments = [&self.input[rows.start * side * channels_in..]];
                let count = count * side;
                let pixels = Pixels { segments: &segments, length: dense.inputs, step: channels_in, count };
                let place = match self.block.band.rows {
                    1 => Place::Step(panel.step),
                    _ => Place::Listed(&self.block.band.places),
                };
                let output = Output { values, place, act: self.act, residual: None };
                multiply(simd, pixels, (dense, number), weights(dense), output, ahead.next());
            }
            _ => {
                let pixels = self.input[rows.start * side * channels_in..].chunks_exact(channels_in);
                let rows = values.chunks_mut(row).flat_map(|row| row.chunks_mut(panel.step).take(side));
                for (to, pixel) in rows.zip(pixels) {
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
            let row = &mut self.ring.rows_mut(self.filled..self.filled + 1)[before * COLORS..][..length];
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
