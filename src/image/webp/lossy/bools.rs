//! The boolean entropy decoder of VP8 (RFC 6386, section 7).

/// How many bits are loaded at once where the data have them.
const LOAD: i32 = 56;

/// Reads bits whose probabilities are known.
///
/// Past the end of its data it reads zeros and remembers that it did: libwebp rejects every picture that needs them.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoolReader<'a> {
    data: &'a [u8],
    /// Bits that were loaded and are not yet used up; those of the current position begin at bit `bits`.
    value: u64,
    /// The range minus 1: 127 to 254 between two calls.
    range: u32,
    /// Bits below the current position; negative when more must be loaded.
    bits: i32,
    ended: bool,
}

impl<'a> BoolReader<'a> {
    /// Begins with `data`, which is one partition.
    pub(super) fn new(data: &'a [u8]) -> Self {
        let mut reader = Self { data, value: 0, range: 254, bits: -8, ended: false };
        reader.load();
        reader
    }

    /// Whether a bit was asked for that is not in the data.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    #[inline(always)]
    fn load(&mut self) {
        if let Some(eight) = self.data.first_chunk() {
            self.value = self.value << LOAD | u64::from_be_bytes(*eight) >> 8;
            self.bits += LOAD;
            self.data = &self.data[7..];
        } else {
            self.load_last();
        }
    }

    #[cold]
    fn load_last(&mut self) {
        if let Some((&byte, rest)) = self.data.split_first() {
            self.value = self.value << 8 | u64::from(byte);
            self.bits += 8;
            self.data = rest;
        } else if self.ended {
            self.bits = 0; // what comes out no longer matters
        } else {
            self.value <<= 8;
            self.bits += 8;
            self.ended = true;
        }
    }

    /// A bit that is 0 with a probability of `zero` in 256.
    #[inline(always)]
    pub(super) fn bit(&mut self, zero: u8) -> bool {
        if self.bits < 0 {
            self.load();
        }
        let split = (self.range * u32::from(zero)) >> 8;
        let bit = (self.value >> self.bits) as u32 > split;
        let range = if bit {
            self.value -= u64::from(split + 1) << self.bits;
            self.range - split
        } else {
            split + 1
        };
        let shift = range.leading_zeros() - 24; // back to 128 and more
        self.range = (range << shift) - 1;
        self.bits -= shift as i32;
        bit
    }

    /// A bit that is 0 or 1 alike.
    pub(super) fn flag(&mut self) -> bool {
        self.bit(128)
    }

    /// `value` or its negative, each as likely.
    ///
    /// Data that begin with 255 are beyond the range that a coder leaves, and drift further from it with each bit. libwebp
    /// compares by a sign of 32 bits here, and not in [`BoolReader::bit`], so that the two differ then.
    #[inline(always)]
    pub(super) fn sign(&mut self, value: i32) -> i32 {
        if self.bits < 0 {
            self.load();
        }
        let split = self.range >> 1;
        let mask = split.wrapping_sub((self.value >> self.bits) as u32) as i32 >> 31; // 0, or -1 for the negative
        self.value -= u64::from((split + 1) & mask as u32) << self.bits;
        self.range = self.range.wrapping_add_signed(mask) | 1;
        self.bits -= 1;
        (value ^ mask) - mask
    }

    /// A number of `count` bits, the highest first.
    pub(super) fn number(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |number, _| number << 1 | u32::from(self.flag()))
    }

    /// A number of `count` bits, and its sign.
    pub(super) fn signed(&mut self, count: u32) -> i32 {
        let number = self.number(count) as i32;
        if self.flag() { -number } else { number }
    }

    /// A flag, and if it is set a number with its sign.
    pub(super) fn optional_signed(&mut self, count: u32) -> Option<i32> {
        self.flag().then(|| self.signed(count))
    }
}
