//! Record files that are compressed as a whole, as TensorFlow's `TFRecordOptions` does it.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use flate2::bufread::ZlibDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde::Serialize;

use super::framing;
use super::inflate::Inflate;
use super::scan::{Scanner, Stretch};
use super::stream::StreamScanner;
use crate::storage::{self, ReadSeek};

/// Few large reads.
const BUFFER: usize = 1 << 20;
/// Or little, where the first few records of a file are all that is wanted.
const SMALL_BUFFER: usize = 1 << 16;

/// How a record file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, TensorFlow's `GZIP`.
    Gzip,
    /// RFC 1950, TensorFlow's `ZLIB`.
    Zlib,
}

impl Compression {
    /// What the first bytes of a file tell.
    ///
    /// A length whose checksum holds is a plain record's: its bytes could be a magic number by chance, the other way
    /// round they could not. A length that does not hold is a damaged plain record's or a magic number, and zlib's fits one
    /// in a thousand: what is called zlib must therefore begin with a record, too, or with none.
    #[must_use]
    pub fn of(start: &[u8]) -> Self {
        if start.first_chunk().and_then(framing::length).is_some() {
            return Self::None;
        }
        match *start {
            [0x1f, 0x8b, 8, ..] | [0x1f, 0x8b] => Self::Gzip,
            // Deflate with a window of up to 32 KiB, and a header that is a multiple of 31.
            [cmf, flg, ..]
                if cmf & 0x0f == 8
                    && cmf >> 4 <= 7
                    && u16::from_be_bytes([cmf, flg]).is_multiple_of(31)
                    && inflates_to_records(start) =>
            {
                Self::Zlib
            }
            _ => Self::None,
        }
    }
}

/// Whether `start` can be the start of records as zlib has them: a length that holds, or the end of either.
fn inflates_to_records(start: &[u8]) -> bool {
    let mut header = Vec::with_capacity(framing::HEADER_LEN);
    match ZlibDecoder::new(start).take(framing::HEADER_LEN as u64).read_to_end(&mut header) {
        Ok(_) => header.is_empty() || header.first_chunk().and_then(framing::length).is_some(),
        Err(error) => error.kind() == io::ErrorKind::UnexpectedEof,
    }
}

impl Compression {
    /// What reads a file of this kind.
    fn decompressor(self, file: BufReader<Box<dyn ReadSeek>>) -> Box<dyn Read> {
        match self {
            Self::None => Box::new(file),
            Self::Gzip | Self::Zlib => Box::new(BufReader::with_capacity(file.capacity(), Inflate::new(file, self))),
        }
    }

    /// The word that is typed for it: `gzip`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
        })
    }
}

/// Whether a file that begins like this begins with a length that matches its checksum, compressed or not.
pub(crate) fn begins_with_record(start: &[u8]) -> bool {
    let mut header = Vec::with_capacity(framing::HEADER_LEN);
    let wanted = framing::HEADER_LEN as u64;
    // What is cut off behind the header is of no interest.
    let _ = match Compression::of(start) {
        Compression::None => start.take(wanted).read_to_end(&mut header),
        compression => Inflate::new(start, compression).take(wanted).read_to_end(&mut header),
    };
    header.first_chunk().and_then(framing::length).is_some()
}

/// Whether a compressed file's name ends like this, in lower case and without the dot.
pub(crate) fn is_compressed_ending(ending: &str) -> bool {
    ["gz", "gzip", "zlib", "zz"].contains(&ending)
}

/// Compresses what is written on its way to another writer. The same data gives the same bytes: no time and no name go into
/// the header.
#[derive(Debug)]
pub enum Compressor<W: Write> {
    /// Hands on what it gets.
    None(W),
    /// RFC 1952.
    Gzip(GzEncoder<W>),
    /// RFC 1950.
    Zlib(ZlibEncoder<W>),
}

impl<W: Write> Compressor<W> {
    /// Begins a stream into `inner`, at zlib's own default level.
    pub fn new(compression: Compression, inner: W) -> Self {
        match compression {
            Compression::None => Self::None(inner),
            Compression::Gzip => Self::Gzip(GzEncoder::new(inner, flate2::Compression::default())),
            Compression::Zlib => Self::Zlib(ZlibEncoder::new(inner, flate2::Compression::default())),
        }
    }

    /// Ends the stream and hands the underlying writer back.
    ///
    /// # Errors
    /// What the underlying writer says.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::None(inner) => Ok(inner),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zlib(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(inner) => inner.write(data),
            Self::Gzip(encoder) => encoder.write(data),
            Self::Zlib(encoder) => encoder.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // A flush inside a stream would only make it longer; its end flushes everything.
        match self {
            Self::None(inner) => inner.flush(),
            Self::Gzip(_) | Self::Zlib(_) => Ok(()),
        }
    }
}

/// Opens a record file, compressed or not, for reading the records in it.
///
/// # Errors
/// What opening and the first read say.
pub fn open(path: &Path) -> io::Result<(Compression, Box<dyn Read>)> {
    let (compression, file) = sniff(path, BUFFER)?;
    Ok((compression, compression.decompressor(file)))
}

/// Opens a record file, compressed or not, for reading its first few records.
pub(crate) fn open_briefly(path: &Path) -> io::Result<Box<dyn Read>> {
    let (compression, file) = sniff(path, SMALL_BUFFER)?;
    Ok(compression.decompressor(file))
}

/// Opens a file, and tells from its first bytes how it is compressed.
fn sniff(path: &Path, buffer: usize) -> io::Result<(Compression, BufReader<Box<dyn ReadSeek>>)> {
    let mut file = BufReader::with_capacity(buffer, storage::open(path)?);
    Ok((Compression::of(file.fill_buf()?), file))
}

/// Opens a record file, compressed or not, for reading on after damage. What a compressed file holds is searched as a plain one
/// is, up to where the stream itself is cut or damaged: what would follow there is lost.
///
/// # Errors
/// What opening and the first read say.
pub fn stretches(path: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<Stretch>>>> {
    Ok(match sniff(path, BUFFER)? {
        (Compression::None, file) => Box::new(Scanner::new(file.into_inner())?),
        (compression, file) => Box::new(StreamScanner::new(Inflate::new(file, compression))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tfrecord::{Reader, Writer};

    #[test]
    fn a_record_file_reads_the_same_however_it_is_compressed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        let mut writer = Writer::new(Vec::new());
        for record in [&b"one"[..], b"", &[7; 100_000]] {
            writer.write(record).expect("a Vec takes everything");
        }
        let plain = writer.finish().expect("a Vec takes everything");
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("a Vec takes everything");
        let gzip = gzip.finish().expect("a Vec takes everything");

        let mut files =
            vec![(Compression::None, plain.clone(), 1), (Compression::Gzip, [&gzip[..], &gzip].concat(), 2)];
        for level in 0..=9 {
            let mut zlib = ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
            zlib.write_all(&plain).expect("a Vec takes everything");
            files.push((Compression::Zlib, zlib.finish().expect("a Vec takes everything"), 1));
        }

        for (expected, bytes, times) in files {
            std::fs::write(&path, bytes).expect("written");
            let (compression, content) = open(&path).expect("there");
            let records: Vec<_> = Reader::new(content).map(|record| record.expect("intact")).collect();
            assert_eq!((compression, records.len()), (expected, 3 * times));
            assert_eq!(records[2], [7; 100_000]);
        }
    }

    #[test]
    fn a_plain_file_whose_damaged_start_looks_like_zlib_is_a_plain_file() {
        let record = [0x5a; 0x9c78];
        let mut writer = Writer::new(Vec::new());
        for record in [&record[..], b"kept"] {
            writer.write(record).expect("a Vec takes everything");
        }
        let mut file = writer.finish().expect("a Vec takes everything");
        file[8] ^= 1;
        assert_eq!(file[..2], [0x78, 0x9c], "zlib's magic number");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        std::fs::write(&path, &file).expect("written");

        let kept = stretches(&path).expect("there").filter(|stretch| matches!(stretch, Ok(Stretch::Intact(_)))).count();

        assert_eq!((Compression::of(&file), kept), (Compression::None, 1));
    }

    #[test]
    fn a_length_that_looks_like_a_magic_number_is_a_length() {
        let length = u64::from_le_bytes([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);

        assert_eq!(Compression::of(&framing::header(length)), Compression::None);
        assert_eq!(Compression::of(&framing::header(0x9c78)), Compression::None);
        assert_eq!(Compression::of(b""), Compression::None);
    }
}
