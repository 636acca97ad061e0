//! GIF's LZW, with giflib's answers to damaged codes.

use std::borrow::Cow;

use super::{super::Reason, Damage, Reader};

/// Codes have at most 12 bits.
const MAX_BITS: u32 = 12;
const MAX_CODE: usize = 4095;

/// What stands in the table where no code is defined.
const NONE: u16 = 4098;

/// Takes the pixels of a frame.
pub(super) trait Pixels {
    /// Adds the next pixels.
    fn add(&mut self, run: impl ExactSizeIterator<Item = u8>) -> Result<(), Damage>;
}

/// The pixels of a frame that is to be seen; the memory has to be there.
impl Pixels for Vec<u8> {
    fn add(&mut self, run: impl ExactSizeIterator<Item = u8>) -> Result<(), Damage> {
        self.extend(run);
        Ok(())
    }
}

/// The decoder of one frame.
pub(super) struct Lzw<'r, 'a> {
    reader: &'r mut Reader<'a>,
    /// What is left of the current data block.
    block: &'a [u8],
    /// Bits that were read ahead, the lowest first.
    bits: u32,
    count: u32,
    min_size: u32,
    /// Size of the next code, and one more than the largest code of that size.
    size: u32,
    limit: usize,
    /// Two more than the code that the next entry gets.
    running: usize,
    prefix: Vec<u16>,
    suffix: Vec<u8>,
    /// Where the part of `prefix` ends in which codes were defined since the table was emptied.
    defined: usize,
}

const CUT: Damage = (Reason::Truncated, Cow::Borrowed("the file stops in the middle of a frame"));
const DEFECT: Damage = (Reason::CorruptData, Cow::Borrowed("the compressed data is damaged"));

impl<'r, 'a> Lzw<'r, 'a> {
    pub(super) fn new(code_size: u8, reader: &'r mut Reader<'a>) -> Self {
        let mut lzw = Self {
            reader,
            block: &[],
            bits: 0,
            count: 0,
            min_size: u32::from(code_size),
            size: 0,
            limit: 0,
            running: 0,
            prefix: vec![NONE; MAX_CODE + 1],
            suffix: vec![0; MAX_CODE + 1],
            defined: 0,
        };
        lzw.clear();
        lzw
    }

    /// The code that empties the table; the next one ends the data.
    fn clear_code(&self) -> usize {
        1 << self.min_size
    }

    fn clear(&mut self) {
        // Data can consist of clear codes only: what is empty already stays as it is.
        self.prefix[..self.defined].fill(NONE);
        self.defined = 0;
        self.running = self.clear_code() + 2;
        self.size = self.min_size + 1;
        self.limit = 1 << self.size;
    }

    /// Decodes exactly `wanted` pixels and adds each run of them to `pixels`.
    pub(super) fn decode(&mut self, wanted: usize, pixels: &mut impl Pixels) -> Result<(), Damage> {
        let mut stack = Vec::with_capacity(MAX_CODE);
        let mut last = None;
        let mut done = 0;
        while done < wanted {
            let code = self.code()?;
            if code == self.clear_code() + 1 {
                return Err((Reason::Truncated, "a frame's data ends before its last pixel".into()));
            }
            if code == self.clear_code() {
                self.clear();
                last = None;
                continue;
            }
            if code < self.clear_code() {
                pixels.add(std::iter::once(code as u8))?;
                done += 1;
            } else {
                self.trace(code, last, &mut stack)?;
                let count = stack.len().min(wanted - done);
                pixels.add(stack.drain(..).rev().take(count))?;
                done += count;
            }
            self.learn(code, last);
            last = Some(code);
        }
        Ok(())
    }

    /// Pushes the pixels that `code` stands for, the last one first.
    fn trace(&mut self, code: usize, last: Option<usize>, stack: &mut Vec<u8>) -> Result<(), Damage> {
        let mut prefix = code;
        if self.prefix[code] == NONE {
            // Right only for the code that is about to be defined; giflib tries any.
            prefix = last.unwrap_or(usize::from(NONE));
            let first = self.first(if code == self.running - 2 { prefix } else { code });
            self.suffix[self.running - 2] = first;
            stack.push(first);
        }
        while stack.len() < MAX_CODE && prefix > self.clear_code() && prefix <= MAX_CODE {
            stack.push(self.suffix[prefix]);
            prefix = usize::from(self.prefix[prefix]);
        }
        if stack.len() >= MAX_CODE || prefix > MAX_CODE {
            return Err(DEFECT);
        }
        stack.push(prefix as u8);
        Ok(())
    }

    /// Defines the next code: what `last` stands for, and the first pixel of `code`.
    fn learn(&mut self, code: usize, last: Option<usize>) {
        let next = self.running - 2;
        if let Some(last) = last
            && self.prefix[next] == NONE
        {
            self.prefix[next] = last as u16;
            self.defined = self.defined.max(next + 1);
            self.suffix[next] = self.first(if code == next { last } else { code });
        }
    }

    /// The first pixel that `code` stands for.
    fn first(&self, code: usize) -> u8 {
        let mut code = code;
        for _ in 0..=MAX_CODE {
            if code <= self.clear_code() {
                break;
            }
            code = self.prefix.get(code).copied().map_or(usize::from(NONE), usize::from);
            if code > MAX_CODE {
                break;
            }
        }
        code as u8
    }

    /// The next code.
    fn code(&mut self) -> Result<usize, Damage> {
        while self.count < self.size {
            self.bits |= u32::from(self.byte()?) << self.count;
            self.count += 8;
        }
        let code = self.bits as usize & ((1 << self.size) - 1);
        self.bits >>= self.size;
        self.count -= self.size;
        if self.running < MAX_CODE + 2 {
            self.running += 1;
            if self.running > self.limit && self.size < MAX_BITS {
                self.limit <<= 1;
                self.size += 1;
            }
        }
        Ok(code)
    }

    fn byte(&mut self) -> Result<u8, Damage> {
        if self.block.is_empty() {
            self.block = self.reader.block().ok_or(CUT)?;
        }
        let (&byte, rest) = self.block.split_first().ok_or(DEFECT)?;
        self.block = rest;
        Ok(byte)
    }
}
