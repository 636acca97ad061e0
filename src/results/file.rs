//! The file that a report goes to: made sure of before the work, written after it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::storage::atomic_file::{AtomicFile, fill_json};
use crate::storage::dirs;
use crate::text::display_path;

/// Why a report cannot go where it should.
#[derive(Debug, Error)]
pub enum ReportFileError {
    /// It could replace a photo.
    #[error("{}: lies inside the data set {}; name a file outside it", display_path(path), display_path(root))]
    InDataset {
        /// The report.
        path: PathBuf,
        /// The data set's folder.
        root: PathBuf,
    },
    /// It could replace a record file.
    #[error("{}: is not a .json file; in the folder of the records only such a name is safe", display_path(.0))]
    NotJson(PathBuf),
    /// It cannot be written.
    #[error("{}: cannot be written: {reason}; name a file in a folder that exists", display_path(path))]
    Write {
        /// The report.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

/// A report that can be written, and will be whole or not at all.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// This file, links followed.
    File(PathBuf),
    /// A pipe or a device: what is there must not be replaced by a file.
    Stream(File),
}

impl ReportFile {
    /// Opens `path` for a report about the data sets or files in `roots`. A link is followed.
    ///
    /// # Errors
    /// [`ReportFileError`]; nothing was written or replaced.
    pub fn begin(path: &Path, roots: &[PathBuf]) -> Result<Self, ReportFileError> {
        if let Some(root) = roots.iter().find(|root| dirs::contains(root, path)) {
            return Err(ReportFileError::InDataset { path: path.into(), root: root.clone() });
        }
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let is_stream = fs::metadata(&real).is_ok_and(|metadata| !metadata.is_file());
        let target = if is_stream {
            File::options().write(true).open(&real).map(Target::Stream)
        } else {
            // A try only: a file that waited from here to the end would outlive a run that is killed.
            AtomicFile::begin(&real).map(|_| Target::File(real))
        };
        let target = target.map_err(|reason| ReportFileError::Write { path: path.into(), reason })?;
        Ok(Self { path: path.into(), target })
    }

    /// The same for a report that may lie in `out`, the folder of the records.
    ///
    /// # Errors
    /// As [`ReportFile::begin`], and where the name could be a record file's or is one of `reserved`.
    pub fn begin_beside(path: &Path, out: &Path, reserved: &[&str], root: &Path) -> Result<Self, ReportFileError> {
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let is_reserved = path.file_name().is_some_and(|name| reserved.iter().any(|reserved| name == *reserved));
        if dirs::contains(out, path) && (!is_json || is_reserved) {
            return Err(ReportFileError::NotJson(path.into()));
        }
        Self::begin(path, &[root.to_owned()])
    }

    /// Writes `report` as indented JSON.
    ///
    /// # Errors
    /// What the system says; a file that was there before is untouched.
    pub fn finish(self, report: &impl Serialize) -> Result<(), ReportFileError> {
        self.fill(|mut out| fill_json(&mut out, report))
    }

    /// Writes a page.
    ///
    /// # Errors
    /// As [`ReportFile::finish`].
    pub fn finish_page(self, html: &str) -> Result<(), ReportFileError> {
        self.fill(|out| out.write_all(html.as_bytes()).and_then(|()| out.flush()))
    }

    fn fill(self, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), ReportFileError> {
        let Self { path, target } = self;
        let written = match target {
            Target::File(real) => AtomicFile::write(&real, |file| fill(file)),
            Target::Stream(mut stream) => fill(&mut stream),
        };
        written.map_err(|reason| ReportFileError::Write { path, reason })
    }
}
