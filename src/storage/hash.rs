//! Hashing what goes through, so that nobody has to read it again.

use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::storage;
use crate::storage::machine;

/// A reader or writer that computes the SHA-256 of what goes through it.
pub(crate) struct Hashing<T> {
    inner: T,
    hash: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// What was hashed around, how many bytes went through, and their SHA-256 in hexadecimal.
    pub(crate) fn finish(self) -> (T, u64, String) {
        (self.inner, self.bytes, crate::text::hex(&self.hash.finalize()))
    }

    fn take(&mut self, data: &[u8]) {
        self.hash.update(data);
        self.bytes += data.len() as u64;
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data)?;
        self.take(&data[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.take(&buffer[..read]);
        Ok(read)
    }
}

/// Length and SHA-256 of a file.
pub(crate) fn hash_file(path: &Path) -> io::Result<(u64, String)> {
    let _slot = machine::slot_for(path);
    let mut file = Hashing::new(storage::open(path)?);
    io::copy(&mut file, &mut io::sink())?;
    let (_, bytes, sha256) = file.finish();
    Ok((bytes, sha256))
}
