//! The geometry of a picture: its components and the blocks they are made of.

use super::{
    super::{Limits, Reason},
    source::Halt,
};

/// Samples per block side.
pub(super) const BLOCK: usize = 8;

/// libjpeg's limit on both sides of a picture, in pixels.
const MAX_SIDE: u64 = 65_500;

/// libjpeg's limit on the components of a frame.
const MAX_COMPONENTS: usize = 10;

/// The most blocks that one MCU may have (T.81, B.2.3).
pub(super) const MAX_MCU_BLOCKS: usize = 10;

/// One colour component of the frame.
pub(super) struct Component {
    /// The identifier that scans call it by.
    pub(super) id: u8,
    /// Horizontal and vertical sampling factors, 1 to 4.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Which quantisation table it uses.
    pub(super) quant_index: u8,
    /// The table as it stood when the component's first scan began; `None` while it had no scan.
    pub(super) quant: Option<[u16; 64]>,
    /// Which entropy tables its current scan uses.
    pub(super) dc_table: usize,
    pub(super) ac_table: usize,
    /// Blocks that hold picture samples.
    pub(super) blocks_wide: usize,
    pub(super) blocks_high: usize,
    /// Size in samples.
    pub(super) width: usize,
    pub(super) height: usize,
}

/// How the coefficients are coded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Coding {
    pub(super) progressive: bool,
    pub(super) arithmetic: bool,
}

impl Coding {
    /// Sequential and Huffman-coded.
    pub(super) const BASELINE: Self = Self { progressive: false, arithmetic: false };
}

/// The frame header (T.81, B.2.2) with what follows from it.
pub(super) struct Frame {
    pub(super) coding: Coding,
    pub(super) precision: u8,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
    /// The largest sampling factors of all components.
    pub(super) max_h: usize,
    pub(super) max_v: usize,
    /// MCUs of an interleaved scan.
    pub(super) mcus_wide: usize,
    pub(super) mcus_high: usize,
}

impl Frame {
    /// The header as read, before [`Frame::lay_out`].
    pub(super) fn new(coding: Coding, precision: u8, width: usize, height: usize) -> Self {
        let components = Vec::new();
        Self { coding, precision, width, height, components, max_h: 1, max_v: 1, mcus_wide: 0, mcus_high: 0 }
    }

    /// Adds a component as the header describes it.
    pub(super) fn push(&mut self, id: u8, sampling: u8, quant_index: u8) {
        self.components.push(Component {
            id,
            h: usize::from(sampling >> 4),
            v: usize::from(sampling & 15),
            quant_index,
            quant: None,
            dc_table: 0,
            ac_table: 0,
            blocks_wide: 0,
            blocks_high: 0,
            width: 0,
            height: 0,
        });
    }

    /// Checks the header at the first scan, as libjpeg does, and computes the sizes of everything.
    pub(super) fn lay_out(&mut self, limits: &Limits) -> Result<(), Halt> {
        limits.admit_sides(self.width, self.height, MAX_SIDE).map_err(Halt::excess)?;
        if self.precision != 8 {
            let detail = format!("{} bits per sample; only 8 are supported", self.precision);
            return Err(Halt::failed(Reason::UnsupportedCoding, detail));
        }
        if self.components.len() > MAX_COMPONENTS {
            return Err(Halt::header(format!("{} colour components", self.components.len())));
        }
        let valid = 1..=4;
        if let Some(odd) = self.components.iter().find(|c| !valid.contains(&c.h) || !valid.contains(&c.v)) {
            return Err(Halt::header(format!("sampling factors {} x {}", odd.h, odd.v)));
        }
        self.max_h = self.components.iter().map(|c| c.h).max().unwrap_or(1);
        self.max_v = self.components.iter().map(|c| c.v).max().unwrap_or(1);
        self.mcus_wide = self.width.div_ceil(self.max_h * BLOCK);
        self.mcus_high = self.height.div_ceil(self.max_v * BLOCK);
        for component in &mut self.components {
            component.blocks_wide = (self.width * component.h).div_ceil(self.max_h * BLOCK);
            component.blocks_high = (self.height * component.v).div_ceil(self.max_v * BLOCK);
            component.width = (self.width * component.h).div_ceil(self.max_h);
            component.height = (self.height * component.v).div_ceil(self.max_v);
        }
        Ok(())
    }
}

/// The scan header (T.81, B.2.3).
#[derive(Clone, Default)]
pub(super) struct ScanHeader {
    /// Indices into the frame's components.
    pub(super) components: Vec<usize>,
    /// First and last coefficient of the band, in zigzag order.
    pub(super) first: u8,
    pub(super) last: u8,
    /// Successive approximation: the bit position sent before (0 for none) and the one sent now.
    pub(super) high: u8,
    pub(super) low: u8,
}

impl ScanHeader {
    /// Whether band and bits are the ones of a sequential scan.
    pub(super) fn is_sequential(&self) -> bool {
        (self.first, self.last, self.high, self.low) == (0, 63, 0, 0)
    }
}
