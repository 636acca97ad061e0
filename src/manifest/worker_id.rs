//! Several workers, each a process of its own, that share the work of one conversion and its output folder.

use std::ffi::OsStr;
use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::JOURNAL_NAME;

/// The part of a conversion that one worker does: every `count`-th record file of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WorkerId {
    index: usize,
    count: usize,
}

/// Why there is no such worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there is no worker {index} of {count}: they are counted from 0")]
pub struct WorkerIdError {
    index: usize,
    count: usize,
}

impl WorkerId {
    /// The share of the worker `index`, counted from 0, of `count`.
    ///
    /// # Errors
    /// There are not so many.
    pub fn new(index: usize, count: usize) -> Result<Self, WorkerIdError> {
        if index < count { Ok(Self { index, count }) } else { Err(WorkerIdError { index, count }) }
    }

    /// How many workers there are.
    pub(crate) fn count(self) -> usize {
        self.count
    }

    /// Whether the record file with that place in the plan is in it.
    pub(crate) fn has(self, file: usize) -> bool {
        file % self.count == self.index
    }

    /// Whose share a record file is in, of as many as there are in this.
    pub(crate) fn with(self, file: usize) -> Self {
        Self { index: file % self.count, count: self.count }
    }

    /// The owner of the worker's temporary files: `3-of-8`.
    pub(crate) fn owner(self) -> String {
        format!("{}-of-{}", self.index, self.count)
    }

    /// The name of its journal.
    pub(crate) fn journal(self) -> String {
        format!("{JOURNAL_NAME}-{}", self.owner())
    }

    /// The share of which this is the journal.
    pub(crate) fn of_journal(name: &OsStr) -> Option<Self> {
        let (index, count) = name.to_str()?.strip_prefix(JOURNAL_NAME)?.strip_prefix('-')?.split_once("-of-")?;
        let share = Self::new(index.parse().ok()?, count.parse().ok()?).ok()?;
        (share.journal().as_str() == name).then_some(share)
    }
}

impl fmt::Display for WorkerId {
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
            let shares: Vec<_> = (0..count).map(|index| WorkerId::new(index, count).expect("there is one")).collect();
            for file in 0..10 {
                let with: Vec<_> = shares.iter().filter(|share| share.has(file)).collect();
                assert_eq!(with, [&shares[0].with(file)]);
            }
        }
        assert!(WorkerId::new(3, 3).is_err() && WorkerId::new(0, 0).is_err());
    }

    #[test]
    fn the_name_of_a_journal_tells_the_share_and_no_other_name_does() {
        let share = WorkerId::new(3, 11).expect("there is one");

        assert_eq!(WorkerId::of_journal(share.journal().as_ref()), Some(share));
        for name in
            ["", "-3-of-3", "-03-of-11", "-3-of-11x", "-+3-of-11", "3-of-11"].map(|end| format!("{JOURNAL_NAME}{end}"))
        {
            assert_eq!(WorkerId::of_journal(name.as_ref()), None, "{name}");
        }
    }
}
