//! The bits of Huffman-coded data.
//!
//! Reading runs ahead in the same steps as libjpeg's, because a file that ends within the read-ahead is rejected even
//! if its last bits were not needed. A marker ends the data: what is wanted beyond it are zero bits, and
//! [`Bits::exhausted`] tells the scan to leave the rest of the interval as it is.
//!
//! Like libjpeg-turbo it has a fast way for where much data is left ([`Fast`]). The fast way takes any FF that no
//! 00 follows for the end; the MCU is then decoded again in the careful way, which accepts FF FF 00 as one byte.

use super::{
    huffman::{Decoder, FAR_LOOKAHEAD, LOOKAHEAD},
    source::{Halt, Source},
};

/// Reading stops at this many bits or more; it fits 64 together with a byte that is on its way.
const FULL: u32 = 57;

/// Codes have at most 16 bits; libjpeg reads one more before it gives up.
const MAX_LENGTH: u32 = 17;

/// How the next bits are read; a type, so that the compiler makes two decoders of one text.
pub(super) trait Feed {
    /// Whether it is the fast way.
    const FAST: bool;
}

/// Six bytes at a time, without looking for the end of the file.
pub(super) struct Fast;

/// As many bytes as fit, with an answer to everything.
pub(super) struct Careful;

impl Feed for Fast {
    const FAST: bool = true;
}

impl Feed for Careful {
    const FAST: bool = false;
}

/// The bits that were read ahead.
#[derive(Clone, Copy, Default)]
pub(super) struct Bits {
    /// The lower `left` bits are yet to be used; those above are stale.
    buffer: u64,
    left: u32,
    /// A marker came before the data was complete.
    pub(super) exhausted: bool,
    /// The fast way met an FF that no 00 follows.
    pub(super) stumbled: bool,
}

impl Bits {
    /// Makes sure that `wanted` bits are there; 0 only tops up.
    #[inline(never)]
    fn fill(&mut self, source: &mut Source, wanted: u32) -> Result<(), Halt> {
        if source.unread_marker == 0
            && let Some(chunk) = source.data.get(source.position..).and_then(<[u8]>::first_chunk::<8>)
        {
            let word = u64::from_be_bytes(*chunk);
            let holds_ff = word & !(word.wrapping_add(0x0101_0101_0101_0101)) & 0x8080_8080_8080_8080;
            if holds_ff == 0 {
                let bytes = (64 - self.left) / 8;
                self.buffer = if bytes == 8 { word } else { self.buffer << (8 * bytes) | word >> (64 - 8 * bytes) };
                self.left += 8 * bytes;
                source.position += bytes as usize;
                return Ok(());
            }
        }
        self.fill_bytewise(source, wanted)
    }

    /// [`Bits::fill`] where stuffed bytes, markers or the end of the file may come.
    #[cold]
    fn fill_bytewise(&mut self, source: &mut Source, wanted: u32) -> Result<(), Halt> {
        while source.unread_marker == 0 && self.left < FULL {
            let mut byte = source.byte()?;
            if byte == 0xff {
                byte = source.after_fill()?;
                if byte != 0 {
                    source.unread_marker = byte;
                    break;
                }
                byte = 0xff;
            }
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.left += 8;
        }
        if self.left < wanted {
            if !self.exhausted {
                source.warnings.note("compressed data ends at a marker too early");
                self.exhausted = true;
            }
            self.buffer <<= FULL - self.left;
            self.left = FULL;
        }
        Ok(())
    }

    /// Six more bytes; needs room for them, and two bytes of data for each.
    #[inline(always)]
    fn fill_fast(&mut self, source: &mut Source) {
        if let Some(chunk) = source.data.get(source.position..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_be_bytes(*chunk) | 0xffff; // the last two are not for now
            let holds_ff = word & !(word.wrapping_add(0x0101_0101_0101_0000)) & 0x8080_8080_8080_0000;
            if holds_ff == 0 {
                self.buffer = self.buffer << 48 | word >> 16;
                self.left += 48;
                source.position += 6;
                return;
            }
        }
        self.fill_fast_bytewise(source);
    }

    /// [`Bits::fill_fast`] where there is an FF.
    #[cold]
    fn fill_fast_bytewise(&mut self, source: &mut Source) {
        for _ in 0..6 {
            let byte = match source.data.get(source.position..) {
                Some([0xff, 0, ..]) => {
                    source.position += 2;
                    0xff
                }
                Some([byte, ..]) if *byte != 0xff => {
                    source.position += 1;
                    *byte
                }
                _ => {
                    self.stumbled = true;
                    0
                }
            };
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.left += 8;
        }
    }

    /// Makes sure that a whole code, or the `wanted` bits after one, are there.
    #[inline(always)]
    fn need<F: Feed>(&mut self, source: &mut Source, wanted: u32) -> Result<(), Halt> {
        if F::FAST {
            if self.left <= 16 {
                self.fill_fast(source);
            }
        } else if self.left < wanted {
            self.fill(source, wanted)?;
        }
        Ok(())
    }

    /// The next `count` bits, 1 to 16, as a number.
    #[inline(always)]
    pub(super) fn take<F: Feed>(&mut self, source: &mut Source, count: u32) -> Result<i32, Halt> {
        self.need::<F>(source, count)?;
        self.left -= count;
        Ok((self.buffer >> self.left) as i32 & ((1 << count) - 1))
    }

    /// The next `size` bits as a signed number of that many bits (T.81, F.2.2.1, EXTEND).
    #[inline(always)]
    pub(super) fn take_signed<F: Feed>(&mut self, source: &mut Source, size: u32) -> Result<i32, Halt> {
        let value = self.take::<F>(source, size)?;
        let negative = (value - (1 << (size - 1))) >> 31; // all ones if the first bit is 0
        Ok(value + (negative & ((-1 << size) + 1)))
    }

    /// The next symbol of a Huffman code.
    #[inline(always)]
    pub(super) fn symbol<F: Feed>(&mut self, source: &mut Source, table: &Decoder) -> Result<u8, Halt> {
        if F::FAST {
            self.need::<F>(source, FAR_LOOKAHEAD)?;
            let ahead = (self.buffer >> (self.left - FAR_LOOKAHEAD)) as usize & ((1 << FAR_LOOKAHEAD) - 1);
            let entry = table.far_lookup[ahead];
            if entry == 0 {
                return self.symbol_bitwise(source, table, FAR_LOOKAHEAD + 1);
            }
            self.left -= u32::from(entry >> 8);
            return Ok(entry as u8);
        }
        if self.left < LOOKAHEAD {
            self.fill(source, 0)?;
            if self.left < LOOKAHEAD {
                return self.symbol_bitwise(source, table, 1);
            }
        }
        let entry = table.lookup[(self.buffer >> (self.left - LOOKAHEAD)) as usize & 0xff];
        let length = u32::from(entry >> 8);
        if length > LOOKAHEAD {
            return self.symbol_bitwise(source, table, length);
        }
        self.left -= length;
        Ok(entry as u8)
    }

    /// A symbol of at least `length` bits, or near the end of the data.
    #[inline(never)]
    fn symbol_bitwise(&mut self, source: &mut Source, table: &Decoder, length: u32) -> Result<u8, Halt> {
        let mut length = length;
        let mut code;
        if self.left >= MAX_LENGTH {
            // All bits of the longest code are there: no need to ask for each.
            let ahead = (self.buffer >> (self.left - MAX_LENGTH)) as i32 & ((1 << MAX_LENGTH) - 1);
            code = ahead >> (MAX_LENGTH - length);
            while code > table.max_code[length as usize] {
                length += 1;
                code = ahead >> (MAX_LENGTH - length);
            }
            self.left -= length;
        } else {
            code = self.take::<Careful>(source, length)?;
            while code > table.max_code[length as usize] {
                code = code << 1 | self.take::<Careful>(source, 1)?;
                length += 1;
            }
        }
        if length == MAX_LENGTH {
            source.warnings.note("a Huffman code that means nothing");
            return Ok(0); // libjpeg goes on as if it were the shortest possible symbol
        }
        Ok(table.symbols[(code + table.offset[length as usize]) as usize & 0xff])
    }

    /// How many whole bytes are waiting to be used.
    pub(super) fn whole_bytes(&self) -> usize {
        self.left as usize / 8
    }

    /// Drops what was read ahead, at a restart.
    pub(super) fn discard(&mut self, source: &mut Source) {
        source.discarded += self.whole_bytes();
        self.left = 0;
    }
}
