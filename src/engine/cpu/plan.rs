//! The network as the kernels see it: shapes settled, weights packed. Made once by [`build`](super::build), shared by all
//! workers.

use super::aligned::Aligned;
use super::kernels::{Act, Places};
use super::pack::{Dense, Depthwise};

/// Red, green, blue.
pub(super) const COLORS: usize = 3;

/// The largest kernel of a stem.
pub(super) const MAX_STEM: usize = 3;

/// What fills the rows that a block's depthwise convolution reads.
pub(super) enum Widen {
    /// The stem, from the picture.
    Stem(Stem),
    /// The block's 1x1 expansion, from the block's input.
    Expand(Dense),
    /// The block's input itself.
    Copy,
}

/// The first convolution.
pub(super) struct Stem {
    pub(super) dense: Dense,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Rows and columns of zeros before the picture.
    pub(super) before: usize,
}

impl Stem {
    /// Columns of a row of the picture with all the padding that `outputs` outputs reach.
    pub(super) fn columns(&self, side: usize, outputs: usize) -> usize {
        ((outputs - 1) * self.stride + self.kernel).max(self.before + side)
    }
}

/// Squeeze-excite's two layers, which work on a single pixel.
pub(super) struct SqueezeExcite {
    pub(super) reduce: Dense,
    pub(super) expand: Dense,
    pub(super) act: Act,
}

/// One MBConv block with everything that its shape decides.
pub(super) struct BlockPlan {
    pub(super) widen: Widen,
    pub(super) depthwise: Depthwise,
    pub(super) squeeze_excite: Option<SqueezeExcite>,
    pub(super) project: Dense,
    pub(super) residual: bool,
    /// Height and width of the map that the depthwise convolution reads, in pixels.
    pub(super) side: usize,
    /// Of the map that it makes.
    pub(super) side_out: usize,
    /// Columns and rows of zeros before and after the map that it reads.
    pub(super) padding: (usize, usize),
    /// Which rows of that map exist at a time.
    pub(super) band: Band,
    /// Channels of the block's input as they lie in memory.
    pub(super) channels_in: usize,
}

impl BlockPlan {
    /// Values of the map that the depthwise convolution makes.
    pub(super) fn wide_map(&self) -> usize {
        self.side_out * self.side_out * self.depthwise.channels
    }

    /// Values of the block's output.
    pub(super) fn narrow_map(&self) -> usize {
        self.side_out * self.side_out * self.project.channels
    }

    /// How many rows of its results the depthwise convolution can make of the first `filled` rows of its map.
    pub(super) fn ready(&self, filled: usize) -> usize {
        let Depthwise { kernel, stride, .. } = self.depthwise;
        match (filled + self.padding.0).checked_sub(kernel) {
            _ if filled == self.side => self.side_out,
            Some(beyond_first) => (beyond_first / stride + 1).min(self.side_out),
            None => 0,
        }
    }

    /// Columns of a row with its padding.
    pub(super) fn columns(&self) -> usize {
        self.padding.0 + self.side + self.padding.1
    }
}

/// A map that is made some rows at a time, for one panel of channels.
pub(super) struct Band {
    /// Rows that are made at once.
    pub(super) rows: usize,
    /// Rows that there is room for: those, and as many as the kernel still needs of those before.
    pub(super) slots: usize,
    /// Where their pixels lie, from the first pixel of the first row on.
    pub(super) places: Places,
}

impl Band {
    /// As many rows of `side` pixels as fit into the L1 cache beside what else is needed, at least one. With its padding, a
    /// row has `columns` pixels of `step` values; a kernel of `kernel` rows reads them.
    pub(super) fn new(side: usize, columns: usize, step: usize, kernel: usize) -> Self {
        let slots = |rows: usize| match rows {
            rows if rows >= side => side,
            rows => (rows + kernel - 1).next_multiple_of(rows),
        };
        let fits = |rows: &usize| slots(*rows) * columns * step * size_of::<f32>() <= BAND_LIMIT;
        let rows = (1..=side).rev().find(fits).unwrap_or(1);
        let places =
            Places::new((0..rows * side).map(|pixel| (pixel / side * columns + pixel % side) * step).collect());
        Self { rows, slots: slots(rows), places }
    }
}

/// Bytes that a band may take.
const BAND_LIMIT: usize = 16 << 10;

/// A whole network.
pub(super) struct Plan {
    /// Height and width of a picture, in pixels.
    pub(super) side: usize,
    pub(super) act: Act,
    pub(super) blocks: Vec<BlockPlan>,
    pub(super) head: Dense,
    /// The weights of all layers, in the order in which they are read.
    pub(super) weights: Aligned,
    /// Height, width and channels of a feature.
    pub(super) feature: [usize; 3],
}

impl Plan {
    /// The largest of what `size` says of each block.
    pub(super) fn largest(&self, size: impl Fn(&BlockPlan) -> usize) -> usize {
        self.blocks.iter().map(size).max().unwrap_or(0)
    }
}
