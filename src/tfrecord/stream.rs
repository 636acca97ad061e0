//! Reading on after damage in what can only be read once: the content of a compressed file.

use std::io::{self, ErrorKind, Read};

use super::damage::{Damage, MAX_EXAMPLE_LEN, ReadError};
use super::framing::{self, FRAMING_LEN, HEADER_LEN};
use super::reader::Reader;
use super::scan::{Rest, Stretch};
use super::turn::Turn;

/// Bytes that are read and searched at a time.
const CHUNK: usize = 1 << 20;
/// Bytes that are searched for the next record. Further on than this lies none of anybody's, and a file of some megabytes can
/// hold gigabytes of zeros.
const SEARCHED: u64 = 64 << 20;

/// Iterates over the stretches of a stream, as [`Scanner`](super::Scanner) does over those of a file.
///
/// A record whose data does not match its checksum is lost, and the next one begins behind it. Where no length is, the next
/// one begins at the first length that matches its checksum.
pub(super) struct StreamScanner<R> {
    inner: Window<R>,
    offset: u64,
    record: u64,
    done: bool,
    /// That of the last record, until the next one is read.
    turn: Option<Turn>,
}

impl<R: Read> StreamScanner<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner: Window::new(inner), offset: 0, record: 0, done: false, turn: None }
    }

    fn read_stretch(&mut self) -> io::Result<Option<Stretch>> {
        self.turn = None;
        let header = self.inner.peek(HEADER_LEN);
        let length = header.first_chunk().and_then(framing::length);
        let whole = length.filter(|length| *length <= MAX_EXAMPLE_LEN);
        if header.len() == HEADER_LEN && whole.is_none() {
            return Ok(Some(self.search(length)));
        }
        let mut reader = Reader::taking_turns(&mut self.inner);
        let read = reader.next();
        let turn = reader.take_turn();
        let damage = match read {
            None => return Ok(None),
            Some(Ok(data)) => {
                self.turn = turn;
                self.record += 1;
                self.offset += (FRAMING_LEN + data.len()) as u64;
                return Ok(Some(Stretch::Intact(data)));
            }
            Some(Err(ReadError { damage: Damage::Io(error), .. })) => return Err(error),
            Some(Err(ReadError { damage, .. })) => damage,
        };
        let (bytes, rest) = match damage {
            Damage::TruncatedHeader { found } => (found as u64, Rest::Read),
            Damage::TruncatedData { found, .. } => (HEADER_LEN as u64 + found, Rest::Read),
            Damage::DataChecksum { .. } => (FRAMING_LEN as u64 + length.unwrap_or_default(), Rest::Read),
            Damage::Stream(stream) => (stream.content.saturating_sub(self.offset), Rest::Lost),
            _ => (0, Rest::Lost),
        };
        Ok(Some(self.lose(damage, bytes, rest)))
    }

    /// Passes over what is no record; `length` is that of a record that nobody reads.
    fn search(&mut self, length: Option<u64>) -> Stretch {
        let stored = self.inner.peek(HEADER_LEN).last_chunk().copied().map_or(0, u32::from_le_bytes);
        let computed = framing::masked_crc(self.inner.peek(size_of::<u64>()));
        let damage = length.map_or(Damage::LengthChecksum { stored, computed }, |length| Damage::TooLong { length });
        let mut passed = 1;
        self.inner.consume(1);
        while passed < SEARCHED {
            let chunk = self.inner.peek(CHUNK);
            let is_header = |header: &[u8]| {
                header.first_chunk().and_then(framing::length).is_some_and(|length| length <= MAX_EXAMPLE_LEN)
            };
            let found = chunk.windows(HEADER_LEN).position(is_header);
            let is_end = chunk.len() < CHUNK;
            // A header may lie across the chunk's end.
            let pass = match found {
                Some(place) => place,
                None if is_end => chunk.len(),
                None => chunk.len() + 1 - HEADER_LEN,
            };
            self.inner.consume(pass);
            passed += pass as u64;
            if found.is_some() || is_end {
                return self.lose(damage, passed, Rest::Read);
            }
        }
        self.lose(damage, passed, Rest::Lost)
    }

    fn lose(&mut self, damage: Damage, bytes: u64, rest: Rest) -> Stretch {
        let error = ReadError { record: self.record, offset: self.offset, damage };
        self.record += 1;
        self.offset += bytes;
        self.done = rest == Rest::Lost;
        Stretch::Lost { error, bytes, rest }
    }
}

impl<R: Read> Iterator for StreamScanner<R> {
    type Item = io::Result<Stretch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let stretch = self.read_stretch();
        self.done |= !matches!(stretch, Ok(Some(_)));
        stretch.transpose()
    }
}

/// A stream, and the bytes of it that were looked at and not taken.
struct Window<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    /// What ended the stream, kept until the bytes before it are taken.
    error: Option<io::Error>,
}

impl<R: Read> Window<R> {
    fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new(), start: 0, error: None }
    }

    /// The next `bytes` bytes, or as many as there are. What ended the stream is told when it is read to there.
    fn peek(&mut self, bytes: usize) -> &[u8] {
        if self.buffer.len() - self.start < bytes {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        while self.buffer.len() < bytes && self.error.is_none() {
            let before = self.buffer.len();
            // In pieces: a record file of a few bytes needs no megabyte.
            self.buffer.resize(bytes.max(before + (1 << 12)), 0);
            let read = self.inner.read(&mut self.buffer[before..]);
            self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.error = Some(error),
            }
        }
        let ahead = &self.buffer[self.start..];
        &ahead[..ahead.len().min(bytes)]
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }
}

impl<R: Read> Read for Window<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ahead = &self.buffer[self.start..];
        if !ahead.is_empty() {
            let taken = ahead.len().min(buffer.len());
            buffer[..taken].copy_from_slice(&ahead[..taken]);
            self.start += taken;
            return Ok(taken);
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => self.inner.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tfrecord::writer::file_of;

    /// The intact records, place and length of what lies between, and what becomes of the rest.
    fn scan(content: &[u8]) -> (Vec<Vec<u8>>, Vec<(u64, u64)>, Rest) {
        let (mut intact, mut lost, mut last) = (Vec::new(), Vec::new(), Rest::Read);
        for stretch in StreamScanner::new(content) {
            match stretch.expect("readable") {
                Stretch::Intact(data) => intact.push(data),
                Stretch::Lost { error, bytes, rest } => {
                    lost.push((error.offset, bytes));
                    last = rest;
                }
            }
        }
        (intact, lost, last)
    }

    #[test]
    fn any_flipped_bit_of_the_content_costs_the_record_it_is_in() {
        let records: [&[u8]; 3] = [b"the first", b"", b"the third one"];
        let file = file_of(&records);
        let starts = [0, 25, 41, file.len()];

        for bit in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let hit = starts.iter().rposition(|start| *start <= bit / 8).expect("within the file");
            let kept: Vec<_> = (0..3).filter(|index| *index != hit).map(|index| records[index].to_vec()).collect();

            let (intact, lost, rest) = scan(&damaged);

            assert_eq!((intact, rest), (kept, Rest::Read), "bit {bit}");
            assert_eq!(lost, [(starts[hit] as u64, (starts[hit + 1] - starts[hit]) as u64)], "bit {bit}");
        }
    }

    #[test]
    fn every_byte_is_in_a_record_or_lost_wherever_the_content_is_cut() {
        let file = file_of(&[b"first", b"", &[7; 5_000]]);

        for cut in (0..60).chain([file.len() - 1, file.len()]) {
            let (intact, lost, _) = scan(&file[..cut]);

            let kept: usize = intact.iter().map(|data| FRAMING_LEN + data.len()).sum();
            assert_eq!(kept as u64 + lost.iter().map(|(_, bytes)| bytes).sum::<u64>(), cut as u64, "cut at {cut}");
        }
    }

    #[test]
    fn records_are_found_across_the_borders_of_the_search_and_not_gigabytes_further_on() {
        for shift in [CHUNK - 20, CHUNK - 12, CHUNK - 11, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK - 40] {
            let content = [&vec![0xaa; shift][..], &file_of(&[b"found"])].concat();

            assert_eq!(scan(&content), (vec![b"found".to_vec()], vec![(0, shift as u64)], Rest::Read), "{shift}");
        }
        let mut zeros = io::repeat(0).take(1 << 40);
        let stretches: Vec<_> = StreamScanner::new(&mut zeros).collect();
        assert!(matches!(stretches[..], [Ok(Stretch::Lost { rest: Rest::Lost, .. })]));
        assert!((1 << 40) - zeros.limit() < 2 * SEARCHED);
    }
}
