//! Weights on their way to the cache.
//!
//! A network's weights are larger than an L2 cache, so each of them comes from the L3 cache or from memory for every
//! picture. The processor fetches on its own only within a page. So the kernels ask for what is needed next while they
//! compute, a little with each row.

use super::kernels::LINE;
use super::plan::{BlockPlan, Widen};

/// What will be read after the present panel, cut into as many pieces as there are products to compute.
pub(super) struct Ahead<'a> {
    rest: [&'a [f32]; 5],
    piece: usize,
}

impl<'a> Ahead<'a> {
    /// What the rest of `block` reads, up to the first panel of its `project`.
    pub(super) fn new(block: &'a BlockPlan) -> Self {
        let Widen::Expand(expand) = &block.widen else { return Self { rest: [&[]; 5], piece: 0 } };
        let [reduce, gate] = (block.squeeze_excite.as_ref())
            .map_or([&[][..]; 2], |layers| [&layers.reduce.weights, &layers.expand.weights]);
        let rest = [
            &block.depthwise.weights[..],
            &expand.weights[expand.panels[0].weights.end..],
            reduce,
            gate,
            &block.project.weights[block.project.panels[0].weights.clone()],
        ];
        let pieces = expand.panels.len() * block.side.div_ceil(block.band.rows);
        let piece = rest.iter().map(|part| part.len()).sum::<usize>().div_ceil(pieces).next_multiple_of(LINE);
        Self { rest, piece }
    }

    /// The next piece.
    pub(super) fn next(&mut self) -> &'a [f32] {
        let Some(part) = self.rest.iter_mut().find(|part| !part.is_empty()) else { return &[] };
        let (piece, rest) = part.split_at(self.piece.min(part.len()));
        *part = rest;
        piece
    }
}
