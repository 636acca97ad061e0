//! What each root turns out to be, and which classes they have together.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::DatasetError;
use super::listing::{File, Folder, Listing};
use super::{Options, Recursion};
use crate::store;

/// A root, looked at once.
#[derive(Debug)]
pub(super) enum Source {
    /// A single file.
    File { path: PathBuf, metadata: store::Metadata },
    /// A folder of files.
    Flat { root: PathBuf, listing: Listing },
    /// A folder of class folders.
    Classes {
        root: PathBuf,
        /// The class folders to read; their names were checked.
        classes: Vec<String>,
        /// The names of the others.
        left_out: Vec<String>,
        /// What is beside the folders.
        listing: Listing,
    },
    /// A folder to read to its last corner.
    Tree { root: PathBuf },
}

impl Source {
    /// A data set: a folder of class folders, or an error.
    pub(super) fn class_folders(root: &Path, options: &Options) -> Result<Self, DatasetError> {
        // With the slash behind it, by which some URLs are folders.
        let folder = if store::is_url(root) { root.join("") } else { root.to_owned() };
        if !look_at(root, &folder)?.is_folder {
            let path = root.to_owned();
            return Err(if is_archive(root) {
                DatasetError::Archive { path }
            } else {
                DatasetError::NotAFolder { path }
            });
        }
        Self::with_classes(root, Listing::read(root)?, options)
    }

    /// Whatever is at `root`.
    pub(super) fn any(root: &Path, options: &Options, recursion: Recursion) -> Result<Self, DatasetError> {
        let metadata = look_at(root, root)?;
        let root = root.to_owned();
        if !metadata.is_folder {
            return Ok(Self::File { path: root, metadata });
        }
        if recursion == Recursion::Tree {
            return Ok(Self::Tree { root });
        }
        let listing = Listing::read(&root)?;
        if listing.folders.is_empty() && options.classes.is_none() {
            return Ok(Self::Flat { root, listing });
        }
        Self::with_classes(&root, listing, options)
    }

    fn with_classes(root: &Path, listing: Listing, options: &Options) -> Result<Self, DatasetError> {
        if options.classes.is_none() {
            refuse_broken_class_links(root, &listing)?;
        }
        if listing.folders.is_empty() {
            let is_photo = |file: &&File| options.extensions.takes(Path::new(&file.name));
            let photo = listing.files.iter().find(is_photo).map(|file| file.name.to_string_lossy().into_owned());
            let example = photo.unwrap_or_else(|| "1.jpg".to_owned());
            return Err(DatasetError::NoClassFolders { root: root.to_owned(), example });
        }
        let (classes, left_out) = match &options.classes {
            None => {
                let names = listing.folders.iter().map(|folder| class_name(root, folder));
                (names.collect::<Result<Vec<_>, _>>()?, Vec::new())
            }
            Some(named) => (named.clone(), folders_beside(named, root, &listing)?),
        };
        let root = root.to_owned();
        Ok(Self::Classes { root, classes, left_out, listing })
    }

    /// The folder that relative paths start from.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Flat { root, .. } | Self::Classes { root, .. } | Self::Tree { root } => root,
            Self::File { path, .. } => match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            },
        }
    }

    /// The folder's own name, fit for the start of a file name.
    pub(super) fn name(&self) -> String {
        let folder = self.folder();
        let real = match folder.file_name() {
            Some(_) => folder.to_owned(),
            None => fs::canonicalize(folder).unwrap_or_default(), // `.` and `..` have no name as typed
        };
        let name = real.file_name().unwrap_or("dataset".as_ref()).to_string_lossy();
        name.replace(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER, "_")
    }
}

/// Refuses a class that is named twice.
pub(super) fn check_named_classes(options: &Options) -> Result<(), DatasetError> {
    let mut seen = BTreeSet::new();
    match options.classes.iter().flatten().find(|&class| !seen.insert(class)) {
        Some(class) => Err(DatasetError::DuplicateClass { class: class.clone() }),
        None => Ok(()),
    }
}

/// The classes of all sources in label order: as named, or by the bytes of the names.
pub(super) fn label_names(sources: &[Source], options: &Options) -> Vec<String> {
    let found = sources.iter().filter_map(|source| match source {
        Source::Classes { classes, .. } => Some(classes),
        Source::File { .. } | Source::Flat { .. } | Source::Tree { .. } => None,
    });
    let found: BTreeSet<&String> = found.flatten().collect();
    match &options.classes {
        Some(named) if !found.is_empty() => named.clone(),
        _ => found.into_iter().cloned().collect(),
    }
}

/// Whether the name is that of an archive, as data sets are downloaded.
fn is_archive(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["zip", "tar", "tgz", "gz", "bz2", "xz", "zst", "7z", "rar"].iter().any(|archive| ending == *archive)
}

/// What is at `path`, by which `root` is meant.
fn look_at(root: &Path, path: &Path) -> Result<store::Metadata, DatasetError> {
    store::metadata(path).map_err(|reason| {
        let path = root.to_owned();
        match reason.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => DatasetError::Missing { path },
            _ if store::is_url(root) => DatasetError::Unlisted { path, reason },
            _ => DatasetError::Unreadable { path, reason },
        }
    })
}

/// A link without extension that leads nowhere was a class folder: without it, the other labels would shift.
fn refuse_broken_class_links(root: &Path, listing: &Listing) -> Result<(), DatasetError> {
    let is_broken = |file: &&File| file.size.is_none() && Path::new(&file.name).extension().is_none();
    match listing.files.iter().find(is_broken) {
        Some(link) => Err(DatasetError::BrokenClassLink { path: root.join(&link.name) }),
        None => Ok(()),
    }
}

/// The name of a folder as a class name.
fn class_name(root: &Path, folder: &Folder) -> Result<String, DatasetError> {
    let path = || root.join(&folder.name);
    let Some(name) = folder.name.to_str() else {
        return Err(DatasetError::ClassNotUtf8 { path: path() });
    };
    if name.chars().any(char::is_control) {
        return Err(DatasetError::ClassWithControls { path: path() });
    }
    Ok(name.to_owned())
}

/// The folders that `named` does not name; an error where it names one that is not there.
fn folders_beside(named: &[String], root: &Path, listing: &Listing) -> Result<Vec<String>, DatasetError> {
    let lossy = |folder: &Folder| folder.name.to_string_lossy().into_owned();
    let is_missing = |class: &&String| !listing.folders.iter().any(|folder| folder.name == ***class);
    let missing: Vec<String> = named.iter().filter(is_missing).cloned().collect();
    if !missing.is_empty() {
        let existing = listing.folders.iter().map(lossy).collect();
        return Err(DatasetError::MissingClasses { root: root.to_owned(), missing, existing });
    }
    let is_named = |folder: &Folder| named.iter().any(|class| folder.name == **class);
    let others = listing.folders.iter().filter(|folder| !is_named(folder));
    Ok(others.map(lossy).collect())
}
