//! Decompression of zlib data (RFC 1950 and 1951), a piece at a time, stopping exactly where zlib 1.3.1 stops.
//!
//! Nearly all of it could be any decoder's. What libpng's verdict depends on is how far zlib gets before it asks for more
//! bytes or for room: it reads no byte that it does not need, but once the output is full it decodes on until there is
//! something to write. So the end of a block, the checksum, and damage behind the last pixel are seen or not seen
//! depending on where the pieces end. [`Inflater::inflate`] returns where zlib's `inflate` would, with the same bytes
//! consumed. The window is as large as the data says, which zlib enforces at the level of whole calls: [`Inflater::begin_call`].

use super::adler::Adler;
use super::huffman::{Alphabet, BASE, END, LITERAL, TWO, Table, extra, length, value};

/// Most bytes that one call can ask for.
pub(super) const MOST: usize = 64 << 10;

/// The largest distance that deflate knows.
const WINDOW: usize = 32 << 10;

/// Bytes behind the end that may be overwritten: a longest match in steps of 16, and a literal too many.
const SLACK: usize = 258 + 16;

/// The longest match.
const LONGEST: usize = 258;

/// What is wrong with the data, in words.
pub(super) type Flaw = &'static str;

/// Why a call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// All input has been read, or there is no more room, or both.
    Hungry,
    /// The data is complete, and its checksum is right.
    Ended,
}

/// A decompressor and the last of its output.
pub(super) struct Inflater {
    /// Bits that have been read and not used, the next one lowest. Fewer than 8 unless input is wanted.
    bits: u64,
    count: u32,
    state: State,
    is_last_block: bool,
    literals: Table<12, 4096>,
    distances: Table<9, 512>,
    lengths: Lengths,
    /// The bytes a match may come from, those to be read, and room.
    buffer: Vec<u8>,
    /// Where in `buffer` the output ends.
    end: usize,
    /// Where it begins that has not been read.
    unread: usize,
    /// The first of `buffer` that a match may come from.
    floor: usize,
    /// How far back the window reaches.
    window: usize,
    adler: Adler,
}

#[derive(Clone, Copy)]
enum State {
    Header,
    Block,
    StoredLength,
    Stored(usize),
    Counts,
    CodeLengths,
    Lengths,
    Codes,
    /// Something decoded, for which there was no room.
    Literal(u8),
    Match {
        length: usize,
        distance: usize,
    },
    Checksum,
    Ended,
}

/// The code lengths of a block, as far as they are known.
struct Lengths {
    all: [u8; 286 + 30 + 138],
    known: usize,
    literals: usize,
    distances: usize,
    codes: usize,
    table: Table<7, 128>,
}

/// The bits that a step needs are not there.
enum Pause {
    Hungry,
    Flaw(Flaw),
}

impl From<Flaw> for Pause {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            bits: 0,
            count: 0,
            state: State::Header,
            is_last_block: false,
            literals: Table::new(),
            distances: Table::new(),
            lengths: Lengths { all: [0; 454], known: 0, literals: 0, distances: 0, codes: 0, table: Table::new() },
            buffer: vec![0; WINDOW + 2 * MOST + SLACK],
            end: 0,
            unread: 0,
            floor: 0,
            window: WINDOW,
            adler: Adler::new(),
        }
    }

    /// How many bytes the decompressor takes.
    pub(super) const MEMORY: usize = WINDOW + 2 * MOST + SLACK + (32 << 10);

    /// The output that has not been read.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.unread..self.end]
    }

    /// Marks so many bytes of it as read.
    pub(super) fn consume(&mut self, count: usize) {
        self.unread += count;
    }

    /// Whether the window is as large as it can be, so that it does not matter where calls begin.
    pub(super) fn has_full_window(&self) -> bool {
        self.window == WINDOW && !matches!(self.state, State::Header)
    }

    /// Says that zlib's next call begins here. Inside a call matches reach back to the window before it.
    pub(super) fn begin_call(&mut self) {
        self.floor = self.end.saturating_sub(self.window);
    }

    /// Decompresses from `input`, whose rest is left there, up to `most` bytes, all read before.
    pub(super) fn inflate(&mut self, input: &mut &[u8], most: usize) -> Result<Stop, Flaw> {
        debug_assert!(most <= MOST && self.unread == self.end);
        if self.end + most + SLACK > self.buffer.len() {
            let gone = self.end - WINDOW;
            self.buffer.copy_within(gone..self.end, 0);
            self.floor = self.floor.saturating_sub(gone);
            self.end = WINDOW;
            self.unread = WINDOW;
        }
        let limit = self.end + most;
        let mut summed = self.end;
        let outcome = loop {
            if matches!(self.state, State::Checksum) {
                self.adler.update(&self.buffer[summed..self.end]);
                summed = self.end;
            }
            match self.step(input, limit) {
                Ok(true) => (),
                Ok(false) if matches!(self.state, State::Ended) => break Ok(Stop::Ended),
                Ok(false) | Err(Pause::Hungry) => break Ok(Stop::Hungry),
                Err(Pause::Flaw(flaw)) => break Err(flaw),
            }
        };
        self.adler.update(&self.buffer[summed..self.end]);
        outcome
    }

    /// Goes from one state to the next; returns false where that takes room that is not there, or all is done.
    fn step(&mut self, input: &mut &[u8], limit: usize) -> Result<bool, Pause> {
        self.state = match self.state {
            State::Header => self.header(input)?,
            State::Block => {
                if self.is_last_block {
                    self.align();
                    self.state = State::Checksum;
                    return Ok(true);
                }
                self.need(3, input)?;
                self.is_last_block = self.take(1) == 1;
                match self.take(2) {
                    0 => {
                        self.align();
                        State::StoredLength
                    }
                    1 => {
                        self.fixed();
                        State::Codes
                    }
                    2 => State::Counts,
                    _ => return Err("there is no such kind of block".into()),
                }
            }
            State::StoredLength => {
                self.need(32, input)?;
                let (length, inverse) = (self.take(16), self.take(16));
                if length != inverse ^ 0xffff {
                    return Err("a stored block contradicts its length".into());
                }
                State::Stored(length as usize)
            }
            State::Stored(0) => State::Block,
            State::Stored(length) => {
                let count = length.min(input.len()).min(limit - self.end);
                if count == 0 {
                    return if self.end == limit { Ok(false) } else { Err(Pause::Hungry) };
                }
                let (head, tail) = input.split_at(count);
                self.buffer[self.end..self.end + count].copy_from_slice(head);
                self.end += count;
                *input = tail;
                State::Stored(length - count)
            }
            State::Counts => {
                self.need(14, input)?;
                let lengths = (self.take(5) as usize + 257, self.take(5) as usize + 1, self.take(4) as usize + 4);
                (self.lengths.literals, self.lengths.distances, self.lengths.codes) = lengths;
                if self.lengths.literals > 286 || self.lengths.distances > 30 {
                    return Err("a block has too many codes".into());
                }
                self.lengths.known = 0;
                self.lengths.all[..19].fill(0);
                State::CodeLengths
            }
            State::CodeLengths => self.code_lengths(input)?,
            State::Lengths => self.lengths(input)?,
            State::Codes => {
                if limit - self.end >= SLACK && input.len() >= 16 {
                    self.many_codes(input, limit)?
                } else {
                    self.code(input)?
                }
            }
            State::Literal(_) | State::Match { .. } if self.end == limit => return Ok(false),
            State::Literal(byte) => {
                self.buffer[self.end] = byte;
                self.end += 1;
                State::Codes
            }
            State::Match { length, distance } => {
                if distance > self.end - self.floor {
                    return Err("a match begins before the data".into());
                }
                let count = length.min(limit - self.end);
                copy(&mut self.buffer, self.end, distance, count);
                self.end += count;
                if count == length { State::Codes } else { State::Match { length: length - count, distance } }
            }
            State::Checksum => {
                self.need(32, input)?;
                let sum = (self.take(32) as u32).swap_bytes();
                if sum != self.adler.value() {
                    return Err("the checksum of the decompressed data (Adler-32) is wrong".into());
                }
                State::Ended
            }
            State::Ended => return Ok(false),
        };
        Ok(true)
    }

    /// RFC 1950: the method, the size of the window, no dictionary, a checksum of the two bytes.
    fn header(&mut self, input: &mut &[u8]) -> Result<State, Pause> {
        if self.count == 0 && input.first().is_some_and(|first| first >> 4 > 7) {
            return Err("the compressed data has no zlib header".into());
        }
        self.need(16, input)?;
        let (method, log, flags) = (self.take(4), self.take(4), self.take(8));
        if method != 8 || log > 7 || ((log << 4 | method) << 8 | flags) % 31 != 0 {
            return Err("the compressed data has no zlib header".into());
        }
        if flags & 0x20 != 0 {
            return Err("the compressed data wants a dictionary".into());
        }
        self.window = 256 << log;
        Ok(State::Block)
    }

    fn fixed(&mut self) {
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        let is_sound =
            self.literals.build(Alphabet::Literals, &lengths) && self.distances.build(Alphabet::Distances, &[5; 32]);
        debug_assert!(is_sound);
    }

    /// Reads the lengths of the codes that the lengths of the codes are written in.
    fn code_lengths(&mut self, input: &mut &[u8]) -> Result<State, Pause> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        while self.lengths.known < self.lengths.codes {
            self.need(3, input)?;
            self.lengths.all[ORDER[self.lengths.known]] = self.take(3) as u8;
            self.lengths.known += 1;
        }
        self.lengths.known = 0;
        if !self.lengths.table.build(Alphabet::Lengths, &self.lengths.all[..19]) {
            return Err("the code lengths of a block fit no code".into());
        }
        Ok(State::Lengths)
    }

    /// Reads the lengths of the codes of a block.
    fn lengths(&mut self, input: &mut &[u8]) -> Result<State, Pause> {
        let total = self.lengths.literals + self.lengths.distances;
        while self.lengths.known < total {
            let entry = loop {
                match self.lengths.table.look(self.bits, self.count) {
                    Some(entry) => break entry,
                    None => self.pull(input)?,
                }
            };
            let symbol = value(entry);
            let (repeated, extra, base) = match symbol {
                0..=15 => (symbol as u8, 0, 1),
                16 => (0, 2, 3),
                17 => (0, 3, 3),
                _ => (0, 7, 11),
            };
            self.need(length(entry) + extra, input)?;
            self.drop(length(entry));
            let repeated = match symbol {
                16 if self.lengths.known == 0 => return Err("the first code length repeats the one before".into()),
                16 => self.lengths.all[self.lengths.known - 1],
                _ => repeated,
            };
            let count = base + self.take(extra) as usize;
            if self.lengths.known + count > total {
                return Err("a block has more code lengths than codes".into());
            }
            self.lengths.all[self.lengths.known..][..count].fill(repeated);
            self.lengths.known += count;
        }
        let (literals, distances) = self.lengths.all[..total].split_at(self.lengths.literals);
        if literals[256] == 0 {
            return Err("a block has no code for its end".into());
        }
        if !self.literals.build(Alphabet::Literals, literals) || !self.distances.build(Alphabet::Distances, distances) {
            return Err("the code lengths of a block fit no code".into());
        }
        Ok(State::Codes)
    }

    /// Decodes one literal, match or end of a block, reading byte by byte no more than that takes.
    fn code(&mut self, input: &mut &[u8]) -> Result<State, Pause> {
        let entry = loop {
            match self.literals.look(self.bits, self.count) {
                Some(entry) => break entry,
                None => self.pull(input)?,
            }
        };
        if entry & LITERAL != 0 {
            self.drop(length(entry));
            return Ok(State::Literal(value(entry) as u8));
        }
        if entry & END != 0 {
            self.drop(length(entry));
            return Ok(State::Block);
        }
        if entry & BASE == 0 {
            return Err(NO_LITERAL.into());
        }
        // Nothing is dropped before all of it is there, so that it can begin again with more input.
        let skipped = length(entry) + extra(entry);
        self.need(skipped, input)?;
        let distance = loop {
            match self.distances.look(self.bits >> skipped, self.count - skipped) {
                Some(distance) => break distance,
                None => self.pull(input)?,
            }
        };
        if distance & BASE == 0 {
            return Err(NO_DISTANCE.into());
        }
        self.need(skipped + length(distance) + extra(distance), input)?;
        self.drop(length(entry));
        let run = value(entry) + self.take(extra(entry)) as u32;
        self.drop(length(distance));
        let distance = value(distance) + self.take(extra(distance)) as u32;
        Ok(State::Match { length: run as usize, distance: distance as usize })
    }

    /// [`Inflater::code`] and what follows from it, over and over, as long as there is plenty of input and of room.
    fn many_codes(&mut self, input: &mut &[u8], limit: usize) -> Result<State, Pause> {
        let (source, buffer) = (*input, &mut self.buffer[..]);
        let (literals, distances) = (&self.literals, &self.distances);
        let (mut bits, mut count, mut at, mut end) = (self.bits, self.count, 0, self.end);
        let last_end = limit - SLACK;
        let mut next = State::Codes;
        let mut flaw = None;
        macro_rules! refill {
            () => {
                let Some(word) = source.get(at..).and_then(<[u8]>::first_chunk::<8>) else { break };
                bits |= u64::from_le_bytes(*word) << count;
                at += (63 - count as usize) / 8;
                count |= 56;
            };
        }
        macro_rules! drop {
            ($entry:expr) => {
                bits >>= $entry & 63;
                count -= $entry & 63;
            };
        }
        macro_rules! literal {
            ($entry:expr) => {
                buffer[end..end + 2].copy_from_slice(&(($entry >> 16) as u16).to_le_bytes());
                end += 1 + ($entry & TWO != 0) as usize;
                drop!(length($entry));
            };
        }
        while end <= last_end {
            refill!();
            let mut entry = literals.get(bits);
            // Three times up to 15 bits leave at least 11 of 56.
            if entry & LITERAL != 0 {
                literal!(entry);
                entry = literals.get(bits);
                if entry & LITERAL != 0 {
                    literal!(entry);
                    entry = literals.get(bits);
                    if entry & LITERAL != 0 {
                        literal!(entry);
                        continue;
                    }
                }
                refill!();
            }
            if entry & BASE == 0 {
                if entry & END == 0 {
                    flaw = Some(NO_LITERAL);
                } else {
                    drop!(length(entry));
                    next = State::Block;
                }
                break;
            }
            // 15 + 5 + 15 + 13 bits are 48.
            drop!(length(entry));
            let run = value(entry) as usize + (bits & ((1 << extra(entry)) - 1)) as usize;
            drop!(extra(entry));
            let entry = distances.get(bits);
            if entry & BASE == 0 {
                flaw = Some(NO_DISTANCE);
                break;
            }
            drop!(length(entry));
            let distance = value(entry) as usize + (bits & ((1 << extra(entry)) - 1)) as usize;
            drop!(extra(entry));
            if distance > end - self.floor {
                flaw = Some("a match begins before the data");
                break;
            }
            copy(buffer, end, distance, run);
            end += run;
        }
        // Whole bytes that were not needed go back.
        at -= count as usize / 8;
        self.count = count % 8;
        self.bits = bits & ((1 << self.count) - 1);
        self.end = end;
        *input = &source[at..];
        match flaw {
            Some(flaw) => Err(flaw.into()),
            None if matches!(next, State::Codes) => self.code(input),
            None => Ok(next),
        }
    }

    /// Reads bytes until there are so many bits.
    fn need(&mut self, count: u32, input: &mut &[u8]) -> Result<(), Pause> {
        while self.count < count {
            self.pull(input)?;
        }
        Ok(())
    }

    fn pull(&mut self, input: &mut &[u8]) -> Result<(), Pause> {
        let (&byte, rest) = input.split_first().ok_or(Pause::Hungry)?;
        *input = rest;
        self.bits |= u64::from(byte) << self.count;
        self.count += 8;
        Ok(())
    }

    /// Uses bits that are there.
    fn take(&mut self, count: u32) -> u64 {
        let taken = self.bits & ((1 << count) - 1);
        self.drop(count);
        taken
    }

    fn drop(&mut self, count: u32) {
        self.bits >>= count;
        self.count -= count;
    }

    /// Drops the bits of a byte that has begun.
    fn align(&mut self) {
        self.drop(self.count % 8);
    }
}

const NO_LITERAL: Flaw = "a code of a block stands for nothing";
const NO_DISTANCE: Flaw = "a code of a block stands for no distance";

/// Repeats `count` bytes, up to 258, from `distance` before `end`. What lies up to 16 bytes behind them is overwritten.
#[inline(always)]
fn copy(buffer: &mut [u8], end: usize, distance: usize, count: usize) {
    debug_assert!(count <= LONGEST);
    let (mut to, last) = (end, end + count);
    let mut from = end - distance;
    if distance < 16 {
        // What repeats every n bytes repeats every 2 n bytes, too: byte by byte until a multiple of 16 or more is there.
        let wide = distance * 16usize.div_ceil(distance);
        let head = last.min(from + wide);
        while to < head {
            buffer[to] = buffer[from];
            to += 1;
            from += 1;
        }
        from = to.saturating_sub(wide);
    }
    while to < last {
        let block: [u8; 16] = buffer[from..from + 16].try_into().unwrap_or_default();
        buffer[to..to + 16].copy_from_slice(&block);
        to += 16;
        from += 16;
    }
}
