//! Several workers, each a process of its own, that share the work of one conversion and its output folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::content::names_from;
use super::output_error::OutputError;
use crate::manifest::{JOURNAL_NAME, WorkerId};

impl WorkerId {
    /// Refuses to work beside workers of another number.
    pub(super) fn refuse_other_count(self, out: &Path) -> Result<(), OutputError> {
        match Self::all_in(out)?.into_iter().find(|(other, _)| other.count() != self.count()) {
            Some((other, _)) => Err(OutputError::OtherCount { out: out.into(), share: self, then: other.count() }),
            None => Ok(()),
        }
    }

    /// The shares that have a journal in `out`, with its path, in order.
    pub(super) fn all_in(out: &Path) -> Result<Vec<(Self, PathBuf)>, OutputError> {
        let journal = |name: &OsString| Some((Self::of_journal(name)?, out.join(name)));
        let mut journals: Vec<_> = names_from(out, JOURNAL_NAME)?.iter().filter_map(journal).collect();
        journals.sort();
        Ok(journals)
    }
}
