//! Huffman codes of deflate as tables for look-up (RFC 1951, section 3.2.2).
//!
//! A code of up to `bits` bits is found in one step, a longer one in two. An entry is a number:
//!
//! ```text
//! bits 0..8    length of the code; of both codes where there are two literals
//! bits 8..12   what it is: the constants below
//! bits 12..16  extra bits that follow; the length of the first code where there are two literals
//! bits 16..32  the base of a length or distance; the literal, or two; where the second table begins
//! ```
//!
//! Which sets of code lengths are refused is zlib's decision: those with too many codes, and those with too few but for a
//! single code of one bit, or none at all. What such a set leaves open is [`INVALID`], with a length of one bit.

/// One literal, in bits 16..24.
pub(super) const LITERAL: u32 = 1 << 8;
/// With [`LITERAL`]: another one in bits 24..32.
pub(super) const TWO: u32 = 1 << 9;
/// A length or a distance.
pub(super) const BASE: u32 = 1 << 10;
/// The end of the block.
pub(super) const END: u32 = 1 << 11;
/// The code goes on in a second table.
const LONGER: u32 = LITERAL | BASE;
/// A code that stands for nothing has none of these.
const KIND: u32 = 0xf00;
const INVALID: u32 = 1;

/// Longest code of deflate.
const MAX_LENGTH: usize = 15;

/// The number of bits that an entry takes.
pub(super) fn length(entry: u32) -> u32 {
    entry & 0xff
}

/// The number of extra bits, or the length of the first of two codes.
pub(super) fn extra(entry: u32) -> u32 {
    entry >> 12 & 15
}

/// The upper half.
pub(super) fn value(entry: u32) -> u32 {
    entry >> 16
}

/// What the alphabet's symbols mean.
#[derive(Clone, Copy)]
pub(super) enum Alphabet {
    /// The lengths of the other two's codes.
    Lengths,
    /// Literals, the end of a block, and the lengths of matches.
    Literals,
    /// How far back a match is.
    Distances,
}

impl Alphabet {
    fn entry(self, symbol: usize) -> u32 {
        let base = |base: u16, extra: u8| u32::from(base) << 16 | u32::from(extra) << 12 | BASE;
        match self {
            Self::Lengths => (symbol as u32) << 16 | LITERAL,
            Self::Literals => match symbol {
                0..=255 => (symbol as u32) << 16 | LITERAL,
                256 => END,
                257..=284 => {
                    let step = symbol as u16 - 257;
                    let extra = (step / 4).saturating_sub(1) as u8;
                    let first = if step < 8 { 3 + step } else { 3 + ((4 + step % 4) << extra) };
                    base(first, extra)
                }
                285 => base(258, 0),
                _ => 0,
            },
            Self::Distances => match symbol {
                0..=29 => {
                    let step = symbol as u16;
                    let extra = (step / 2).saturating_sub(1) as u8;
                    let first = if step < 4 { 1 + step } else { 1 + ((2 + step % 2) << extra) };
                    base(first, extra)
                }
                _ => 0,
            },
        }
    }

    /// Whether a code may leave bit patterns unused: one that has a single symbol of one bit.
    fn may_be_incomplete(self, longest: usize) -> bool {
        !matches!(self, Self::Lengths) && longest == 1
    }
}

/// The codes of one alphabet, by their next `BITS` bits; `SIZE` is 2 to that power.
pub(super) struct Table<const BITS: usize, const SIZE: usize> {
    first: Box<[u32; SIZE]>,
    second: Vec<u32>,
}

impl<const BITS: usize, const SIZE: usize> Table<BITS, SIZE> {
    pub(super) fn new() -> Self {
        Self { first: Box::new([INVALID; SIZE]), second: Vec::new() }
    }

    /// Replaces the codes by those of these lengths; returns false where zlib refuses them.
    pub(super) fn build(&mut self, alphabet: Alphabet, lengths: &[u8]) -> bool {
        let mut counts = [0usize; MAX_LENGTH + 1];
        for &length in lengths {
            counts[usize::from(length)] += 1;
        }
        counts[0] = 0;
        self.second.clear();
        let Some(longest) = counts.iter().rposition(|&count| count > 0) else {
            // zlib reads the missing codes of the lengths as zeros.
            self.first.fill(if matches!(alphabet, Alphabet::Lengths) { LITERAL | 1 } else { INVALID });
            return true;
        };
        let mut left = 1i64;
        let mut next = [0u32; MAX_LENGTH + 2];
        for length in 1..=MAX_LENGTH {
            left = left * 2 - counts[length] as i64;
            if left < 0 {
                return false;
            }
            next[length + 1] = (next[length] + counts[length] as u32) << 1;
        }
        if left > 0 {
            if !alphabet.may_be_incomplete(longest) {
                return false;
            }
            self.first.fill(INVALID);
        }
        if longest > BITS {
            // Every place that no short code takes gets a second table, or is filled below.
            self.first.fill(0);
        }
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let length = usize::from(length);
            let code = next[length].reverse_bits() >> (32 - length);
            next[length] += 1;
            self.set(code as usize, length, alphabet.entry(symbol) | length as u32);
        }
        if matches!(alphabet, Alphabet::Literals) {
            self.pair();
        }
        true
    }

    /// Enters a code wherever the next bits begin with it.
    fn set(&mut self, code: usize, length: usize, entry: u32) {
        if length <= BITS {
            for place in self.first[code..].iter_mut().step_by(1 << length) {
                *place = entry;
            }
            return;
        }
        let place = &mut self.first[code & (SIZE - 1)];
        if *place == 0 {
            *place = (self.second.len() as u32) << 16 | LONGER;
            self.second.resize(self.second.len() + (1 << (MAX_LENGTH - BITS)), 0);
        }
        let table = &mut self.second[value(*place) as usize..][..1 << (MAX_LENGTH - BITS)];
        for place in table[code >> BITS..].iter_mut().step_by(1 << (length - BITS)) {
            *place = entry;
        }
    }

    /// Joins literals whose codes fit into one step together.
    fn pair(&mut self) {
        let is_single = |entry: u32| entry & KIND == LITERAL;
        // From the last to the first: what is behind a place's first code is at a smaller place, and still single.
        for place in (0..SIZE).rev() {
            let one = self.first[place];
            if !is_single(one) {
                continue;
            }
            let two = self.first[place >> length(one)];
            let both = length(one) + length(two);
            if is_single(two) && both as usize <= BITS {
                let literals = value(one) << 16 | value(two) << 24;
                self.first[place] = literals | length(one) << 12 | TWO | LITERAL | both;
            }
        }
    }

    /// The entry of the next bits, which must be at least 15 unless [`Table::look`] asks.
    #[inline(always)]
    pub(super) fn get(&self, bits: u64) -> u32 {
        let entry = self.first[bits as usize & (SIZE - 1)];
        if entry & KIND == LONGER { self.longer(entry, bits) } else { entry }
    }

    #[cold]
    fn longer(&self, entry: u32, bits: u64) -> u32 {
        let place = value(entry) as usize + (bits >> BITS) as usize % (1 << (MAX_LENGTH - BITS));
        self.second.get(place).copied().unwrap_or(INVALID)
    }

    /// The entry of a single code, where the lower `count` bits hold all of it.
    pub(super) fn look(&self, bits: u64, count: u32) -> Option<u32> {
        let mut entry = self.get(bits & ((1 << count) - 1));
        if entry & TWO != 0 {
            entry = entry & 0x00ff_0000 | LITERAL | extra(entry);
        }
        (length(entry) <= count).then_some(entry)
    }
}
