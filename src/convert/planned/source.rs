//! Where a plan lies and how it is read: in a folder, locked, or in an object store.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::PlanFileError;
use super::file::PLAN_NAME;
use crate::convert::OutputError;
use crate::convert::joint::{lock_alone, lock_shared};
use crate::store;
use crate::tfrecord::framing::{self, FRAMING_LEN, HEADER_LEN};

/// The bytes of a plan.
pub(super) struct Source {
    path: PathBuf,
    bytes: Bytes,
    length: u64,
}

enum Bytes {
    /// Of a folder's, which is locked, or of a store's, copied.
    Here(File),
    /// Of a store's, where they are. Nothing keeps others from removing them.
    There(Window),
}

/// What was asked for last.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

/// Bytes that are asked for at once where those wanted lie close together, and how close that is.
const AHEAD: usize = 1 << 20;

impl Source {
    /// The plan in `out` for one of several, who wants to read parts of it; `None` where there is none.
    pub(super) fn shared(out: &Path) -> Result<Option<Self>, OutputError> {
        if store::is_url(out) {
            let path = out.join(PLAN_NAME);
            return match store::head(&path) {
                Ok(object) => Ok(Some(Self { path, bytes: Bytes::There(Window::default()), length: object.bytes })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(OutputError::unreachable(&path)(error)),
            };
        }
        lock_shared(out, PLAN_NAME)?.map(|file| Self::here(out, file)).transpose()
    }

    /// The same for one who wants the folder for himself, and to read all of it.
    pub(super) fn alone(out: &Path) -> Result<Option<Self>, OutputError> {
        if store::is_url(out) {
            return Self::shared(out)?.map(Self::copied).transpose();
        }
        lock_alone(out, PLAN_NAME)?.map(|file| Self::here(out, file)).transpose()
    }

    fn here(out: &Path, file: File) -> Result<Self, OutputError> {
        let path = out.join(PLAN_NAME);
        let length = file.metadata().map_err(OutputError::unreachable(&path))?.len();
        Ok(Self { path, bytes: Bytes::Here(file), length })
    }

    /// The same, on this machine: to read all of it part by part would take a request for each.
    pub(super) fn copied(self) -> Result<Self, OutputError> {
        if matches!(self.bytes, Bytes::Here(_)) {
            return Ok(self);
        }
        let copy = || {
            let mut file = tempfile::tempfile()?;
            let length = io::copy(&mut store::open(&self.path)?, &mut file)?;
            Ok((file, length))
        };
        let (file, length) = copy().map_err(OutputError::unreachable(&self.path))?;
        Ok(Self { bytes: Bytes::Here(file), length, ..self })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// That it is not as it was written.
    pub(super) fn damaged(&self) -> PlanFileError {
        PlanFileError::Damaged(self.path.clone())
    }

    /// The data of the record of `length` bytes, framing included, at the byte `at`.
    pub(super) fn record(&mut self, at: u64, length: usize) -> Result<Vec<u8>, PlanFileError> {
        let is_inside = at.checked_add(length as u64).is_some_and(|end| end <= self.length);
        let data_len = length.checked_sub(FRAMING_LEN).filter(|_| is_inside).ok_or_else(|| self.damaged())?;
        let mut bytes = self.read(at, length).map_err(PlanFileError::unreadable(&self.path))?;
        if bytes.len() != length {
            return Err(self.damaged());
        }
        let footer = bytes.split_off(HEADER_LEN + data_len);
        let data = bytes.split_off(HEADER_LEN);
        let is_whole = bytes == framing::header(data_len as u64) && footer == framing::footer(&data);
        if is_whole { Ok(data) } else { Err(self.damaged()) }
    }

    fn read(&mut self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        match &mut self.bytes {
            Bytes::There(window) => window.read(at, length, self.length, &self.path),
            Bytes::Here(file) => {
                let mut bytes = Vec::new();
                file.seek(SeekFrom::Start(at))?;
                file.take(length as u64).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

impl Window {
    /// So many bytes of the object `path`, which has `end` of them and at least these.
    fn read(&mut self, at: u64, length: usize, end: u64, path: &Path) -> io::Result<Vec<u8>> {
        if self.found(at, length).is_none() {
            let close = self.start..self.start + (self.bytes.len() + AHEAD) as u64;
            let wanted = if close.contains(&at) { length.max(AHEAD) } else { length };
            let wanted = usize::try_from(end - at).map_or(wanted, |left| wanted.min(left));
            *self = Self { start: at, bytes: store::read_piece(path, at, wanted)? };
        }
        Ok(self.found(at, length).unwrap_or_default().to_vec())
    }

    fn found(&self, at: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(start..start.checked_add(length)?)
    }
}
