//! What each root turns out to be, and which classes they have together.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::DatasetError;
use super::labels::composed;
use super::listing::{File, Folder, Listing};
use super::{Options, Recursion};
use crate::storage;

/// A root, looked at once.
#[derive(Debug)]
pub(super) enum Source {
    /// A single file.
    File { path: PathBuf, metadata: storage::Metadata },
    /// A folder of files.
    Flat { root: PathBuf, listing: Listing },
    /// A folder of class folders.
    Classes {
        root: PathBuf,
        /// The class folders to read, in label order.
        classes: Vec<ClassFolder>,
        /// The names of the others.
        left_out: Vec<String>,
        /// What is beside the folders.
        listing: Listing,
    },
    /// A folder to read to its last corner.
    Tree { root: PathBuf },
}

/// A class, and the folder that holds its photos.
#[derive(Clone, Debug)]
pub(super) struct ClassFolder {
    /// The name of the label, as typed if it was typed.
    pub(super) class: String,
    /// The folder's own name, which may be the same in another Unicode form.
    pub(super) folder: String,
}

impl Source {
    /// A data set: a folder of class folders, or an error.
    pub(super) fn class_folders(root: &Path, options: &Options) -> Result<Self, DatasetError> {
        // With the slash behind it, by which some URLs are folders.
        let folder = if storage::is_url(root) { root.join("") } else { root.to_owned() };
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
            if is_archive(&root) {
                return Err(DatasetError::Archive { path: root });
            }
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

    fn with_classes(root: &Path, mut listing: Listing, options: &Options) -> Result<Self, DatasetError> {
        take_broken_class_links(&mut listing);
        if listing.folders.is_empty() {
            let is_photo = |file: &&File| options.extensions.takes(Path::new(&file.name));
            let photo = listing.files.iter().find(is_photo).map(|file| file.name.to_string_lossy().into_owned());
            let example = photo.unwrap_or_else(|| "1.jpg".to_owned());
            return Err(DatasetError::NoClassFolders { root: root.to_owned(), example });
        }
        let (classes, left_out) = match &options.classes {
            None => {
                let same = |name: String| ClassFolder { class: name.clone(), folder: name };
                let folders = listing.folders.iter().map(|folder| class_name(root, folder).map(same));
                (folders.collect::<Result<Vec<_>, _>>()?, Vec::new())
            }
            Some(named) => named_folders(named, root, &listing)?,
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
        let name = real.file_name().unwrap_or_default().to_string_lossy();
        // Records under a hidden name would be missed by whatever reads the folder.
        let name = name.trim_start_matches('.');
        let name = name.replace(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER, "_");
        if name.is_empty() { "dataset".to_owned() } else { name }
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
    let found: BTreeSet<&String> = found.flatten().map(|folder| &folder.class).collect();
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
fn look_at(root: &Path, path: &Path) -> Result<storage::Metadata, DatasetError> {
    storage::metadata(path).map_err(|reason| {
        let path = root.to_owned();
        match reason.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => DatasetError::Missing { path },
            _ if storage::is_url(root) => DatasetError::Unlisted { path, reason },
            _ => DatasetError::Unreadable { path, reason },
        }
    })
}

/// A link without extension that leads nowhere is a class folder that cannot be read: without it, the other labels would
/// shift.
fn take_broken_class_links(listing: &mut Listing) {
    let is_broken = |file: &mut File| file.size.is_none() && Path::new(&file.name).extension().is_none();
    let broken = listing.files.extract_if(.., is_broken).map(|file| Folder { name: file.name, is_link: true });
    listing.folders.extend(broken);
    listing.sort();
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

/// The folder of each class in `named`, and the names of the other folders. A name that no folder has byte for byte is that
/// of the one folder that has it in another Unicode form (macOS writes `Äpfel` in two ways).
///
/// # Errors
/// A class has no folder; two of them have the same.
fn named_folders(
    named: &[String],
    root: &Path,
    listing: &Listing,
) -> Result<(Vec<ClassFolder>, Vec<String>), DatasetError> {
    let lossy = |folder: &Folder| folder.name.to_string_lossy().into_owned();
    let names: Vec<&str> = listing.folders.iter().filter_map(|folder| folder.name.to_str()).collect();
    let exact: HashSet<&str> = names.iter().copied().collect();
    let mut by_form: HashMap<String, Vec<&str>> = HashMap::new();
    for name in names {
        by_form.entry(composed(name)).or_default().push(name);
    }
    let mut taken = HashSet::new();
    let (mut folders, mut missing) = (Vec::new(), Vec::new());
    for class in named {
        let folder = match (exact.get(&**class), by_form.get(&composed(class)).map(Vec::as_slice)) {
            (Some(folder), _) | (None, Some([folder])) => (*folder).to_owned(),
            _ => {
                missing.push(class.clone());
                continue;
            }
        };
        if !taken.insert(folder.clone()) {
            return Err(DatasetError::DuplicateClass { class: class.clone() });
        }
        folders.push(ClassFolder { class: class.clone(), folder });
    }
    if !missing.is_empty() {
        let existing = listing.folders.iter().map(lossy).collect();
        return Err(DatasetError::MissingClasses { root: root.to_owned(), missing, existing });
    }
    let is_taken = |folder: &&Folder| folder.name.to_str().is_some_and(|name| taken.contains(name));
    let others = listing.folders.iter().filter(|folder| !is_taken(folder));
    Ok((folders, others.map(lossy).collect()))
}
