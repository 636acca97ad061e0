//! The output folder: nothing in it but whole files of ours.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::{fs, io};

use serde::Serialize;
use thiserror::Error;

use super::manifest::MANIFEST_NAME;
use crate::dataset::display_path;
use crate::paths;
use crate::whole_file::{TEMPORARY_PREFIX, WholeFile, write_json};

/// Why the output folder cannot be used or written.
#[derive(Debug, Error)]
pub enum OutputError {
    /// There is a file where the folder should be.
    #[error("{}: is a file or a link that leads nowhere; name a new or empty folder for the records", display_path(.0))]
    NotAFolder(PathBuf),
    /// It holds the records of an earlier run.
    #[error("{}: already holds a finished conversion; name another folder, or delete this one first", display_path(.0))]
    Finished(PathBuf),
    /// It holds what a run left that was killed.
    #[error("{}: holds an unfinished conversion; delete it and convert again, or name another folder", display_path(.0))]
    Unfinished(PathBuf),
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

/// How many files may be on their way to the disk while the next one is filled.
const COMMITS_UNDER_WAY: usize = 4;

/// A file on its way to the disk: its name, and the thread that waits for the disk.
type Committing = (PathBuf, JoinHandle<io::Result<()>>);

/// The output folder of one run. Dropped before [`Output::keep`], it takes back every file and folder it made.
pub(super) struct Output {
    root: PathBuf,
    /// Files that were handed to the disk and are not there yet, the oldest first.
    committing: VecDeque<Committing>,
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Output {
    /// Makes or takes the folder `out`, which must be new or empty and lie outside `dataset`.
    pub(super) fn create(out: &Path, dataset: &Path) -> Result<Self, OutputError> {
        if paths::contains(dataset, out) {
            return Err(OutputError::InsideDataset { out: out.into(), dataset: dataset.into() });
        }
        match fs::read_dir(out) {
            Ok(entries) => {
                let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
                let names = names.collect::<io::Result<Vec<_>>>().map_err(OutputError::write(out))?;
                refuse_content(out, &names)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(OutputError::NotAFolder(out.into()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && out.is_symlink() => {
                return Err(OutputError::NotAFolder(out.into()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OutputError::write(out)(error)),
        }
        let mut output = Self { root: out.into(), committing: VecDeque::new(), files: Vec::new(), folders: Vec::new() };
        output.make_folder(out)?;
        Ok(output)
    }

    /// Where a file of that relative path lies.
    pub(super) fn path(&self, relative: &Path) -> PathBuf {
        self.root.join(relative)
    }

    /// Begins a file that will get the name `relative` when it is whole.
    pub(super) fn begin(&mut self, relative: &Path) -> Result<WholeFile, OutputError> {
        let path = self.path(relative);
        if let Some(folder) = path.parent() {
            self.make_folder(folder)?;
        }
        WholeFile::begin(&path).map_err(OutputError::write(&path))
    }

    /// Gives a whole file, begun as `relative`, its name once it is on disk; does not wait for the disk, which would
    /// keep every worker waiting too.
    pub(super) fn commit(&mut self, relative: &Path, file: WholeFile) -> Result<(), OutputError> {
        if self.committing.len() == COMMITS_UNDER_WAY {
            self.settle_oldest()?;
        }
        self.committing.push_back((self.path(relative), thread::spawn(|| file.commit())));
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
            let done = waiting.join().unwrap_or_else(|_| Err(io::Error::other("the thread that wrote it died")));
            done.map_err(OutputError::write(&path))?;
            self.files.push(path);
        }
        Ok(())
    }

    /// Writes `value` as indented JSON to the file `name`, whole or not at all.
    pub(super) fn write_json(&mut self, name: &str, value: &impl Serialize) -> Result<(), OutputError> {
        let path = self.root.join(name);
        write_json(&path, value).map_err(OutputError::write(&path))?;
        self.files.push(path);
        Ok(())
    }

    /// Ends the run well, with every commit settled: everything stays.
    pub(super) fn keep(mut self) {
        self.files.clear();
        self.folders.clear();
    }

    fn make_folder(&mut self, folder: &Path) -> Result<(), OutputError> {
        let missing: Vec<_> =
            folder.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).collect();
        for part in missing.into_iter().rev() {
            fs::create_dir(part).map_err(OutputError::write(part))?;
            self.folders.push(part.into());
        }
        Ok(())
    }
}

/// Says which kind of content a folder has that should have none.
fn refuse_content(out: &Path, names: &[OsString]) -> Result<(), OutputError> {
    let is_temporary = |name: &&OsString| name.to_string_lossy().starts_with(TEMPORARY_PREFIX);
    match names.first() {
        None => Ok(()),
        Some(_) if names.iter().any(|name| name == MANIFEST_NAME) => Err(OutputError::Finished(out.into())),
        Some(_) if names.iter().any(|name| is_temporary(&name)) => Err(OutputError::Unfinished(out.into())),
        Some(found) => Err(OutputError::NotEmpty { out: out.into(), found: found.clone() }),
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // What cannot be written or removed now stays so: the error that led here is the one to tell.
        while !self.committing.is_empty() {
            let _ = self.settle_oldest();
        }
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}
