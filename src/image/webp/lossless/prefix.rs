//! Prefix codes (RFC 9649, section 6.2), and which lengths make one.

use super::bits::BitReader;

/// The longest code.
const LONGEST: usize = 15;

/// Bits of the first of two tables.
const ROOT: usize = 8;

/// A prefix code as tables: of a code's first bits, and where these do not suffice, of the others.
#[derive(Clone, Debug)]
pub(super) struct PrefixCode {
    /// Symbols in the upper half, bits to skip in the lower; a pointer into the second tables has more bits than `root`.
    table: Vec<u32>,
    /// How many bits the first table takes, at most [`ROOT`]: none where there is only one symbol.
    root: usize,
    /// Length of the longest code.
    longest: usize,
}

impl PrefixCode {
    /// The code in which symbol `i` has `lengths[i]` bits.
    ///
    /// None for lengths that leave bits unused or use them twice. A single symbol takes no bits, whatever its length.
    pub(super) fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0_usize; LONGEST + 1];
        for &length in lengths {
            counts[usize::from(length)] += 1;
        }
        let used = lengths.len() - counts[0];
        if used <= 1 {
            let symbol = lengths.iter().position(|&length| length > 0)?;
            return Some(Self { table: vec![(symbol as u32) << 16], root: 0, longest: 0 });
        }
        counts[0] = 0;
        let room: usize = (1..=LONGEST).map(|length| counts[length] << (LONGEST - length)).sum();
        if room != 1 << LONGEST {
            return None;
        }
        let longest = (1..=LONGEST).rev().find(|&length| counts[length] > 0)?;
        let root = longest.min(ROOT);
        let mut code = Self { table: vec![0; 1 << root], root, longest };
        code.fill(lengths, &counts);
        Some(code)
    }

    /// Enters all symbols, shorter codes first, each at every index that begins with its code.
    fn fill(&mut self, lengths: &[u8], counts: &[usize; LONGEST + 1]) {
        let mut starts = [0; LONGEST + 2];
        for length in 1..=LONGEST {
            starts[length + 1] = starts[length] + counts[length];
        }
        let mut sorted = vec![0_u16; starts[LONGEST + 1]];
        let mut next = starts;
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut next[usize::from(length)];
            sorted[*place] = symbol as u16;
            *place += 1;
        }
        let mut left = *counts;
        let mut key = 0; // the code, its first bit lowest
        let mut second = (usize::MAX, 0, 0); // the root entry that a second table is for, where it is, and its bits
        for length in 1..=LONGEST {
            for &symbol in &sorted[starts[length]..starts[length + 1]] {
                let symbol = u32::from(symbol) << 16;
                if length <= self.root {
                    let entries = self.table[key..].iter_mut().step_by(1 << length);
                    entries.for_each(|entry| *entry = symbol | length as u32);
                } else {
                    let root = key & ((1 << self.root) - 1);
                    if second.0 != root {
                        let bits = second_bits(&left, length, self.root);
                        let at = self.table.len();
                        self.table[root] = (at as u32) << 16 | (self.root + bits) as u32;
                        self.table.resize(at + (1 << bits), 0);
                        second = (root, at, bits);
                    }
                    let (_, at, bits) = second;
                    let entries = self.table[at..at + (1 << bits)][key >> self.root..].iter_mut();
                    let step = 1 << (length - self.root);
                    entries.step_by(step).for_each(|entry| *entry = symbol | (length - self.root) as u32);
                }
                left[length] -= 1;
                key = following(key, length);
            }
        }
    }

    /// Length of the longest code; 0 where no bits are read.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The symbol that is always read, where there is one only.
    pub(super) fn single(&self) -> Option<usize> {
        (self.longest == 0).then(|| (self.table[0] >> 16) as usize)
    }

    /// Reads a symbol, of at most [`LONGEST`] bits of those that the reader has ready.
    #[inline(always)]
    pub(super) fn read(&self, reader: &mut BitReader) -> usize {
        if self.root == 0 {
            return (self.table[0] >> 16) as usize; // the next symbol need not wait for this one
        }
        let bits = reader.peek();
        let mut entry = self.table[bits as usize & ((1 << self.root) - 1)];
        let mut length = entry as usize & 0xffff;
        if length > self.root {
            reader.skip(self.root);
            let index = (bits >> self.root) as usize & ((1 << (length - self.root)) - 1);
            entry = self.table[(entry >> 16) as usize + index];
            length = entry as usize & 0xffff;
        }
        reader.skip(length);
        (entry >> 16) as usize
    }

    /// The symbol that `bits` begin with and how many bits it has, for codes without a second table.
    pub(super) fn look_up(&self, bits: usize) -> (usize, usize) {
        let entry = self.table[bits & ((1 << self.root) - 1)];
        ((entry >> 16) as usize, entry as usize & 0xffff)
    }
}

/// Bits of the second table that begins with a code of `length` bits: as many as the codes that follow make full.
fn second_bits(left: &[usize; LONGEST + 1], mut length: usize, root: usize) -> usize {
    let mut open = 1_usize << (length - root);
    while length < LONGEST && open > left[length] {
        open = (open - left[length]) << 1;
        length += 1;
    }
    length - root
}

/// The code of `length` bits after `key`, both with their first bit lowest.
fn following(key: usize, length: usize) -> usize {
    let mut bit = 1 << (length - 1);
    while key & bit != 0 {
        bit >>= 1;
    }
    if bit == 0 { 0 } else { (key & (bit - 1)) + bit }
}
