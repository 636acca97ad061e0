//! What is in a data set: its classes, its image files, their labels, and the order of all of them.
//!
//! One sub-folder per class; the labels are the class names in byte order, or the order given. Everything else that
//! is found (loose files, nested folders, other extensions) is left alone and told in a [`Note`]; what would make the
//! labels doubtful is a [`DatasetError`]. No image is opened here. Hidden names (a leading dot) and those that systems
//! leave behind (`__MACOSX`) are passed over without a word.

mod error;
mod extensions;
mod gather;
mod labels;
mod listing;
mod note;
mod source;

use std::path::{Path, PathBuf};

pub use error::DatasetError;
pub use extensions::{Extensions, ParseExtensionsError};
pub use note::Note;

use tracing::info;

use gather::Gather;
use source::Source;

/// What the user chose about the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The classes to take, in label order; `None` takes every class folder, in the byte order of the names.
    pub classes: Option<Vec<String>>,
    /// The files to take, by the end of their names.
    pub extensions: Extensions,
}

/// How deep [`discover_files`] looks into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recursion {
    /// The folder's own files or, where it has sub-folders, those of its class folders.
    Flat,
    /// Every file below, without labels.
    Tree,
}

/// The classes and images found, in their final order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The folder's own name, whether it was typed `photos`, `photos/` or `.`: fit for the start of a file name (what
    /// is not UTF-8 in it, and control characters, became `_`).
    pub name: String,
    /// The folder as typed; with several roots the first of them; for a single file the folder it lies in.
    pub root: PathBuf,
    /// The class names; a label is an index into them. Empty where no folder had classes.
    pub classes: Vec<String>,
    /// The images, by label and then by the bytes of the file name; trees by the parts of the relative path; several
    /// roots one after the other.
    pub images: Vec<ImageFile>,
    /// What was passed over or is odd, one line each.
    pub notes: Vec<Note>,
}

/// One file that is to be read as an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// The path to open and to show: the root as typed and the rest behind it.
    pub path: PathBuf,
    /// The path below its root, for a single file its name.
    pub relative: PathBuf,
    /// Its class, as an index into [`Dataset::classes`]; `None` outside class folders.
    pub label: Option<usize>,
    /// The file's length in bytes; 0 where it could not be told (a link that leads nowhere: reading it will fail).
    pub size: u64,
    /// When it was changed, in nanoseconds since 1970, where the system or the store tells.
    pub modified: Option<u64>,
}

impl Dataset {
    /// The name of the class that `image` belongs to; `None` outside class folders.
    pub fn class_of(&self, image: &ImageFile) -> Option<&str> {
        Some(self.classes.get(image.label?)?)
    }
}

/// Finds the class folders below `root` and the images in them.
///
/// Links to class folders and to files are followed. A link to a file that is not there stays in the list, so that it
/// is rejected by name when it is read. Folders inside class folders are not read.
///
/// A class folder that cannot be read for a reason of its own (no rights, a link that leads nowhere) keeps its label and
/// is noted.
///
/// # Errors
/// `root` is missing, a file, unreadable or without class folders; a class named in the options is missing or named
/// twice; a class name is not UTF-8 or holds control characters; a class folder cannot be read through a fault of the
/// machine; there is no image in any of them. Unless the options name the classes: there is one class folder only, the
/// folders have the names of splits, or a class has photos only in folders of its own.
pub fn discover(root: &Path, options: &Options) -> Result<Dataset, DatasetError> {
    source::check_named_classes(options)?;
    let source = Source::class_folders(root, options)?;
    assemble(&[source], options, Labels::Needed)
}

/// Finds the images below each of `roots`, for checking them one by one.
///
/// A root can be a single file (taken whatever its extension), a flat folder of files (no labels), a folder with
/// class folders (as [`discover`] sees it) or, with [`Recursion::Tree`], a whole tree (no labels; each real folder is
/// read once, whatever links lead to it). Classes of the same name in several roots are one class. A file that several
/// roots reach is listed once.
///
/// # Errors
/// As [`discover`], for each root; a flat folder needs no class folders unless the options name classes. Classes named
/// together with [`Recursion::Tree`] are refused, as are no roots at all and no images at all.
pub fn discover_files(roots: &[PathBuf], options: &Options, recursion: Recursion) -> Result<Dataset, DatasetError> {
    source::check_named_classes(options)?;
    if recursion == Recursion::Tree && options.classes.is_some() {
        return Err(DatasetError::ClassesOfTree);
    }
    let sources: Result<Vec<_>, _> = roots.iter().map(|root| Source::any(root, options, recursion)).collect();
    assemble(&sources?, options, Labels::Shown)
}

/// What the labels are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Labels {
    /// Records: doubtful ones are an error.
    Needed,
    /// A report of the files: any will do.
    Shown,
}

/// Gives the classes of all sources their labels, then gathers the images in order.
fn assemble(sources: &[Source], options: &Options, use_of_labels: Labels) -> Result<Dataset, DatasetError> {
    let first = sources.first().ok_or(DatasetError::NoRoots)?;
    let classes = source::label_names(sources, options);
    let mut gather = Gather::new(options, &classes);
    for source in sources {
        gather.source(source)?;
    }
    if sources.len() > 1 {
        gather.drop_repeated();
    }
    let check = gather.check_labels(first.folder());
    let (images, notes) = gather.finish();
    if images.is_empty() {
        return Err(DatasetError::no_images(first.folder(), &options.extensions, &notes));
    }
    if use_of_labels == Labels::Needed {
        check?;
    }
    info!(root = %first.folder().display(), classes = classes.len(), images = images.len(), "listed the data set");
    Ok(Dataset { name: first.name(), root: first.folder().to_owned(), classes, images, notes })
}
