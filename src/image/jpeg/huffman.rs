//! Huffman tables: as a file defines them, and in the shape that decodes fast.

use super::source::Halt;

/// Codes up to this length are decoded by one look into a table.
pub(super) const LOOKAHEAD: u32 = 8;

/// The same for where much data is left: nearly every code of a photo is shorter.
pub(super) const FAR_LOOKAHEAD: u32 = 10;

/// The code length that stands for "longer than the lookahead".
const LONGER: u16 = LOOKAHEAD as u16 + 1;

/// A table as a DHT segment defines it.
#[derive(Clone)]
pub(super) struct Definition {
    /// Number of codes of length 1 to 16.
    pub(super) counts: [u8; 16],
    /// The symbols in the order of their codes, zero beyond the last.
    pub(super) symbols: [u8; 256],
}

impl Definition {
    /// A table with these symbols; at most 256.
    pub(super) fn new(counts: [u8; 16], given: &[u8]) -> Self {
        let mut symbols = [0; 256];
        symbols[..given.len()].copy_from_slice(given);
        Self { counts, symbols }
    }
}

/// Whether a table codes DC differences or AC runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Dc,
    Ac,
}

/// A table ready for decoding.
pub(super) struct Decoder {
    /// For each 8 bits: code length in the upper byte (9 for "longer"), symbol in the lower.
    pub(super) lookup: [u16; 1 << LOOKAHEAD],
    /// For each 10 bits: the same, but 0 for "longer".
    pub(super) far_lookup: [u16; 1 << FAR_LOOKAHEAD],
    /// The largest code of each length, -1 where there is none; index 17 ends every search.
    pub(super) max_code: [i32; 18],
    /// What to add to a code of each length to get the index of its symbol.
    pub(super) offset: [i32; 18],
    pub(super) symbols: [u8; 256],
}

impl Decoder {
    /// Checks that `definition` is a legal prefix code and prepares it.
    pub(super) fn new(definition: &Definition, class: Class) -> Result<Self, Halt> {
        let bad = || Halt::header("a Huffman table is not a prefix code");
        let total: usize = definition.counts.iter().map(|&count| usize::from(count)).sum();
        if total > 256 {
            return Err(bad());
        }
        let mut decoder = Self {
            lookup: [LONGER << 8; 1 << LOOKAHEAD],
            far_lookup: [0; 1 << FAR_LOOKAHEAD],
            max_code: [-1; 18],
            offset: [0; 18],
            symbols: definition.symbols,
        };
        decoder.max_code[17] = 0xf_ffff;

        let (mut code, mut index) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = u32::from(definition.counts[length as usize - 1]);
            if count > 0 {
                decoder.offset[length as usize] = index as i32 - code as i32;
                for _ in 0..count {
                    let entry = (length << 8) as u16 | u16::from(definition.symbols[index]);
                    if length <= LOOKAHEAD && code < 1 << length {
                        let shift = LOOKAHEAD - length;
                        decoder.lookup[(code << shift) as usize..((code + 1) << shift) as usize].fill(entry);
                    }
                    if length <= FAR_LOOKAHEAD && code < 1 << length {
                        let shift = FAR_LOOKAHEAD - length;
                        decoder.far_lookup[(code << shift) as usize..((code + 1) << shift) as usize].fill(entry);
                    }
                    code += 1;
                    index += 1;
                }
                decoder.max_code[length as usize] = code as i32 - 1;
                if code >= 1 << length {
                    return Err(bad()); // no code may consist of ones only
                }
            }
            code <<= 1;
        }
        if class == Class::Dc && definition.symbols[..total].iter().any(|&symbol| symbol > 15) {
            return Err(Halt::header("a Huffman table for DC has a symbol over 15"));
        }
        Ok(decoder)
    }
}
