//! Why a plan is of no use.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::text::display_path;

/// Why a plan cannot be made or followed.
#[derive(Debug, Error)]
pub enum PlanFileError {
    /// There is none.
    #[error("{}: there is no plan; make one with 'petrec plan DATASET OUT'", display_path(.0))]
    Missing(PathBuf),
    /// The conversion there has none.
    #[error(
        "{}: holds a conversion that was begun without a plan; go on with it as it was begun, or start anew with --restart",
        display_path(.0)
    )]
    Unplanned(PathBuf),
    /// Not all of it is as it was written.
    #[error(
        "{}: the plan is damaged or cut off; the same 'petrec plan' writes it anew, and what is done stays",
        display_path(.0)
    )]
    Damaged(PathBuf),
    /// It is another version's.
    #[error(
        "{}: not a plan of this version of petrec; finish with the version that planned, or plan anew with --restart",
        display_path(.0)
    )]
    Foreign(PathBuf),
    /// It cannot be read.
    #[error(
        "{}: cannot be read: {reason}; see that it is there and may be read, then run the same again",
        display_path(path)
    )]
    Unreadable {
        /// The plan.
        path: PathBuf,
        /// What the system or the store said.
        reason: io::Error,
    },
    /// The data set's folder is gone, which would make every image one that cannot be read.
    #[error("{}: the data set's folder is not there, as it was when it was planned; bring it back, then run the same again", display_path(.0))]
    NoDataset(PathBuf),
    /// The weights are not those that it was made for.
    #[error(
        "{}: was planned with other weights ({planned}) than are found now ({found}); bring those back, or plan anew \
         with --restart",
        display_path(out)
    )]
    OtherWeights {
        /// The folder of the records.
        out: PathBuf,
        /// Network and SHA-256.
        planned: String,
        /// Of those that are here.
        found: String,
    },
    /// A name that only this system understands.
    #[error("{}: the name is not Unicode, so that no plan can hold it: rename it, or convert without a plan", display_path(.0))]
    NotUnicode(PathBuf),
}

impl PlanFileError {
    /// Whether it was there before and is not any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Unreadable { reason, .. } if reason.kind() == io::ErrorKind::NotFound)
    }

    /// Makes the error of `path` from what the system said.
    pub(super) fn unreadable(path: &Path) -> impl Fn(io::Error) -> Self {
        move |reason| Self::Unreadable { path: path.into(), reason }
    }
}
