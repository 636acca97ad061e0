//! An object as a file that is open for reading.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use object_store::path::Path as Key;

use super::connect::Store;
use super::remote::read_range;

/// Bytes that are asked for at a time.
const PIECE: u64 = 8 << 20;

/// An object, and the piece of it that is in memory.
pub(super) struct Object {
    store: Arc<Store>,
    key: Key,
    length: u64,
    position: u64,
    /// Where the piece begins.
    start: u64,
    piece: Vec<u8>,
}

impl Object {
    pub(super) fn new(store: Arc<Store>, key: Key, length: u64) -> Self {
        Self { store, key, length, position: 0, start: 0, piece: Vec::new() }
    }

    /// The bytes from here on that are in memory.
    fn at_hand(&self) -> &[u8] {
        let skipped = self.position.checked_sub(self.start).and_then(|skipped| usize::try_from(skipped).ok());
        skipped.and_then(|skipped| self.piece.get(skipped..)).unwrap_or_default()
    }
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        if self.at_hand().is_empty() {
            let end = self.length.min(self.position + PIECE);
            self.piece = read_range(&self.store, &self.key, self.position..end)?;
            self.start = self.position;
            if self.piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let read = self.at_hand().read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Object {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
