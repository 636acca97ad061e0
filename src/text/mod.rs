//! How names, numbers and hashes are shown: always in one line.

mod names;
mod numbers;

use std::fmt::Write as _;

pub use names::{display_path, one_line};
pub(crate) use names::{named, some_of, text_of_bytes};
pub(crate) use numbers::{bytes, counted, shape, thousands};

/// Bytes as lower-case hexadecimal, two digits each: how every hash is shown and stored.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
