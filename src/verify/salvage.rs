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
    /// The damaged file, or the place of the new one, cannot be read.
    #[error("--salvage: {}: cannot be read: {reason}; nothing was written", display_path(path))]
    Read {
        /// The file that cannot be read.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// Writing failed.
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
        Err(reason) => return Err(SalvageError::Read { path, reason }),
    }
    let records = copy_intact(&file.path, &path)?;
    Ok(Salvaged { path, records })
}

fn copy_intact(from: &Path, to: &Path) -> Result<u64, SalvageError> {
    let read = |reason| SalvageError::Read { path: from.into(), reason };
    let write = |reason| SalvageError::Write { path: to.into(), reason };
    if let Some(folder) = to.parent().filter(|folder| !store::is_url(folder)) {
        fs::create_dir_all(folder).map_err(write)?;
    }
    let mut writer = Writer::new(WholeFile::begin(to).map_err(write)?);
    for stretch in stretches(from).map_err(read)? {
        if let Stretch::Intact(data) = stretch.map_err(read)? {
            writer.write(&data).map_err(write)?;
        }
    }
    let records = writer.records();
    writer.finish().and_then(WholeFile::commit).map_err(write)?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_read_is_called_a_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let gone = folder.path().join("gone.tfrecord");

        let outcome = copy_intact(&gone, &folder.path().join("salvaged.tfrecord"));

        assert!(matches!(outcome, Err(SalvageError::Read { path, .. }) if path == gone));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }
}
