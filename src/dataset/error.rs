//! Why a data set cannot be used, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::Extensions;
use super::note::Note;
use crate::text::{display_path, one_line, some_of};

/// Why a data set cannot be used; each text is one line and ends in the next step.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// Nothing was named.
    #[error("nothing to look at: name a folder of photos or a file")]
    NoRoots,
    /// There is nothing at the path.
    #[error("{}: no such file or folder; check the path", display_path(.path))]
    Missing {
        /// The path as typed.
        path: PathBuf,
    },
    /// The path is a file where a data set's folder is needed.
    #[error("{}: a file, not a folder; name the folder that holds the class folders", display_path(.path))]
    NotAFolder {
        /// The path as typed.
        path: PathBuf,
    },
    /// The path is an archive, which has to be unpacked first.
    #[error("{}: an archive, not a folder; unpack it, and name the folder that holds the class folders", display_path(.path))]
    Archive {
        /// The path as typed.
        path: PathBuf,
    },
    /// A folder cannot be listed.
    #[error("{}: cannot be read ({reason}); make it readable or move it out of the data set", display_path(.path))]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A store tells nothing of what lies there.
    #[error("{}: {reason}", display_path(.path))]
    Unlisted {
        /// The URL.
        path: PathBuf,
        /// What the store says, and what to do.
        reason: io::Error,
    },
    /// There is no sub-folder.
    #[error(
        "no class folders in {}: put each class's photos into a sub-folder of its own, such as Cat/{}",
        display_path(.root),
        one_line(.example)
    )]
    NoClassFolders {
        /// The folder as typed.
        root: PathBuf,
        /// The name of a file there, or one that could be.
        example: String,
    },
    /// A class was asked for that has no folder.
    #[error("no folder for {} in {}: {}", missing_classes(.missing), display_path(.root), existing_classes(.existing))]
    MissingClasses {
        /// The folder as typed.
        root: PathBuf,
        /// The classes without a folder.
        missing: Vec<String>,
        /// The sub-folders that there are; what is not UTF-8 in them is replaced.
        existing: Vec<String>,
    },
    /// A class was asked for twice.
    #[error("--classes names {} twice: name each class once", one_line(.class))]
    DuplicateClass {
        /// Its name.
        class: String,
    },
    /// A class folder's name cannot be a class name, because it is not UTF-8.
    #[error(
        "{}: the name of this class folder is not UTF-8; rename it, or choose the others with --classes",
        display_path(.path)
    )]
    ClassNotUtf8 {
        /// The folder.
        path: PathBuf,
    },
    /// A class folder's name cannot be a class name, because it would break lines and reports.
    #[error(
        "{}: the name of this class folder has control characters; rename it, or choose the others with --classes",
        display_path(.path)
    )]
    ClassWithControls {
        /// The folder.
        path: PathBuf,
    },
    /// The class folders are the parts of a data set that is split.
    #[error(
        "{}: {} are the names of splits, not of classes; hint: convert each by itself, such as {}, or name them with --classes if they are the classes",
        display_path(.root),
        some_of(.splits.iter().map(|name| one_line(name).to_string())),
        display_path(&.root.join(.splits.first().map_or("", String::as_str)))
    )]
    SplitFolders {
        /// The folder as typed.
        root: PathBuf,
        /// The folders with names of splits.
        splits: Vec<String>,
    },
    /// There is a single class folder, so that every label would be 0.
    #[error("{}: every label would be 0: '{}' is the only class folder; {}", display_path(.root), one_line(.class), one_class_hint(.root, .class, *.holds_classes))]
    OneClass {
        /// The folder as typed.
        root: PathBuf,
        /// The only class folder.
        class: String,
        /// Whether that folder has folders with photos in them.
        holds_classes: bool,
    },
    /// A class folder has no photos but in folders of its own.
    #[error(
        "{}: not read: class '{}' has no photos but in such folders; hint: move them up into the class folder, name the folder whose sub-folders are the classes, or name the classes with --classes",
        display_path(.first),
        one_line(.class)
    )]
    NestedClasses {
        /// The class.
        class: String,
        /// The first folder inside that holds a photo.
        first: PathBuf,
    },
    /// Classes were asked for in a tree, which has none.
    #[error("--classes goes with class folders, not with a whole tree: leave out --classes or --recursive")]
    ClassesOfTree,
    /// There is no file to read.
    #[error("no photos in {} (looked for {looked_for}): {advice}", display_path(.root))]
    NoImages {
        /// The first folder as typed.
        root: PathBuf,
        /// The extensions that were looked for.
        looked_for: Extensions,
        /// What was seen instead, or what to do.
        advice: String,
    },
}

impl DatasetError {
    /// No image from `root` on; the notes tell best what was there instead.
    pub(super) fn no_images(root: &Path, looked_for: &Extensions, notes: &[Note]) -> Self {
        let is_telling = |note: &&Note| match note {
            Note::EmptyClasses { .. } | Note::LeftOut { .. } | Note::BesideClasses { photos: 0, .. } => false,
            Note::NumbersByBytes { .. } | Note::AlikeClasses { .. } => false,
            Note::BesideClasses { .. } | Note::OtherExtensions { .. } | Note::NestedFolders { .. } => true,
            Note::UnreadableFolders { .. } | Note::NotFiles { .. } => true,
            Note::UnusableNames { .. } | Note::RepeatedLinks { .. } => true,
        };
        let advice = match notes.iter().find(is_telling) {
            // The usual mistake: the folder that the data set was unpacked into.
            Some(Note::NestedFolders { first, .. }) => {
                let data_set = first.parent().unwrap_or(root);
                format!("there are folders further down; name {} if they are the classes", display_path(data_set))
            }
            Some(note) => note.to_string(),
            None => "put some there, or name another folder".to_owned(),
        };
        Self::NoImages { root: root.to_owned(), looked_for: looked_for.clone(), advice }
    }
}

fn missing_classes(missing: &[String]) -> String {
    let noun = if missing.len() == 1 { "class" } else { "classes" };
    let names = some_of(missing.iter().map(|name| format!("'{}'", one_line(name))));
    format!("{noun} {names}")
}

fn one_class_hint(root: &Path, class: &str, holds_classes: bool) -> String {
    let class_folder = root.join(class);
    match holds_classes {
        true => format!("hint: name {} if its sub-folders are the classes", display_path(&class_folder)),
        false => format!(
            "hint: give each class's photos a folder of their own, or type --classes '{}' if one class is meant",
            one_line(class)
        ),
    }
}

fn existing_classes(existing: &[String]) -> String {
    let names = some_of(existing.iter().map(|name| one_line(name).to_string()));
    format!("the class folders there are {names}")
}
