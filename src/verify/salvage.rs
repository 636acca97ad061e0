//! What is left of a damaged file, in a new one.

use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use super::files::RecordFile;
use crate::storage;
use crate::storage::atomic_file::AtomicFile;
use crate::text::display_path;
use crate::tfrecord::{Stretch, Writer, stretches};

/// Why nothing was salvaged.
#[derive(Debug, Error)]
pub enum SalvageError {
    /// There is a file of that name already.
    #[error("--salvage: {} is there already; name another folder", display_path(.0))]
    Exists(PathBuf),
    /// The damaged file has no intact record.
    #[error("--salvage: {}: holds no intact record; nothing was written", display_path(.0))]
    Nothing(PathBuf),
    /// The damaged file could not be read.
    #[error("--salvage: {}: cannot be read: {reason}; nothing was written", display_path(path))]
    Read {
        /// The damaged file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The new file could not be written.
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
/// There is such a file already, or one appears meanwhile; the file has no intact record; reading or writing fails. Then nothing
/// was written.
pub fn salvage(file: &RecordFile, folder: &Path) -> Result<Salvaged, SalvageError> {
    let path = folder.join(&file.relative);
    let write = |reason| SalvageError::Write { path: path.clone(), reason };
    let read = |reason| SalvageError::Read { path: file.path.clone(), reason };
    if is_taken(&path).map_err(write)? {
        return Err(SalvageError::Exists(path));
    }
    let mut writer = None;
    for stretch in stretches(&file.path).map_err(read)? {
        let Stretch::Intact(data) = stretch.map_err(read)? else { continue };
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(begin(&path).map_err(write)?),
        };
        writer.write(&data).map_err(write)?;
    }
    let Some(writer) = writer else { return Err(SalvageError::Nothing(file.path.clone())) };
    let records = writer.records();
    let publish = |writer: Writer<AtomicFile>| writer.finish()?.sync()?.publish_if_new();
    match publish(writer).map_err(write)? {
        true => Ok(Salvaged { path, records }),
        false => Err(SalvageError::Exists(path)),
    }
}

/// Whether there is anything of that name, a link that leads nowhere included.
fn is_taken(path: &Path) -> io::Result<bool> {
    Ok(storage::is_there(path)? || (!storage::is_url(path) && path.is_symlink()))
}

fn begin(path: &Path) -> io::Result<Writer<AtomicFile>> {
    if let Some(folder) = path.parent().filter(|folder| !storage::is_url(folder)) {
        fs::create_dir_all(folder)?;
    }
    Ok(Writer::new(AtomicFile::begin(path)?))
}

#[cfg(test)]
mod tests {
    use super::super::files::Standing;
    use super::*;

    #[test]
    fn a_failed_read_is_called_a_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let gone = folder.path().join("gone.tfrecord");
        let file = RecordFile { path: gone.clone(), relative: "gone.tfrecord".into(), standing: Standing::Unknown };

        let outcome = salvage(&file, &folder.path().join("salvaged"));

        assert!(matches!(outcome, Err(SalvageError::Read { path, .. }) if path == gone));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }
}
