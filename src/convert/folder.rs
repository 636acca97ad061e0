//! Folders and files of the output, made and removed; of URLs, too, where there are no folders.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::output_error::OutputError;
use crate::storage;
use crate::storage::atomic_file::sync_folder;
use crate::storage::dirs::{self, folder_of};
use crate::util::failpoint::failpoint;

/// Removes a file; that it is not there is as good.
pub(super) fn remove_if_there(path: &Path) -> Result<(), OutputError> {
    if storage::is_url(path) {
        return storage::remove(path).map_err(OutputError::write(path));
    }
    failpoint();
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OutputError::write(path)(error)),
        _ => Ok(()),
    }
}

/// Makes `folder` and what it lies in, and notes what was made.
pub(super) fn make_folder(folder: &Path, made: &mut Vec<PathBuf>) -> Result<(), OutputError> {
    if storage::is_url(folder) {
        return Ok(()); // it is there with the first object
    }
    let missing: Vec<_> =
        folder.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).collect();
    for part in missing.into_iter().rev() {
        failpoint();
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
pub(super) fn remove_folders(folders: &[PathBuf]) {
    for folder in folders.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

/// Refuses a folder that is, or lies inside, the data set.
pub(super) fn refuse_inside(out: &Path, dataset: &Path) -> Result<(), OutputError> {
    if dirs::contains(dataset, out) {
        return Err(OutputError::InsideDataset { out: out.into(), dataset: dataset.into() });
    }
    Ok(())
}
