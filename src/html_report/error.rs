//! Why there is no page.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::features::TableError;
use crate::text::display_path;

/// Why a conversion has no page.
#[derive(Debug, Error)]
pub enum PageError {
    /// Its records cannot be had.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Its report is not there.
    #[error(
        "{}: cannot be read: {reason}; the same 'petrec convert' without --report writes it again",
        display_path(path)
    )]
    Report {
        /// The JSON report.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// It is damaged, or another version's.
    #[error(
        "{}: not a report of this version of petrec: {reason}; delete it, and the same 'petrec convert' writes it again",
        display_path(path)
    )]
    Foreign {
        /// The JSON report.
        path: PathBuf,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
}
