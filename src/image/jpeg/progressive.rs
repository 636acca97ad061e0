//! Progressive scans, Huffman-coded (T.81, G.2), and the bookkeeping that all progressive scans share.

use super::{
    super::Reason,
    bits::{Bits, Careful},
    frame::{Frame, ScanHeader},
    huffman::{Class, Decoder},
    sequential::table,
    source::{Halt, Source},
    tables::{Tables, ZIGZAG},
};

/// How precisely the coefficients of one component are known.
#[derive(Clone)]
pub(super) struct Precision {
    /// Per zigzag position: the lowest bit received, 0 for all, -1 for none.
    pub(super) now: [i32; 64],
    /// The same before the component's last scan, as far as smoothing asks for it.
    pub(super) before: [i32; 10],
}

impl Default for Precision {
    fn default() -> Self {
        Self { now: [-1; 64], before: [-1; 10] }
    }
}

/// Checks a progressive scan's parameters and notes what the scan will make known.
pub(super) fn begin(
    scan: &ScanHeader,
    scan_number: usize,
    precision: &mut [Precision],
    source: &mut Source,
) -> Result<(), Halt> {
    let band_is_bad = if scan.first == 0 {
        scan.last != 0
    } else {
        scan.first > scan.last || scan.last > 63 || scan.components.len() != 1
    };
    let bits_are_bad = scan.high != 0 && scan.low + 1 != scan.high || scan.low > 13;
    if band_is_bad || bits_are_bad {
        let ScanHeader { first, last, high, low, .. } = scan;
        return Err(Halt::header(format!("a progressive scan of band {first}..{last}, bits {high}..{low}")));
    }
    for &component in &scan.components {
        let Precision { now, before } = &mut precision[component];
        if scan.first > 0 && now[0] < 0 {
            source.warnings.note("a progressive scan for AC before any for DC");
        }
        // Smoothing looks at the first ten only.
        for k in usize::from(scan.first.min(1))..=9 {
            before[k] = if scan_number > 1 { now[k] } else { 0 };
        }
        for known in &mut now[usize::from(scan.first)..=usize::from(scan.last)] {
            if i32::from(scan.high) != (*known).max(0) {
                source.warnings.note("progressive scans out of order");
            }
            *known = i32::from(scan.low);
        }
    }
    Ok(())
}

/// The state of one Huffman-coded progressive scan.
pub(super) struct Progressive {
    pub(super) bits: Bits,
    /// The tables of the scan's components; a DC refinement has none.
    tables: Vec<Decoder>,
    last_dc: [i32; 4],
    /// Blocks that the current end-of-band run still covers.
    end_of_band: u32,
    band: (usize, usize),
    refines: bool,
    low: u32,
}

impl Progressive {
    pub(super) fn new(scan: &ScanHeader, frame: &Frame, tables: &Tables) -> Result<Self, Halt> {
        let refines = scan.high != 0;
        let decoder = |&index: &usize| {
            let component = &frame.components[index];
            if scan.first == 0 {
                table(&tables.dc, component.dc_table, Class::Dc)
            } else {
                table(&tables.ac, component.ac_table, Class::Ac)
            }
        };
        let needed = if scan.first == 0 && refines { &[] } else { scan.components.as_slice() };
        Ok(Self {
            bits: Bits::default(),
            tables: needed.iter().map(decoder).collect::<Result<_, _>>()?,
            last_dc: [0; 4],
            end_of_band: 0,
            band: (usize::from(scan.first), usize::from(scan.last)),
            refines,
            low: u32::from(scan.low),
        })
    }

    /// Begins a new restart interval, after the marker was dealt with.
    pub(super) fn reset(&mut self) {
        self.last_dc = [0; 4];
        self.end_of_band = 0;
    }

    /// Adds what this scan knows about one block of the scan's component `lane`.
    pub(super) fn block(&mut self, source: &mut Source, lane: usize, block: &mut [i16; 64]) -> Result<(), Halt> {
        match (self.band.0, self.refines) {
            (0, false) => self.first_dc(source, lane, block),
            (0, true) => {
                if self.bits.take::<Careful>(source, 1)? == 1 {
                    block[0] |= 1 << self.low;
                }
                Ok(())
            }
            (_, false) => self.first_ac(source, block),
            (_, true) => self.refine_ac(source, block),
        }
    }

    fn first_dc(&mut self, source: &mut Source, lane: usize, block: &mut [i16; 64]) -> Result<(), Halt> {
        let size = self.bits.symbol::<Careful>(source, &self.tables[lane])?;
        let difference = if size > 0 { self.bits.take_signed::<Careful>(source, u32::from(size))? } else { 0 };
        // libjpeg-turbo lets this sum wrap in sequential scans and calls it an error here, as of 2.1.
        let sum = self.last_dc[lane].checked_add(difference);
        self.last_dc[lane] = sum.ok_or_else(|| Halt::failed(Reason::CorruptData, "a DC value of more than 32 bits"))?;
        block[0] = (self.last_dc[lane] << self.low) as i16;
        Ok(())
    }

    fn first_ac(&mut self, source: &mut Source, block: &mut [i16; 64]) -> Result<(), Halt> {
        if self.end_of_band > 0 {
            self.end_of_band -= 1;
            return Ok(());
        }
        let (mut k, last) = self.band;
        while k <= last {
            let symbol = self.bits.symbol::<Careful>(source, &self.tables[0])?;
            let (run, size) = (symbol >> 4, u32::from(symbol & 15));
            if size > 0 {
                k += usize::from(run);
                let value = self.bits.take_signed::<Careful>(source, size)?;
                block[usize::from(ZIGZAG[k])] = (value << self.low) as i16;
            } else if run == 15 {
                k += 15;
            } else {
                self.end_of_band = self.run_length(source, run)? - 1;
                break;
            }
            k += 1;
        }
        Ok(())
    }

    /// The number of blocks of an end-of-band symbol.
    fn run_length(&mut self, source: &mut Source, size: u8) -> Result<u32, Halt> {
        let extra = if size > 0 { self.bits.take::<Careful>(source, u32::from(size))? as u32 } else { 0 };
        Ok((1 << size) + extra)
    }

    fn refine_ac(&mut self, source: &mut Source, block: &mut [i16; 64]) -> Result<(), Halt> {
        let plus = 1i16 << self.low;
        let (mut k, last) = self.band;
        if self.end_of_band == 0 {
            while k <= last {
                let symbol = self.bits.symbol::<Careful>(source, &self.tables[0])?;
                let (mut run, size) = (i32::from(symbol >> 4), symbol & 15);
                let mut new = 0;
                if size > 0 {
                    if size != 1 {
                        source.warnings.note("a refinement that adds more than one bit");
                    }
                    new = if self.bits.take::<Careful>(source, 1)? == 1 { plus } else { -plus };
                } else if run != 15 {
                    self.end_of_band = self.run_length(source, symbol >> 4)?;
                    break;
                }
                // Pass over `run` zeroes; the nonzero coefficients among them get a correction bit each.
                while k <= last {
                    let coefficient = &mut block[usize::from(ZIGZAG[k])];
                    if *coefficient != 0 {
                        correct(coefficient, plus, &mut self.bits, source)?;
                    } else {
                        run -= 1;
                        if run < 0 {
                            break;
                        }
                    }
                    k += 1;
                }
                if new != 0 {
                    block[usize::from(ZIGZAG[k])] = new;
                }
                k += 1;
            }
        }
        if self.end_of_band > 0 {
            while k <= last {
                let coefficient = &mut block[usize::from(ZIGZAG[k])];
                if *coefficient != 0 {
                    correct(coefficient, plus, &mut self.bits, source)?;
                }
                k += 1;
            }
            self.end_of_band -= 1;
        }
        Ok(())
    }
}

/// Reads one correction bit and, if it is set, moves `coefficient` away from zero by `plus`.
fn correct(coefficient: &mut i16, plus: i16, bits: &mut Bits, source: &mut Source) -> Result<(), Halt> {
    if bits.take::<Careful>(source, 1)? == 1 && *coefficient & plus == 0 {
        let step = if *coefficient >= 0 { plus } else { plus.wrapping_neg() };
        *coefficient = coefficient.wrapping_add(step);
    }
    Ok(())
}
