//! A worker's memory: allocated once, used again for every picture.

use super::aligned::Aligned;
use super::plan::{BlockPlan, COLORS, Plan, Widen};

/// Room for everything between a picture and its feature.
///
/// What an earlier picture left here is never read: every buffer is written, or zeroed, before it is read.
pub(super) struct Scratch {
    /// A block's input.
    pub(super) input: Aligned,
    /// A block's output, swapped with `input` after each block.
    pub(super) output: Aligned,
    /// What the depthwise convolution makes.
    pub(super) wide: Aligned,
    /// The rows of one panel that the depthwise convolution is about to read.
    pub(super) ring: Aligned,
    /// The rows of the picture that the stem is about to read.
    pub(super) picture: Aligned,
    /// Sums, and later factors, of the channels.
    pub(super) pool: Aligned,
    /// The squeezed channels.
    pub(super) squeezed: Aligned,
    /// The factors of the channels.
    pub(super) gates: Aligned,
    /// The weights of `project`, each row times its factor.
    pub(super) scaled: Aligned,
}

impl Scratch {
    pub(super) fn new(plan: &Plan) -> Self {
        let map = plan.largest(BlockPlan::narrow_map);
        let wide = plan.largest(|block| block.depthwise.channels);
        let widest = |block: &BlockPlan| block.depthwise.panels.iter().map(|panel| panel.step).max().unwrap_or(0);
        let ring = plan.largest(|block| block.band.slots * block.columns() * widest(block));
        let picture = plan.largest(|block| match &block.widen {
            Widen::Stem(stem) => (stem.kernel + 1) * stem.columns(plan.side, block.side) * COLORS,
            Widen::Expand(_) | Widen::Copy => 0,
        });
        let squeezed = |block: &BlockPlan| block.squeeze_excite.as_ref().map_or(0, |layers| layers.reduce.channels);
        Self {
            input: Aligned::zeros(map),
            output: Aligned::zeros(map),
            wide: Aligned::zeros(plan.largest(BlockPlan::wide_map)),
            ring: Aligned::zeros(ring),
            picture: Aligned::zeros(picture),
            pool: Aligned::zeros(wide),
            squeezed: Aligned::zeros(plan.largest(squeezed)),
            gates: Aligned::zeros(wide),
            scaled: Aligned::zeros(
                plan.largest(|block| block.project.panels.iter().map(|panel| panel.weights.len()).sum()),
            ),
        }
    }
}
