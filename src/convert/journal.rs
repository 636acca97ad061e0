//! What an unfinished conversion has done so far: a hidden file beside the records, and one more for each worker where the
//! work is shared; gone when the conversion is done.
//!
//! It is a record file itself, so a torn end and a flipped bit are found by the checksums: first what is converted, then an
//! entry for each record file. An entry is on disk before its record file gets its name, so no record file is there that the
//! journal does not know of; whether one that it knows of is there, and whole, is for the reader to look. It gets its name
//! together with its head, so a file of that name that does not begin as a journal is somebody else's, and stays. Whoever has the
//! output folder alone has its journal; a worker keeps its own locked.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::output_error::OutputError;
use crate::manifest::WrittenFile;
use crate::results::Finding;
use crate::storage::atomic_file::{AtomicFile, sync_folder};
use crate::storage::dirs::folder_of;
use crate::storage::lock::{IfAbsent, Lock, LockMode, is_plain, lock_file, open_plain};
use crate::tfrecord::framing::HEADER_LEN;
use crate::tfrecord::{Damage, ReadError, Reader, Writer, framing};
use crate::util::failpoint::failpoint;

/// How often the lock is tried for that belongs to a file that was removed meanwhile.
const TRIES: u32 = 100;
/// Version of the records in it.
const FORMAT: u32 = 3;
/// How the JSON of every journal begins, of any version.
const FIRST_KEY: &[u8] = br#"{"format":"#;

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
    /// When the run began that wrote it, in nanoseconds since 1970: an image that was changed later is not what is in the file.
    pub(super) begun: u64,
}

/// What an earlier run wrote down.
pub(super) struct Earlier<H> {
    pub(super) head: H,
    /// SHA-256 of the first record.
    pub(super) digest: String,
    pub(super) entries: Vec<Entry>,
}

/// A journal of ours.
pub(super) struct Journal {
    path: PathBuf,
    /// `None` where there is none yet.
    file: Option<File>,
    entries: Mutex<usize>,
}

impl Journal {
    /// The journal `path` of whoever has the folder alone, if there is one.
    ///
    /// # Errors
    /// What is there is no journal, or cannot be read.
    pub(super) fn open(path: PathBuf) -> Result<Self, OutputError> {
        let file = open_plain(&path).map_err(OutputError::read(&path))?;
        Self::of(path, file)
    }

    /// The journal `path` of a worker, locked, and made with this head where it is missing or damaged; `None` where another
    /// process has it.
    ///
    /// # Errors
    /// As [`Journal::open`]; or it cannot be made.
    pub(super) fn lock(path: PathBuf, head: &impl Serialize) -> Result<Option<Self>, OutputError> {
        let write = |publish: fn(AtomicFile) -> io::Result<()>| {
            let begin = || {
                let mut file = AtomicFile::begin(&path)?;
                file.write_all(&without_entries(head)?)?;
                publish(file)
            };
            begin().map_err(OutputError::write(&path))
        };
        for _ in 0..TRIES {
            match lock_file(&path, LockMode::Alone, IfAbsent::Leave).map_err(OutputError::read(&path))? {
                Lock::Busy => return Ok(None),
                Lock::Absent => write(|file| file.sync()?.publish_new())?,
                Lock::Held(file) => {
                    let mut journal = Self::of(path.clone(), Some(file))?;
                    if journal.scan::<serde::de::IgnoredAny>(|_| {})?.is_some() {
                        journal.rewind()?;
                        return Ok(Some(journal));
                    }
                    write(AtomicFile::commit)?;
                }
            }
        }
        // Others come and go, or the file system does not know its own files.
        Ok(None)
    }

    fn of(path: PathBuf, file: Option<File>) -> Result<Self, OutputError> {
        if let Some(file) = &file {
            refuse_foreign(&path, file)?;
        }
        // What is in it is for `read` to tell; until then it may name record files.
        Ok(Self { path, entries: Mutex::new(usize::from(file.is_some())), file })
    }

    fn rewind(&self) -> Result<(), OutputError> {
        self.file.as_ref().map_or(Ok(()), |mut file| file.rewind().map_err(OutputError::read(&self.path)))
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
        self.rewind()?;
        let Some(mut file) = self.file.as_ref() else { return Ok(None) };
        let Some(Scanned { head, digest, end }) = scan(&self.path, file, counted)? else { return Ok(None) };
        // Only now is it certain that the file is ours to change.
        file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end))).map_err(OutputError::write(&self.path))?;
        *self.entries.get_mut().unwrap_or_else(PoisonError::into_inner) = count;
        Ok(Some((head, digest)))
    }

    /// Begins anew with this head and these entries, on disk when this returns; what was there before stays until then.
    pub(super) fn begin<'a>(
        &mut self,
        head: &impl Serialize,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> io::Result<()> {
        let mut records = first_record(head)?;
        let mut count = 0;
        for entry in entries {
            records.write(&serde_json::to_vec(entry)?)?;
            count += 1;
        }
        let content = records.finish()?;
        AtomicFile::write(&self.path, |file| file.write_all(&content))?;
        let mut file = open_plain(&self.path)?.ok_or(io::ErrorKind::NotFound)?;
        file.seek(SeekFrom::End(0))?;
        self.file = Some(file);
        *self.entries.get_mut().unwrap_or_else(PoisonError::into_inner) = count;
        Ok(())
    }

    /// Adds an entry, on disk when this returns.
    pub(super) fn append(&self, entry: &Entry) -> io::Result<()> {
        self.extend([entry])
    }

    /// Adds entries, all on disk when this returns.
    pub(super) fn extend<'a>(&self, new: impl IntoIterator<Item = &'a Entry>) -> io::Result<()> {
        let Some(mut file) = self.file.as_ref() else { return Err(io::Error::other("nothing was begun")) };
        {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            failpoint();
            let start = file.stream_position()?;
            let write = || {
                let mut records = Writer::new(BufWriter::new(file));
                new.into_iter().try_for_each(|entry| records.write(&serde_json::to_vec(entry)?))?;
                let count = records.records();
                records.finish().map(|_| count)
            };
            let count = write().inspect_err(|_| {
                // What comes behind a torn record would be lost to the reader.
                let _ = file.set_len(start).and_then(|()| (&*file).seek(SeekFrom::Start(start)));
            })?;
            *entries += usize::try_from(count).unwrap_or(usize::MAX);
        }
        // Outside the lock, so that the disk can take several at once.
        failpoint();
        file.sync_data()
    }

    /// How many entries it has; one before [`Journal::read`], if it is there.
    pub(super) fn entries(&self) -> usize {
        *self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the journal: the conversion is done, or was taken back.
    pub(super) fn remove(&self) -> io::Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        failpoint();
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
                first = Some((head, crate::text::hex(&Sha256::digest(&record))));
            }
            (Ok(record), Some(_)) => each(serde_json::from_slice(&record).map_err(foreign)?),
            (Err(ReadError { damage: Damage::Io(error), .. }), _) => return Err(OutputError::read(path)(error)),
            (Err(_), _) => break,
        }
    }
    let end = reader.bytes();
    Ok(first.map(|(head, digest)| Scanned { head, digest, end }))
}

/// Refuses a file in the place of a journal that does not begin as one, of whatever version. One bit that flipped, and nothing at
/// all, are the disk's doing and not a sign of another file.
fn refuse_foreign(path: &Path, mut file: &File) -> Result<(), OutputError> {
    let mut beginning = Vec::new();
    let read =
        file.rewind().and_then(|()| file.take((HEADER_LEN + FIRST_KEY.len()) as u64).read_to_end(&mut beginning));
    read.and_then(|_| file.rewind()).map_err(OutputError::read(path))?;
    let has_header = || {
        let (length, rest) = beginning.split_first_chunk()?;
        let header = framing::header(u64::from_le_bytes(*length));
        rest.starts_with(header.get(8..)?).then_some(())
    };
    let has_key = || beginning.get(HEADER_LEN..).is_some_and(|key| key == FIRST_KEY);
    match beginning.is_empty() || has_header().is_some() || has_key() {
        true => Ok(()),
        false => Err(OutputError::NotOurs(path.into())),
    }
}

/// Refuses a journal at `path` that is a link, or none of ours.
pub(super) fn refuse_foreign_at(path: &Path) -> Result<(), OutputError> {
    if !is_plain(path).map_err(OutputError::read(path))? {
        return Ok(());
    }
    let file = File::open(path).map_err(OutputError::read(path))?;
    refuse_foreign(path, &file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::JOURNAL_NAME;

    fn entry(index: usize) -> Entry {
        Entry { index, split: None, images: Vec::new(), file: None, findings: Vec::new(), begun: 1 }
    }

    const HEAD: &str = "what is converted";

    fn open(folder: &Path) -> Journal {
        Journal::open(folder.join(JOURNAL_NAME)).expect("ours")
    }

    fn read(folder: &Path) -> Vec<usize> {
        let earlier = open(folder).read::<String>().expect("readable");
        earlier.map_or(Vec::new(), |earlier| earlier.entries.iter().map(|entry| entry.index).collect())
    }

    #[test]
    fn a_journal_that_was_torn_at_any_byte_keeps_its_whole_entries_and_takes_new_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(JOURNAL_NAME);
        let mut journal = open(folder.path());
        journal.begin(&HEAD, []).expect("written");
        let head = usize::try_from(fs::metadata(&path).expect("there").len()).expect("small");
        for index in 0..3 {
            journal.append(&entry(index)).expect("written");
        }
        drop(journal);
        let whole = fs::read(&path).expect("readable");

        // It gets its name with its head, so that no crash tears that.
        for cut in head..=whole.len() {
            fs::write(&path, &whole[..cut]).expect("written");
            let before = read(folder.path());
            let mut journal = open(folder.path());
            assert!(journal.read::<String>().expect("readable").is_some());
            journal.append(&entry(7)).expect("written");
            drop(journal);

            assert_eq!(before, (0..before.len()).collect::<Vec<_>>(), "cut at {cut}");
            assert_eq!(read(folder.path()), [&before[..], &[7]].concat(), "cut at {cut}");
        }
        assert_eq!(read(folder.path()), [0, 1, 2, 7]);
    }

    #[test]
    fn a_file_that_does_not_begin_as_a_journal_is_refused_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(JOURNAL_NAME);
        for foreign in ["x", "mine\n", "{\"format\": 3}", &"a long text of somebody else's. ".repeat(99)] {
            fs::write(&path, foreign).expect("written");

            assert!(matches!(Journal::open(path.clone()), Err(OutputError::NotOurs(_))), "{foreign}");
            assert!(matches!(Journal::lock(path.clone(), &HEAD), Err(OutputError::NotOurs(_))), "{foreign}");
            assert_eq!(fs::read_to_string(&path).expect("still there"), foreign);
        }
    }

    #[test]
    fn a_worker_has_its_journal_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = || Journal::lock(folder.path().join(JOURNAL_NAME), &HEAD).expect("can be made");

        let first = lock();
        assert!(first.is_some() && lock().is_none());
        drop(first);
        assert!(lock().is_some());
    }
}
