//! Weights on their way to the cache.
//!
//! A network's weights are larger than an L2 cache, so each of them comes from the L3 cache or from memory for every
//! picture. The processor fetches on its own only within a page. So the kernels ask for what is needed next while they
//! compute, a little with each row.

use super::kernels::LINE;
use super::plan::{BlockPlan, Plan, Widen};

/// What will be read after the present panel, cut into as many pieces as there are products to compute.
pub(super) struct Ahead<'a> {
    rest: &'a [f32],
    piece: usize,
}

impl<'a> Ahead<'a> {
    /// What the rest of `block` reads, up to the first panel of its `project`.
    pub(super) fn new(plan: &'a Plan, block: &BlockPlan) -> Self {
        let Widen::Expand(expand) = &block.widen else { return Self { rest: &[], piece: 0 } };
        let rest = &plan.weights[expand.panels[0].weights.end..block.project.panels[0].weights.end];
        let pieces = expand.panels.len() * block.side.div_ceil(block.band.rows);
        Self { rest, piece: rest.len().div_ceil(pieces).next_multiple_of(LINE) }
    }

    /// The next piece.
    pub(super) fn next(&mut self) -> &'a [f32] {
        let (piece, rest) = self.rest.split_at(self.piece.min(self.rest.len()));
        self.rest = rest;
        piece
    }
}
