//! The journal of a conversion while workers share it: it says what all of them convert, and every one keeps it locked,
//! together with the others, so that none removes it under another. What a worker has done is in a journal of its own.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::content::{Content, refuse_foreign_files};
use super::head::Head;
use super::journal::{self, Earlier};
use super::output_dir::OutputDir;
use super::output_error::OutputError;
use crate::manifest::{JOURNAL_NAME, WorkerId};
use crate::storage::atomic_file::AtomicFile;
use crate::storage::lock::{IfAbsent, Lock, LockMode, is_named, lock_file};
use crate::util::failpoint::failpoint;

/// How often a worker tries for a lock that another one may hold for a moment.
const TRIES: u32 = 20;
/// And how long it waits in between.
const WAIT: Duration = Duration::from_millis(25);

/// The journal that workers share, locked against all but them while this lives. It is never written to.
pub(super) struct JointJournal {
    path: PathBuf,
    file: File,
}

impl JointJournal {
    /// Takes part in the conversion of `head` in `out`, which this process has together with other workers. `same` refuses what
    /// somebody else began there, and does not count where nothing was done of that. `None` where nothing is begun.
    pub(super) fn join(
        out: &Path,
        same: impl Fn(&Head) -> Result<(), OutputError>,
    ) -> Result<Option<(Self, Earlier<Head>)>, OutputError> {
        for _ in 0..TRIES {
            let joint = match Self::open(out)? {
                Lock::Held(file) => Self { path: out.join(JOURNAL_NAME), file },
                Lock::Absent => return Ok(None),
                Lock::Busy => {
                    sleep(WAIT);
                    continue;
                }
            };
            match joint.read()? {
                Some(earlier) => match same(&earlier.head) {
                    Ok(()) => return Ok(Some((joint, earlier))),
                    Err(error) if !joint.remove_if_nothing_is_done(out)? => return Err(error),
                    Err(_) => {}
                },
                // Workers had a head to begin with.
                None if !WorkerId::all_in(out)?.is_empty() => return Err(OutputError::Foreign(joint.path)),
                // A run that was killed before it had written anything.
                None => {
                    if !joint.remove_if_nothing_is_done(out)? {
                        sleep(WAIT);
                    }
                }
            }
        }
        Err(OutputError::InUse(out.into()))
    }

    /// Locks the journal of `out`.
    fn open(out: &Path) -> Result<Lock, OutputError> {
        let path = out.join(JOURNAL_NAME);
        journal::refuse_foreign_at(&path)?;
        lock_file(&path, LockMode::Shared, IfAbsent::Leave).map_err(OutputError::read(&path))
    }

    /// Puts a journal without entries into `out`, unless something is begun there or others are at work. Locks the folder against
    /// all others meanwhile, so that nobody begins another conversion at the same time. Returns the folders that it made.
    pub(super) fn begin(out: &Path, head: &Head) -> Result<Vec<PathBuf>, OutputError> {
        let dir = match OutputDir::open(out, LockMode::Alone) {
            // Another worker, who begins the same.
            Err(OutputError::WorkersAtWork(_)) => return Ok(Vec::new()),
            dir => dir?,
        };
        if Content::of(dir.root())? != Content::Nothing {
            return Ok(Vec::new());
        }
        refuse_foreign_files(out)?;
        let path = out.join(JOURNAL_NAME);
        let write = || {
            let mut file = AtomicFile::begin(&path)?;
            file.write_all(&journal::without_entries(head)?)?;
            file.sync()?.publish_new()
        };
        write().map_err(OutputError::write(&path))?;
        Ok(dir.unlock())
    }

    fn read(&self) -> Result<Option<Earlier<Head>>, OutputError> {
        (&self.file).rewind().map_err(OutputError::read(&self.path))?;
        journal::read(&self.path, &self.file)
    }

    /// Removes the journal where neither it nor a worker's says of anything done, and nobody else is at work; tells whether
    /// it is gone.
    pub(super) fn remove_if_nothing_is_done(self, out: &Path) -> Result<bool, OutputError> {
        // Not one lock changed into another: between the two, another worker may come and must then be seen.
        let _ = self.file.unlock();
        if self.file.try_lock().is_err() {
            return Ok(false);
        }
        if !is_named(&self.path, &self.file).map_err(OutputError::read(&self.path))? {
            return Ok(true);
        }
        let is_done = self.read()?.is_some_and(|earlier| !earlier.entries.is_empty());
        if is_done || !WorkerId::all_in(out)?.is_empty() {
            return Ok(false);
        }
        failpoint();
        fs::remove_file(&self.path).map_err(OutputError::write(&self.path))?;
        Ok(true)
    }
}
