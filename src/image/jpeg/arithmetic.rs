//! Arithmetic-coded scans, sequential and progressive (T.81, annexes D, F.2.4 and G.2).

use super::{
    frame::{Coding, Frame, ScanHeader},
    source::{Halt, Source},
    states::STATES,
    tables::{Conditioning, Tables, ZIGZAG},
};

/// The statistics bin that always means "one half".
const FIXED: u8 = 113;

/// Bins per table (T.81, F.1.4.4).
const DC_BINS: usize = 64;
const AC_BINS: usize = 256;

/// Where the bins for the magnitude of an AC coefficient begin, in the low and in the high band.
const AC_LOW: usize = 189;
const AC_HIGH: usize = 217;

/// The binary decoder (T.81, D.2).
struct Coder {
    /// Code register and interval size.
    c: i64,
    a: i64,
    /// Bits left in the code register; -16 before the first byte, -1 after a damaged code.
    ct: i32,
}

impl Coder {
    const fn new() -> Self {
        Self { c: 0, a: 0, ct: -16 }
    }

    /// The next data byte; zero from the end of the segment on.
    fn byte(source: &mut Source) -> Result<u8, Halt> {
        if source.unread_marker != 0 {
            return source.invent();
        }
        let byte = source.byte()?;
        if byte != 0xff {
            return Ok(byte);
        }
        let byte = source.after_fill()?;
        if byte == 0 {
            return Ok(0xff);
        }
        source.unread_marker = byte; // not even a warning: arithmetic data may stop early
        Ok(0)
    }

    /// Decodes one binary decision with the statistics in `bin`.
    fn decide(&mut self, source: &mut Source, bin: &mut u8) -> Result<bool, Halt> {
        while self.a < 0x8000 {
            self.ct -= 1;
            if self.ct < 0 {
                self.c = self.c << 8 | i64::from(Self::byte(source)?);
                self.ct += 8;
                if self.ct < 0 {
                    self.ct += 1;
                    if self.ct == 0 {
                        self.a = 0x8000; // the two bytes of the beginning are in
                    }
                }
            }
            self.a <<= 1;
        }
        let state = &STATES[usize::from(*bin & 0x7f)];
        let size = i64::from(state.size);
        let mut likely = *bin >> 7 != 0;
        let after_likely = *bin & 0x80 | state.after_likely;
        let after_unlikely = (*bin & 0x80 ^ if state.exchange { 0x80 } else { 0 }) | state.after_unlikely;
        self.a -= size;
        let split = self.a << self.ct;
        if self.c >= split {
            self.c -= split;
            if self.a < size {
                *bin = after_likely;
            } else {
                *bin = after_unlikely;
                likely = !likely;
            }
            self.a = size;
        } else if self.a < 0x8000 {
            if self.a < size {
                *bin = after_unlikely;
                likely = !likely;
            } else {
                *bin = after_likely;
            }
        }
        Ok(likely)
    }
}

/// The state of one arithmetic-coded scan.
pub(super) struct Arithmetic {
    coder: Coder,
    fixed: u8,
    dc_bins: Vec<[u8; DC_BINS]>,
    ac_bins: Vec<[u8; AC_BINS]>,
    conditioning: [Conditioning; 16],
    /// Per component of the scan: table numbers, the DC value before and its context.
    lanes: Vec<Lane>,
    scan: ScanHeader,
    progressive: bool,
}

struct Lane {
    dc_table: usize,
    ac_table: usize,
    last_dc: i32,
    context: usize,
}

impl Arithmetic {
    pub(super) fn new(scan: &ScanHeader, frame: &Frame, tables: &Tables, source: &mut Source) -> Self {
        let Coding { progressive, .. } = frame.coding;
        if !progressive && !scan.is_sequential() {
            source.warnings.note("a sequential scan with progressive parameters");
        }
        let lane = |&index: &usize| {
            let component = &frame.components[index];
            Lane { dc_table: component.dc_table, ac_table: component.ac_table, last_dc: 0, context: 0 }
        };
        Self {
            coder: Coder::new(),
            fixed: FIXED,
            dc_bins: vec![[0; DC_BINS]; 16],
            ac_bins: vec![[0; AC_BINS]; 16],
            conditioning: tables.conditioning,
            lanes: scan.components.iter().map(lane).collect(),
            scan: scan.clone(),
            progressive,
        }
    }

    /// Begins a new restart interval, after the marker was dealt with.
    pub(super) fn reset(&mut self) {
        for lane in &mut self.lanes {
            if !self.progressive || self.scan.first == 0 && self.scan.high == 0 {
                self.dc_bins[lane.dc_table] = [0; DC_BINS];
                (lane.last_dc, lane.context) = (0, 0);
            }
            if !self.progressive || self.scan.first != 0 {
                self.ac_bins[lane.ac_table] = [0; AC_BINS];
            }
        }
        self.coder = Coder::new();
    }

    /// Whether damage was found: the rest of the interval stays as it is.
    pub(super) fn failed(&self) -> bool {
        self.coder.ct == -1
    }

    /// Adds what this scan knows about one block of the scan's component `lane`.
    pub(super) fn block(&mut self, source: &mut Source, lane: usize, block: &mut [i16; 64]) -> Result<(), Halt> {
        if self.failed() {
            return Ok(());
        }
        let low = u32::from(self.scan.low);
        if !self.progressive {
            if let Some(dc) = self.dc(source, lane)? {
                block[0] = dc as i16;
                self.first_ac(source, lane, block, (1, 63), 0)?;
            }
            return Ok(());
        }
        let band = (usize::from(self.scan.first), usize::from(self.scan.last));
        match (band.0, self.scan.high) {
            (0, 0) => {
                if let Some(dc) = self.dc(source, lane)? {
                    block[0] = (dc << low) as i16;
                }
                Ok(())
            }
            (0, _) => {
                if self.coder.decide(source, &mut self.fixed)? {
                    block[0] |= 1 << low;
                }
                Ok(())
            }
            (_, 0) => self.first_ac(source, lane, block, band, low),
            _ => self.refine_ac(source, lane, block, band, low),
        }
    }

    /// Notes a damaged code, which ends the interval.
    fn fail(&mut self, source: &mut Source) {
        source.warnings.note("an arithmetic code that means nothing");
        self.coder.ct = -1;
    }

    /// Decodes a DC value (T.81, F.2.4.1); `None` on damage.
    fn dc(&mut self, source: &mut Source, lane: usize) -> Result<Option<i32>, Halt> {
        let lane = &mut self.lanes[lane];
        let bins = &mut self.dc_bins[lane.dc_table];
        let coder = &mut self.coder;
        if !coder.decide(source, &mut bins[lane.context])? {
            lane.context = 0;
            return Ok(Some(lane.last_dc));
        }
        let negative = coder.decide(source, &mut bins[lane.context + 1])?;
        let mut bin = lane.context + 2 + usize::from(negative);
        let mut magnitude = i32::from(coder.decide(source, &mut bins[bin])?);
        if magnitude != 0 {
            bin = 20; // X1 of table F.4
            while coder.decide(source, &mut bins[bin])? {
                magnitude <<= 1;
                if magnitude == 0x8000 {
                    self.fail(source);
                    return Ok(None);
                }
                bin += 1;
            }
        }
        let Conditioning { dc_low, dc_high, .. } = self.conditioning[lane.dc_table];
        lane.context = if magnitude < (1 << dc_low) >> 1 {
            0
        } else if magnitude > (1 << dc_high) >> 1 {
            12 + 4 * usize::from(negative)
        } else {
            4 + 4 * usize::from(negative)
        };
        let value = magnitude_bits(coder, source, &mut bins[bin + 14], magnitude)?;
        lane.last_dc = lane.last_dc.wrapping_add(if negative { -value } else { value });
        Ok(Some(lane.last_dc))
    }

    /// Decodes the AC coefficients of a band (T.81, F.2.4.2).
    fn first_ac(
        &mut self,
        source: &mut Source,
        lane: usize,
        block: &mut [i16; 64],
        (first, last): (usize, usize),
        low: u32,
    ) -> Result<(), Halt> {
        let table = self.lanes[lane].ac_table;
        let split = usize::from(self.conditioning[table].ac_split);
        let bins = &mut self.ac_bins[table];
        let coder = &mut self.coder;
        let mut k = first;
        while k <= last {
            let mut bin = 3 * (k - 1);
            if coder.decide(source, &mut bins[bin])? {
                break; // end of band
            }
            while !coder.decide(source, &mut bins[bin + 1])? {
                bin += 3;
                k += 1;
                if k > last {
                    self.fail(source);
                    return Ok(());
                }
            }
            let negative = coder.decide(source, &mut self.fixed)?;
            bin += 2;
            let mut magnitude = i32::from(coder.decide(source, &mut bins[bin])?);
            if magnitude != 0 && coder.decide(source, &mut bins[bin])? {
                magnitude = 2;
                bin = if k <= split { AC_LOW } else { AC_HIGH };
                while coder.decide(source, &mut bins[bin])? {
                    magnitude <<= 1;
                    if magnitude == 0x8000 {
                        self.fail(source);
                        return Ok(());
                    }
                    bin += 1;
                }
            }
            let value = magnitude_bits(coder, source, &mut bins[bin + 14], magnitude)?;
            block[usize::from(ZIGZAG[k])] = ((if negative { -value } else { value }) << low) as i16;
            k += 1;
        }
        Ok(())
    }

    /// Refines the AC coefficients of a band by one bit (T.81, G.2.3).
    fn refine_ac(
        &mut self,
        source: &mut Source,
        lane: usize,
        block: &mut [i16; 64],
        (first, last): (usize, usize),
        low: u32,
    ) -> Result<(), Halt> {
        let bins = &mut self.ac_bins[self.lanes[lane].ac_table];
        let coder = &mut self.coder;
        let plus = 1i16 << low;
        // Up to the last coefficient that is known to be nonzero there is no end-of-band decision.
        let known = (1..=last).rev().find(|&k| block[usize::from(ZIGZAG[k])] != 0).unwrap_or(0);
        let mut k = first;
        while k <= last {
            let mut bin = 3 * (k - 1);
            if k > known && coder.decide(source, &mut bins[bin])? {
                break;
            }
            loop {
                let coefficient = &mut block[usize::from(ZIGZAG[k])];
                if *coefficient != 0 {
                    if coder.decide(source, &mut bins[bin + 2])? {
                        let step = if *coefficient < 0 { -plus } else { plus };
                        *coefficient = coefficient.wrapping_add(step);
                    }
                    break;
                }
                if coder.decide(source, &mut bins[bin + 1])? {
                    *coefficient = if coder.decide(source, &mut self.fixed)? { -plus } else { plus };
                    break;
                }
                bin += 3;
                k += 1;
                if k > last {
                    self.fail(source);
                    return Ok(());
                }
            }
            k += 1;
        }
        Ok(())
    }
}

/// The lower bits of a value whose highest bit is `magnitude` (T.81, figure F.24), plus one.
fn magnitude_bits(coder: &mut Coder, source: &mut Source, bin: &mut u8, magnitude: i32) -> Result<i32, Halt> {
    let mut value = magnitude;
    let mut bit = magnitude >> 1;
    while bit != 0 {
        if coder.decide(source, bin)? {
            value |= bit;
        }
        bit >>= 1;
    }
    Ok(value + 1)
}
