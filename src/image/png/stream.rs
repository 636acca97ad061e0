//! The rows of a picture out of its `IDAT` chunks, in the steps in which libpng asks zlib for them.
//!
//! libpng hands zlib pieces of up to 8 KiB of one chunk, and asks for a row at a time. Whether damage at the end of the data
//! counts depends on these steps: what zlib finds while it fills the last row is an error; what it finds later, when libpng
//! looks for the end of the data, is a warning; and data that is still wanted when the last `IDAT` has been read is an
//! error again. All rows but the last may be decompressed in larger steps, because damage before the last row always counts.

use std::borrow::Cow;

use flate2::Crc;

use super::chunks::{Chunks, checksum};
use super::inflate::{Flaw, Inflater, MOST, Stop};
use super::{Damage, Header};
use crate::image::Reason;

/// libpng's buffer for compressed data (`PNG_ZBUF_SIZE`).
const PIECE: usize = 8192;

/// Room for data behind the last row (`PNG_INFLATE_BUF_SIZE`).
const BEHIND: usize = 1024;

/// The compressed data of a picture.
pub(super) struct Stream<'c, 'a> {
    chunks: &'c mut Chunks<'a>,
    /// What of the chunk that is open has not been handed out, and the checksum of what has.
    chunk: Option<(&'a [u8], Crc)>,
    /// What of the piece that was handed out has not been read.
    piece: &'a [u8],
    inflater: Inflater,
    has_ended: bool,
    /// Bytes of rows that have not been decompressed.
    left: u64,
    /// Bytes of the last row.
    last: u64,
}

impl<'c, 'a> Stream<'c, 'a> {
    /// Begins with the first `IDAT`, which is the next chunk.
    pub(super) fn of(chunks: &'c mut Chunks<'a>, header: &Header) -> Self {
        let row = |columns| 1 + header.row_bytes(columns) as u64;
        let left = header.passes().map(|pass| row(pass.columns) * pass.rows as u64).sum();
        let last = header.passes().last().map_or(0, |pass| row(pass.columns));
        let inflater = Inflater::new();
        Self { chunks, chunk: None, piece: &[], inflater, has_ended: false, left, last }
    }

    /// Fills the next row, with the byte of its filter.
    pub(super) fn row(&mut self, row: &mut [u8]) -> Result<(), Damage> {
        let mut empty = row;
        if !self.inflater.has_full_window() {
            self.inflater.begin_call();
        }
        loop {
            let ready = self.inflater.unread();
            let count = ready.len().min(empty.len());
            empty[..count].copy_from_slice(&ready[..count]);
            self.inflater.consume(count);
            empty = &mut empty[count..];
            if empty.is_empty() {
                return Ok(());
            }
            self.decompress(empty.len())?;
        }
    }

    /// Decompresses something of the rows, of which this one lacks `wanted` bytes.
    fn decompress(&mut self, wanted: usize) -> Result<(), Damage> {
        if self.has_ended {
            return Err(too_little());
        }
        self.refill()?;
        let before_last = self.left.saturating_sub(self.last);
        let most = match before_last {
            1.. if self.inflater.has_full_window() => MOST.min(before_last.try_into().unwrap_or(MOST)),
            _ => MOST.min(wanted),
        };
        let stop = self.inflater.inflate(&mut self.piece, most).map_err(corrupt)?;
        self.left -= self.inflater.unread().len() as u64;
        self.has_ended = stop == Stop::Ended;
        Ok(())
    }

    /// Looks for the end of the compressed data, and reads the last chunk with pixels to its end.
    pub(super) fn finish(mut self) -> Result<(), Damage> {
        let mut has_more = false;
        while !self.has_ended {
            self.refill()?;
            self.inflater.begin_call();
            match self.inflater.inflate(&mut self.piece, BEHIND) {
                Ok(stop) => self.has_ended = stop == Stop::Ended,
                Err(_) => break,
            }
            let extra = self.inflater.unread().len();
            self.inflater.consume(extra);
            has_more |= extra > 0;
            if !has_more {
                break;
            }
        }
        self.close()
    }

    /// Sees to it that there is a piece, or the rest of one.
    fn refill(&mut self) -> Result<(), Damage> {
        if !self.piece.is_empty() {
            return Ok(());
        }
        loop {
            if let Some((content, sum)) = &mut self.chunk
                && !content.is_empty()
            {
                self.chunks.in_time()?;
                let (piece, rest) = content.split_at(content.len().min(PIECE));
                sum.update(piece);
                (self.piece, *content) = (piece, rest);
                if !self.inflater.has_full_window() {
                    self.inflater.begin_call();
                }
                return Ok(());
            }
            self.close()?;
            self.chunk = Some((self.chunks.open()?, checksum(b"IDAT", &[])));
        }
    }

    /// Ends the chunk that is open.
    fn close(&mut self) -> Result<(), Damage> {
        if let Some((content, mut sum)) = self.chunk.take() {
            sum.update(content);
            self.chunks.close(&sum)?;
        }
        Ok(())
    }
}

fn corrupt(flaw: Flaw) -> Damage {
    (Reason::CorruptData, Cow::Borrowed(flaw))
}

fn too_little() -> Damage {
    corrupt("the compressed data ends before the picture")
}
