//! Single records of an uncompressed file, without what lies between them.
//!
//! A record is found by the lengths of those before it, each in 12 bytes; where records are equally long, by a guess that its
//! own length must confirm. A million records of 250 kB are so sampled by reading megabytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::storage;
use crate::tfrecord::framing::{self, FRAMING_LEN, HEADER_LEN};
use crate::tfrecord::{Damage, MAX_EXAMPLE_LEN, ReadError, Reader};

/// Whether a record may be looked for by the length of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jumps {
    /// Their lengths say nothing about each other.
    None,
    /// Between two equally long ones all are of that length.
    OverEqual,
}

/// What can be read in pieces.
pub(super) trait Pieces {
    /// So many bytes from there on, or as many as there are.
    fn piece(&mut self, at: u64, bytes: u64) -> io::Result<Vec<u8>>;
}

/// A file, or an object, of which each piece is a request of its own.
pub(super) enum Place {
    File(File),
    Object { url: PathBuf, length: u64 },
}

impl Pieces for Place {
    fn piece(&mut self, at: u64, bytes: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::File(file) => {
                let mut piece = Vec::new();
                file.seek(SeekFrom::Start(at))?;
                file.take(bytes).read_to_end(&mut piece)?;
                Ok(piece)
            }
            Self::Object { url, length } => match usize::try_from(bytes.min(length.saturating_sub(at))) {
                Ok(0) => Ok(Vec::new()),
                Ok(bytes) => storage::read_piece(url, at, bytes),
                Err(_) => Err(io::ErrorKind::OutOfMemory.into()),
            },
        }
    }
}

/// Moves through the records of a file, forwards only.
pub(super) struct Seeker<P> {
    pieces: P,
    length: u64,
    jumps: Jumps,
    /// The record that begins at `offset`.
    number: u64,
    offset: u64,
    /// The length of its data, once that is known.
    data: Option<u64>,
    /// That of the one before it.
    guess: u64,
}

impl Seeker<Place> {
    /// Opens a record file that is not compressed.
    pub(super) fn open(path: &Path, jumps: Jumps) -> io::Result<Self> {
        let length = storage::metadata(path)?.bytes;
        let place = match storage::is_url(path) {
            true => Place::Object { url: path.into(), length },
            false => Place::File(File::open(path)?),
        };
        Ok(Self::new(place, length, jumps))
    }
}

impl<P: Pieces> Seeker<P> {
    pub(super) fn new(pieces: P, length: u64, jumps: Jumps) -> Self {
        Self { pieces, length, jumps, number: 0, offset: 0, data: None, guess: 0 }
    }

    /// The data of a record, which is not before the last one.
    pub(super) fn record(&mut self, number: u64) -> Result<Vec<u8>, ReadError> {
        self.go_to(number).map_err(|damage| self.error(damage))?;
        self.read().map_err(|damage| self.error(damage))
    }

    fn error(&self, damage: Damage) -> ReadError {
        ReadError { record: self.number, offset: self.offset, damage }
    }

    fn go_to(&mut self, number: u64) -> Result<(), Damage> {
        while self.number < number {
            let data = self.data()?;
            let size = FRAMING_LEN as u64 + data;
            let mut records = if self.jumps == Jumps::OverEqual { number - self.number } else { 1 };
            while records > 1 && self.data_at(self.offset.saturating_add(records.saturating_mul(size)))? != Some(data) {
                records /= 2;
            }
            self.data = (records > 1).then_some(data);
            self.offset += records * size;
            self.number += records;
        }
        Ok(())
    }

    /// The length of the data of the record here.
    fn data(&mut self) -> Result<u64, Damage> {
        if let Some(data) = self.data {
            return Ok(data);
        }
        let header = self.pieces.piece(self.offset, HEADER_LEN as u64)?;
        let data = checked(&header)?;
        let (expected, found) = (data + 4, self.length.saturating_sub(self.offset + HEADER_LEN as u64));
        if expected > found {
            return Err(Damage::TruncatedData { expected, found });
        }
        (self.data, self.guess) = (Some(data), data);
        Ok(data)
    }

    /// The same for a record that may begin elsewhere; `None` where none does.
    fn data_at(&mut self, offset: u64) -> Result<Option<u64>, Damage> {
        if offset.saturating_add(FRAMING_LEN as u64) > self.length {
            return Ok(None);
        }
        let header = self.pieces.piece(offset, HEADER_LEN as u64)?;
        Ok(header.first_chunk().and_then(framing::length))
    }

    /// The data of the record here.
    fn read(&mut self) -> Result<Vec<u8>, Damage> {
        // In one piece, if it is as long as the one before is likely to be.
        let guessed = match self.jumps {
            Jumps::OverEqual => self.data.unwrap_or(self.guess),
            Jumps::None => self.data()?,
        };
        let mut record = self.pieces.piece(self.offset, FRAMING_LEN as u64 + guessed)?;
        let data = checked(&record)?;
        if data != guessed {
            self.data = None;
            let data = self.data()?;
            record = self.pieces.piece(self.offset, FRAMING_LEN as u64 + data)?;
        }
        (self.data, self.guess) = (Some(data), data);
        match Reader::new(&record[..]).next() {
            Some(Ok(data)) => Ok(data),
            Some(Err(error)) => Err(error.damage),
            None => Err(Damage::TruncatedHeader { found: 0 }),
        }
    }
}

/// The length that a header tells.
fn checked(header: &[u8]) -> Result<u64, Damage> {
    let Some(header) = header.first_chunk::<HEADER_LEN>() else {
        return Err(Damage::TruncatedHeader { found: header.len() });
    };
    match framing::length(header) {
        Some(length) if length > MAX_EXAMPLE_LEN => Err(Damage::TooLong { length }),
        Some(length) => Ok(length),
        None => {
            let [length @ .., _, _, _, _] = header;
            let stored = header.last_chunk().copied().map_or(0, u32::from_le_bytes);
            Err(Damage::LengthChecksum { stored, computed: framing::masked_crc(length) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tfrecord::Writer;

    /// Counts what is read.
    struct Counted<'f> {
        file: &'f [u8],
        bytes: usize,
        pieces: usize,
    }

    impl Pieces for &mut Counted<'_> {
        fn piece(&mut self, at: u64, bytes: u64) -> io::Result<Vec<u8>> {
            let rest = self.file.get(at as usize..).unwrap_or_default();
            let piece = rest[..rest.len().min(bytes as usize)].to_vec();
            self.bytes += piece.len();
            self.pieces += 1;
            Ok(piece)
        }
    }

    /// A file of 10,000 records; each begins with its number.
    fn file(length: impl Fn(u32) -> usize) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for number in 0..10_000u32 {
            let mut record = number.to_le_bytes().to_vec();
            record.resize(length(number), 7);
            writer.write(&record).expect("a Vec takes everything");
        }
        writer.finish().expect("a Vec takes everything")
    }

    fn sample(file: &[u8], jumps: Jumps) -> (usize, usize) {
        let mut counted = Counted { file, bytes: 0, pieces: 0 };
        let mut seeker = Seeker::new(&mut counted, file.len() as u64, jumps);
        for number in (0..10_000).skip(199).step_by(200) {
            let record = seeker.record(number).expect("an intact record");
            assert_eq!(record.first_chunk().copied().map(u32::from_le_bytes), Some(number as u32));
        }
        (counted.bytes, counted.pieces)
    }

    #[test]
    fn a_sample_costs_its_own_bytes_and_next_to_none_between_them() {
        let equal = file(|_| 1000);
        let growing = file(|number| 1000 + usize::from(number >= 3333) + usize::from(number >= 7777));
        let any = file(|number| 900 + (number as usize * 37) % 211);

        for (file, jumps, most_pieces) in
            [(&equal, Jumps::OverEqual, 110), (&growing, Jumps::OverEqual, 170), (&any, Jumps::None, 10_200)]
        {
            let (bytes, pieces) = sample(file, jumps);

            let sampled = 50 * 1130;
            assert!(bytes <= sampled + HEADER_LEN * pieces, "{bytes} bytes in {pieces} pieces");
            assert!(bytes <= file.len() / 50 && pieces <= most_pieces, "{bytes} bytes in {pieces} pieces");
        }
    }

    #[test]
    fn damage_on_the_way_and_in_a_wanted_record_is_found() {
        let whole = file(|_| 100);
        let mut damaged = whole.clone();
        damaged[116 * 5 + 3] ^= 1;
        damaged[116 * 9 + 50] ^= 1;
        let error = |file: &[u8], jumps, number| {
            let mut counted = Counted { file, bytes: 0, pieces: 0 };
            Seeker::new(&mut counted, file.len() as u64, jumps).record(number).expect_err("damaged")
        };

        assert!(matches!(
            error(&damaged, Jumps::None, 7),
            ReadError { record: 5, damage: Damage::LengthChecksum { .. }, .. }
        ));
        assert!(matches!(error(&damaged, Jumps::OverEqual, 9).damage, Damage::DataChecksum { .. }));
        assert!(matches!(error(&whole, Jumps::None, 10_000).damage, Damage::TruncatedHeader { found: 0 }));
        assert!(matches!(error(&whole[..150], Jumps::None, 1).damage, Damage::TruncatedData { .. }));
    }
}
