//! Moving rejected files out of the way without losing one of them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tempfile::{PathPersistError, TempPath};
use thiserror::Error;

use crate::dataset::ImageFile;
use crate::storage;
use crate::storage::atomic_file::{is_temporary_of, sync_folder, temporary_in};
use crate::storage::dirs::{self, folder_of};
use crate::text::display_path;
use crate::util::failpoint::failpoint;

/// Whose the temporary files of a quarantine are.
const OWNER: &str = "quarantine";

/// Why a file was not moved; it is still where it was.
#[derive(Debug, Error)]
pub enum QuarantineError {
    /// The quarantine would become part of the data set.
    #[error(
        "--quarantine {}: lies inside the data set {}; name a folder outside it",
        display_path(dir),
        display_path(root)
    )]
    Inside {
        /// The quarantine folder.
        dir: PathBuf,
        /// The data set's folder.
        root: PathBuf,
    },
    /// What lies in a store cannot be moved to a folder.
    #[error("--quarantine goes with folders, and {} is none: copy the data set, or leave it out", display_path(.0))]
    Remote(PathBuf),
    /// A folder without a name, as an unset variable of a shell has it.
    #[error("--quarantine: the folder's name is empty; hint: name a folder outside the data set")]
    NoName,
    /// There is a file of that name.
    #[error("--quarantine {}: is not a folder; name a new one or one that holds rejected files", display_path(.0))]
    NotAFolder(PathBuf),
    /// A link cannot be moved without leading elsewhere.
    #[error("{}: is a link, not moved; remove it, or check the folder it leads to", display_path(.0))]
    Link(PathBuf),
    /// The move failed.
    #[error("{}: not moved to {}: {reason}; it is still in its place", display_path(path), display_path(dir))]
    Move {
        /// The file.
        path: PathBuf,
        /// The quarantine folder.
        dir: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

/// A folder that rejected files are moved to, as `<dir>/<class>/<name>`.
#[derive(Clone, Debug)]
pub struct Quarantine {
    dir: PathBuf,
}

impl Quarantine {
    /// Takes `dir`, which is made when the first file moves there, for the folders and files in `roots`.
    ///
    /// # Errors
    /// `dir` is empty or no folder, is one of the roots, or lies inside one or in the folder of a single file.
    pub fn new(dir: &Path, roots: &[PathBuf]) -> Result<Self, QuarantineError> {
        if let Some(remote) = roots.iter().map(PathBuf::as_path).chain([dir]).find(|path| storage::is_url(path)) {
            return Err(QuarantineError::Remote(remote.into()));
        }
        if dir.as_os_str().is_empty() {
            return Err(QuarantineError::NoName);
        }
        if dir.exists() && !dir.is_dir() {
            return Err(QuarantineError::NotAFolder(dir.into()));
        }
        let mut folders = roots.iter().map(|root| if root.is_dir() { root } else { folder_of(root) });
        match folders.find(|folder| dirs::contains(folder, dir)) {
            Some(root) => Err(QuarantineError::Inside { dir: dir.into(), root: root.into() }),
            None => Ok(Self { dir: dir.into() }),
        }
    }

    /// Moves `file` and returns where it is now.
    ///
    /// Never overwrites: a name that is taken becomes `<stem>-2.<ext>`, `-3` and so on. Works across file systems. Whenever the
    /// process is killed, the file is whole where it was or whole in the quarantine.
    ///
    /// # Errors
    /// It is a link, or cannot be moved; it is then still in its place.
    pub fn take(&self, file: &ImageFile) -> Result<PathBuf, QuarantineError> {
        if file.path.is_symlink() {
            return Err(QuarantineError::Link(file.path.clone()));
        }
        let moved = self.move_in(&file.path, &self.dir.join(&file.relative));
        moved.map_err(|reason| QuarantineError::Move { path: file.path.clone(), dir: self.dir.clone(), reason })
    }

    fn move_in(&self, from: &Path, target: &Path) -> io::Result<PathBuf> {
        make_folder(folder_of(target))?;
        let renamed = first_free(target, |candidate| {
            failpoint();
            rename_new(from, candidate)
        });
        match renamed {
            Err(error) if error.kind() == ErrorKind::CrossesDevices => copy_in(from, target),
            outcome => outcome,
        }
    }
}

/// Gives a file one of the names `target`, `<stem>-2.<ext>` and so on: the first that is free.
fn first_free(target: &Path, mut name: impl FnMut(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    let mut candidate = target.to_owned();
    for number in 2.. {
        match name(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => candidate = numbered(target, number),
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// `Dog/666.jpg` with 2 is `Dog/666-2.jpg`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.file_stem().map(OsString::from).unwrap_or_default();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Makes `folder` and what it is in, all of it on disk.
fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> =
        folder.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).collect();
    for part in missing.into_iter().rev() {
        match fs::create_dir(part) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && part.is_dir() => {}
            outcome => outcome.and_then(|()| sync_folder(folder_of(part)))?,
        }
    }
    Ok(())
}

/// Renames a file, unless the name is taken: in one step where the file system can do that.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let mut file = TempPath::try_from_path(from)?;
    // Somebody's photo: whatever happens to this value, the file stays.
    file.disable_cleanup(true);
    let Err(PathPersistError { error, .. }) = file.persist_noclobber(to) else { return Ok(()) };
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::CrossesDevices | ErrorKind::NotFound => Err(error),
        _ if fs::symlink_metadata(to).is_ok() => Err(ErrorKind::AlreadyExists.into()),
        // Some network file systems know neither hard links nor a rename that replaces nothing.
        _ => fs::rename(from, to),
    }
}

/// Copies a file from another file system and removes it there, once the copy is whole and on disk under its name.
fn copy_in(from: &Path, target: &Path) -> io::Result<PathBuf> {
    let folder = folder_of(target);
    sweep(folder);
    let mut original = File::open(from)?;
    let metadata = original.metadata()?;
    failpoint();
    let mut copy = temporary_in(folder, OWNER)?;
    // Whoever sweeps here meanwhile finds it locked, where the file system has locks.
    let _ = copy.as_file().try_lock();
    let copied = io::copy(&mut original, copy.as_file_mut())?;
    if copied != metadata.len() {
        return Err(io::Error::other("it changed while it was copied"));
    }
    copy.as_file().set_permissions(metadata.permissions())?;
    let _ = metadata.modified().and_then(|time| copy.as_file().set_modified(time)); // not every file system takes it
    failpoint();
    copy.as_file().sync_all()?;
    let named = first_free(target, |candidate| {
        failpoint();
        rename_new(copy.path(), candidate)
    })?;
    drop(copy); // its old name is gone
    sync_folder(folder)?;
    failpoint();
    remove(from, &metadata)?;
    sync_folder(folder_of(from))?;
    Ok(named)
}

/// Removes a file; Windows refuses to remove one that may not be written to.
fn remove(path: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    if cfg!(windows) && metadata.permissions().readonly() {
        let mut permissions = metadata.permissions();
        #[allow(clippy::permissions_set_readonly_false)] // of Windows alone
        permissions.set_readonly(false);
        fs::set_permissions(path, permissions)?;
    }
    fs::remove_file(path)
}

/// Removes the copies that a killed run left half-written in `folder`. One that is being written is locked.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| is_temporary_of(OWNER, &entry.file_name())) {
        let file = File::options().write(true).open(entry.path());
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path()); // what stays is in nobody's way
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a file `photo.jpg`, and a folder for the quarantine.
    fn scene() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let (photo, target) = (folder.path().join("photo.jpg"), folder.path().join("q/Cat/photo.jpg"));
        fs::write(&photo, "a photo").expect("written");
        fs::create_dir_all(folder_of(&target)).expect("made");
        (folder, photo, target)
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(folder).expect("readable").flatten().map(|it| it.file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_copy_takes_the_place_of_its_original_and_of_nothing_else() {
        let (_folder, photo, target) = scene();
        fs::write(&target, "another one").expect("written");
        let left = folder_of(&target).join(".petrec-quarantine-x.partial");
        fs::write(&left, "half a pho").expect("written");

        let named = copy_in(&photo, &target).expect("copied");

        assert_eq!(named, target.with_file_name("photo-2.jpg"));
        assert_eq!(fs::read(&named).expect("there"), b"a photo");
        assert_eq!(fs::read(&target).expect("there"), b"another one");
        assert_eq!(names(folder_of(&target)), ["photo-2.jpg", "photo.jpg"], "the killed run's is gone");
        assert!(!photo.exists());
    }

    #[test]
    fn a_copy_that_is_being_written_is_not_swept() {
        let (_folder, photo, target) = scene();
        let other = temporary_in(folder_of(&target), OWNER).expect("made");
        other.as_file().lock().expect("locked");

        copy_in(&photo, &target).expect("copied");

        assert!(other.path().exists());
    }

    #[test]
    fn a_file_that_is_not_renamed_stays() {
        let (folder, photo, target) = scene();

        let taken = rename_new(&photo, folder_of(&target));
        let nowhere = rename_new(&photo, &folder.path().join("nowhere/photo.jpg"));

        assert_eq!(taken.expect_err("a folder has the name").kind(), ErrorKind::AlreadyExists);
        assert_eq!(nowhere.expect_err("there is no folder").kind(), ErrorKind::NotFound);
        assert_eq!(fs::read(&photo).expect("there"), b"a photo");
    }
}
