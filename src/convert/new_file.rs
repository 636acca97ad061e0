//! A record file that is written and has not got its name yet.

use std::io;
use std::sync::Arc;

use crate::manifest::{Manifest, WrittenFile};
use crate::storage::atomic_file::{AtomicFile, SyncedFile};
use crate::verify::{self, Problem, RecordFile};

/// Why a file did not get there.
#[derive(Debug)]
pub(super) enum CommitError {
    Io(io::Error),
    /// Read back, it was not what had been written.
    NotAsWritten(Problem),
}

impl From<io::Error> for CommitError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A record file that is written, under its temporary name, and its index, if it is to have one.
pub(super) struct NewFile {
    pub(super) records: AtomicFile,
    pub(super) index: Option<AtomicFile>,
    /// What the journal and the manifest will say of it.
    pub(super) written: WrittenFile,
    /// To read it back by, before it gets its name.
    pub(super) read_back: Option<Arc<Manifest>>,
}

/// The same on disk.
pub(super) struct Synced {
    records: SyncedFile,
    index: Option<SyncedFile>,
}

impl NewFile {
    /// Waits until it is on disk, and reads it back if that is wanted.
    pub(super) fn sync(self) -> Result<Synced, CommitError> {
        let synced = Synced { records: self.records.sync()?, index: self.index.map(AtomicFile::sync).transpose()? };
        if let Some(manifest) = self.read_back {
            let index = synced.index.as_ref().map(|index| index.path().to_path_buf());
            let file = RecordFile::listed(synced.records.path().to_path_buf(), index, manifest, self.written);
            match verify::check(&file).problems.into_iter().next() {
                Some(Problem::Unreadable(error) | Problem::Unreachable { reason: error }) => return Err(error.into()),
                Some(problem) => return Err(CommitError::NotAsWritten(problem)),
                None => {}
            }
        }
        Ok(synced)
    }
}

impl Synced {
    /// The index comes first: where the records are, it is.
    pub(super) fn publish(self) -> io::Result<()> {
        self.index.map_or(Ok(()), SyncedFile::publish)?;
        self.records.publish()
    }
}
