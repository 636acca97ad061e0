//! Why nothing could be learned from a folder.

use thiserror::Error;

use crate::features::TableError;

/// Why a probe came to nothing.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The records cannot be had.
    #[error(transparent)]
    Table(#[from] TableError),
    /// There is nothing to tell apart, or not enough of it.
    #[error("{problem}: {advice}")]
    TooFew {
        /// What is missing.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
}
