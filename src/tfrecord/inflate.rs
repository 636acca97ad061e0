//! Reading a compressed record file up to the byte at which it is cut or damaged, and no further.
//!
//! The decoders of the `flate2` crate give up what they have decompressed since the last call when they meet damage, and take
//! the end of a cut zlib stream for its end. Here every byte before the damage comes out first, and then what is wrong.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use thiserror::Error;

use super::Compression;

/// Bits of a gzip header's flags, RFC 1952.
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;

/// What is wrong with a compressed file as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the {compression} stream {fault} after {content} bytes of content: {}", fault.advice())]
pub struct StreamDamage {
    /// How the file is compressed.
    pub compression: Compression,
    /// What is wrong with it.
    pub fault: StreamFault,
    /// Bytes that came out of it before.
    pub content: u64,
}

/// How a compressed stream ends where it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StreamFault {
    /// The file ends before the stream does.
    #[error("is cut short")]
    Cut,
    /// What the file holds is no such stream.
    #[error("is damaged")]
    Damaged,
    /// The stream's own checksum or length is another than that of what came out.
    #[error("has a wrong checksum at its end,")]
    Checksum,
    /// Bytes that are no stream follow the stream.
    #[error("is followed by bytes that are no such stream,")]
    Trailing,
}

impl StreamFault {
    fn advice(self) -> &'static str {
        match self {
            Self::Cut => "copy or write the file again, or keep the records before this one",
            Self::Damaged => "what follows cannot be read; write it again, or keep the records before this one",
            Self::Checksum => "bytes changed after it was written; write it again, or keep the records that are intact",
            Self::Trailing => "they were not read",
        }
    }
}

/// What a gzip or zlib stream holds.
pub(super) struct Inflate<R> {
    file: R,
    compression: Compression,
    stream: Decompress,
    crc: Crc,
    /// Bytes that came out, of this stream and of those before it.
    content: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// A gzip header comes next; `true` where a stream came before it, after which the file may end.
    Header {
        is_first: bool,
    },
    Data,
    /// A gzip trailer comes next.
    Trailer,
    End,
    Failed(StreamFault),
}

impl<R: BufRead> Inflate<R> {
    /// Reads `file`, which begins with a stream of this kind.
    pub(super) fn new(file: R, compression: Compression) -> Self {
        let is_zlib = compression == Compression::Zlib;
        let state = if is_zlib { State::Data } else { State::Header { is_first: true } };
        Self { file, compression, stream: Decompress::new(is_zlib), crc: Crc::new(), content: 0, state }
    }

    fn step(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state {
            State::Header { is_first } => {
                if !is_first && self.file.fill_buf()?.is_empty() {
                    self.state = State::End;
                    return Ok(0);
                }
                self.state = match header(&mut self.file)? {
                    Ok(()) => State::Data,
                    Err(_) if !is_first => State::Failed(StreamFault::Trailing),
                    Err(fault) => State::Failed(fault),
                };
                self.stream = Decompress::new(false);
                self.crc = Crc::new();
                Ok(0)
            }
            State::Data => self.inflate(buffer),
            State::Trailer => {
                let mut trailer = [0; 8];
                self.state = match self.file.read_exact(&mut trailer) {
                    Ok(()) if trailer == trailer_of(&self.crc) => State::Header { is_first: false },
                    Ok(()) => State::Failed(StreamFault::Checksum),
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => State::Failed(StreamFault::Cut),
                    Err(error) => return Err(error),
                };
                Ok(0)
            }
            State::End => Ok(0),
            State::Failed(fault) => {
                let damage = StreamDamage { compression: self.compression, fault, content: self.content };
                Err(io::Error::new(ErrorKind::InvalidData, damage))
            }
        }
    }

    fn inflate(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = self.file.fill_buf()?;
        let is_end = input.is_empty();
        let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.decompress(input, buffer, FlushDecompress::None);
        // What was done before the damage counts, whatever the outcome.
        let read = (self.stream.total_in() - before_in) as usize;
        let written = (self.stream.total_out() - before_out) as usize;
        self.file.consume(read);
        self.content += written as u64;
        if self.compression == Compression::Gzip {
            self.crc.update(&buffer[..written]);
        }
        match status {
            Ok(Status::StreamEnd) => {
                self.state = if self.compression == Compression::Gzip { State::Trailer } else { State::End };
            }
            Ok(_) if is_end && written == 0 => self.state = State::Failed(StreamFault::Cut),
            Ok(_) => {}
            // zlib's checksum is the decompressor's to check, and comes behind everything.
            Err(_) => self.state = State::Failed(StreamFault::Damaged),
        }
        Ok(written)
    }
}

impl<R: BufRead> Read for Inflate<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.step(buffer) {
                Ok(0) if self.state != State::End && !buffer.is_empty() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }
}

/// The checksum and the length, modulo 2^32, that must stand behind a gzip stream.
fn trailer_of(crc: &Crc) -> [u8; 8] {
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&crc.sum().to_le_bytes());
    trailer[4..].copy_from_slice(&crc.amount().to_le_bytes());
    trailer
}

/// Passes over a gzip header.
fn header(file: &mut impl BufRead) -> io::Result<Result<(), StreamFault>> {
    match read_header(file) {
        Ok(is_header) => Ok(if is_header { Ok(()) } else { Err(StreamFault::Damaged) }),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Err(StreamFault::Cut)),
        Err(error) => Err(error),
    }
}

fn read_header(file: &mut impl BufRead) -> io::Result<bool> {
    let mut fixed = [0; 10];
    file.read_exact(&mut fixed)?;
    let [0x1f, 0x8b, 8, flags, ..] = fixed else { return Ok(false) };
    if flags & EXTRA != 0 {
        let mut length = [0; 2];
        file.read_exact(&mut length)?;
        pass_over(file, u64::from(u16::from_le_bytes(length)))?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 && file.skip_until(0)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    if flags & HEADER_CRC != 0 {
        pass_over(file, 2)?;
    }
    Ok(true)
}

fn pass_over(file: &mut impl BufRead, bytes: u64) -> io::Result<()> {
    let passed = io::copy(&mut file.take(bytes), &mut io::sink())?;
    if passed == bytes { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::GzBuilder;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    /// Bytes that do not compress well, the same on every run.
    fn content() -> Vec<u8> {
        let mut state = 1u32;
        (0..100_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8 & 0x1f
            })
            .collect()
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything")
    }

    fn zlib(content: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything")
    }

    /// What comes out, and what is wrong.
    fn inflate(file: &[u8], compression: Compression) -> (Vec<u8>, Option<StreamDamage>) {
        let mut out = Vec::new();
        let error = Inflate::new(file, compression).read_to_end(&mut out).err();
        let damage = error.map(|error| *error.get_ref().and_then(|inner| inner.downcast_ref()).expect("stream damage"));
        (out, damage)
    }

    #[test]
    fn a_whole_stream_comes_out_whole_and_so_do_several() {
        let content = content();
        let named = {
            let builder = GzBuilder::new().filename("a.tfrecord").comment("c").extra(vec![1; 300]);
            let mut encoder = builder.write(Vec::new(), flate2::Compression::best());
            encoder.write_all(&content).expect("a Vec takes everything");
            encoder.finish().expect("a Vec takes everything")
        };

        assert!(inflate(&gzip(&content), Compression::Gzip) == (content.clone(), None));
        assert!(inflate(&named, Compression::Gzip) == (content.clone(), None));
        assert!(inflate(&zlib(&content), Compression::Zlib) == (content.clone(), None));
        let twice = [gzip(&content), named].concat();
        assert!(inflate(&twice, Compression::Gzip) == ([&content[..], &content].concat(), None));
        assert!(inflate(&gzip(b""), Compression::Gzip) == (vec![], None));
    }

    #[test]
    fn a_stream_cut_at_any_byte_gives_what_it_has_and_says_that_it_is_cut() {
        let content = content();
        for (file, compression) in [(gzip(&content), Compression::Gzip), (zlib(&content), Compression::Zlib)] {
            let mut last = 0;
            for cut in (1..file.len()).rev().step_by(97).chain([1, 2, 5, 9, 10]) {
                let (out, damage) = inflate(&file[..cut], compression);

                let damage = damage.expect("the stream is cut");
                assert_eq!(
                    (damage.fault, damage.content),
                    (StreamFault::Cut, out.len() as u64),
                    "{compression}, {cut}"
                );
                assert!(content.starts_with(&out), "{compression}, {cut}");
                last = last.max(out.len());
            }
            assert_eq!(last, content.len(), "only the end is missing");
        }
    }

    #[test]
    fn what_comes_before_damage_comes_out_before_it_is_told() {
        let content = content();
        for (file, compression) in [(gzip(&content), Compression::Gzip), (zlib(&content), Compression::Zlib)] {
            for place in (20..file.len()).step_by(1009) {
                let mut damaged = file.clone();
                damaged[place] ^= 0x10;

                let (out, damage) = inflate(&damaged, compression);

                assert!(damage.is_some(), "{compression}, {place}");
                let same = out.iter().zip(&content).take_while(|(a, b)| a == b).count();
                // A byte of the stream is less than a kilobyte of such content, and some symbols are in flight.
                let expected = (place.saturating_sub(2_000) * content.len() / file.len()).saturating_sub(4_000);
                assert!(same >= expected, "{compression}, {place}: {same} of {expected}");
            }
        }
    }

    #[test]
    fn a_wrong_checksum_and_what_follows_a_stream_are_named() {
        let mut wrong = gzip(&content());
        let place = wrong.len() - 6;
        wrong[place] ^= 1;
        let followed = [gzip(b"abc"), b"and more".to_vec()].concat();

        assert_eq!(inflate(&wrong, Compression::Gzip).1.map(|damage| damage.fault), Some(StreamFault::Checksum));
        let (out, damage) = inflate(&followed, Compression::Gzip);
        assert_eq!((&out[..], damage.map(|damage| damage.fault)), (&b"abc"[..], Some(StreamFault::Trailing)));
    }
}
