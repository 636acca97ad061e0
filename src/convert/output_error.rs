//! Why the output folder is of no use.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::manifest::{MANIFEST_NAME, ManifestError, WorkerId};
use crate::text::display_path;
use crate::verify::{FilesError, Problem};

/// Why the output folder cannot be used or written.
#[derive(Debug, Error)]
pub enum OutputError {
    /// Its path is empty, as that of a shell variable that is not set.
    #[error("the path of the folder for the records is empty; name a folder")]
    NoName,
    /// Something there is a link, which could lead anywhere.
    #[error(
        "{}: is a link; below the folder of the records petrec follows none; put what it leads to in its place, or name another \
         folder",
        display_path(.0)
    )]
    Link(PathBuf),
    /// A file there that petrec would replace or remove, and that it did not make.
    #[error(
        "{}: petrec did not make this file, and neither replaces nor removes it; move it away, or name another folder",
        display_path(.0)
    )]
    NotOurs(PathBuf),
    /// Images were changed since they were converted, without another length.
    #[error(
        "{}: holds a finished conversion, and of its images {difference} since; start anew with --restart, or, if only the times \
         changed, give {MANIFEST_NAME} there a new one ('touch')",
        display_path(out)
    )]
    Changed {
        /// The folder.
        out: PathBuf,
        /// How many, and the first.
        difference: String,
    },
    /// There is a file where the folder should be.
    #[error("{}: is a file or a link that leads nowhere; name a new or empty folder for the records", display_path(.0))]
    NotAFolder(PathBuf),
    /// It holds another conversion.
    #[error(
        "{}: holds {what} of other input or options ({difference}); name another folder, convert as before, \
         or start anew with --restart",
        display_path(out)
    )]
    Other {
        /// The folder.
        out: PathBuf,
        /// `an unfinished conversion` or `a finished conversion`.
        what: &'static str,
        /// What differs.
        difference: String,
    },
    /// It holds something that is not ours.
    #[error(
        "{}: is not empty (it holds {}); name a new or empty folder for the records", display_path(out), display_path(found.as_ref())
    )]
    NotEmpty {
        /// The folder.
        out: PathBuf,
        /// One of the names in it.
        found: OsString,
    },
    /// Another process converts into it at this moment.
    #[error("{}: another petrec is converting into this folder; wait for it, or name another folder", display_path(.0))]
    InUse(PathBuf),
    /// Workers convert into it at this moment.
    #[error("{}: workers are converting into this folder; wait until all of them have ended", display_path(.0))]
    WorkersAtWork(PathBuf),
    /// The worker is there already.
    #[error("{}: {share} is running already; wait for it, or start another one", display_path(out))]
    SameWorker {
        /// The folder.
        out: PathBuf,
        /// The worker.
        share: WorkerId,
    },
    /// The workers before were not as many.
    #[error(
        "{}: this conversion is shared by {then} workers, and {share} is none of them; use --shard-count {then}, or \
         finish it without workers",
        display_path(out)
    )]
    OtherCount {
        /// The folder.
        out: PathBuf,
        /// The worker of another number of them.
        share: WorkerId,
        /// How many there were.
        then: usize,
    },
    /// A worker finds a finished conversion with something wrong.
    #[error(
        "{}: the conversion is finished, but record files are missing or damaged; run 'petrec convert' with the data set \
         once without a worker to repair it",
        display_path(.0)
    )]
    NeedsRepair(PathBuf),
    /// There is nothing to finalize.
    #[error("{}: no conversion was begun there; name the folder that the workers were given", display_path(.0))]
    NoConversion(PathBuf),
    /// A record file that is none of the conversion's, which nobody who reads the folder could tell from them.
    #[error(
        "{}: holds {}, which is no record file of this conversion and would be read as one; move it away, then finalize",
        display_path(out),
        display_path(found)
    )]
    ForeignRecords {
        /// The folder.
        out: PathBuf,
        /// The file's path below it.
        found: PathBuf,
    },
    /// The folder cannot be searched for such files.
    #[error(transparent)]
    Unreadable(#[from] FilesError),
    /// What is to be done there is planned already.
    #[error(
        "{}: holds a plan, which says what is converted: go on with 'petrec convert --plan', or start anew with --restart",
        display_path(.0)
    )]
    Planned(PathBuf),
    /// A journal that belongs to another plan.
    #[error(
        "{}: tells of record files of another plan than the one beside it; start anew with 'petrec plan --restart'",
        display_path(.0)
    )]
    OtherPlan(PathBuf),
    /// The journal is another version's.
    #[error("{}: not a journal of this version of petrec; finish with the version that began, or name another folder", display_path(.0))]
    Foreign(PathBuf),
    /// The manifest is another version's, or damaged.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The records would become part of the data set.
    #[error(
        "{}: is or lies inside the data set {}; name a folder outside it",
        display_path(out),
        display_path(dataset)
    )]
    InsideDataset {
        /// The output folder.
        out: PathBuf,
        /// The data set's folder.
        dataset: PathBuf,
    },
    /// Read back, a record file was not what had been written.
    #[error(
        "{}: read back before it got its name, it is not what was written: {problem}; check the memory and the disk, \
         then run the same command again",
        display_path(path)
    )]
    NotAsWritten {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A store does not answer, or the machine fails to read what is there.
    #[error("{}: {reason}", display_path(path))]
    Unreachable {
        /// The URL or the folder.
        path: PathBuf,
        /// What the store or the system said.
        reason: io::Error,
    },
    /// Somebody wanted the run to end while record files were read back.
    #[error("interrupted")]
    Interrupted,
    /// Reading failed.
    #[error(
        "{}: cannot be read: {reason}; hint: check its permissions and the disk, then run the same command again",
        display_path(path)
    )]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// Writing failed.
    #[error("{}: cannot be written: {reason}; nothing half-written was left", display_path(path))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl OutputError {
    /// Makes the error of `path`, whose store does not answer or which the machine fails to read.
    pub(super) fn unreachable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::Unreachable { path: path.into(), reason }
    }

    /// Makes the error of `path`, which could not be read, from what the system said.
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::Read { path: path.into(), reason }
    }

    /// Makes the error of `path`, which could not be written, from what the system said.
    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::Write { path: path.into(), reason }
    }
}
