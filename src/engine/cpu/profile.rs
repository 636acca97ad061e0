//! Where the time of a pass goes, for `cargo bench --bench kernels`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A kind of work within a block; the head counts as the block after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The rows that the depthwise convolution reads: stem or expand.
    Widen,
    /// The depthwise convolution.
    Depthwise,
    /// From the channels' sums to their factors.
    SqueezeExcite,
    /// Factors times weights or map.
    Scale,
    /// The 1x1 convolution that narrows.
    Project,
    /// The last convolution.
    Head,
}

/// Is told whenever a piece of work is done.
pub(super) trait Laps {
    /// The work since the last call was this part of that block.
    fn lap(&mut self, block: usize, part: Part);
}

/// Measures nothing, at no cost.
pub(super) struct Unmeasured;

impl Laps for Unmeasured {
    #[inline(always)]
    fn lap(&mut self, _: usize, _: Part) {}
}

/// The time of each part of each block.
#[derive(Clone, Debug)]
pub struct Profile {
    /// By number of the block, from 0.
    pub times: BTreeMap<(usize, Part), Duration>,
    last: Instant,
}

impl Profile {
    pub(super) fn start() -> Self {
        Self { times: BTreeMap::new(), last: Instant::now() }
    }
}

impl Laps for Profile {
    fn lap(&mut self, block: usize, part: Part) {
        let now = Instant::now();
        *self.times.entry((block, part)).or_default() += now - self.last;
        self.last = now;
    }
}
