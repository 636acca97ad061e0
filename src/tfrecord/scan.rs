//! Reading on after damage: every intact record of a file, and what lies between them.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::damage::{Damage, ReadError};
use super::framing::{self, FRAMING_LEN, HEADER_LEN};
use super::reader::Reader;
use super::turn::Turn;

/// Bytes that are searched at a time.
const CHUNK: usize = 1 << 20;
/// How many times its own length a file may make us read for records that turn out to be none. An accident asks for
/// next to nothing; a file made for it could ask for its length squared.
const FALSE_STARTS: u64 = 16;

/// A stretch of a file.
#[derive(Debug)]
pub enum Stretch {
    /// A record whose checksums hold: its data.
    Intact(Vec<u8>),
    /// Bytes in which no intact record begins.
    Lost {
        /// What is wrong at the first of them.
        error: ReadError,
        /// How many there are.
        bytes: u64,
        /// What becomes of what follows them.
        rest: Rest,
    },
}

/// What becomes of what follows lost bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// It is read, or there is nothing.
    #[default]
    Read,
    /// It cannot be read: how long it is, nobody knows.
    Lost,
}

/// Iterates over the stretches of a file, from its first byte to its last.
///
/// After damage it goes on where the damaged record's own length says that the next one begins, if one does; else at the
/// next byte from which a length, data and both checksums agree.
#[derive(Debug)]
pub struct Scanner<R: Read + Seek> {
    inner: BufReader<R>,
    length: u64,
    offset: u64,
    record: u64,
    budget: u64,
    /// That of the last record, until the next one is read.
    turn: Option<Turn>,
}

impl<R: Read + Seek> Scanner<R> {
    /// A scanner of all of `inner`.
    ///
    /// # Errors
    /// What seeking says.
    pub fn new(mut inner: R) -> io::Result<Self> {
        let length = inner.seek(SeekFrom::End(0))?;
        inner.rewind()?;
        let budget = length.saturating_mul(FALSE_STARTS);
        Ok(Self { inner: BufReader::with_capacity(CHUNK, inner), length, offset: 0, record: 0, budget, turn: None })
    }

    fn read_stretch(&mut self) -> io::Result<Option<Stretch>> {
        if self.offset >= self.length {
            return Ok(None); // what was added to the file since is for the next look at it
        }
        self.turn = None;
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
        let error = ReadError { record: self.record, offset: self.offset, damage };
        let next = match self.by_its_length()? {
            Some(next) => next,
            None => self.search(self.offset + 1)?,
        };
        let bytes = next - self.offset;
        self.record += 1;
        self.offset = next;
        self.inner.seek(SeekFrom::Start(next))?;
        Ok(Some(Stretch::Lost { error, bytes, rest: Rest::Read }))
    }

    /// Where the damaged record here ends by its own length, if that is the file's end or an intact record begins there.
    fn by_its_length(&mut self) -> io::Result<Option<u64>> {
        self.inner.seek(SeekFrom::Start(self.offset))?;
        let mut header = Vec::with_capacity(HEADER_LEN);
        (&mut self.inner).take(HEADER_LEN as u64).read_to_end(&mut header)?;
        let Some(length) = header.first_chunk().and_then(framing::length) else { return Ok(None) };
        let Some(end) = self.offset.checked_add(FRAMING_LEN as u64).and_then(|start| start.checked_add(length)) else {
            return Ok(None);
        };
        let is_good = end == self.length || (end < self.length && self.is_intact_at(end)?);
        Ok(is_good.then_some(end))
    }

    /// The first place from `from` on where an intact record begins; the end of the file where there is none.
    fn search(&mut self, from: u64) -> io::Result<u64> {
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut start = from;
        while start + (FRAMING_LEN as u64) <= self.length {
            self.inner.seek(SeekFrom::Start(start))?;
            chunk.clear();
            (&mut self.inner).take(CHUNK as u64).read_to_end(&mut chunk)?;
            for (at, header) in chunk.windows(HEADER_LEN).enumerate() {
                let place = start + at as u64;
                let Some(length) = header.first_chunk().and_then(framing::length) else { continue };
                let ends_in_file = place
                    .checked_add(FRAMING_LEN as u64)
                    .and_then(|end| end.checked_add(length))
                    .is_some_and(|end| end <= self.length);
                if !ends_in_file {
                    continue;
                }
                let Some(left) = self.budget.checked_sub(length) else { return Ok(self.length) };
                self.budget = left;
                if self.is_intact_at(place)? {
                    return Ok(place);
                }
            }
            // A header may lie across the chunk's end.
            match chunk.len() {
                len if len < HEADER_LEN => break,
                len => start += (len + 1 - HEADER_LEN) as u64,
            }
        }
        Ok(self.length)
    }

    fn is_intact_at(&mut self, place: u64) -> io::Result<bool> {
        self.inner.seek(SeekFrom::Start(place))?;
        Reader::new(&mut self.inner).is_intact()
    }
}

impl<R: Read + Seek> Iterator for Scanner<R> {
    type Item = io::Result<Stretch>;

    fn next(&mut self) -> Option<Self::Item> {
        let stretch = self.read_stretch();
        if stretch.is_err() {
            // Nothing comes after a failing disk.
            self.inner.get_mut().seek(SeekFrom::End(0)).ok();
        }
        stretch.transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::tfrecord::writer::file_of;

    /// The intact records, and place and length of what lies between.
    fn scan(file: &[u8]) -> (Vec<Vec<u8>>, Vec<(u64, u64)>) {
        let (mut intact, mut lost) = (Vec::new(), Vec::new());
        for stretch in Scanner::new(Cursor::new(file)).expect("seekable") {
            match stretch.expect("readable") {
                Stretch::Intact(data) => intact.push(data),
                Stretch::Lost { error, bytes, .. } => lost.push((error.offset, bytes)),
            }
        }
        (intact, lost)
    }

    #[test]
    fn any_flipped_bit_costs_the_record_it_is_in() {
        let records: [&[u8]; 3] = [b"the first", b"", b"the third one"];
        let file = file_of(&records);
        let starts = [0, 25, 41, file.len()];

        for bit in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let hit = starts.iter().rposition(|start| *start <= bit / 8).expect("within the file");
            let kept: Vec<_> = (0..3).filter(|index| *index != hit).map(|index| records[index].to_vec()).collect();

            let (intact, lost) = scan(&damaged);

            assert_eq!(intact, kept, "bit {bit}");
            assert_eq!(lost, [(starts[hit] as u64, (starts[hit + 1] - starts[hit]) as u64)], "bit {bit}");
        }
    }

    #[test]
    fn bytes_cut_out_or_put_in_cost_no_other_record() {
        let records: [&[u8]; 4] = [b"one", &[7; 3000], b"three", b"four"];
        let file = file_of(&records);
        let kept = [b"one".to_vec(), b"three".to_vec(), b"four".to_vec()];

        let cut_out = [&file[..100], &file[300..]].concat();
        let put_in = [&file[..100], &[0xff; 5000], &file[100..]].concat();
        let without_its_start = [&file[..19], &file[19 + 8..]].concat();
        let behind_a_header = [&file[..19], &framing::header(5), &file[19 + 3016..]].concat();

        for damaged in [cut_out, put_in, without_its_start, behind_a_header] {
            assert_eq!(scan(&damaged).0, kept);
        }
        assert_eq!(scan(&file[..file.len() - 1]).0.len(), 3);
        assert_eq!(scan(&file[..5]), (vec![], vec![(0, 5)]));
        assert_eq!(scan(&[]), (vec![], vec![]));
    }

    #[test]
    fn a_record_file_inside_a_damaged_record_is_not_taken_for_records() {
        let inner = file_of(&[b"not", b"ours"]);
        let mut file = file_of(&[&inner, b"ours"]);
        file[12] ^= 1;

        assert_eq!(scan(&file), (vec![b"ours".to_vec()], vec![(0, inner.len() as u64 + 16)]));
    }

    #[test]
    fn records_are_found_across_the_borders_of_the_search() {
        for shift in [CHUNK - 20, CHUNK - 12, CHUNK - 11, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK - 40] {
            let file = [&vec![0xaa; shift][..], &file_of(&[b"found"])].concat();

            assert_eq!(scan(&file), (vec![b"found".to_vec()], vec![(0, shift as u64)]), "{shift}");
        }
    }

    #[test]
    fn a_file_of_nothing_but_promises_ends_in_time() {
        let file: Vec<u8> = (0..100_000).flat_map(|_| framing::header(1_000_000)).collect();

        assert_eq!(scan(&file), (vec![], vec![(0, file.len() as u64)]));
    }
}
