//! The output folder: nothing in it but whole files of ours, and a journal as long as they are not all there.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::{fs, io};

use serde::Serialize;
use thiserror::Error;

use super::journal::{Entry, JOURNAL_NAME, Journal};
use super::manifest::{MANIFEST_NAME, Manifest, ManifestError, WrittenFile};
use crate::crash_point::crash_point;
use crate::dataset::display_path;
use crate::paths::{self, folder_of};
use crate::verify::{self, Problem, RecordFile};
use crate::whole_file::{SyncedFile, WholeFile, is_temporary, sync_folder, write_json};

/// Why the output folder cannot be used or written.
#[derive(Debug, Error)]
pub enum OutputError {
    /// There is a file where the folder should be.
    #[error("{}: is a file or a link that leads nowhere; name a new or empty folder for the records", display_path(.0))]
    NotAFolder(PathBuf),
    /// It holds another conversion.
    #[error(
        "{}: holds {what} of other input or options ({difference}); name another folder, convert as before, \
         or start anew with --restart",
        display_path(out)
    )]
    Other {
        /// The folder.
        out: PathBuf,
        /// `an unfinished conversion` or `a finished conversion`.
        what: &'static str,
        /// What differs.
        difference: String,
    },
    /// It holds something that is not ours.
    #[error(
        "{}: is not empty (it holds {}); name a new or empty folder for the records", display_path(out), display_path(found.as_ref())
    )]
    NotEmpty {
        /// The folder.
        out: PathBuf,
        /// One of the names in it.
        found: OsString,
    },
    /// Another process converts into it at this moment.
    #[error("{}: another petrec is converting into this folder; wait for it, or name another folder", display_path(.0))]
    InUse(PathBuf),
    /// The journal is another version's.
    #[error("{}: not a journal of this version of petrec; finish with the version that began, or name another folder", display_path(.0))]
    Foreign(PathBuf),
    /// The manifest is another version's, or damaged.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The records would become part of the data set.
    #[error(
        "{}: is or lies inside the data set {}; name a folder outside it",
        display_path(out),
        display_path(dataset)
    )]
    InsideDataset {
        /// The output folder.
        out: PathBuf,
        /// The data set's folder.
        dataset: PathBuf,
    },
    /// Read back, a record file was not what had been written.
    #[error(
        "{}: read back before it got its name, it is not what was written: {problem}; check the memory and the disk, \
         then run the same command again",
        display_path(path)
    )]
    NotAsWritten {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// Writing failed.
    #[error("{}: cannot be written: {reason}; nothing half-written was left", display_path(path))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl OutputError {
    /// Makes the error of `path` from what the system said.
    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::Write { path: path.into(), reason }
    }
}

/// What kind of folder somebody named for the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing, or no folder at all.
    Nothing,
    /// A conversion that may be unfinished: there is a journal.
    Journal,
    /// A finished conversion: there is a manifest and no journal.
    Manifest,
}

impl Content {
    /// Refuses a folder that holds, in itself or in the folders of `ours`, any file but `ours` (paths below it), temporary
    /// files, the journal, and what ends in `.json`, as reports do. Changes nothing.
    pub(super) fn refuse_strangers(out: &Path, ours: &BTreeSet<PathBuf>) -> Result<(), OutputError> {
        let folders: BTreeSet<&Path> = ours.iter().flat_map(|path| path.ancestors().skip(1)).collect();
        for folder in folders.into_iter().chain([Path::new("")]) {
            for name in names(&out.join(folder))? {
                let path = folder.join(&name);
                let is_report = || folder == Path::new("") && path.extension().is_some_and(|ending| ending == "json");
                let leads_to_ours = || ours.iter().any(|our| our != &path && our.starts_with(&path));
                if !(ours.contains(&path)
                    || name == JOURNAL_NAME
                    || is_temporary(&name)
                    || is_report()
                    || leads_to_ours())
                {
                    return Err(OutputError::NotEmpty { out: out.into(), found: path.into_os_string() });
                }
            }
        }
        Ok(())
    }

    /// Looks into `out` and changes nothing. What is not ours is an error.
    pub(super) fn of(out: &Path) -> Result<Self, OutputError> {
        let names = names(out)?;
        match names.first() {
            None => Ok(Self::Nothing),
            Some(_) if names.iter().any(|name| name == JOURNAL_NAME) => Ok(Self::Journal),
            Some(_) if names.iter().any(|name| name == MANIFEST_NAME) => Ok(Self::Manifest),
            Some(found) => Err(OutputError::NotEmpty { out: out.into(), found: found.clone() }),
        }
    }
}

/// The names in `out`; none where there is no such folder.
fn names(out: &Path) -> Result<Vec<OsString>, OutputError> {
    let names = match fs::read_dir(out) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>(),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(OutputError::NotAFolder(out.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && out.is_symlink() => {
            return Err(OutputError::NotAFolder(out.into()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    names.map_err(OutputError::write(out))
}

/// How many files may be on their way to the disk while the next one is filled.
const COMMITS_UNDER_WAY: usize = 4;

/// A file on its way to the disk: its name, and the thread that waits for the disk.
type Committing = (PathBuf, JoinHandle<Result<(), CommitError>>);

/// Why a file did not get there.
#[derive(Debug)]
enum CommitError {
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
    pub(super) records: WholeFile,
    pub(super) index: Option<WholeFile>,
    /// What the journal and the manifest will say of it.
    pub(super) written: WrittenFile,
    /// To read it back by, before it gets its name.
    pub(super) read_back: Option<Arc<Manifest>>,
}

/// The same on disk.
struct Synced {
    records: SyncedFile,
    index: Option<SyncedFile>,
}

impl NewFile {
    /// Waits until it is on disk, and reads it back if that is wanted.
    fn sync(self) -> Result<Synced, CommitError> {
        let synced = Synced { records: self.records.sync()?, index: self.index.map(WholeFile::sync).transpose()? };
        if let Some(manifest) = self.read_back {
            let index = synced.index.as_ref().map(|index| index.path().to_path_buf());
            let file = RecordFile::listed(synced.records.path().to_path_buf(), index, manifest, self.written);
            match verify::check(&file).problems.into_iter().next() {
                Some(Problem::Unreadable(error)) => return Err(error.into()),
                Some(problem) => return Err(CommitError::NotAsWritten(problem)),
                None => {}
            }
        }
        Ok(synced)
    }
}

impl Synced {
    /// The index comes first: where the records are, it is.
    fn publish(self) -> io::Result<()> {
        self.index.map_or(Ok(()), SyncedFile::publish)?;
        self.records.publish()
    }
}

/// The output folder of one run, ours alone while this lives. Dropped before the journal has an entry, it takes back
/// every folder it made.
pub(super) struct Output {
    root: PathBuf,
    journal: Arc<Journal>,
    /// Files that were handed to the disk and are not there yet, the oldest first.
    committing: VecDeque<Committing>,
    /// How many files did not get there.
    failed: usize,
    folders: Vec<PathBuf>,
}

impl Output {
    /// Makes or takes the folder `out`, which must lie outside `dataset`, and locks it.
    pub(super) fn lock(out: &Path) -> Result<Self, OutputError> {
        let mut folders = Vec::new();
        make_folder(out, &mut folders)?;
        let journal = Journal::lock(out).inspect_err(|_| remove_folders(&folders))?;
        Ok(Self { root: out.into(), journal: Arc::new(journal), committing: VecDeque::new(), failed: 0, folders })
    }

    /// Where a file of that relative path lies.
    pub(super) fn path(&self, relative: &Path) -> PathBuf {
        self.root.join(relative)
    }

    /// The journal, as long as nothing is on its way to the disk.
    pub(super) fn journal(&mut self) -> &mut Journal {
        Arc::get_mut(&mut self.journal).expect("the threads that commit have ended")
    }

    /// Begins a file that will get the name `relative` when it is whole.
    pub(super) fn begin(&mut self, relative: &Path) -> Result<WholeFile, OutputError> {
        let path = self.path(relative);
        if let Some(folder) = path.parent() {
            make_folder(folder, &mut self.folders)?;
        }
        WholeFile::begin(&path).map_err(OutputError::write(&path))
    }

    /// Writes `entry` into the journal and gives its file, if it has one, the name `relative`, both on disk; does not
    /// wait for the disk, which would keep every worker waiting too.
    pub(super) fn commit(&mut self, relative: &Path, file: Option<NewFile>, entry: Entry) -> Result<(), OutputError> {
        if self.committing.len() == COMMITS_UNDER_WAY {
            self.settle_oldest()?;
        }
        let journal = Arc::clone(&self.journal);
        let commit = move || {
            let synced = file.map(NewFile::sync).transpose()?;
            // First the entry: the journal knows of every file that is there.
            journal.append(&entry)?;
            synced.map_or(Ok(()), Synced::publish)?;
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
        self.journal.remove().map_err(OutputError::write(&self.path(JOURNAL_NAME.as_ref())))
    }

    /// Takes back these files, the journal, and every folder that this run made.
    pub(super) fn take_back<'a>(mut self, files: impl IntoIterator<Item = &'a Path>) -> Result<(), OutputError> {
        for file in files {
            remove_if_there(&self.path(file))?;
        }
        let folders = std::mem::take(&mut self.folders);
        self.finish()?;
        remove_folders(&folders);
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // What cannot be written or removed now stays so: the error that led here is the one to tell.
        self.failures();
        if self.journal.is_empty() {
            let _ = self.journal.remove();
            remove_folders(&self.folders);
        }
    }
}

/// Removes a file; that it is not there is as good.
pub(super) fn remove_if_there(path: &Path) -> Result<(), OutputError> {
    crash_point();
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OutputError::write(path)(error)),
        _ => Ok(()),
    }
}

/// Makes `folder` and what it lies in, and notes what was made.
fn make_folder(folder: &Path, made: &mut Vec<PathBuf>) -> Result<(), OutputError> {
    let missing: Vec<_> =
        folder.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).collect();
    for part in missing.into_iter().rev() {
        crash_point();
        match fs::create_dir(part) {
            Ok(()) => {
                made.push(part.into());
                // A folder that may not be listed cannot be synced; the system then does so in its own time.
                let _ = sync_folder(folder_of(part));
            }
            // Another process was faster; the lock will tell whether it is in our way.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && part.is_dir() => {}
            Err(error) => return Err(OutputError::write(part)(error)),
        }
    }
    Ok(())
}

/// Removes those of `folders` that are empty, the innermost first.
fn remove_folders(folders: &[PathBuf]) {
    for folder in folders.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

/// Refuses a folder that is, or lies inside, the data set.
pub(super) fn refuse_inside(out: &Path, dataset: &Path) -> Result<(), OutputError> {
    if paths::contains(dataset, out) {
        return Err(OutputError::InsideDataset { out: out.into(), dataset: dataset.into() });
    }
    Ok(())
}
