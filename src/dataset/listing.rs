//! One folder, read once and sorted into what matters here.
//!
//! Names that no person gave are left out: hidden ones, and those that systems leave in folders (`__MACOSX`).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::DatasetError;
use crate::storage;
use crate::storage::machine;

/// What systems leave in folders: macOS's archives, Synology's index, Windows, ext4, Python.
const SYSTEM_NAMES: [&str; 6] =
    ["__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__pycache__"];

/// What is in a folder, hidden names left out, each list in the byte order of the names.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Folders, and links to folders.
    pub(super) folders: Vec<Folder>,
    /// Files, links to files, and links that lead nowhere.
    pub(super) files: Vec<File>,
    /// Pipes, sockets, devices: opening one could wait for ever.
    pub(super) odd: Vec<OsString>,
    /// Objects of a store whose names no path can hold, as they would be shown.
    pub(super) unusable: Vec<PathBuf>,
}

#[derive(Debug)]
pub(super) struct Folder {
    pub(super) name: OsString,
    pub(super) is_link: bool,
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) name: OsString,
    /// Bytes; `None` for a link that leads nowhere, or nowhere that we may look.
    pub(super) size: Option<u64>,
    /// When it was changed: nanoseconds since 1970, where that is told.
    pub(super) modified: Option<u64>,
}

impl Listing {
    /// Reads `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, DatasetError> {
        let mut listing = if storage::is_url(folder) { Self::of_objects(folder)? } else { Self::of_folder(folder)? };
        listing.sort();
        Ok(listing)
    }

    /// Puts each list in the byte order of the names.
    pub(super) fn sort(&mut self) {
        self.folders.sort_by(|a, b| byte_order(&a.name, &b.name));
        self.files.sort_by(|a, b| byte_order(&a.name, &b.name));
        self.odd.sort_by(|a, b| byte_order(a, b));
    }

    /// What is below a URL: the first parts of the objects' names there are the folders.
    fn of_objects(folder: &Path) -> Result<Self, DatasetError> {
        let unlisted = |reason| DatasetError::Unlisted { path: folder.to_owned(), reason };
        let mut listing = Self::default();
        for storage::Item { name, is_folder, bytes, modified } in storage::list(folder).map_err(unlisted)? {
            let name = OsString::from(name);
            if is_passed_over(&name) {
                continue;
            }
            match is_folder {
                true => listing.folders.push(Folder { name, is_link: false }),
                false => listing.files.push(File { name, size: Some(bytes), modified }),
            }
        }
        listing.unusable = storage::take_unusable(folder).map_err(unlisted)?;
        Ok(listing)
    }

    fn of_folder(folder: &Path) -> Result<Self, DatasetError> {
        let unreadable = |reason| DatasetError::Unreadable { path: folder.to_owned(), reason };
        let mut listing = Self::default();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            if is_passed_over(&name) {
                continue;
            }
            let is_link = entry.file_type().map_err(unreadable)?.is_symlink();
            let metadata = if is_link { fs::metadata(entry.path()) } else { entry.metadata() };
            match metadata {
                Ok(metadata) => listing.add(name, is_link, &metadata),
                Err(error) if is_link && machine::is_of_file(&error) => {
                    listing.files.push(File { name, size: None, modified: None });
                }
                // Deleted since the folder was opened: as if it had never been there.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        Ok(listing)
    }

    fn add(&mut self, name: OsString, is_link: bool, metadata: &fs::Metadata) {
        if metadata.is_dir() {
            self.folders.push(Folder { name, is_link });
        } else if metadata.is_file() {
            let storage::Metadata { bytes, modified, .. } = storage::Metadata::of_file(metadata);
            self.files.push(File { name, size: Some(bytes), modified });
        } else {
            self.odd.push(name);
        }
    }
}

/// Whether a name is none that a person gave.
fn is_passed_over(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || SYSTEM_NAMES.iter().any(|system| name == *system)
}

/// By bytes on every system, so that a data set has one order wherever it lies.
fn byte_order(a: &OsStr, b: &OsStr) -> std::cmp::Ordering {
    a.as_encoded_bytes().cmp(b.as_encoded_bytes())
}
