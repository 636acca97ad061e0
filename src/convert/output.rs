//! The output folder: nothing in it but whole files of ours, and a journal as long as they are not all there.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::{io, mem};

use serde::Serialize;
use serde::de::IgnoredAny;
use tracing::info;

use super::folder::{make_folder, remove_folders, remove_if_there};
use super::head::Head;
use super::joint::{self, JointJournal};
use super::journal::{self, Earlier, Entry, JOURNAL_NAME, Journal};
use super::manifest::{MANIFEST_NAME, WrittenFile};
use super::new_file::{CommitError, NewFile, Synced};
use super::object_journal::{self, ObjectJournal};
use super::output_error::OutputError;
use super::share::Share;
use crate::store;
use crate::whole_file::{WholeFile, write_json};

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
enum Basis {
    /// Nothing else.
    Alone,
    /// The journal that the worker shares with others.
    Joint(JointJournal),
    /// A plan, which whoever has this keeps locked.
    Plan,
}

/// The output folder of one run, ours alone while this lives, or a worker's part in it. Dropped before the journal has an
/// entry, it takes back every folder it made.
pub(super) struct Output {
    root: PathBuf,
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
}

impl Output {
    /// Makes or takes the folder `out`, which must lie outside the data set, and locks it.
    pub(super) fn lock(out: &Path) -> Result<Self, OutputError> {
        if store::is_url(out) {
            // Nothing can be locked there. Whoever else is at work writes the same or is found out.
            return Ok(Self::new(
                out,
                Record::Objects(ObjectJournal::new(out, None)),
                Basis::Alone,
                String::new(),
                Vec::new(),
            ));
        }
        let mut folders = Vec::new();
        make_folder(out, &mut folders)?;
        let in_use = || joint::in_use(out, JOURNAL_NAME);
        let journal = Journal::lock(out.join(JOURNAL_NAME)).and_then(|journal| journal.ok_or_else(in_use));
        let journal = journal.inspect_err(|_| remove_folders(&folders))?;
        Ok(Self::new(out, Record::File(journal), Basis::Alone, String::new(), folders))
    }

    /// The same for a worker: locks its own journal, and shares that of the folder. Tells all that both say of record files,
    /// or `None` where there is a finished conversion. For `same` see [`JointJournal::join`].
    pub(super) fn join(
        out: &Path,
        share: Share,
        head: &Head,
        same: impl Fn(&Head) -> Result<(), OutputError>,
    ) -> Result<Option<(Self, Vec<Entry>)>, OutputError> {
        if store::is_url(out) {
            let journal = ObjectJournal::new(out, Some(share));
            let entries = match journal.earlier(|file| share.has(file))? {
                Some(earlier) => match same(&earlier.head) {
                    Ok(()) => earlier.entries,
                    Err(error) if object_journal::is_something_done(out)? => return Err(error),
                    Err(_) => Vec::new(),
                },
                None => Vec::new(),
            };
            journal.begin(head, &[]).map_err(OutputError::write(out))?;
            let output = Self::new(out, Record::Objects(journal), Basis::Alone, share.owner(), Vec::new());
            return Ok(Some((output, entries)));
        }
        let mut folders = Vec::new();
        make_folder(out, &mut folders)?;
        let joined = JointJournal::join(out, head, same).inspect_err(|_| remove_folders(&folders))?;
        let Some((joint, Earlier { digest, mut entries, .. })) = joined else { return Ok(None) };
        let path = out.join(share.journal());
        let Some(mut journal) = Journal::lock(path.clone())? else {
            return Err(OutputError::SameWorker { out: out.into(), share });
        };
        match journal.read::<String>()? {
            Some(own) if own.head == digest => entries.extend(own.entries),
            Some(_) => return Err(OutputError::Foreign(path)),
            None => journal.begin(&digest, []).map_err(OutputError::write(&path))?,
        }
        let output = Self::new(out, Record::File(journal), Basis::Joint(joint), share.owner(), folders);
        // Only now, so that of two that come at once one sees the other.
        share.refuse_other_count(out)?;
        Ok(Some((output, entries)))
    }

    /// The same for one who goes by a plan with this digest, which is locked: a worker, or somebody who is alone. `each`
    /// hears of every entry of its own journal and of those that nobody writes to meanwhile.
    pub(super) fn by_plan(
        out: &Path,
        share: Option<Share>,
        digest: &str,
        mut each: impl FnMut(Entry),
    ) -> Result<Self, OutputError> {
        let others = match share {
            Some(_) => vec![out.join(JOURNAL_NAME)],
            None => Share::all_in(out)?.into_iter().map(|(_, path)| path).collect(),
        };
        for path in others {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(OutputError::write(&path)(error)),
            };
            match journal::scan::<String>(&path, &file, &mut each)? {
                Some(journal::Scanned { head, .. }) if head != digest => return Err(OutputError::OtherPlan(path)),
                _ => {}
            }
        }
        let (name, owner) =
            share.map_or((JOURNAL_NAME.to_owned(), String::new()), |share| (share.journal(), share.owner()));
        let path = out.join(&name);
        let mut journal = Journal::lock(path.clone())?.ok_or_else(|| match share {
            Some(share) => OutputError::SameWorker { out: out.into(), share },
            None => joint::in_use(out, &name),
        })?;
        match journal.scan::<String>(each)? {
            Some((head, _)) if head != digest => return Err(OutputError::OtherPlan(path)),
            Some(_) => {}
            None => journal.begin(&digest, []).map_err(OutputError::write(&path))?,
        }
        share.map_or(Ok(()), |share| share.refuse_other_count(out))?;
        Ok(Self::new(out, Record::File(journal), Basis::Plan, owner, Vec::new()))
    }

    fn new(root: &Path, journal: Record, basis: Basis, owner: String, folders: Vec<PathBuf>) -> Self {
        let (root, journal) = (root.into(), Arc::new(journal));
        Self { root, journal, basis, owner, committing: VecDeque::new(), failed: 0, folders }
    }

    /// The record files that any journal here names, whatever conversion it is of. One that cannot be read names none.
    pub(super) fn written_before(&mut self) -> Vec<WrittenFile> {
        let mut written = Vec::new();
        match self.journal() {
            Record::File(journal) => drop(journal.scan::<IgnoredAny>(|entry| written.extend(entry.file))),
            Record::Objects(journal) => {
                let entries = journal.earlier(|_| true).ok().flatten().map(|earlier| earlier.entries);
                return entries.into_iter().flatten().filter_map(|entry| entry.file).collect();
            }
        }
        for (_, path) in Share::all_in(&self.root).unwrap_or_default() {
            if let Ok(file) = File::open(&path) {
                let _ = journal::scan::<IgnoredAny>(&path, &file, |entry| written.extend(entry.file));
            }
        }
        written
    }

    /// All that the folder's journal and those of workers say; `None` where there is no journal with a head.
    pub(super) fn earlier(&mut self) -> Result<Option<Earlier<Head>>, OutputError> {
        let mut earlier = match self.journal() {
            Record::File(journal) => journal.read::<Head>()?,
            Record::Objects(journal) => return journal.earlier(|_| true),
        };
        for (_, path) in Share::all_in(&self.root)? {
            let file = File::open(&path).map_err(OutputError::write(&path))?;
            let Some(of_worker) = journal::read::<String>(&path, &file)? else { continue };
            match &mut earlier {
                Some(earlier) if earlier.digest == of_worker.head => earlier.entries.extend(of_worker.entries),
                _ => return Err(OutputError::Foreign(path)),
            }
        }
        Ok(earlier)
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
            Record::Objects(_) => return object_journal::remove_all(&self.root),
        };
        let journals = Share::all_in(&self.root)?;
        if !journals.is_empty() {
            journal.extend(entries).map_err(OutputError::write(&self.path(JOURNAL_NAME.as_ref())))?;
        }
        journals.iter().try_for_each(|(_, path)| remove_if_there(path))
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whose the temporary files are.
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// Where a file of that relative path lies.
    pub(super) fn path(&self, relative: &Path) -> PathBuf {
        self.root.join(relative)
    }

    /// The journal, as long as nothing is on its way to the disk.
    pub(super) fn journal(&mut self) -> &mut Record {
        Arc::get_mut(&mut self.journal).expect("the threads that commit have ended")
    }

    /// Begins a file that will get the name `relative` when it is whole.
    pub(super) fn begin(&mut self, relative: &Path) -> Result<WholeFile, OutputError> {
        let path = self.path(relative);
        if let Some(folder) = path.parent() {
            make_folder(folder, &mut self.folders)?;
        }
        WholeFile::begin_of(&self.owner, &path).map_err(OutputError::write(&path))
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
        let waiting = thread::Builder::new().spawn(commit).map_err(OutputError::write(&path))?;
        self.committing.push_back((path, waiting));
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
            done.inspect_err(|_| self.failed += 1).map_err(|error| match error {
                CommitError::Io(reason) => OutputError::Write { path, reason },
                CommitError::NotAsWritten(problem) => OutputError::NotAsWritten { path, problem },
            })?;
        }
        Ok(())
    }

    /// Waits for the disk, and tells how many files did not get there.
    pub(super) fn failures(&mut self) -> usize {
        while self.settle().is_err() {}
        self.failed
    }

    /// Writes `value` as indented JSON to the file `name`, whole or not at all.
    pub(super) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), OutputError> {
        let path = self.root.join(name);
        write_json(&path, value).map_err(OutputError::write(&path))
    }

    /// Ends the run well, with every commit settled: the journal goes, everything else stays.
    pub(super) fn finish(mut self) -> Result<(), OutputError> {
        self.folders.clear();
        match &*self.journal {
            Record::File(journal) => journal.remove().map_err(OutputError::write(&self.path(JOURNAL_NAME.as_ref()))),
            Record::Objects(_) => object_journal::remove_all(&self.root),
        }
    }

    /// Ends a worker's part well. Where somebody put all together meanwhile, because this worker was the second with its share,
    /// nobody else will remove what it wrote down since.
    pub(super) fn leave(&self) -> Result<(), OutputError> {
        if !store::is_url(&self.root) {
            return Ok(());
        }
        let manifest = self.path(MANIFEST_NAME.as_ref());
        match store::is_there(&manifest).map_err(OutputError::unreachable(&manifest))? {
            true => object_journal::remove_all(&self.root),
            false => Ok(()),
        }
    }

    /// Takes back these files, the journal, and every folder that this run made.
    pub(super) fn take_back(mut self, files: impl IntoIterator<Item = PathBuf>) -> Result<(), OutputError> {
        for file in files {
            remove_if_there(&self.path(&file))?;
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
                joint.remove_if_nothing_is_done(&self.root).unwrap_or(false)
            }
            Basis::Plan => {
                let _ = journal.remove();
                false
            }
            Basis::Alone => {
                let has_workers = Share::all_in(&self.root).is_ok_and(|journals| !journals.is_empty());
                !has_workers && journal.remove().is_ok()
            }
        };
        if is_gone {
            remove_folders(&self.folders);
        }
    }
}

/// Leaves nothing beside the files of a finished conversion that somebody did not come to remove.
pub(super) fn leave_finished(out: &Path) -> Result<(), OutputError> {
    if store::is_url(out) { object_journal::remove_all(out) } else { Ok(()) }
}
