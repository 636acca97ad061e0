//! Whether an index is that of the records that were read, line by line: of millions of records nothing is kept.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::store::{self, ReadSeek};
use crate::tfrecord::framing::FRAMING_LEN;

/// An index file that is being held against records.
pub(super) struct IndexCheck {
    /// The rest of the file; `None` once it is known to be another one, or where it is not there.
    rest: Option<BufReader<Box<dyn ReadSeek>>>,
    end: u64,
}

impl IndexCheck {
    /// Begins with the index at `path`.
    pub(super) fn open(path: &Path) -> Self {
        Self { rest: store::open(path).ok().map(BufReader::new), end: 0 }
    }

    /// Takes in the next record, of `data` bytes without its framing.
    pub(super) fn push(&mut self, data: usize) {
        let size = (FRAMING_LEN + data) as u64;
        let expected = format!("{} {size}\n", self.end);
        self.end += size;
        let mut line = vec![0; expected.len()];
        let mut is_line = |rest: &mut BufReader<_>| rest.read_exact(&mut line).is_ok() && line == expected.as_bytes();
        self.rest = self.rest.take().and_then(|mut rest| is_line(&mut rest).then_some(rest));
    }

    /// Whether the file had a line for each record, and nothing else.
    pub(super) fn is_same(&mut self) -> bool {
        self.rest.as_mut().is_some_and(|rest| rest.fill_buf().is_ok_and(<[u8]>::is_empty))
    }
}
