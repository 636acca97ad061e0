//! Where in a file each record is, as `tfrecord2idx` of NVIDIA DALI tells it: a line `offset size` for each record, the
//! offset that of its framing, the size with its framing.

use std::fmt::Write;

use super::framing::FRAMING_LEN;

/// The index of one uncompressed record file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    text: String,
    end: u64,
}

impl Index {
    /// Takes in the next record, of `data` bytes without its framing.
    pub fn push(&mut self, data: usize) {
        let size = (FRAMING_LEN + data) as u64;
        let _ = writeln!(self.text, "{} {size}", self.end); // writing to a String cannot fail
        self.end += size;
    }

    /// The index file's content.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
