//! Reading an image file and decoding it, or deciding on it, in one step.

use std::path::Path;
use std::{fs, io};

use super::{Accept, Outline, Picture, Rejection, check, decode};

/// An image file that decodes, with the bytes it was decoded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// What it shows.
    pub picture: Picture,
}

/// Reads the file at `path` once and decodes it as [`decode`] does.
///
/// # Errors
/// As [`decode`]; a file that cannot be read is rejected as [`Reason::Unreadable`](super::Reason::Unreadable).
pub fn load(path: &Path, accept: Accept) -> Result<Loaded, Rejection> {
    let bytes = read(path).map_err(|error| Rejection::unreadable(&error))?;
    let picture = decode(&bytes, accept)?;
    Ok(Loaded { bytes, picture })
}

/// Reads the file at `path` once and decides on it as [`check`] does.
///
/// # Errors
/// As [`load`].
pub fn check_file(path: &Path, accept: Accept) -> Result<Outline, Rejection> {
    let bytes = read(path).map_err(|error| Rejection::unreadable(&error))?;
    check(&bytes, accept)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        // Reading a pipe could wait for ever.
        return Err(io::Error::other("not a regular file"));
    }
    fs::read(path)
}
