//! Which files are to be verified, and what is known of each.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use thiserror::Error;

use crate::convert::{JOURNAL_NAME, MANIFEST_NAME, Manifest, ManifestError, PLAN_NAME, WrittenFile};
use crate::dataset::display_path;
use crate::store;
use crate::tfrecord::Index;

/// Why there is nothing to verify.
#[derive(Debug, Error)]
pub enum FilesError {
    /// A path cannot be looked at.
    #[error("{}: cannot be read: {reason}; check the path and the permissions", display_path(path))]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A folder without record files.
    #[error("{}: no record files in this folder; name one that 'petrec convert' wrote, or single files", display_path(.0))]
    NoFiles(PathBuf),
}

/// One file to look at.
#[derive(Debug)]
pub struct RecordFile {
    /// Where it is.
    pub path: PathBuf,
    /// The path below the folder that was named, or the file's name.
    pub relative: PathBuf,
    /// What is known of it before it is opened.
    pub(super) standing: Standing,
}

impl RecordFile {
    /// A file that lies at `path`, with its index at `index`, and must be what `manifest` would say with `expected`.
    pub(crate) fn listed(
        path: PathBuf,
        index: Option<PathBuf>,
        manifest: Arc<Manifest>,
        expected: WrittenFile,
    ) -> Self {
        let relative = PathBuf::from(&expected.path);
        Self { path, relative, standing: Standing::Listed { manifest, expected: expected.into(), index } }
    }

    /// Whether there is a record file to read.
    #[must_use]
    pub fn is_there(&self) -> bool {
        matches!(self.standing, Standing::Unknown | Standing::Listed { .. } | Standing::Unlisted)
    }

    /// Whether its index is there, and is this one.
    pub(super) fn has_index(&self, index: &Index) -> bool {
        match &self.standing {
            Standing::Listed { index: Some(path), .. } => {
                let has_its_length = store::metadata(path).is_ok_and(|file| file.bytes == index.text().len() as u64);
                has_its_length && store::read(path).is_ok_and(|bytes| bytes == index.text().as_bytes())
            }
            _ => false,
        }
    }

    /// The manifest that names it.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.standing {
            Standing::Listed { manifest, .. } => Some(manifest),
            _ => None,
        }
    }
}

/// What a manifest says of a file.
#[derive(Debug)]
pub(super) enum Standing {
    /// There is no manifest.
    Unknown,
    /// It is named, with what it must be, what its records must hold, and where its index must be.
    Listed { manifest: Arc<Manifest>, expected: Box<WrittenFile>, index: Option<PathBuf> },
    /// It is there and not named.
    Unlisted,
    /// It is named and not there.
    Missing,
    /// This lies beside the record files, or should: it is not there, or not what belongs to the manifest.
    BadCompanion,
    /// This is a folder with the journal of a conversion.
    Unfinished,
    /// This is a manifest that tells nothing, for that reason.
    BadManifest(String),
}

/// Finds the record files in `paths`: single files of any name, and all that lie below a folder.
///
/// # Errors
/// A path is not there or cannot be read, or a folder holds no record files.
pub fn record_files(paths: &[PathBuf]) -> Result<Vec<RecordFile>, FilesError> {
    let mut files = Vec::new();
    for path in paths {
        let unreadable = |reason| FilesError::Unreadable { path: path.clone(), reason };
        if store::metadata(path).map_err(unreadable)?.is_folder {
            files.extend(in_folder(path)?);
        } else {
            let relative = path.file_name().unwrap_or(path.as_os_str()).into();
            files.push(RecordFile { path: path.clone(), relative, standing: Standing::Unknown });
        }
    }
    Ok(files)
}

fn in_folder(folder: &Path) -> Result<Vec<RecordFile>, FilesError> {
    let unreadable = |reason| FilesError::Unreadable { path: folder.into(), reason };
    let path = folder.join(MANIFEST_NAME);
    let mut files = Vec::new();
    let (manifest, mut expected) = match store::is_there(&path)
        .map_err(unreadable)?
        .then(|| read_manifest(folder))
        .transpose()
    {
        Ok(read) => read.map_or((None, BTreeMap::new()), |(manifest, expected)| (Some(Arc::new(manifest)), expected)),
        Err(reason) => {
            files.push(RecordFile { path, relative: MANIFEST_NAME.into(), standing: Standing::BadManifest(reason) });
            (None, BTreeMap::new())
        }
    };
    for relative in below(folder)? {
        let standing = match (&manifest, expected.remove(&relative)) {
            (Some(manifest), Some(expected)) => {
                let index = expected.relative_index().map(|index| folder.join(index));
                Standing::Listed { manifest: Arc::clone(manifest), expected: expected.into(), index }
            }
            (Some(_), None) => Standing::Unlisted,
            (None, _) => Standing::Unknown,
        };
        files.push(RecordFile { path: folder.join(&relative), relative, standing });
    }
    for relative in expected.into_keys() {
        files.push(RecordFile { path: folder.join(&relative), relative, standing: Standing::Missing });
    }
    for (name, content) in manifest.iter().flat_map(|manifest| manifest.companions()) {
        let path = folder.join(&name);
        if !store::read(&path).is_ok_and(|found| found == content) {
            files.push(RecordFile { path, relative: name.into(), standing: Standing::BadCompanion });
        }
    }
    if has_journal(folder).map_err(unreadable)? {
        files.push(RecordFile { path: folder.into(), relative: PathBuf::new(), standing: Standing::Unfinished });
    }
    if files.is_empty() {
        return Err(FilesError::NoFiles(folder.into()));
    }
    files.sort_by(|a, b| a.relative.cmp(&b.relative));
    Ok(files)
}

/// Whether a conversion into `folder` is under way, or was.
fn has_journal(folder: &Path) -> io::Result<bool> {
    if !store::is_url(folder) {
        return Ok([JOURNAL_NAME, PLAN_NAME].iter().any(|name| folder.join(name).exists()));
    }
    // A worker's journal there can outlast the others.
    let is_ours = |item: &store::Item| item.name.starts_with(JOURNAL_NAME) || item.name == PLAN_NAME;
    Ok(store::list_from(folder, ".petrec-")?.iter().any(is_ours))
}

/// The manifest of `folder` and the files that it names, by their paths below it; else why it tells nothing.
fn read_manifest(folder: &Path) -> Result<(Manifest, BTreeMap<PathBuf, WrittenFile>), String> {
    let manifest = Manifest::read(folder).map_err(|error| match error {
        ManifestError::Unreadable { reason, .. } => format!("cannot be read: {reason}"),
        ManifestError::Foreign { reason, .. } => format!("not a manifest of this version of petrec: {reason}"),
    })?;
    let mut expected = BTreeMap::new();
    for file in &manifest.files {
        let outside = || format!("names '{}', which is not in this folder", file.path.escape_debug());
        expected.insert(file.relative().ok_or_else(outside)?, file.clone());
    }
    Ok((manifest, expected))
}

/// The record files below `folder` by their names, hidden ones left out; links to folders are not followed.
///
/// # Errors
/// A folder cannot be read.
pub(crate) fn below(folder: &Path) -> Result<Vec<PathBuf>, FilesError> {
    if store::is_url(folder) {
        let mut found =
            store::below(folder).map_err(|reason| FilesError::Unreadable { path: folder.into(), reason })?;
        let is_hidden = |path: &Path| path.iter().any(|part| part.as_encoded_bytes().starts_with(b"."));
        found.retain(|path| !is_hidden(path) && path.file_name().is_some_and(is_record_name));
        found.sort();
        return Ok(found);
    }
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(relative) = folders.pop() {
        let path = folder.join(&relative);
        let unreadable = |reason| FilesError::Unreadable { path: path.clone(), reason };
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type().map_err(unreadable)?.is_dir() {
                folders.push(relative.join(name));
            } else if is_record_name(&name) && entry.path().is_file() {
                found.push(relative.join(name));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `a.tfrecord`, `a.tfrecords`, `a.tfrecord.gz`, `a.tfrecord-00000-of-00010`.
fn is_record_name(name: &OsStr) -> bool {
    name.to_string_lossy().contains(".tfrecord")
}
