//! Runs one scan: which block comes next, restarts, and which entropy decoder.

use super::{
    arithmetic::Arithmetic,
    bits::{Careful, Fast},
    frame::{Frame, MAX_MCU_BLOCKS, ScanHeader},
    markers::Headers,
    progressive::{self, Precision, Progressive},
    sequential::Sequential,
    source::{Halt, Source},
};

/// The decoder that a scan's coding asks for.
enum Entropy {
    Sequential(Sequential),
    Progressive(Progressive),
    Arithmetic(Box<Arithmetic>),
}

impl Entropy {
    /// Whether the rest of the restart interval is to be left as it is.
    fn spent(&self) -> bool {
        match self {
            Self::Sequential(decoder) => decoder.bits.exhausted,
            Self::Progressive(decoder) => decoder.bits.exhausted,
            Self::Arithmetic(decoder) => decoder.failed(),
        }
    }

    /// Whether whole bytes were read ahead that no block needed. libjpeg drops them without a word.
    fn left_over(&self) -> bool {
        match self {
            Self::Sequential(decoder) => decoder.bits.whole_bytes() > 0,
            Self::Progressive(decoder) => decoder.bits.whole_bytes() > 0,
            Self::Arithmetic(_) => false,
        }
    }

    /// Goes past a restart marker.
    fn restart(&mut self, source: &mut Source) -> Result<(), Halt> {
        let bits = match self {
            Self::Sequential(decoder) => Some(&mut decoder.bits),
            Self::Progressive(decoder) => Some(&mut decoder.bits),
            Self::Arithmetic(_) => None,
        };
        if let Some(bits) = bits {
            bits.discard(source);
            source.restart()?;
            // Smack up against another marker the next interval is empty, and nothing better can come.
            bits.exhausted &= source.unread_marker != 0;
        } else {
            source.restart()?;
        }
        match self {
            Self::Sequential(decoder) => decoder.reset(),
            Self::Progressive(decoder) => decoder.reset(),
            Self::Arithmetic(decoder) => decoder.reset(),
        }
        Ok(())
    }

    #[inline]
    fn block(&mut self, source: &mut Source, lane: usize, block: &mut [i16; 64]) -> Result<(), Halt> {
        match self {
            Self::Sequential(decoder) => decoder.block::<Careful>(source, lane, block),
            Self::Progressive(decoder) => decoder.block(source, lane, block),
            Self::Arithmetic(decoder) => decoder.block(source, lane, block),
        }
    }
}

/// Takes the blocks of a scan.
pub(super) trait Sink {
    /// Where block (`x`, `y`) of `component` is to be decoded to; it may lie outside the picture, in the padding of the
    /// last MCU.
    fn block(&mut self, component: usize, x: usize, y: usize) -> &mut [i16; 64];

    /// The block that was asked for last is complete.
    fn done(&mut self, component: usize, x: usize, y: usize);
}

/// What a block costs beside its coefficients, and a scan beside its blocks, in coefficients.
const PER_BLOCK: u64 = 7;
const PER_SCAN: u64 = 4096;

/// A scan that is ready to run.
pub(super) struct Scan {
    entropy: Entropy,
    layout: Layout,
    /// MCUs between restart markers; 0 for none.
    interval: u32,
    /// Coefficients of each block.
    band: u64,
}

impl Scan {
    /// Prepares the scan whose header was read last.
    pub(super) fn begin(headers: &mut Headers, precision: &mut [Precision], source: &mut Source) -> Result<Self, Halt> {
        let Headers { frame: Some(frame), tables, scan, scans, .. } = headers else {
            return Err(Halt::header("a scan before any frame header"));
        };
        let layout = Layout::of(scan, frame)?;
        latch_quantisation(frame, scan, &tables.quant)?;
        if frame.coding.progressive {
            progressive::begin(scan, *scans, precision, source)?;
        }
        let entropy = if frame.coding.arithmetic {
            Entropy::Arithmetic(Box::new(Arithmetic::new(scan, frame, tables, source)))
        } else if frame.coding.progressive {
            Entropy::Progressive(Progressive::new(scan, frame, tables)?)
        } else {
            Entropy::Sequential(Sequential::new(scan, frame, tables, source)?)
        };
        let band = if frame.coding.progressive { u64::from(scan.last - scan.first) + 1 } else { 64 };
        Ok(Self { entropy, layout, interval: u32::from(tables.restart_interval), band })
    }

    /// How much there is to do at most. The unit is what it takes to look at one coefficient.
    pub(super) fn work(&self) -> u64 {
        self.layout.blocks() * (self.band + PER_BLOCK) + PER_SCAN
    }

    /// Decodes all blocks into `sink`, up to the marker that ends the scan.
    ///
    /// Returns the last row of the frame's MCUs for which there still was data.
    pub(super) fn run(mut self, source: &mut Source, sink: &mut impl Sink) -> Result<usize, Halt> {
        let Self { entropy, layout, interval, .. } = &mut self;
        // libjpeg's arithmetic decoder never says that the data ran out.
        let mut last_good_row = if matches!(entropy, Entropy::Arithmetic(_)) { usize::MAX } else { 0 };
        let mut until_restart = *interval;
        'rows: for mcu_y in 0..layout.mcus_high {
            source.look_at_the_clock()?;
            for mcu_x in 0..layout.mcus_wide {
                if !entropy.spent() {
                    last_good_row = last_good_row.max(mcu_y / layout.rows_per_frame_row);
                }
                if *interval > 0 {
                    if until_restart == 0 {
                        entropy.restart(source)?;
                        until_restart = *interval;
                    }
                    until_restart -= 1;
                }
                if entropy.spent() {
                    if *interval == 0 {
                        break 'rows; // nothing can come any more
                    }
                    continue;
                }
                match entropy {
                    Entropy::Sequential(decoder) if *interval == 0 && layout.is_far_from_end(source) => {
                        fast_mcu(decoder, layout, (mcu_x, mcu_y), source, sink)?;
                    }
                    _ => layout.each(mcu_x, mcu_y, |_, lane, component, x, y| {
                        entropy.block(source, lane, sink.block(component, x, y))?;
                        sink.done(component, x, y);
                        Ok(())
                    })?,
                }
            }
        }
        if entropy.left_over() {
            source.warnings.note("stray bytes after the last block of a scan");
        }
        source.sync();
        Ok(last_good_row)
    }
}

/// Decodes an MCU in the fast way and, if that stumbles over an FF, again in the careful way.
///
/// As in libjpeg-turbo, coefficients that only the first try found stay: where FF FF 00 stands for one byte, the fast way
/// goes on with zero bits, and those can mean something.
fn fast_mcu(
    decoder: &mut Sequential,
    layout: &Layout,
    (mcu_x, mcu_y): (usize, usize),
    source: &mut Source,
    sink: &mut impl Sink,
) -> Result<(), Halt> {
    let start = decoder.checkpoint(source);
    layout.each(mcu_x, mcu_y, |_, lane, component, x, y| {
        decoder.block::<Fast>(source, lane, sink.block(component, x, y))?;
        sink.done(component, x, y);
        Ok(())
    })?;
    if !decoder.bits.stumbled {
        return Ok(());
    }
    let mut blocks = [[0; 64]; MAX_MCU_BLOCKS];
    decoder.restore(&start, source);
    layout.each(mcu_x, mcu_y, |n, lane, component, x, y| {
        blocks[n] = *sink.block(component, x, y);
        decoder.block::<Fast>(source, lane, &mut blocks[n])
    })?;
    decoder.restore(&start, source);
    layout.each(mcu_x, mcu_y, |n, lane, component, x, y| {
        decoder.block::<Careful>(source, lane, &mut blocks[n])?;
        *sink.block(component, x, y) = blocks[n];
        sink.done(component, x, y);
        Ok(())
    })
}

/// Components keep the quantisation table that is current at their first scan.
fn latch_quantisation(frame: &mut Frame, scan: &ScanHeader, tables: &[Option<[u16; 64]>; 4]) -> Result<(), Halt> {
    for &index in &scan.components {
        let component = &mut frame.components[index];
        if component.quant.is_none() {
            let number = component.quant_index;
            let Some(Some(table)) = tables.get(usize::from(number)) else {
                return Err(Halt::header(format!("quantisation table {number} is not defined")));
            };
            component.quant = Some(*table);
        }
    }
    Ok(())
}

/// The order of a scan's blocks.
struct Layout {
    mcus_wide: usize,
    mcus_high: usize,
    /// How many rows of this scan's MCUs make one of the whole frame's.
    rows_per_frame_row: usize,
    /// Component, and its blocks per MCU in x and y.
    parts: Vec<(usize, usize, usize)>,
}

impl Layout {
    /// Calls `work` for each block of an MCU, with its number there, the component's place in the scan, the component
    /// and the block's position in it.
    #[inline]
    fn each(
        &self,
        mcu_x: usize,
        mcu_y: usize,
        mut work: impl FnMut(usize, usize, usize, usize, usize) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let mut number = 0;
        for (lane, &(component, wide, high)) in self.parts.iter().enumerate() {
            for y in mcu_y * high..(mcu_y + 1) * high {
                for x in mcu_x * wide..(mcu_x + 1) * wide {
                    work(number, lane, component, x, y)?;
                    number += 1;
                }
            }
        }
        Ok(())
    }

    /// How many blocks there are, the padding of the last MCUs included.
    fn blocks(&self) -> u64 {
        let per_mcu: usize = self.parts.iter().map(|(_, wide, high)| wide * high).sum();
        (self.mcus_wide * self.mcus_high * per_mcu) as u64
    }

    /// Whether even the longest possible MCU cannot reach the end of the file; then libjpeg-turbo takes the fast way.
    fn is_far_from_end(&self, source: &Source) -> bool {
        const LONGEST_BLOCK: usize = 512;
        let blocks: usize = self.parts.iter().map(|(_, wide, high)| wide * high).sum();
        source.unread_marker == 0 && source.data.len() - source.position >= LONGEST_BLOCK * blocks
    }

    fn of(scan: &ScanHeader, frame: &Frame) -> Result<Self, Halt> {
        if let [index] = scan.components[..] {
            let component = &frame.components[index];
            return Ok(Self {
                mcus_wide: component.blocks_wide,
                mcus_high: component.blocks_high,
                rows_per_frame_row: component.v,
                parts: vec![(index, 1, 1)],
            });
        }
        let part = |&index: &usize| (index, frame.components[index].h, frame.components[index].v);
        let parts: Vec<_> = scan.components.iter().map(part).collect();
        let blocks: usize = parts.iter().map(|(_, wide, high)| wide * high).sum();
        if blocks > MAX_MCU_BLOCKS {
            return Err(Halt::header(format!("{blocks} blocks in an MCU; the limit is {MAX_MCU_BLOCKS}")));
        }
        Ok(Self { mcus_wide: frame.mcus_wide, mcus_high: frame.mcus_high, rows_per_frame_row: 1, parts })
    }
}
