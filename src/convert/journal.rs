//! What an unfinished conversion has done so far: a hidden file beside the records, and one more for each worker where the
//! work is shared; gone when the conversion is done.
//!
//! It is a record file itself, so a torn end and a flipped bit are found by the checksums: first what is converted, then an
//! entry for each record file. An entry is on disk before its record file gets its name, so no record file is there that the
//! journal does not know of; whether one that it knows of is there, and whole, is for the reader to look. The file is
//! locked as long as the process lives that converts, however that ends.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use same_file::Handle;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::WrittenFile;
use super::output_error::OutputError;
use crate::crash_point::crash_point;
use crate::locks::is_granted;
use crate::paths::folder_of;
use crate::report::Finding;
use crate::tfrecord::{Damage, ReadError, Reader, Writer};
use crate::whole_file::sync_folder;

/// Name of the journal in the output folder. Hidden, and no pattern for record files finds it.
pub const JOURNAL_NAME: &str = ".petrec-journal";
/// Version of the records in it.
const FORMAT: u32 = 2;

/// The first record: what the entries behind it belong to.
#[derive(Serialize, Deserialize)]
struct First<H> {
    format: u32,
    head: H,
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
pub(super) struct Earlier<H> {
    pub(super) head: H,
    /// SHA-256 of the first record.
    pub(super) digest: String,
    pub(super) entries: Vec<Entry>,
}

/// A journal, locked.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    entries: Mutex<usize>,
}

impl Journal {
    /// Opens or makes the journal `path`, in a folder that exists, and locks it; `None` where another process has it.
    pub(super) fn lock(path: PathBuf) -> Result<Option<Self>, OutputError> {
        let failed = |reason| OutputError::Write { path: path.clone(), reason };
        loop {
            crash_point();
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(failed)?;
            if !is_granted(file.try_lock()).map_err(failed)? {
                return Ok(None);
            }
            // Whoever had the lock may have finished and removed the file between our two calls.
            if is_named(&path, &file).map_err(OutputError::read(&path))? {
                // What is in it is for `read` to tell; until then it may name record files.
                let holds_something = file.metadata().map_err(OutputError::read(&path))?.len() > 0;
                return Ok(Some(Self { path, file, entries: Mutex::new(usize::from(holds_something)) }));
            }
        }
    }

    /// Reads what an earlier run wrote, up to where it was interrupted, and goes on from there. `None` where there is
    /// not even a head.
    ///
    /// # Errors
    /// The file cannot be read, or is not one of this version of petrec.
    pub(super) fn read<H: DeserializeOwned>(&mut self) -> Result<Option<Earlier<H>>, OutputError> {
        let mut entries = Vec::new();
        let first = self.scan(|entry| entries.push(entry))?;
        Ok(first.map(|(head, digest)| Earlier { head, digest, entries }))
    }

    /// The same with one entry in memory at a time: tells the head and its SHA-256.
    pub(super) fn scan<H: DeserializeOwned>(
        &mut self,
        mut each: impl FnMut(Entry),
    ) -> Result<Option<(H, String)>, OutputError> {
        let mut count = 0;
        let counted = |entry| {
            count += 1;
            each(entry);
        };
        let Some(Scanned { head, digest, end }) = scan(&self.path, &self.file, counted)? else { return Ok(None) };
        // Only now is it certain that the file is ours to change.
        let failed = |reason| OutputError::Write { path: self.path.clone(), reason };
        self.file.set_len(end).and_then(|()| (&self.file).seek(SeekFrom::Start(end))).map_err(failed)?;
        *self.entries.get_mut().unwrap_or_else(PoisonError::into_inner) = count;
        Ok(Some((head, digest)))
    }

    /// Begins anew with this head and these entries, on disk when this returns.
    pub(super) fn begin<'a>(
        &mut self,
        head: &impl Serialize,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> io::Result<()> {
        crash_point();
        self.file.set_len(0)?;
        self.file.rewind()?;
        let mut records = first_record(head)?;
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
        self.extend([entry])
    }

    /// Adds entries, all on disk when this returns.
    pub(super) fn extend<'a>(&self, new: impl IntoIterator<Item = &'a Entry>) -> io::Result<()> {
        {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            crash_point();
            let start = (&self.file).stream_position()?;
            let write = || {
                let mut records = Writer::new(BufWriter::new(&self.file));
                new.into_iter().try_for_each(|entry| records.write(&serde_json::to_vec(entry)?))?;
                let count = records.records();
                records.finish().map(|_| count)
            };
            let count = write().inspect_err(|_| {
                // What comes behind a torn record would be lost to the reader.
                let _ = self.file.set_len(start).and_then(|()| (&self.file).seek(SeekFrom::Start(start)));
            })?;
            *entries += usize::try_from(count).unwrap_or(usize::MAX);
        }
        // Outside the lock, so that the disk can take several at once.
        crash_point();
        self.file.sync_data()
    }

    /// How many entries it has; one before [`Journal::read`], if it holds anything.
    pub(super) fn entries(&self) -> usize {
        *self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the journal: the conversion is done, or was taken back.
    pub(super) fn remove(&self) -> io::Result<()> {
        crash_point();
        fs::remove_file(&self.path)?;
        sync_folder(folder_of(&self.path))
    }
}

/// The beginning of a journal.
fn first_record(head: &impl Serialize) -> io::Result<Writer<Vec<u8>>> {
    let mut records = Writer::new(Vec::new());
    records.write(&serde_json::to_vec(&First { format: FORMAT, head })?)?;
    Ok(records)
}

/// All bytes of a journal without entries.
pub(super) fn without_entries(head: &impl Serialize) -> io::Result<Vec<u8>> {
    first_record(head)?.finish()
}

/// All bytes of a journal of one entry, where `digest` is [`Earlier::digest`] of the one that has the head.
pub(super) fn of_one_entry(digest: &str, entry: &Entry) -> io::Result<Vec<u8>> {
    let mut records = first_record(&digest)?;
    records.write(&serde_json::to_vec(entry)?)?;
    records.finish()
}

/// Reads the journal `path` from where `content` stands; `None` where there is not even a head. Changes nothing.
pub(super) fn read<H: DeserializeOwned>(path: &Path, content: impl Read) -> Result<Option<Earlier<H>>, OutputError> {
    let mut entries = Vec::new();
    let scanned = scan(path, content, |entry| entries.push(entry))?;
    Ok(scanned.map(|Scanned { head, digest, .. }| Earlier { head, digest, entries }))
}

/// All of a journal but its entries.
pub(super) struct Scanned<H> {
    pub(super) head: H,
    /// SHA-256 of the first record.
    pub(super) digest: String,
    /// Where the last whole record ends.
    end: u64,
}

/// The same with one entry in memory at a time.
pub(super) fn scan<H: DeserializeOwned>(
    path: &Path,
    content: impl Read,
    mut each: impl FnMut(Entry),
) -> Result<Option<Scanned<H>>, OutputError> {
    let foreign = |_: serde_json::Error| OutputError::Foreign(path.into());
    let mut reader = Reader::of_any_length(BufReader::new(content));
    let mut first = None;
    for record in reader.by_ref() {
        match (record, &first) {
            (Ok(record), None) => {
                let First { format, head } = serde_json::from_slice(&record).map_err(foreign)?;
                if format != FORMAT {
                    return Err(OutputError::Foreign(path.into()));
                }
                first = Some((head, crate::hex(&Sha256::digest(&record))));
            }
            (Ok(record), Some(_)) => each(serde_json::from_slice(&record).map_err(foreign)?),
            (Err(ReadError { damage: Damage::Io(error), .. }), _) => return Err(OutputError::read(path)(error)),
            (Err(_), _) => break,
        }
    }
    let end = reader.bytes();
    Ok(first.map(|(head, digest)| Scanned { head, digest, end }))
}

/// Whether `file` is still the one that goes by the name `path`.
pub(super) fn is_named(path: &Path, file: &File) -> io::Result<bool> {
    let file = file.try_clone().and_then(Handle::from_file)?;
    Ok(Handle::from_path(path).is_ok_and(|named| named == file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: usize) -> Entry {
        Entry { index, split: None, images: Vec::new(), file: None, findings: Vec::new() }
    }

    const HEAD: &str = "what is converted";

    fn lock(folder: &Path) -> Journal {
        Journal::lock(folder.join(JOURNAL_NAME)).expect("can be made").expect("free")
    }

    fn read(folder: &Path) -> Vec<usize> {
        let earlier = lock(folder).read::<String>().expect("readable");
        earlier.map_or(Vec::new(), |earlier| earlier.entries.iter().map(|entry| entry.index).collect())
    }

    #[test]
    fn a_journal_that_was_torn_at_any_byte_keeps_its_whole_entries_and_takes_new_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(JOURNAL_NAME);
        let mut journal = lock(folder.path());
        journal.begin(&HEAD, []).expect("written");
        for index in 0..3 {
            journal.append(&entry(index)).expect("written");
        }
        drop(journal);
        let whole = fs::read(&path).expect("readable");

        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).expect("written");
            let before = read(folder.path());
            let mut journal = lock(folder.path());
            if journal.read::<String>().expect("readable").is_none() {
                journal.begin(&HEAD, []).expect("written");
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

        let first = lock(folder.path());
        let second = Journal::lock(folder.path().join(JOURNAL_NAME)).expect("can be opened");

        assert!(second.is_none());
        drop(first);
        lock(folder.path());
    }
}
