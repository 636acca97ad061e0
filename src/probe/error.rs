//! Why nothing could be learned from a folder.

use std::path::PathBuf;

use thiserror::Error;

use crate::convert::ManifestError;
use crate::dataset::display_path;
use crate::inspect::InspectError;

/// Why a probe came to nothing.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The folder does not tell what its records hold.
    #[error("{0}; 'petrec probe' takes a folder that 'petrec convert' has finished")]
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
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// There is nothing to tell apart, or not enough of it.
    #[error("{problem}: {advice}")]
    TooFew {
        /// What is missing.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
}
