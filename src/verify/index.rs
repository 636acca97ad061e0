//! Whether an index is that of the records that were read, line by line: of millions of records nothing is kept.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use crate::storage::machine;
use crate::storage::{self, ReadSeek};
use crate::tfrecord::framing::FRAMING_LEN;

/// An index file that is being held against records.
pub(super) struct IndexCheck {
    rest: Rest,
    /// Where the records end so far.
    end: u64,
}

/// What is left of the file.
enum Rest {
    Open(BufReader<Box<dyn ReadSeek>>),
    /// It is another one, or not there.
    Other,
    /// The machine failed to read it.
    Failed(io::Error),
}

impl IndexCheck {
    /// Begins with the index at `path`.
    ///
    /// # Errors
    /// The machine fails to open it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let rest = match storage::open(path) {
            Ok(file) => Rest::Open(BufReader::new(file)),
            Err(error) if machine::is_of_file(&error) => Rest::Other,
            Err(error) => return Err(error),
        };
        Ok(Self { rest, end: 0 })
    }

    /// Takes in the next record, of `data` bytes without its framing.
    pub(super) fn push(&mut self, data: usize) {
        let size = (FRAMING_LEN + data) as u64;
        let expected = format!("{} {size}\n", self.end);
        self.end += size;
        let Rest::Open(file) = &mut self.rest else { return };
        let mut line = vec![0; expected.len()];
        match file.read_exact(&mut line) {
            Ok(()) if line == expected.as_bytes() => {}
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => self.rest = Rest::Failed(error),
            _ => self.rest = Rest::Other,
        }
    }

    /// Returns whether the file had a line for each record, and nothing else.
    ///
    /// # Errors
    /// The machine failed to read it.
    pub(super) fn finish(self) -> io::Result<bool> {
        match self.rest {
            Rest::Open(mut file) => Ok(file.fill_buf()?.is_empty()),
            Rest::Other => Ok(false),
            Rest::Failed(error) => Err(error),
        }
    }
}
