//! Where a plan lies and how it is read: in a folder, which is locked, or in an object store.

use std::env;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::PlanFileError;
use crate::convert::{ConvertError, OutputError};
use crate::manifest::PLAN_NAME;
use crate::storage;
use crate::storage::lock::is_plain;
use crate::tfrecord::framing::{self, FRAMING_LEN, HEADER_LEN};

/// The bytes of a plan.
pub(super) struct Source {
    path: PathBuf,
    bytes: Bytes,
    length: u64,
}

enum Bytes {
    /// Of a folder's, or of a store's, copied.
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

/// How the JSON of a header begins.
const FIRST_KEY: &[u8] = br#"{"manifest":"#;

/// Bytes that are asked for at once where those wanted lie close together, and how close that is.
const AHEAD: usize = 1 << 20;

impl Source {
    /// The plan in `out`, for one who wants to read parts of it; `None` where there is none.
    pub(super) fn of(out: &Path) -> Result<Option<Self>, ConvertError> {
        let path = out.join(PLAN_NAME);
        if storage::is_url(out) {
            return match storage::head(&path) {
                Ok(object) => Ok(Some(Self { path, bytes: Bytes::There(Window::default()), length: object.bytes })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(PlanFileError::unreadable(&path)(error).into()),
            };
        }
        open_for_reading(&path)?.map(|file| Self::here(out, file)).transpose()
    }

    fn here(out: &Path, file: File) -> Result<Self, ConvertError> {
        let path = out.join(PLAN_NAME);
        let length = file.metadata().map_err(PlanFileError::unreadable(&path))?.len();
        Ok(Self { path, bytes: Bytes::Here(file), length })
    }

    /// The same, on this machine: to read all of it part by part would take a request for each.
    pub(super) fn copied(self) -> Result<Self, ConvertError> {
        if matches!(self.bytes, Bytes::Here(_)) {
            return Ok(self);
        }
        let (path, folder) = (self.path, env::temp_dir());
        let unreadable = PlanFileError::unreadable(&path);
        let mut file = tempfile::tempfile().map_err(OutputError::write(&folder))?;
        let mut object = storage::open(&path).map_err(&unreadable)?;
        let (mut length, mut piece) = (0, vec![0; AHEAD]);
        loop {
            let read = object.read(&mut piece).map_err(&unreadable)?;
            if read == 0 {
                break;
            }
            file.write_all(&piece[..read]).map_err(OutputError::write(&folder))?;
            length += read as u64;
        }
        Ok(Self { path: path.clone(), bytes: Bytes::Here(file), length })
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
            Bytes::There(window) => {
                window.read(at, length, self.length, |at, length| storage::read_piece(&self.path, at, length))
            }
            Bytes::Here(file) => {
                let mut bytes = Vec::new();
                file.seek(SeekFrom::Start(at))?;
                file.take(length as u64).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// Opens the plan in a folder; `None` where there is none.
fn open_for_reading(path: &Path) -> Result<Option<File>, PlanFileError> {
    let open = || match is_plain(path)? {
        true => File::open(path).map(Some),
        false => Ok(None),
    };
    open().map_err(PlanFileError::unreadable(path))
}

/// Refuses a file in the place of the plan in `out` that is none of petrec's, of whatever version, before it is replaced or
/// removed. A few bytes that are damaged are no sign of another file.
pub(in crate::convert) fn refuse_foreign_plan(out: &Path) -> Result<(), OutputError> {
    let path = out.join(PLAN_NAME);
    if storage::is_url(out) || !is_plain(&path).map_err(OutputError::read(&path))? {
        return Ok(());
    }
    let mut beginning = Vec::new();
    let file = File::open(&path);
    let read = file.and_then(|file| file.take((HEADER_LEN + FIRST_KEY.len()) as u64).read_to_end(&mut beginning));
    read.map_err(OutputError::read(&path))?;
    // The length of a header has less than four digits of 256, and comes before its JSON.
    let is_length = beginning.iter().take(8).skip(4).all(|byte| *byte == 0);
    let has_key = || beginning.get(HEADER_LEN..).is_some_and(|key| key == FIRST_KEY);
    let is_cut = || beginning.len() < HEADER_LEN;
    let has_sum = || {
        let length = beginning.first_chunk().map(|length| u64::from_le_bytes(*length));
        length.is_some_and(|length| beginning.starts_with(&framing::header(length)))
    };
    match is_length && is_cut() || has_sum() || has_key() {
        true => Ok(()),
        false => Err(OutputError::NotOurs(path)),
    }
}

impl Window {
    /// So many bytes of an object that has `end` of them and at least these; `fetch` asks the store for a piece.
    fn read(
        &mut self,
        at: u64,
        length: usize,
        end: u64,
        fetch: impl FnOnce(u64, usize) -> io::Result<Vec<u8>>,
    ) -> io::Result<Vec<u8>> {
        if self.found(at, length).is_none() {
            let close = self.start..self.start + (self.bytes.len() + AHEAD) as u64;
            let wanted = if close.contains(&at) { length.max(AHEAD) } else { length };
            let wanted = usize::try_from(end - at).map_or(wanted, |left| wanted.min(left));
            *self = Self { start: at, bytes: fetch(at, wanted)? };
        }
        Ok(self.found(at, length).unwrap_or_default().to_vec())
    }

    fn found(&self, at: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(start..start.checked_add(length)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads pieces of `length` at these places of an object, which must be the right ones; tells what was asked for.
    fn asked(length: usize, places: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let object: Vec<u8> = (0..(4 * AHEAD)).map(|at| (at / 251) as u8).collect();
        let (mut window, mut asked) = (Window::default(), Vec::new());
        for at in places {
            let read = window.read(at as u64, length, object.len() as u64, |at, length| {
                asked.push(length);
                let at = usize::try_from(at).expect("small");
                Ok(object[at..at + length].to_vec())
            });
            assert!(read.expect("there") == object[at..at + length], "at {at}");
        }
        asked
    }

    #[test]
    fn what_lies_close_together_is_asked_for_at_once_and_the_rest_for_itself() {
        assert_eq!(asked(100, (0..AHEAD).step_by(100)).len(), 2);
        assert_eq!(asked(100, [2 * AHEAD, AHEAD - 1, 0]), [100, 100, 100]);
        assert_eq!(asked(100, [AHEAD, AHEAD + 5_000, 2 * AHEAD + 4_950]), [100, AHEAD, AHEAD], "over an edge");
        assert_eq!(asked(100, [4 * AHEAD - 200, 4 * AHEAD - 100]), [100, 100], "no more than there is");
        assert_eq!(asked(AHEAD + 9, [AHEAD, 0]), [AHEAD + 9, AHEAD + 9], "no less than is wanted");
    }
}
