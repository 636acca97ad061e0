//! What is left of a damaged file, in a new one.

use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use super::files::RecordFile;
use crate::dataset::display_path;
use crate::store;
use crate::tfrecord::{Stretch, Writer, stretches};
use crate::whole_file::WholeFile;

/// Why nothing was salvaged.
#[derive(Debug, Error)]
pub enum SalvageError {
    /// There is a file of that name already.
    #[error("--salvage: {} is there already; name another folder", display_path(.0))]
    Exists(PathBuf),
    /// Reading or writing failed.
    #[error("--salvage: {}: cannot be written: {reason}; nothing half-written was left", display_path(path))]
    Write {
        /// The new file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

/// What was salvaged of one file.
#[derive(Debug)]
pub struct Salvaged {
    /// The new file.
    pub path: PathBuf,
    /// Records in it: all intact ones of the old file, in their order.
    pub records: u64,
}

/// Writes every intact record of `file` to a new, uncompressed file below `folder`, under the same relative path.
///
/// # Errors
/// There is such a file already, or reading or writing fails; then nothing was written.
pub fn salvage(file: &RecordFile, folder: &Path) -> Result<Salvaged, SalvageError> {
    let path = folder.join(&file.relative);
    match store::is_there(&path) {
        Ok(false) => {}
        Ok(true) => return Err(SalvageError::Exists(path)),
        Err(reason) => return Err(SalvageError::Write { path, reason }),
    }
    match copy_intact(&file.path, &path) {
        Ok(records) => Ok(Salvaged { path, records }),
        Err(reason) => Err(SalvageError::Write { path, reason }),
    }
}

fn copy_intact(from: &Path, to: &Path) -> io::Result<u64> {
    if let Some(folder) = to.parent().filter(|folder| !store::is_url(folder)) {
        fs::create_dir_all(folder)?;
    }
    let mut writer = Writer::new(WholeFile::begin(to)?);
    for stretch in stretches(from)? {
        if let Stretch::Intact(data) = stretch? {
            writer.write(&data)?;
        }
    }
    let records = writer.records();
    writer.finish()?.commit()?;
    Ok(records)
}
