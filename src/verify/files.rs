//! Which files are to be verified, and what is known of each.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use thiserror::Error;

use super::names::{holds_records, is_record_name};
use crate::manifest::{
    JOURNAL_NAME, MANIFEST_NAME, Manifest, ManifestError, PAGE_NAME, PLAN_NAME, REPORT_NAME, WrittenFile,
};
use crate::storage;
use crate::storage::machine;
use crate::text::{counted, display_path};

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
    #[error(
        "{}: no record files in this folder{}; name one that 'petrec convert' wrote, or single files",
        display_path(folder),
        others(*skipped)
    )]
    NoFiles {
        /// The folder.
        folder: PathBuf,
        /// How many other files are in it.
        skipped: usize,
    },
}

fn others(skipped: usize) -> String {
    if skipped == 0 { String::new() } else { format!(", but {}", counted(skipped, "other file")) }
}

/// What was found to look at.
#[derive(Debug, Default)]
pub struct Listing {
    /// The record files, and what should be there and is not.
    pub files: Vec<RecordFile>,
    /// Files and linked folders in the folders that were named that are no record files, hidden ones and petrec's own apart.
    pub skipped: Vec<PathBuf>,
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

    /// Where its index is, if it is to have one.
    pub(super) fn index(&self) -> Option<&Path> {
        match &self.standing {
            Standing::Listed { index, .. } => index.as_deref(),
            _ => None,
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

/// Finds the record files in `paths`: single files of any name, and all that lie below a folder, by their names or, on this
/// machine, by the length that they begin with.
///
/// # Errors
/// A path is not there or cannot be read, or a folder holds no record files.
pub fn record_files(paths: &[PathBuf]) -> Result<Listing, FilesError> {
    let mut listing = Listing::default();
    for path in paths {
        let unreadable = |reason| FilesError::Unreadable { path: path.clone(), reason };
        if storage::metadata(path).map_err(unreadable)?.is_folder {
            in_folder(path, &mut listing)?;
        } else {
            let relative = path.file_name().unwrap_or(path.as_os_str()).into();
            listing.files.push(RecordFile { path: path.clone(), relative, standing: Standing::Unknown });
        }
    }
    Ok(listing)
}

fn in_folder(folder: &Path, listing: &mut Listing) -> Result<(), FilesError> {
    let unreadable = |reason| FilesError::Unreadable { path: folder.into(), reason };
    let path = folder.join(MANIFEST_NAME);
    let mut files = Vec::new();
    let (manifest, mut expected) = match storage::is_there(&path)
        .map_err(unreadable)?
        .then(|| read_manifest(folder))
        .transpose()?
        .transpose()
    {
        Ok(read) => read.map_or((None, BTreeMap::new()), |(manifest, expected)| (Some(Arc::new(manifest)), expected)),
        Err(reason) => {
            files.push(RecordFile { path, relative: MANIFEST_NAME.into(), standing: Standing::BadManifest(reason) });
            (None, BTreeMap::new())
        }
    };
    let Below { records, others } = below_with_others(folder)?;
    let named = manifest.iter().flat_map(|manifest| {
        let indexes = manifest.files.iter().filter_map(WrittenFile::relative_index);
        indexes.chain(manifest.companions().into_iter().map(|(name, _)| name.into()))
    });
    let ours: HashSet<PathBuf> =
        [MANIFEST_NAME, REPORT_NAME, PAGE_NAME].map(PathBuf::from).into_iter().chain(named).collect();
    let skipped: Vec<PathBuf> = others.into_iter().filter(|relative| !ours.contains(relative)).collect();
    for relative in records {
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
        let is_same = match storage::read(&path) {
            Err(error) if machine::is_of_file(&error) => false,
            read => read.map_err(|reason| FilesError::Unreadable { path: path.clone(), reason })? == content,
        };
        if !is_same {
            files.push(RecordFile { path, relative: name.into(), standing: Standing::BadCompanion });
        }
    }
    if has_journal(folder).map_err(unreadable)? {
        files.push(RecordFile { path: folder.into(), relative: PathBuf::new(), standing: Standing::Unfinished });
    }
    if files.is_empty() {
        return Err(FilesError::NoFiles { folder: folder.into(), skipped: skipped.len() });
    }
    files.sort_by(|a, b| a.relative.cmp(&b.relative));
    listing.files.extend(files);
    listing.skipped.extend(skipped.into_iter().map(|relative| folder.join(relative)));
    Ok(())
}

/// Whether a conversion into `folder` is under way, or was.
fn has_journal(folder: &Path) -> io::Result<bool> {
    if !storage::is_url(folder) {
        return Ok([JOURNAL_NAME, PLAN_NAME].iter().any(|name| folder.join(name).exists()));
    }
    // A worker's journal there can outlast the others.
    let is_ours = |item: &storage::Item| item.name.starts_with(JOURNAL_NAME) || item.name == PLAN_NAME;
    Ok(storage::list_from(folder, ".petrec-")?.iter().any(is_ours))
}

/// A manifest, and the files that it names, by their paths below its folder.
type Named = (Manifest, BTreeMap<PathBuf, WrittenFile>);

/// Reads the manifest of `folder`; else says why it is of no use.
///
/// # Errors
/// The machine or the store fails to read it.
fn read_manifest(folder: &Path) -> Result<Result<Named, String>, FilesError> {
    match Manifest::read(folder) {
        Ok(manifest) => Ok(named(manifest)),
        Err(ManifestError::Missing(_)) => Ok(Err("was removed meanwhile".to_owned())),
        Err(ManifestError::Unreadable { path, reason }) if !machine::is_of_file(&reason) => {
            Err(FilesError::Unreadable { path, reason })
        }
        Err(ManifestError::Unreadable { reason, .. }) => Ok(Err(format!("cannot be read: {reason}"))),
        Err(ManifestError::Foreign { reason, .. }) => {
            Ok(Err(format!("not a manifest of this version of petrec: {reason}")))
        }
    }
}

fn named(manifest: Manifest) -> Result<Named, String> {
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
    let (mut found, _) = all_below(folder)?;
    found.retain(|path| path.file_name().is_some_and(is_record_name));
    Ok(found)
}

/// What is below a folder, by the paths below it.
struct Below {
    records: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

/// The record files below `folder` by their names or their content, and all others.
fn below_with_others(folder: &Path) -> Result<Below, FilesError> {
    let (files, mut others) = all_below(folder)?;
    let is_here = !storage::is_url(folder);
    let mut records = Vec::new();
    for relative in files {
        let path = folder.join(&relative);
        let unreadable = |reason| FilesError::Unreadable { path: path.clone(), reason };
        let has_name = relative.file_name().is_some_and(is_record_name);
        match has_name || (is_here && holds_records(&path).map_err(unreadable)?) {
            true => records.push(relative),
            false => others.push(relative),
        }
    }
    others.sort();
    Ok(Below { records, others })
}

/// All files below `folder`, hidden ones left out, and what is neither a file nor a folder: links to folders, which are not
/// followed, among it.
fn all_below(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), FilesError> {
    if storage::is_url(folder) {
        let mut found =
            storage::below(folder).map_err(|reason| FilesError::Unreadable { path: folder.into(), reason })?;
        let is_hidden = |path: &Path| path.iter().any(|part| part.as_encoded_bytes().starts_with(b"."));
        found.retain(|path| !is_hidden(path));
        found.sort();
        return Ok((found, Vec::new()));
    }
    let (mut found, mut others) = (Vec::new(), Vec::new());
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
            } else if entry.path().is_file() {
                found.push(relative.join(name));
            } else {
                others.push(relative.join(name));
            }
        }
    }
    found.sort();
    Ok((found, others))
}
