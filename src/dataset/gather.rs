//! Walking the sources in order and collecting their images.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::error::DatasetError;
use super::labels::{self, NestedPhotos};
use super::listing::{File, Listing};
use super::note::Note;
use super::source::{ClassFolder, Source};
use super::{ImageFile, Options};
use crate::storage;
use crate::storage::machine;

/// The images so far, and the makings of the notes.
pub(super) struct Gather<'a> {
    options: &'a Options,
    classes: &'a [String],
    /// The label of each class.
    labels: HashMap<&'a str, usize>,
    images: Vec<ImageFile>,
    other_extensions: BTreeMap<String, usize>,
    nested: Tally,
    nested_photos: Vec<NestedPhotos>,
    unreadable: Vec<(PathBuf, String)>,
    /// The labels whose folder could not be read.
    without_folder: HashSet<usize>,
    odd: Tally,
    unusable: Tally,
    repeated: Tally,
    beside: Vec<Note>,
    left_out: Vec<String>,
}

/// How many, and the first of them.
#[derive(Default)]
struct Tally {
    count: usize,
    first: PathBuf,
}

impl Tally {
    fn add(&mut self, path: PathBuf) {
        if self.count == 0 {
            self.first = path;
        }
        self.count += 1;
    }
}

/// A folder of a tree that is still to be read.
struct Pending {
    path: PathBuf,
    relative: PathBuf,
}

impl<'a> Gather<'a> {
    pub(super) fn new(options: &'a Options, classes: &'a [String]) -> Self {
        Self {
            options,
            classes,
            labels: classes.iter().enumerate().map(|(label, class)| (class.as_str(), label)).collect(),
            images: Vec::new(),
            other_extensions: BTreeMap::new(),
            nested: Tally::default(),
            nested_photos: Vec::new(),
            unreadable: Vec::new(),
            without_folder: HashSet::new(),
            odd: Tally::default(),
            unusable: Tally::default(),
            repeated: Tally::default(),
            beside: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Adds the images of one root.
    pub(super) fn source(&mut self, source: &Source) -> Result<(), DatasetError> {
        match source {
            Source::File { path, metadata } => {
                let relative = path.file_name().map_or_else(|| path.clone(), PathBuf::from);
                let storage::Metadata { bytes: size, modified, .. } = *metadata;
                self.images.push(ImageFile { path: path.clone(), relative, label: None, size, modified });
            }
            Source::Flat { root, listing } => {
                self.files(listing, root, Path::new(""), None);
            }
            Source::Classes { root, classes, left_out, listing } => {
                self.class_folders(root, classes)?;
                self.left_out.extend_from_slice(left_out);
                self.beside(root, listing);
            }
            Source::Tree { root } => self.tree(root)?,
        }
        Ok(())
    }

    /// Leaves out the files that an earlier root has listed already, whatever it was called.
    pub(super) fn drop_repeated(&mut self) {
        let mut seen = HashSet::new();
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        self.images.retain(|image| seen.insert(real(&image.path)));
    }

    /// Refuses class folders whose labels would be wrong: see [`labels::check`].
    pub(super) fn check_labels(&self, root: &Path) -> Result<(), DatasetError> {
        match self.options.classes {
            None => labels::check(root, self.classes, &self.nested_photos),
            Some(_) => Ok(()),
        }
    }

    /// The images in order, and the notes.
    pub(super) fn finish(self) -> (Vec<ImageFile>, Vec<Note>) {
        let mut notes = self.beside;
        notes.extend(labels::notes(self.classes, self.options.classes.is_some()));
        let mut is_empty = vec![true; self.classes.len()];
        for label in self.images.iter().filter_map(|image| image.label).chain(self.without_folder) {
            is_empty[label] = false;
        }
        let empty: Vec<String> = self
            .classes
            .iter()
            .zip(is_empty)
            .filter(|(_, is_empty)| *is_empty)
            .map(|(class, _)| class.clone())
            .collect();
        if !empty.is_empty() {
            notes.push(Note::EmptyClasses { classes: empty });
        }
        let mut unreadable = self.unreadable.into_iter();
        if let Some((first, reason)) = unreadable.next() {
            notes.push(Note::UnreadableFolders { count: 1 + unreadable.len(), first, reason });
        }
        if !self.left_out.is_empty() {
            notes.push(Note::LeftOut { folders: self.left_out });
        }
        if !self.other_extensions.is_empty() {
            notes.push(Note::OtherExtensions { counts: self.other_extensions });
        }
        if let Tally { count: count @ 1.., first } = self.nested {
            notes.push(Note::NestedFolders { count, first });
        }
        if let Tally { count: count @ 1.., first } = self.odd {
            notes.push(Note::NotFiles { count, first });
        }
        if let Tally { count: count @ 1.., first } = self.unusable {
            notes.push(Note::UnusableNames { count, first });
        }
        if let Tally { count: count @ 1.., first } = self.repeated {
            notes.push(Note::RepeatedLinks { count, first });
        }
        (self.images, notes)
    }

    /// The files of each class folder, in label order.
    fn class_folders(&mut self, root: &Path, folders: &[ClassFolder]) -> Result<(), DatasetError> {
        for ClassFolder { class, folder: name } in folders {
            let Some(&label) = self.labels.get(class.as_str()) else { continue };
            let folder = root.join(name);
            let Some(listing) = self.read(&folder)? else {
                self.without_folder.insert(label);
                continue;
            };
            let before = self.images.len();
            self.files(&listing, &folder, Path::new(name), Some(label));
            let own_photos = self.images.len() - before;
            let may_be_data_set = own_photos == 0 || self.classes.len() == 1;
            let mut first_with_photos = None;
            for nested in &listing.folders {
                let nested = folder.join(&nested.name);
                if may_be_data_set && first_with_photos.is_none() && self.holds_photos(&nested) {
                    first_with_photos = Some(nested.clone());
                }
                self.nested.add(nested);
            }
            if let Some(first) = first_with_photos {
                self.nested_photos.push(NestedPhotos { class: class.clone(), own_photos, first });
            }
        }
        Ok(())
    }

    /// Whether there is a photo right in this folder, which is not taken.
    fn holds_photos(&self, folder: &Path) -> bool {
        let takes = |file: &File| self.options.extensions.takes(Path::new(&file.name));
        Listing::read(folder).is_ok_and(|listing| listing.files.iter().any(takes))
    }

    /// Lists a folder; `None` where the folder itself is at fault, which is noted.
    fn read(&mut self, folder: &Path) -> Result<Option<Listing>, DatasetError> {
        match Listing::read(folder) {
            Ok(listing) => Ok(Some(listing)),
            // What was listed and has no entry any more vanished: a disk that was unplugged, perhaps.
            Err(DatasetError::Unreadable { path, reason })
                if machine::is_of_file(&reason)
                    && (reason.kind() != io::ErrorKind::NotFound || fs::symlink_metadata(&path).is_ok()) =>
            {
                self.unreadable.push((path, reason.to_string()));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Every file below `root`, by the parts of the relative path.
    ///
    /// Folders come before links to folders, and each real folder is read once: links can form no loop, and a file is
    /// listed under its own path rather than under a link's.
    fn tree(&mut self, root: &Path) -> Result<(), DatasetError> {
        let before = self.images.len();
        let mut seen = HashSet::new();
        let mut links = Vec::new();
        let mut folders = vec![Pending { path: root.to_owned(), relative: PathBuf::new() }];
        while let Some(folder) = folders.pop().or_else(|| links.pop()) {
            // No link is in a store. What has no real path cannot be listed either, which says why.
            let is_link = !storage::is_url(&folder.path);
            let real = is_link.then(|| fs::canonicalize(&folder.path).ok()).flatten();
            if !seen.insert(real.unwrap_or_else(|| folder.path.clone())) {
                self.repeated.add(folder.path);
                continue;
            }
            let listing = match folder.relative.as_os_str().is_empty() {
                true => Listing::read(&folder.path)?,
                false => match self.read(&folder.path)? {
                    Some(listing) => listing,
                    None => continue,
                },
            };
            self.files(&listing, &folder.path, &folder.relative, None);
            for child in listing.folders.into_iter().rev() {
                let pending =
                    Pending { path: folder.path.join(&child.name), relative: folder.relative.join(&child.name) };
                if child.is_link { links.push(pending) } else { folders.push(pending) }
            }
        }
        self.images[before..].sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(())
    }

    /// The files of one folder that are taken; the others are counted.
    fn files(&mut self, listing: &Listing, folder: &Path, relative: &Path, label: Option<usize>) {
        for file in &listing.files {
            let name = Path::new(&file.name);
            if self.options.extensions.takes(name) {
                self.images.push(ImageFile {
                    path: folder.join(name),
                    relative: relative.join(name),
                    label,
                    size: file.size.unwrap_or(0),
                    modified: file.modified,
                });
            } else {
                let extension = name.extension().unwrap_or_default().to_string_lossy();
                *self.other_extensions.entry(extension.to_ascii_lowercase()).or_default() += 1;
            }
        }
        self.passed_over(listing, folder);
    }

    /// Notes the files beside class folders.
    fn beside(&mut self, root: &Path, listing: &Listing) {
        let is_photo = |file: &&File| self.options.extensions.takes(Path::new(&file.name));
        let photos = listing.files.iter().filter(is_photo).count();
        let first = listing.files.iter().find(is_photo).or(listing.files.first());
        if let Some(first) = first {
            self.beside.push(Note::BesideClasses {
                photos,
                others: listing.files.len() - photos,
                first: root.join(&first.name),
            });
        }
        self.passed_over(listing, root);
    }

    /// Counts what is in a folder and can be no photo.
    fn passed_over(&mut self, listing: &Listing, folder: &Path) {
        listing.odd.iter().for_each(|name| self.odd.add(folder.join(name)));
        listing.unusable.iter().for_each(|path| self.unusable.add(path.clone()));
    }
}
