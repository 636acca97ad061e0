//! Several workers, each a process of its own, that share the work of one conversion and its output folder.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use super::content::names_from;
use super::journal::JOURNAL_NAME;
use super::output_error::OutputError;

/// The part of a conversion that one worker does: every `count`-th record file of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Share {
    index: usize,
    count: usize,
}

/// Why there is no such worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there is no worker {index} of {count}: they are counted from 0")]
pub struct ShareError {
    index: usize,
    count: usize,
}

impl Share {
    /// The share of the worker `index`, counted from 0, of `count`.
    ///
    /// # Errors
    /// There are not so many.
    pub fn new(index: usize, count: usize) -> Result<Self, ShareError> {
        if index < count { Ok(Self { index, count }) } else { Err(ShareError { index, count }) }
    }

    /// Whether the record file with that place in the plan is in it.
    pub(super) fn has(self, file: usize) -> bool {
        file % self.count == self.index
    }

    /// Whose share a record file is in, of as many as there are in this.
    pub(super) fn with(self, file: usize) -> Self {
        Self { index: file % self.count, count: self.count }
    }

    /// The owner of the worker's temporary files: `3-of-8`.
    pub(super) fn owner(self) -> String {
        format!("{}-of-{}", self.index, self.count)
    }

    /// Refuses to work beside workers of another number.
    pub(super) fn refuse_other_count(self, out: &Path) -> Result<(), OutputError> {
        match Self::all_in(out)?.into_iter().find(|(other, _)| other.count != self.count) {
            Some((other, _)) => Err(OutputError::OtherCount { out: out.into(), share: self, then: other.count }),
            None => Ok(()),
        }
    }

    /// The name of its journal.
    pub(super) fn journal(self) -> String {
        format!("{JOURNAL_NAME}-{}", self.owner())
    }

    /// The share of which this is the journal.
    pub(super) fn of_journal(name: &OsStr) -> Option<Self> {
        let (index, count) = name.to_str()?.strip_prefix(JOURNAL_NAME)?.strip_prefix('-')?.split_once("-of-")?;
        let share = Self::new(index.parse().ok()?, count.parse().ok()?).ok()?;
        (share.journal().as_str() == name).then_some(share)
    }

    /// The shares that have a journal in `out`, with its path, in order.
    pub(super) fn all_in(out: &Path) -> Result<Vec<(Self, PathBuf)>, OutputError> {
        let journal = |name: &OsString| Some((Self::of_journal(name)?, out.join(name)));
        let mut journals: Vec<_> = names_from(out, JOURNAL_NAME)?.iter().filter_map(journal).collect();
        journals.sort();
        Ok(journals)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} of {}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_one_share_whatever_their_number() {
        for count in 1..5 {
            let shares: Vec<_> = (0..count).map(|index| Share::new(index, count).expect("there is one")).collect();
            for file in 0..10 {
                let with: Vec<_> = shares.iter().filter(|share| share.has(file)).collect();
                assert_eq!(with, [&shares[0].with(file)]);
            }
        }
        assert!(Share::new(3, 3).is_err() && Share::new(0, 0).is_err());
    }

    #[test]
    fn the_name_of_a_journal_tells_the_share_and_no_other_name_does() {
        let share = Share::new(3, 11).expect("there is one");

        assert_eq!(Share::of_journal(share.journal().as_ref()), Some(share));
        for name in
            ["", "-3-of-3", "-03-of-11", "-3-of-11x", "-+3-of-11", "3-of-11"].map(|end| format!("{JOURNAL_NAME}{end}"))
        {
            assert_eq!(Share::of_journal(name.as_ref()), None, "{name}");
        }
    }
}
