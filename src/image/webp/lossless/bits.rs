//! The bit reader of VP8L (RFC 9649, section 2.1): the lowest bit first.

/// libwebp's reader holds this many bits, and finds nothing wrong with data that are shorter.
const WINDOW: usize = 64;

/// Reads bits. Past the end of its data it reads zeros and remembers that it did.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// Bits that were loaded and are not yet used up, from the lowest on.
    window: u64,
    /// How many those are.
    count: usize,
    /// Bits that were loaded after the end of the data.
    invented: usize,
    /// How many of these may be used.
    allowed: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        let allowed = WINDOW.saturating_sub(data.len() * 8);
        Self { data, window: 0, count: 0, invented: 0, allowed }
    }

    /// Whether a bit was asked for that is not in the data.
    pub(super) fn ended(&self) -> bool {
        self.invented > self.count + self.allowed
    }

    /// Makes sure that [`BitReader::peek`] sees at least 48 bits.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if self.count >= 48 {
            return;
        }
        if let Some(eight) = self.data.first_chunk() {
            self.window |= u64::from_le_bytes(*eight) << self.count;
            let bytes = (63 - self.count) / 8;
            self.data = &self.data[bytes..];
            self.count += 8 * bytes;
            self.window &= u64::MAX >> (64 - self.count); // what is above was not taken
        } else {
            self.refill_last();
        }
    }

    #[cold]
    fn refill_last(&mut self) {
        while self.count < 56 {
            let byte = match self.data.split_first() {
                Some((&byte, rest)) => {
                    self.data = rest;
                    byte
                }
                None => {
                    self.invented += 8;
                    0
                }
            };
            self.window |= u64::from(byte) << self.count;
            self.count += 8;
        }
    }

    /// The next bits, the first of them lowest.
    #[inline(always)]
    pub(super) fn peek(&self) -> u64 {
        self.window
    }

    /// Goes on by `count` bits, of those that were there to see.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: usize) {
        self.window >>= count;
        self.count -= count;
    }

    /// A number of up to 24 bits.
    #[inline(always)]
    pub(super) fn number(&mut self, count: usize) -> usize {
        self.refill();
        let number = self.window & ((1 << count) - 1);
        self.skip(count);
        number as usize
    }

    /// One bit.
    pub(super) fn flag(&mut self) -> bool {
        self.number(1) == 1
    }
}
