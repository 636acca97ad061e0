//! Things that were handled and that the user should know of.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::text::{counted, display_path, one_line, some_of, thousands};

/// One thing that was passed over or is odd; its text is one line, in lower case, and says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Files that were skipped for their extension.
    OtherExtensions {
        /// How many, by extension in lower case; the empty extension stands for none.
        counts: BTreeMap<String, usize>,
    },
    /// Folders inside class folders, which were not read.
    NestedFolders {
        /// How many.
        count: usize,
        /// The first of them.
        first: PathBuf,
    },
    /// Files beside the class folders, which were not read.
    BesideClasses {
        /// How many have an extension that is taken.
        photos: usize,
        /// How many others.
        others: usize,
        /// The first of them, a photo if there is one.
        first: PathBuf,
    },
    /// Classes whose folders hold no image: they keep their labels.
    EmptyClasses {
        /// Their names.
        classes: Vec<String>,
    },
    /// Folders that cannot be listed for a reason of their own; a class keeps its label.
    UnreadableFolders {
        /// How many.
        count: usize,
        /// The first of them.
        first: PathBuf,
        /// Why that one cannot be read.
        reason: String,
    },
    /// Class names with numbers that the byte order of the names does not count up: 0, 1, 10, 2.
    NumbersByBytes {
        /// All classes in label order.
        classes: Vec<String>,
    },
    /// Classes of their own whose names a person takes for one.
    AlikeClasses {
        /// The names, which are equal but for case, Unicode form or spaces at the ends.
        classes: Vec<String>,
    },
    /// Folders that `--classes` does not name.
    LeftOut {
        /// Their names; what is not UTF-8 in them is replaced.
        folders: Vec<String>,
    },
    /// Pipes, sockets and devices, which were skipped because reading one could wait for ever.
    NotFiles {
        /// How many.
        count: usize,
        /// The first of them.
        first: PathBuf,
    },
    /// Objects of a store whose names no path can hold, which were skipped.
    UnusableNames {
        /// How many.
        count: usize,
        /// The first of them.
        first: PathBuf,
    },
    /// Links in a tree to folders that are read anyway.
    RepeatedLinks {
        /// How many.
        count: usize,
        /// The first of them.
        first: PathBuf,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherExtensions { counts } => {
                let total = counts.values().sum();
                let kinds = counts.iter().map(|(extension, count)| match &extension[..] {
                    "" => format!("{count} without one"),
                    _ => format!("{count} .{}", one_line(extension)),
                });
                let (files, kinds) = (counted(total, "file"), some_of(kinds));
                write!(f, "{files} skipped for the extension ({kinds}): --ext takes others, --ext any takes all")
            }
            Self::NestedFolders { count, first } => {
                let (folders, first) = (counted(*count, "folder"), such_as(*count, first));
                write!(f, "{folders} inside class folders not read{first}: move the photos up into the class folder")?;
                write!(f, ", or check them with 'petrec validate --recursive'")
            }
            Self::BesideClasses { photos, others, first } => {
                let files = match (photos, others) {
                    (0, others) => counted(*others, "file"),
                    (photos, 0) => counted(*photos, "photo"),
                    (photos, others) => format!("{} and {}", counted(*photos, "photo"), counted(*others, "other file")),
                };
                let first = such_as(photos + others, first);
                write!(f, "{files} beside the class folders not read{first}")?;
                if *photos > 0 {
                    write!(f, ": move photos into a class folder, or check them with 'petrec validate --recursive'")?;
                }
                Ok(())
            }
            Self::EmptyClasses { classes } if classes.len() == 1 => {
                let class = one_line(&classes[0]);
                write!(f, "class {class} has no images: it keeps its label; remove its folder to drop it")
            }
            Self::EmptyClasses { classes } => {
                let names = some_of(classes.iter().map(|name| one_line(name).to_string()));
                let count = thousands(classes.len());
                write!(
                    f,
                    "{count} classes have no images ({names}): they keep their labels; remove their folders to drop them"
                )
            }
            Self::UnreadableFolders { count, first, reason } => {
                let (folders, first) = (counted(*count, "folder"), such_as(*count, first));
                write!(
                    f,
                    "{folders} skipped{first}: cannot be listed: {reason}; labels stay as they are; hint: make it readable"
                )
            }
            Self::NumbersByBytes { classes } => {
                let names = some_of(classes.iter().map(|name| one_line(name).to_string()));
                write!(f, "labels follow the byte order of the class names, not their numbers ({names}); hint: ")?;
                write!(f, "name them in another order with --classes, or pad the numbers with zeros")
            }
            Self::AlikeClasses { classes } => {
                let names = some_of(classes.iter().map(|name| format!("'{}'", name.escape_default())));
                write!(
                    f,
                    "classes {names} look alike and get labels of their own; hint: merge the folders if they are one class"
                )
            }
            Self::LeftOut { folders } => {
                let names = some_of(folders.iter().map(|name| one_line(name).to_string()));
                write!(f, "{} left out by --classes: {names}", counted(folders.len(), "folder"))
            }
            Self::NotFiles { count, first } => {
                let (things, first) = (counted(*count, "special file"), such_as(*count, first));
                write!(f, "{things} skipped{first}: a pipe, socket or device cannot hold a photo")
            }
            Self::UnusableNames { count, first } => {
                let (objects, first) = (counted(*count, "object"), such_as(*count, first));
                write!(f, "{objects} skipped{first}: no path has an empty part, '.', '..' or a control character; ")?;
                write!(f, "hint: copy it to another name")
            }
            Self::RepeatedLinks { count, first } => {
                let (links, first) = (counted(*count, "link"), such_as(*count, first));
                write!(f, "{links} to folders that are read already{first}: each folder is read once")
            }
        }
    }
}

/// ` (a/b)`, or ` (such as a/b)` for the first of several.
fn such_as(count: usize, first: &Path) -> String {
    let several = if count > 1 { "such as " } else { "" };
    format!(" ({several}{})", display_path(first))
}
