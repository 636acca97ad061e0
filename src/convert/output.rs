//! The output folder: nothing in it but whole files of ours.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;
use thiserror::Error;

use super::manifest::MANIFEST_NAME;
use crate::dataset::display_path;
use crate::paths;
use crate::whole_file::{WholeFile, write_json};

/// Why the output folder cannot be used or written.
#[derive(Debug, Error)]
pub enum OutputError {
    /// There is a file where the folder should be.
    #[error("{}: is a file; name a new or empty folder for the records", display_path(.0))]
    NotAFolder(PathBuf),
    /// It holds the records of an earlier run.
    #[error("{}: already holds a finished conversion; name another folder, or delete this one first", display_path(.0))]
    Finished(PathBuf),
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
    #[error("{}: lies inside the data set {}; name a folder outside it", display_path(out), display_path(dataset))]
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

/// The output folder of one run. Dropped before [`Output::keep`], it takes back every file and folder it made.
pub(super) struct Output {
    root: PathBuf,
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
            Ok(mut entries) => {
                if let Some(entry) = entries.next() {
                    let found = entry.map_err(OutputError::write(out))?.file_name();
                    let finished = out.join(MANIFEST_NAME).exists();
                    return Err(match finished {
                        true => OutputError::Finished(out.into()),
                        false => OutputError::NotEmpty { out: out.into(), found },
                    });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(OutputError::NotAFolder(out.into()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OutputError::write(out)(error)),
        }
        let mut output = Self { root: out.into(), files: Vec::new(), folders: Vec::new() };
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

    /// Gives a whole file, begun as `relative`, its name: this is the commit.
    pub(super) fn commit(&mut self, relative: &Path, file: WholeFile) -> Result<(), OutputError> {
        let path = self.path(relative);
        file.commit().map_err(OutputError::write(&path))?;
        self.files.push(path);
        Ok(())
    }

    /// Writes `value` as indented JSON to `path`, wherever that is, whole or not at all.
    pub(super) fn write_json(&mut self, path: &Path, value: &impl Serialize) -> Result<(), OutputError> {
        write_json(path, value).map_err(OutputError::write(path))?;
        self.files.push(path.into());
        Ok(())
    }

    /// Ends the run well: everything stays.
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

impl Drop for Output {
    fn drop(&mut self) {
        // What cannot be removed stays: the error that led here is the one to tell.
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}
