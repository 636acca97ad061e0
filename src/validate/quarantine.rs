//! Moving rejected files out of the way without losing one of them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::dataset::{ImageFile, display_path};
use crate::paths::{self, folder_of};
use crate::store;

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
    /// `dir` is no folder, is one of the roots, or lies inside one or in the folder of a single file.
    pub fn new(dir: &Path, roots: &[PathBuf]) -> Result<Self, QuarantineError> {
        if let Some(remote) = roots.iter().map(PathBuf::as_path).chain([dir]).find(|path| store::is_url(path)) {
            return Err(QuarantineError::Remote(remote.into()));
        }
        if dir.exists() && !dir.is_dir() {
            return Err(QuarantineError::NotAFolder(dir.into()));
        }
        let mut folders = roots.iter().map(|root| if root.is_dir() { root } else { folder_of(root) });
        match folders.find(|folder| paths::contains(folder, dir)) {
            Some(root) => Err(QuarantineError::Inside { dir: dir.into(), root: root.into() }),
            None => Ok(Self { dir: dir.into() }),
        }
    }

    /// Moves `file` and returns where it lies now.
    ///
    /// Never overwrites: a name that is taken becomes `<stem>-2.<ext>`, `-3` and so on. Works across file systems.
    ///
    /// # Errors
    /// It is a link, or cannot be moved; it is then still in its place.
    pub fn take(&self, file: &ImageFile) -> Result<PathBuf, QuarantineError> {
        if file.path.is_symlink() {
            return Err(QuarantineError::Link(file.path.clone()));
        }
        let moved = self.reserve(&file.relative).and_then(|target| {
            move_onto(&file.path, &target).inspect_err(|_| {
                let _ = fs::remove_file(&target); // our own empty placeholder
            })?;
            Ok(target)
        });
        moved.map_err(|reason| QuarantineError::Move { path: file.path.clone(), dir: self.dir.clone(), reason })
    }

    /// Takes a free name by creating an empty file there, so that nobody else can take it in between.
    fn reserve(&self, relative: &Path) -> io::Result<PathBuf> {
        let target = self.dir.join(relative);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let candidates = std::iter::once(target.clone()).chain((2..).map(|number| numbered(&target, number)));
        for candidate in candidates {
            match File::create_new(&candidate) {
                Ok(_) => return Ok(candidate),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        unreachable!("the numbers do not end")
    }
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

fn move_onto(from: &Path, placeholder: &Path) -> io::Result<()> {
    match fs::rename(from, placeholder) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            fs::copy(from, placeholder)?;
            File::open(placeholder)?.sync_all()?;
            fs::remove_file(from)
        }
        outcome => outcome,
    }
}
