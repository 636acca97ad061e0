//! Why the records of a folder could not be taken in.

use std::path::PathBuf;

use thiserror::Error;

use crate::inspect::InspectError;
use crate::manifest::ManifestError;
use crate::text::display_path;

/// Why there is no table of a folder's records.
#[derive(Debug, Error)]
pub enum TableError {
    /// The folder does not tell what its records hold.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A record file cannot be read to its end.
    #[error("{}: {reason}", display_path(path))]
    Read {
        /// The record file.
        path: PathBuf,
        /// What is wrong with it.
        reason: InspectError,
    },
    /// A record is not what the manifest says.
    #[error("{}: record {number}: {problem}; run 'petrec verify' on it", display_path(path))]
    Record {
        /// The record file.
        path: PathBuf,
        /// Counted from 0 in its file.
        number: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A record file has another length than the manifest says.
    #[error("{}: is {found} bytes long, the manifest says {expected}; run 'petrec verify' on it", display_path(path))]
    Length {
        /// The record file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// What the manifest says.
        expected: u64,
    },
    /// There are more or fewer records than the manifest says.
    #[error("{}: {found} records, and the manifest says {expected}; run 'petrec verify' on it", display_path(path))]
    Count {
        /// The record file.
        path: PathBuf,
        /// Records that are there.
        found: u64,
        /// Records that there should be.
        expected: u64,
    },
}
