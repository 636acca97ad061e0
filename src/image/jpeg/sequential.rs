//! Baseline and extended sequential scans, Huffman-coded (T.81, F.2.2).

use super::{
    bits::{Bits, Feed},
    frame::{Frame, ScanHeader},
    huffman::{Class, Decoder},
    source::{Halt, Source},
    tables::{Tables, ZIGZAG},
};

/// The state of one such scan.
pub(super) struct Sequential {
    pub(super) bits: Bits,
    /// Per component of the scan: its tables and the DC value before.
    lanes: Vec<Lane>,
}

/// The state between two MCUs.
pub(super) struct Checkpoint {
    bits: Bits,
    last_dc: [i32; 4],
    position: usize,
}

struct Lane {
    dc: Decoder,
    ac: Decoder,
    last_dc: i32,
}

impl Sequential {
    pub(super) fn new(scan: &ScanHeader, frame: &Frame, tables: &Tables, source: &mut Source) -> Result<Self, Halt> {
        if !scan.is_sequential() {
            source.warnings.note("a sequential scan with progressive parameters");
        }
        let lane = |&index: &usize| {
            let component = &frame.components[index];
            Ok(Lane {
                dc: table(&tables.dc, component.dc_table, Class::Dc)?,
                ac: table(&tables.ac, component.ac_table, Class::Ac)?,
                last_dc: 0,
            })
        };
        let lanes = scan.components.iter().map(lane).collect::<Result<_, _>>()?;
        Ok(Self { bits: Bits::default(), lanes })
    }

    /// Begins a new restart interval, after the marker was dealt with.
    pub(super) fn reset(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.last_dc = 0);
    }

    /// What to go back to, to decode an MCU again.
    pub(super) fn checkpoint(&self, source: &Source) -> Checkpoint {
        let mut last_dc = [0; 4];
        last_dc.iter_mut().zip(&self.lanes).for_each(|(kept, lane)| *kept = lane.last_dc);
        Checkpoint { bits: self.bits, last_dc, position: source.position }
    }

    /// Goes back.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint, source: &mut Source) {
        self.bits = checkpoint.bits;
        self.lanes.iter_mut().zip(&checkpoint.last_dc).for_each(|(lane, kept)| lane.last_dc = *kept);
        source.position = checkpoint.position;
    }

    /// Decodes one block of the scan's component `lane` into `block`, which is zero before.
    pub(super) fn block<F: Feed>(
        &mut self,
        source: &mut Source,
        lane: usize,
        block: &mut [i16; 64],
    ) -> Result<(), Halt> {
        let lane = &mut self.lanes[lane];
        let mut bits = self.bits; // a copy, which can stay in registers

        let size = bits.symbol::<F>(source, &lane.dc)?;
        let difference = if size > 0 { bits.take_signed::<F>(source, u32::from(size))? } else { 0 };
        lane.last_dc = lane.last_dc.wrapping_add(difference);
        block[0] = lane.last_dc as i16;

        let mut k = 1;
        while k < 64 {
            let symbol = bits.symbol::<F>(source, &lane.ac)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size > 0 {
                k += run;
                block[usize::from(ZIGZAG[k])] = bits.take_signed::<F>(source, size)? as i16;
            } else if run == 15 {
                k += 15;
            } else {
                break;
            }
            k += 1;
        }
        self.bits = bits;
        Ok(())
    }
}

/// The decoder for a table, which must have been defined.
pub(super) fn table(
    tables: &[Option<super::huffman::Definition>; 4],
    index: usize,
    class: Class,
) -> Result<Decoder, Halt> {
    match tables.get(index) {
        Some(Some(definition)) => Decoder::new(definition, class),
        _ => Err(Halt::header(format!("a scan uses Huffman table {index}, which is not defined"))),
    }
}
