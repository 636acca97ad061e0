//! Walking the sources in order and collecting their images.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::error::DatasetError;
use super::listing::{File, Listing};
use super::note::Note;
use super::source::Source;
use super::{ImageFile, Options};
use crate::store;

/// The images so far, and the makings of the notes.
pub(super) struct Gather<'a> {
    options: &'a Options,
    classes: &'a [String],
    images: Vec<ImageFile>,
    other_extensions: BTreeMap<String, usize>,
    nested: Tally,
    odd: Tally,
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
            images: Vec::new(),
            other_extensions: BTreeMap::new(),
            nested: Tally::default(),
            odd: Tally::default(),
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
                let store::Metadata { bytes: size, modified, .. } = *metadata;
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

    /// The images in order, and the notes.
    pub(super) fn finish(self) -> (Vec<ImageFile>, Vec<Note>) {
        let mut notes = self.beside;
        let mut with_images = vec![false; self.classes.len()];
        for label in self.images.iter().filter_map(|image| image.label) {
            with_images[label] = true;
        }
        let empty = self.classes.iter().zip(with_images).filter(|&(_, any)| !any);
        notes.extend(empty.map(|(class, _)| Note::EmptyClass { class: class.clone() }));
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
        if let Tally { count: count @ 1.., first } = self.repeated {
            notes.push(Note::RepeatedLinks { count, first });
        }
        (self.images, notes)
    }

    /// The files of each class folder, in label order.
    fn class_folders(&mut self, root: &Path, folders: &[String]) -> Result<(), DatasetError> {
        for (label, class) in self.classes.iter().enumerate() {
            if !folders.contains(class) {
                continue; // a class of another root
            }
            let folder = root.join(class);
            let listing = Listing::read(&folder)?;
            self.files(&listing, &folder, Path::new(class), Some(label));
            for nested in &listing.folders {
                self.nested.add(folder.join(&nested.name));
            }
        }
        Ok(())
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
            let unreadable = |reason| DatasetError::Unreadable { path: folder.path.clone(), reason };
            // No link is in a store.
            let real =
                if store::is_url(&folder.path) { Ok(folder.path.clone()) } else { fs::canonicalize(&folder.path) };
            if !seen.insert(real.map_err(unreadable)?) {
                self.repeated.add(folder.path);
                continue;
            }
            let listing = Listing::read(&folder.path)?;
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
        for name in &listing.odd {
            self.odd.add(folder.join(name));
        }
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
        for name in &listing.odd {
            self.odd.add(root.join(name));
        }
    }
}
