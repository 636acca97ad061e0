//! The output folder: nothing in it but whole files of ours, and a journal as long as they are not all there.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{io, mem};

use serde::Serialize;
use tracing::info;

use super::content::refuse_foreign_reports;
use super::folder::{make_folder, remove_folders, remove_if_there};
use super::head::Head;
use super::joint::JointJournal;
use super::journal::{Entry, Journal};
use super::new_file::{CommitError, NewFile, Synced};
use super::object_journal::{self, ObjectJournal};
use super::output_dir::OutputDir;
use super::output_error::OutputError;
use crate::manifest::{JOURNAL_NAME, MANIFEST_NAME, Manifest, PLAN_NAME, WorkerId, WrittenFile};
use crate::storage;
use crate::storage::atomic_file::{AtomicFile, fill_json, write_json};

/// How many files may be on their way to the disk while the next one is filled.
const COMMITS_UNDER_WAY: usize = 4;

/// A file on its way to the disk: its name, and the thread that waits for the disk.
type Committing = (PathBuf, JoinHandle<Result<(), CommitError>>);

/// Where it is written down what was done.
pub(super) enum Record {
    /// In a file, locked.
    File(Journal),
    /// In an object store.
    Objects(ObjectJournal),
}

impl Record {
    /// Begins anew with this head and these entries.
    pub(super) fn begin(&mut self, head: &Head, entries: &[Entry]) -> io::Result<()> {
        match self {
            Self::File(journal) => journal.begin(head, entries),
            Self::Objects(journal) => journal.begin(head, entries),
        }
    }

    fn append(&self, entry: &Entry) -> io::Result<()> {
        match self {
            Self::File(journal) => journal.append(entry),
            Self::Objects(journal) => journal.append(entry),
        }
    }
}

/// What a run goes by, beside what it was told.
pub(super) enum Basis {
    /// Nothing else.
    Alone,
    /// The journal that the worker shares with others.
    Joint(JointJournal),
    /// A plan.
    Plan,
}

/// What one run does in the output folder, which it has alone, or a worker's part of that. Dropped before the journal has an
/// entry, it takes back every folder it made.
pub(super) struct Output {
    /// The folder's, or the worker's.
    journal: Arc<Record>,
    /// What it goes by.
    basis: Basis,
    /// Whose the temporary files are.
    owner: String,
    /// Files that were handed to the disk and are not there yet, the oldest first.
    committing: VecDeque<Committing>,
    /// How many files did not get there.
    failed: usize,
    folders: Vec<PathBuf>,
    /// When the run began, in nanoseconds since 1970.
    begun: u64,
    /// Locked; dropped last.
    dir: Arc<OutputDir>,
}

impl Output {
    pub(super) fn new(dir: Arc<OutputDir>, journal: Record, basis: Basis, owner: String) -> Self {
        let (journal, begun) = (Arc::new(journal), nanoseconds(SystemTime::now()));
        Self { journal, basis, owner, committing: VecDeque::new(), failed: 0, folders: Vec::new(), begun, dir }
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        self.dir.root()
    }

    /// When the run began, in nanoseconds since 1970.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Whose the temporary files are.
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// Where a file of that relative path lies.
    pub(super) fn path(&self, relative: &Path) -> PathBuf {
        self.root().join(relative)
    }

    /// Removes a file of that relative path, if it is there.
    pub(super) fn remove(&self, relative: &Path) -> Result<(), OutputError> {
        remove_if_there(&self.dir.path(relative)?)
    }

    /// The journal, as long as nothing is on its way to the disk.
    pub(super) fn journal(&mut self) -> &mut Record {
        Arc::get_mut(&mut self.journal).expect("the threads that commit have ended")
    }

    /// Begins a file that will get the name `relative` when it is whole.
    pub(super) fn begin(&mut self, relative: &Path) -> Result<AtomicFile, OutputError> {
        let path = self.dir.path(relative)?;
        if let Some(folder) = path.parent() {
            make_folder(folder, &mut self.folders)?;
        }
        AtomicFile::begin_of(&self.owner, &path).map_err(OutputError::write(&path))
    }

    /// Writes `entry` into the journal and gives its file, if it has one, the name `relative`, both on disk; does not
    /// wait for the disk, which would keep every worker waiting too.
    pub(super) fn commit(&mut self, relative: &Path, file: Option<NewFile>, entry: Entry) -> Result<(), OutputError> {
        if self.committing.len() == COMMITS_UNDER_WAY {
            self.settle_oldest()?;
        }
        let journal = Arc::clone(&self.journal);
        let (named, records) = (relative.to_path_buf(), file.as_ref().map(|file| file.written.records));
        let commit = move || {
            let synced = file.map(NewFile::sync).transpose()?;
            // First the entry: the journal knows of every file that is there.
            journal.append(&entry)?;
            synced.map_or(Ok(()), Synced::publish)?;
            info!(path = %named.display(), records, images = entry.images.len(), "a record file is on disk");
            Ok(())
        };
        let path = self.path(relative);
        let commit = Arc::new(Mutex::new(Some(commit)));
        let take = |from: &Mutex<Option<_>>| from.lock().unwrap_or_else(PoisonError::into_inner).take();
        let its = Arc::clone(&commit);
        match thread::Builder::new().spawn(move || take(&its).map_or(Ok(()), |commit| commit())) {
            Ok(waiting) => self.committing.push_back((path, waiting)),
            // There is no thread to be had, and the work is still here.
            Err(_) => {
                let done = take(&commit).map_or(Ok(()), |commit| commit());
                self.note(path, done)?;
            }
        }
        Ok(())
    }

    /// Waits until every file that was committed is on disk under its name.
    pub(super) fn settle(&mut self) -> Result<(), OutputError> {
        while !self.committing.is_empty() {
            self.settle_oldest()?;
        }
        Ok(())
    }

    fn settle_oldest(&mut self) -> Result<(), OutputError> {
        if let Some((path, waiting)) = self.committing.pop_front() {
            let died = |_| Err(io::Error::other("the thread that wrote it died").into());
            let done = waiting.join().unwrap_or_else(died);
            self.note(path, done)?;
        }
        Ok(())
    }

    /// Counts a file that did not get on disk under its name.
    fn note(&mut self, path: PathBuf, done: Result<(), CommitError>) -> Result<(), OutputError> {
        done.inspect_err(|_| self.failed += 1).map_err(|error| match error {
            CommitError::Io(reason) => OutputError::Write { path, reason },
            CommitError::NotAsWritten(problem) => OutputError::NotAsWritten { path, problem },
        })
    }

    /// Waits for the disk, and tells how many files did not get there.
    pub(super) fn failures(&mut self) -> usize {
        while self.settle().is_err() {}
        self.failed
    }

    /// Writes `value` as indented JSON to the file `name`, whole or not at all.
    pub(super) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), OutputError> {
        refuse_foreign_reports(self.root())?;
        let path = self.path(name.as_ref());
        write_json(&path, value).map_err(OutputError::write(&path))
    }

    /// Writes the manifest of record files that were `begun` then: its time of change says until when what it tells is known.
    pub(super) fn write_manifest(&self, manifest: &Manifest, begun: u64) -> Result<(), OutputError> {
        let path = self.path(MANIFEST_NAME.as_ref());
        let write = |file: &mut AtomicFile| {
            fill_json(file, manifest)?;
            file.set_modified(UNIX_EPOCH + Duration::from_nanos(begun))
        };
        AtomicFile::write(&path, write).map_err(OutputError::write(&path))
    }

    /// Takes over from workers, if there were any: writes `entries`, which hold theirs, into the journal, and removes the
    /// workers' journals.
    pub(super) fn absorb_workers<'a>(
        &mut self,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<(), OutputError> {
        let mut entries = entries.into_iter().peekable();
        let journal = match &*self.journal {
            Record::File(journal) => journal,
            // They stay where they are until all of it goes.
            Record::Objects(_) if entries.peek().is_some() => return Ok(()),
            Record::Objects(_) => return object_journal::remove_all(self.root()),
        };
        let journals = WorkerId::all_in(self.root())?;
        if !journals.is_empty() && entries.peek().is_some() {
            journal.extend(entries).map_err(OutputError::write(&self.path(JOURNAL_NAME.as_ref())))?;
        }
        journals.iter().try_for_each(|(_, path)| remove_if_there(path))
    }

    /// Ends the run well, with every commit settled: the journal goes, everything else stays.
    pub(super) fn finish(mut self) -> Result<(), OutputError> {
        self.folders.clear();
        match &*self.journal {
            Record::File(journal) => journal.remove().map_err(OutputError::write(&self.path(JOURNAL_NAME.as_ref()))),
            Record::Objects(_) => object_journal::remove_all(self.root()),
        }
    }

    /// The same where workers' journals may be left.
    pub(super) fn finish_with_workers(self) -> Result<(), OutputError> {
        if let Record::File(_) = &*self.journal {
            WorkerId::all_in(self.root())?.iter().try_for_each(|(_, journal)| remove_if_there(journal))?;
        }
        self.finish()
    }

    /// Ends a worker's part well, who wrote these record files or found them. Where somebody put all together meanwhile, because
    /// this worker was the second with its share, nobody else will remove what it wrote down since; nor does anybody else know
    /// that a file is not what the manifest says, as it comes on a machine that computes the last bits otherwise.
    pub(super) fn leave<'a>(&self, written: impl IntoIterator<Item = &'a WrittenFile>) -> Result<(), OutputError> {
        if !storage::is_url(self.root()) || !has_manifest(self.root())? {
            return Ok(());
        }
        leave_finished(self.root())?;
        let listed = Manifest::read(self.root())?.files;
        let listed: HashSet<_> = listed.iter().map(|file| (&file.path, &file.sha256)).collect();
        let is_listed = |file: &WrittenFile| listed.contains(&(&file.path, &file.sha256));
        if written.into_iter().all(is_listed) {
            Ok(())
        } else {
            Err(OutputError::NeedsRepair(self.root().to_path_buf()))
        }
    }

    /// Takes back these files, the journal, and every folder that this run made.
    pub(super) fn take_back(mut self, files: impl IntoIterator<Item = PathBuf>) -> Result<(), OutputError> {
        for file in files {
            self.remove(&file)?;
        }
        let folders = mem::take(&mut self.folders);
        self.finish()?;
        remove_folders(&folders);
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // What cannot be written or removed now stays so: the error that led here is the one to tell.
        self.failures();
        let Record::File(journal) = &*self.journal else { return }; // which wrote nothing before it had an entry
        if journal.entries() > 0 {
            return;
        }
        let is_gone = match mem::replace(&mut self.basis, Basis::Alone) {
            Basis::Joint(joint) => {
                let _ = journal.remove();
                joint.remove_if_nothing_is_done(self.root()).unwrap_or(false)
            }
            Basis::Plan => {
                let _ = journal.remove();
                false
            }
            Basis::Alone => {
                let has_workers = WorkerId::all_in(self.dir.root()).is_ok_and(|journals| !journals.is_empty());
                !has_workers && journal.remove().is_ok()
            }
        };
        if is_gone {
            remove_folders(&self.folders);
        }
    }
}

/// A time in nanoseconds since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether there is a manifest in `out`.
pub(super) fn has_manifest(out: &Path) -> Result<bool, OutputError> {
    let path = out.join(MANIFEST_NAME);
    storage::is_there(&path).map_err(OutputError::unreachable(&path))
}

/// Leaves nothing beside the files of a finished conversion that somebody did not come to remove.
pub(super) fn leave_finished(out: &Path) -> Result<(), OutputError> {
    // Asked for here, because somebody may have begun anew since.
    if !storage::is_url(out) || !has_manifest(out)? {
        return Ok(());
    }
    object_journal::remove_all(out)?;
    remove_if_there(&out.join(PLAN_NAME))
}

/// The same where there is a plan: its entries would be another conversion's for those who do without it.
pub(super) fn leave_plan_of_finished(out: &Path) -> Result<(), OutputError> {
    let plan = out.join(PLAN_NAME);
    match storage::is_url(out) && storage::is_there(&plan).map_err(OutputError::unreachable(&plan))? {
        true => leave_finished(out),
        false => Ok(()),
    }
}
