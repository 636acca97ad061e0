//! What an unfinished conversion has done so far: one hidden file beside the records, gone when the conversion is done.
//!
//! It is a record file itself, so a torn end and a flipped bit are found by the checksums: first the plan, then an entry
//! for each record file. An entry is on disk before its record file gets its name, so no record file is there that the
//! journal does not know of; whether one that it knows of is there, and whole, is for the reader to look. The file is
//! locked as long as the process lives that converts, however that ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use same_file::Handle;
use serde::{Deserialize, Serialize};

use super::fingerprint::{Fingerprint, Images};
use super::manifest::WrittenFile;
use super::output::OutputError;
use crate::crash_point::crash_point;
use crate::paths::folder_of;
use crate::report::Finding;
use crate::tfrecord::{Damage, ReadError, Reader, Writer};
use crate::whole_file::sync_folder;

/// Name of the journal in the output folder. Hidden, and no pattern for record files finds it.
pub const JOURNAL_NAME: &str = ".petrec-journal";
/// Version of the records in it.
const FORMAT: u32 = 1;

/// The first record: what is being converted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    format: u32,
    pub(super) plan: Fingerprint,
    pub(super) images: Images,
}

impl Head {
    pub(super) fn new(plan: Fingerprint, images: Images) -> Self {
        Self { format: FORMAT, plan, images }
    }
}

/// Every other record: all that the manifest and the report need to know of a finished record file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Which file of the plan.
    pub(super) index: usize,
    /// Where the data set is divided: the name of its split.
    pub(super) split: Option<String>,
    /// Its images, as indices into the data set, in the order of their records.
    pub(super) images: Vec<usize>,
    /// The file; `None` where its only image was rejected.
    pub(super) file: Option<WrittenFile>,
    /// What was found out about its images, in the same order.
    pub(super) findings: Vec<Finding>,
}

/// What an earlier run wrote down.
pub(super) struct Earlier {
    pub(super) head: Head,
    pub(super) entries: Vec<Entry>,
}

/// The journal of an output folder, locked.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    entries: Mutex<usize>,
}

impl Journal {
    /// Opens or makes the journal of `out`, a folder that exists, and locks it.
    ///
    /// # Errors
    /// [`OutputError::InUse`] where another process has it.
    pub(super) fn lock(out: &Path) -> Result<Self, OutputError> {
        let path = out.join(JOURNAL_NAME);
        let failed = |reason| OutputError::Write { path: path.clone(), reason };
        loop {
            crash_point();
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(OutputError::InUse(out.into())),
                // Some network file systems have no locks; a conversion without one is better than none.
                Err(TryLockError::Error(error)) if has_no_locks(&error) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // Whoever had the lock may have finished and removed the file between our two calls.
            let locked = file.try_clone().and_then(Handle::from_file).map_err(failed)?;
            if Handle::from_path(&path).is_ok_and(|named| named == locked) {
                // What is in it is for `read` to tell; until then it may name record files.
                let holds_something = file.metadata().map_err(failed)?.len() > 0;
                return Ok(Self { path, file, entries: Mutex::new(usize::from(holds_something)) });
            }
        }
    }

    /// Reads what an earlier run wrote, up to where it was interrupted, and goes on from there. `None` where there is
    /// no entry.
    ///
    /// # Errors
    /// The file cannot be read, or is not one of this version of petrec.
    pub(super) fn read(&mut self) -> Result<Option<Earlier>, OutputError> {
        let failed = |reason| OutputError::Write { path: self.path.clone(), reason };
        let foreign = |_: serde_json::Error| OutputError::Foreign(self.path.clone());
        let mut reader = Reader::new(BufReader::new(&self.file));
        let mut records = Vec::new();
        for record in reader.by_ref() {
            match record {
                Ok(record) => records.push(record),
                Err(ReadError { damage: Damage::Io(error), .. }) => return Err(failed(error)),
                Err(_) => break,
            }
        }
        let end = reader.bytes();

        let Some((head, entries)) = records.split_first() else { return Ok(None) };
        let head: Head = serde_json::from_slice(head).map_err(foreign)?;
        if head.format != FORMAT {
            return Err(OutputError::Foreign(self.path.clone()));
        }
        let entries = entries.iter().map(|entry| serde_json::from_slice(entry)).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(foreign)?;
        // Only now is it certain that the file is ours to change.
        self.file.set_len(end).and_then(|()| (&self.file).seek(SeekFrom::Start(end))).map_err(failed)?;
        *self.entries.get_mut().unwrap_or_else(PoisonError::into_inner) = entries.len();
        Ok((!entries.is_empty()).then_some(Earlier { head, entries }))
    }

    /// Begins anew with this plan and these entries, on disk when this returns.
    pub(super) fn begin<'a>(&mut self, head: &Head, entries: impl IntoIterator<Item = &'a Entry>) -> io::Result<()> {
        crash_point();
        self.file.set_len(0)?;
        self.file.rewind()?;
        let mut records = Writer::new(Vec::new());
        records.write(&serde_json::to_vec(head)?)?;
        let mut count = 0;
        for entry in entries {
            records.write(&serde_json::to_vec(entry)?)?;
            count += 1;
        }
        (&self.file).write_all(&records.finish()?)?;
        crash_point();
        self.file.sync_all()?;
        sync_folder(folder_of(&self.path))?;
        *self.entries.get_mut().unwrap_or_else(PoisonError::into_inner) = count;
        Ok(())
    }

    /// Adds an entry, on disk when this returns.
    pub(super) fn append(&self, entry: &Entry) -> io::Result<()> {
        let mut record = Writer::new(Vec::new());
        record.write(&serde_json::to_vec(entry)?)?;
        let record = record.finish()?;
        {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            crash_point();
            let start = (&self.file).stream_position()?;
            if let Err(error) = (&self.file).write_all(&record) {
                // What comes behind a torn record would be lost to the reader.
                let _ = self.file.set_len(start).and_then(|()| (&self.file).seek(SeekFrom::Start(start)));
                return Err(error);
            }
            *entries += 1;
        }
        // Outside the lock, so that the disk can take several at once.
        crash_point();
        self.file.sync_data()
    }

    /// Whether it is known to tell of no record file.
    pub(super) fn is_empty(&self) -> bool {
        *self.entries.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }

    /// Removes the journal: the conversion is done, or was taken back.
    pub(super) fn remove(&self) -> io::Result<()> {
        crash_point();
        fs::remove_file(&self.path)?;
        sync_folder(folder_of(&self.path))
    }
}

/// Whether this is what a system says that has no locks, such as NFS without its lock daemon (ENOLCK).
fn has_no_locks(error: &io::Error) -> bool {
    const ENOLCK: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 37 } else { 77 };
    error.kind() == io::ErrorKind::Unsupported || (cfg!(unix) && error.raw_os_error() == Some(ENOLCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_without_locks_is_taken_and_a_failing_one_is_not() {
        assert!(has_no_locks(&io::Error::from_raw_os_error(37)), "ENOLCK");
        assert!(has_no_locks(&io::Error::from_raw_os_error(95)), "EOPNOTSUPP");
        assert!(!has_no_locks(&io::Error::from_raw_os_error(5)), "EIO");
    }

    fn entry(index: usize) -> Entry {
        Entry { index, split: None, images: Vec::new(), file: None, findings: Vec::new() }
    }

    fn head() -> Head {
        Head::new(Fingerprint::default(), Images::default())
    }

    fn read(folder: &Path) -> Vec<usize> {
        let mut journal = Journal::lock(folder).expect("free");
        let earlier = journal.read().expect("readable");
        earlier.map_or(Vec::new(), |earlier| earlier.entries.iter().map(|entry| entry.index).collect())
    }

    #[test]
    fn a_journal_that_was_torn_at_any_byte_keeps_its_whole_entries_and_takes_new_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(JOURNAL_NAME);
        let mut journal = Journal::lock(folder.path()).expect("free");
        journal.begin(&head(), []).expect("written");
        for index in 0..3 {
            journal.append(&entry(index)).expect("written");
        }
        drop(journal);
        let whole = fs::read(&path).expect("readable");

        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).expect("written");
            let before = read(folder.path());
            let mut journal = Journal::lock(folder.path()).expect("free again");
            if journal.read().expect("readable").is_none() {
                journal.begin(&head(), []).expect("written");
            }
            journal.append(&entry(7)).expect("written");
            drop(journal);

            assert_eq!(before, (0..before.len()).collect::<Vec<_>>(), "cut at {cut}");
            assert_eq!(read(folder.path()), [&before[..], &[7]].concat(), "cut at {cut}");
        }
        assert_eq!(read(folder.path()), [0, 1, 2, 7]);
    }

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");

        let first = Journal::lock(folder.path()).expect("free");
        let second = Journal::lock(folder.path());

        assert!(matches!(second, Err(OutputError::InUse(_))));
        drop(first);
        assert!(Journal::lock(folder.path()).is_ok());
    }
}
