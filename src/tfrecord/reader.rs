//! Reading records back, with every checksum checked.
//!
//! A damaged or hostile file costs one error and little memory: a record's buffer grows with the bytes that are really there,
//! whatever length its header claims, and a record that is too long for a `tf.train.Example` is not read at all, because a
//! compressed file of some megabytes can really hold it. Where the system has no memory for a record, that is an error, too.

use std::io::{self, ErrorKind, Read};
use std::iter::FusedIterator;

use super::damage::{Damage, MAX_EXAMPLE_LEN, ReadError};
use super::framing::{self, FOOTER_LEN, HEADER_LEN};
use super::turn::{LARGE, Turn};

// A header's claim is believed up to here without seeing the bytes: enough for a B0 record in one allocation.
const TRUSTED_LEN: u64 = 1 << 20;
/// Bytes that are read at a time where data is not kept.
const PIECE: u64 = 1 << 16;

/// Iterates over the records of one file and checks both checksums of each; ends after the first error.
///
/// It reads each record in three reads, two of them of a few bytes: give it a [`std::io::BufReader`].
#[derive(Debug)]
pub struct Reader<R: Read> {
    inner: R,
    record: u64,
    offset: u64,
    limit: u64,
    done: bool,
    turns: Turns,
    /// That of the last record, until the next one is read.
    turn: Option<Turn>,
}

/// Whether large records of several readers may be in memory at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turns {
    /// They may: whose they are is for the caller to know.
    None,
    /// One at a time, from when it is read until the next record is or the reader is gone.
    Taken,
}

impl<R: Read> Reader<R> {
    /// A reader whose first record starts at the present position of `inner`.
    pub fn new(inner: R) -> Self {
        Self { inner, record: 0, offset: 0, limit: MAX_EXAMPLE_LEN, done: false, turns: Turns::None, turn: None }
    }

    /// A reader that keeps no large record in memory beside that of another thread, for records of anybody's. A thread has one
    /// such reader at a time, and is through with a record when it reads the next one.
    pub(crate) fn taking_turns(inner: R) -> Self {
        Self { turns: Turns::Taken, ..Self::new(inner) }
    }

    /// Hands over the turn that the last record has.
    pub(super) fn take_turn(&mut self) -> Option<Turn> {
        self.turn.take()
    }

    /// The same for records that are no examples and may have any length.
    pub(crate) fn of_any_length(inner: R) -> Self {
        Self { limit: u64::MAX, ..Self::new(inner) }
    }

    /// Records read whole so far.
    pub fn records(&self) -> u64 {
        self.record
    }

    /// Bytes of those records, framing included: where the next record starts.
    pub fn bytes(&self) -> u64 {
        self.offset
    }

    /// Passes over the next record without looking at its data; `None` where there is none.
    pub fn pass_over(&mut self) -> Option<Result<(), ReadError>> {
        let passed = if self.done { Ok(None) } else { self.pass_over_record() };
        self.count(passed.map(|length| length.map(|length| (length, ()))))
    }

    /// The length of the next record's data; `None` where the file ends between two records.
    fn read_header(&mut self) -> Result<Option<u64>, Damage> {
        let mut header = [0; HEADER_LEN];
        match fill(&mut self.inner, &mut header)? {
            0 => return Ok(None),
            HEADER_LEN => {}
            found => return Err(Damage::TruncatedHeader { found }),
        }
        let [l0, l1, l2, l3, l4, l5, l6, l7, c0, c1, c2, c3] = header;
        let length_bytes = [l0, l1, l2, l3, l4, l5, l6, l7];
        let length = u64::from_le_bytes(length_bytes);
        let stored = u32::from_le_bytes([c0, c1, c2, c3]);
        let computed = framing::masked_crc(&length_bytes);
        if stored != computed {
            return Err(Damage::LengthChecksum { stored, computed });
        }

        if length > self.limit {
            return Err(Damage::TooLong { length });
        }
        Ok(Some(length))
    }

    /// The length of a record's data that was passed over; `None` where the file ends between two records.
    fn pass_over_record(&mut self) -> Result<Option<u64>, Damage> {
        let Some(length) = self.read_header()? else { return Ok(None) };
        let expected = length.saturating_add(FOOTER_LEN as u64);
        match io::copy(&mut (&mut self.inner).take(expected), &mut io::sink())? {
            found if found < expected => Err(Damage::TruncatedData { expected, found }),
            _ => Ok(Some(length)),
        }
    }

    /// The next record's data; `None` where the file ends between two records.
    fn read_record(&mut self) -> Result<Option<Vec<u8>>, Damage> {
        self.turn = None;
        let Some(length) = self.read_header()? else { return Ok(None) };
        if length > LARGE && self.turns == Turns::Taken {
            self.turn = Some(Turn::wait());
        }
        let truncated = |found| Damage::TruncatedData { expected: length.saturating_add(FOOTER_LEN as u64), found };
        let data = self.read_data(length)?;
        if (data.len() as u64) < length {
            return Err(truncated(data.len() as u64));
        }
        let mut footer = [0; FOOTER_LEN];
        let found = fill(&mut self.inner, &mut footer)?;
        if found < FOOTER_LEN {
            return Err(truncated(length.saturating_add(found as u64)));
        }
        let stored = u32::from_le_bytes(footer);
        let computed = framing::masked_crc(&data);
        if stored != computed {
            return Err(Damage::DataChecksum { stored, computed });
        }
        Ok(Some(data))
    }

    /// So many bytes, or as many as there are. The buffer is at most twice as long as what came.
    fn read_data(&mut self, length: u64) -> Result<Vec<u8>, Damage> {
        let mut data = Vec::new();
        loop {
            let (found, left) = (data.len() as u64, length - data.len() as u64);
            let room = left.min(found.max(TRUSTED_LEN));
            let is_room = usize::try_from(room).is_ok_and(|room| data.try_reserve_exact(room).is_ok());
            if !is_room {
                return Err(Damage::NoMemory { length });
            }
            let read = (&mut self.inner).take(room).read_to_end(&mut data)? as u64;
            if read < room || read == left {
                return Ok(data);
            }
        }
    }

    /// Whether data and checksum of the record that begins here are sound, without keeping it.
    pub(super) fn is_intact(&mut self) -> io::Result<bool> {
        match self.check_record() {
            Err(Damage::Io(error)) => Err(error),
            outcome => Ok(matches!(outcome, Ok(true))),
        }
    }

    fn check_record(&mut self) -> Result<bool, Damage> {
        let Some(mut left) = self.read_header()? else { return Ok(false) };
        let (mut crc, mut piece) = (0, vec![0; left.min(PIECE) as usize]);
        while left > 0 {
            let part = &mut piece[..left.min(PIECE) as usize];
            if fill(&mut self.inner, part)? < part.len() {
                return Ok(false);
            }
            crc = crc32c::crc32c_append(crc, part);
            left -= part.len() as u64;
        }
        let mut footer = [0; FOOTER_LEN];
        let found = fill(&mut self.inner, &mut footer)?;
        Ok(found == FOOTER_LEN && u32::from_le_bytes(footer) == framing::mask(crc))
    }

    /// Moves on behind a record that was read, whose data has a length, or ends with the file or the damage.
    fn count<T>(&mut self, read: Result<Option<(u64, T)>, Damage>) -> Option<Result<T, ReadError>> {
        match read {
            Ok(Some((length, data))) => {
                self.record += 1;
                self.offset += framing::FRAMING_LEN as u64 + length;
                Some(Ok(data))
            }
            Ok(None) => {
                self.done = true;
                None
            }
            Err(damage) => {
                self.done = true;
                Some(Err(ReadError { record: self.record, offset: self.offset, damage }))
            }
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = if self.done { Ok(None) } else { self.read_record() };
        self.count(read.map(|data| data.map(|data| (data.len() as u64, data))))
    }
}

impl<R: Read> FusedIterator for Reader<R> {}

/// Reads until `buffer` is full or the file ends; returns how many bytes came.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tfrecord::writer::file_of;

    /// The records before the first error, and that error.
    fn read(file: &[u8]) -> (Vec<Vec<u8>>, Option<ReadError>) {
        let mut reader = Reader::new(file);
        let mut records = Vec::new();
        for record in reader.by_ref() {
            match record {
                Ok(record) => records.push(record),
                Err(error) => {
                    assert!(reader.next().is_none(), "the reader ends after an error");
                    return (records, Some(error));
                }
            }
        }
        (records, None)
    }

    fn damage_of(file: &[u8]) -> Damage {
        read(file).1.expect("the file is damaged").damage
    }

    #[test]
    fn what_was_written_is_read_back() {
        let big = vec![0xa5; 3 << 20];
        let records: [&[u8]; 4] = [b"one", b"", &big, b"four"];
        let file = file_of(&records);

        let mut reader = Reader::new(&file[..]);
        let back: Result<Vec<_>, _> = reader.by_ref().collect();

        assert_eq!(back.expect("the file is whole"), records);
        assert_eq!((reader.records(), reader.bytes()), (4, file.len() as u64));
    }

    #[test]
    fn records_that_are_passed_over_count() {
        let big = vec![0xa5; 3 << 20];
        let file = file_of(&[&b"one"[..], &big, b"three"]);

        let mut reader = Reader::new(&file[..]);
        let read = [reader.pass_over().is_some(), reader.pass_over().is_some()];
        let third = reader.next().expect("a record").expect("whole");

        assert_eq!((read, &third[..]), ([true, true], &b"three"[..]));
        assert!(reader.pass_over().is_none());
        assert_eq!((reader.records(), reader.bytes()), (3, file.len() as u64));
        let mut cut = Reader::new(&file[..file.len() - 1]);
        assert!((0..2).all(|_| matches!(cut.pass_over(), Some(Ok(())))));
        let damage = cut.pass_over().expect("a record").expect_err("is cut short").damage;
        assert!(matches!(damage, Damage::TruncatedData { expected: 9, found: 8 }), "{damage}");
    }

    #[test]
    fn an_empty_file_holds_no_records() {
        assert!(Reader::new(&[][..]).next().is_none());
    }

    #[test]
    fn a_file_cut_at_any_byte_gives_its_whole_records_and_says_where_it_ends() {
        let records: [&[u8]; 3] = [b"first", b"", b"the third one"];
        let file = file_of(&records);
        let starts = [0, 21, 37, file.len()];

        for cut in 0..file.len() {
            let (whole, error) = read(&file[..cut]);

            let expected = starts.iter().rposition(|&start| start <= cut);
            let expected = expected.expect("the first record starts at 0");
            assert_eq!(whole, records[..expected], "cut at {cut}");
            let within = cut - starts[expected];
            match error {
                None => assert_eq!(within, 0, "cut at {cut}"),
                Some(error) => {
                    assert_eq!(error.record, expected as u64, "cut at {cut}");
                    assert_eq!(error.offset, starts[expected] as u64, "cut at {cut}");
                    match error.damage {
                        Damage::TruncatedHeader { found } => {
                            assert!(found < 12 && found == within, "cut at {cut}");
                        }
                        Damage::TruncatedData { expected: promised, found } => {
                            assert_eq!(promised, records[expected].len() as u64 + 4);
                            assert_eq!(found + 12, within as u64, "cut at {cut}");
                        }
                        other => panic!("cut at {cut}: {other}"),
                    }
                }
            }
        }
    }

    #[test]
    fn any_flipped_bit_is_found_and_named() {
        let file = file_of(&[b"some data"]);

        for bit in 0..file.len() * 8 {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);

            match (bit / 8, damage_of(&file)) {
                (0..12, Damage::LengthChecksum { stored, computed })
                | (12.., Damage::DataChecksum { stored, computed }) => {
                    assert_ne!(stored, computed);
                }
                (byte, other) => panic!("byte {byte}: {other}"),
            }
        }
    }

    #[test]
    fn damage_in_the_second_record_leaves_the_first_and_is_located() {
        let mut file = file_of(&[b"first", b"second", b"third"]);
        file[21 + 12] ^= 0x80;

        let (records, error) = read(&file);

        assert_eq!(records, [b"first"]);
        let error = error.expect("the second record is damaged").to_string();
        assert!(error.starts_with("record 1 (from byte 21): the data's checksum is 0x"), "{error}");
        assert!(!error.contains('\n'));
    }

    #[test]
    fn a_hostile_length_costs_no_memory() {
        for length in [MAX_EXAMPLE_LEN, 1 << 30] {
            let mut file = framing::header(length).to_vec();
            file.extend(b"only this much is there");

            let Damage::TruncatedData { expected, found } = damage_of(&file) else {
                panic!("length {length}: wrong error");
            };

            assert_eq!((expected, found), (length + 4, 23));
        }
    }

    #[test]
    fn a_record_that_is_too_long_for_an_example_is_not_read() {
        for length in [MAX_EXAMPLE_LEN + 1, 1 << 40, u64::MAX] {
            let (header, mut rest) = (framing::header(length), io::repeat(0).take(length));

            let error = Reader::new(header.chain(&mut rest)).find_map(Result::err).expect("it is refused");

            assert!(matches!(error.damage, Damage::TooLong { length: told } if told == length), "{error}");
            assert_eq!(rest.limit(), length, "nothing of it was read");
        }
    }

    #[test]
    fn a_failing_disk_is_an_error_and_not_the_end_of_the_file() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is on fire"))
            }
        }
        let file = file_of(&[b"first", b"second"]);

        for cut in [5, 16, 21, 28, 36] {
            let mut reader = Reader::new(file[..cut].chain(Failing));

            let error = reader.find_map(Result::err).expect("the disk fails");

            assert!(matches!(error.damage, Damage::Io(_)), "cut at {cut}");
            assert!(error.to_string().contains("on fire"), "cut at {cut}");
        }
    }
}
