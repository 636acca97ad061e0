//! One folder, read once and sorted into what matters here.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::Path;

use super::error::DatasetError;

/// What is in a folder, hidden names left out, each list in the byte order of the names.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Folders, and links to folders.
    pub(super) folders: Vec<Folder>,
    /// Files, links to files, and links that lead nowhere.
    pub(super) files: Vec<File>,
    /// Pipes, sockets, devices: opening one could wait for ever.
    pub(super) odd: Vec<OsString>,
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
}

impl Listing {
    /// Reads `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, DatasetError> {
        let unreadable = |reason| DatasetError::Unreadable { path: folder.to_owned(), reason };
        let mut listing = Self::default();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let is_link = entry.file_type().map_err(unreadable)?.is_symlink();
            let metadata = if is_link { fs::metadata(entry.path()) } else { entry.metadata() };
            match metadata {
                Ok(metadata) => listing.add(name, is_link, &metadata),
                Err(_) if is_link => listing.files.push(File { name, size: None }),
                // Deleted since the folder was opened: as if it had never been there.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        listing.folders.sort_by(|a, b| byte_order(&a.name, &b.name));
        listing.files.sort_by(|a, b| byte_order(&a.name, &b.name));
        listing.odd.sort_by(|a, b| byte_order(a, b));
        Ok(listing)
    }

    fn add(&mut self, name: OsString, is_link: bool, metadata: &Metadata) {
        if metadata.is_dir() {
            self.folders.push(Folder { name, is_link });
        } else if metadata.is_file() {
            let size = Some(metadata.len());
            self.files.push(File { name, size });
        } else {
            self.odd.push(name);
        }
    }
}

/// By bytes on every system, so that a data set has one order wherever it lies.
fn byte_order(a: &OsStr, b: &OsStr) -> std::cmp::Ordering {
    a.as_encoded_bytes().cmp(b.as_encoded_bytes())
}
