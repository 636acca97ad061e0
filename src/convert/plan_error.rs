//! Why no record files can be planned.

use std::path::PathBuf;

use thiserror::Error;

use crate::text::display_path;

/// Of most file systems, in bytes; of NTFS and APFS in UTF-16 units, of which no name has more than bytes.
pub(super) const LONGEST_NAME: usize = 255;

/// Why the files cannot be planned.
#[derive(Debug, Error)]
pub enum PlanError {
    /// Two images of a class would get the same record file.
    #[error(
        "{} and {} would both become {}: rename one of them, or convert with --layout shards",
        display_path(first),
        display_path(second),
        display_path(record)
    )]
    SameName {
        /// The first image, relative to the data set.
        first: PathBuf,
        /// The second.
        second: PathBuf,
        /// The file both would be written to.
        record: PathBuf,
    },
    /// A record file or its folder would get a name that means something else on Windows.
    #[error(
        "{}: '{name}' is no name for a file or folder on Windows, where the records may go: rename it, or convert with --layout shards",
        display_path(path)
    )]
    Reserved {
        /// The image, relative to the data set.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A record file would get a name that the manifest cannot hold.
    #[error("{}: the name is not UTF-8, so that no manifest could name its record file: rename it, or convert with --layout shards", display_path(.0))]
    NotUtf8(PathBuf),
    /// A record file would get a longer name than file systems take.
    #[error(
        "{name}: {LONGEST_NAME} bytes are the longest name that file systems take, and the record file's would have \
         {}: shorten the name that it comes from",
        name.len()
    )]
    LongName {
        /// The record file's name.
        name: String,
    },
    /// A split that would have no record.
    #[error(
        "none of the {images} images falls into the split '{name}' with --seed {seed}: give it a larger share, or take \
         another seed"
    )]
    EmptySplit {
        /// The split's name.
        name: String,
        /// The seed.
        seed: u64,
        /// Images in the data set.
        images: usize,
    },
}
