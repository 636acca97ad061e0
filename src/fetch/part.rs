//! The file that grows until it is whole, locked as long as a petrec is at it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5 as Hash};

use super::{FetchError, Md5};
use crate::storage::atomic_file::sync_folder;
use crate::storage::dirs::folder_of;
use crate::storage::lock::{IfAbsent, Lock, LockMode, lock_file};

/// An unfinished download.
pub(super) struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    /// Opens what an earlier download left, or begins anew.
    pub(super) fn open(path: PathBuf) -> Result<Self, FetchError> {
        // Whoever had it may have given it its final name while we waited: then it is made anew.
        match lock_file(&path, LockMode::Alone, IfAbsent::Make) {
            Ok(Lock::Held(file)) => Ok(Self { file, path }),
            Ok(Lock::Busy | Lock::Absent) => Err(FetchError::Busy { path }),
            Err(source) => Err(FetchError::Io { path, source }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Goes to the end, and tells where that is.
    pub(super) fn end(&mut self) -> Result<u64, FetchError> {
        let end = self.file.seek(SeekFrom::End(0));
        end.map_err(|source| self.failed(source))
    }

    /// Forgets what is in it.
    pub(super) fn empty(&mut self) -> Result<(), FetchError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|source| self.failed(source))
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), FetchError> {
        let written = self.file.write_all(data);
        written.map_err(|source| self.failed(source))
    }

    pub(super) fn md5(&mut self) -> Result<Md5, FetchError> {
        let hash = self.file.rewind().and_then(|()| md5(&mut self.file));
        hash.map_err(|source| self.failed(source))
    }

    /// Puts it on disk under its final name.
    pub(super) fn publish(self, path: &Path) -> Result<(), FetchError> {
        let named = self.file.sync_all().and_then(|()| fs::rename(&self.path, path));
        let synced = named.and_then(|()| sync_folder(folder_of(path)));
        synced.map_err(|source| FetchError::Io { path: path.into(), source })
    }

    fn failed(&self, source: io::Error) -> FetchError {
        FetchError::Io { path: self.path.clone(), source }
    }
}

/// The MD5 of a file.
pub(super) fn md5_of(path: &Path) -> Result<Md5, FetchError> {
    File::open(path).and_then(md5).map_err(|source| FetchError::Io { path: path.into(), source })
}

fn md5(mut data: impl Read) -> io::Result<Md5> {
    let mut hash = Hash::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match data.read(&mut buffer)? {
            0 => return Ok(Md5(u128::from_be_bytes(hash.finalize().into()))),
            read => hash.update(&buffer[..read]),
        }
    }
}
