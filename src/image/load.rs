//! Reading an image file and decoding it, or deciding on it, in one step.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Instant;

use tracing::debug;

use super::memory::Turn;
use super::{Format, Outline, Picture, Policy, Rejection, check_since, decode_since};

/// An image file that decodes, with the bytes it was decoded from. Of large ones there is one at a time: another thread
/// waits with the next until this value is dropped, on the thread that got it.
#[derive(Debug)]
pub struct Loaded {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// What it shows.
    pub picture: Picture,
    _turn: Turn,
}

/// Reads the file at `path` once and decodes it as [`decode`](super::decode) does.
///
/// # Errors
/// As [`decode`](super::decode); a file that cannot be read is rejected as
/// [`Reason::Unreadable`](super::Reason::Unreadable), and one that is too long is not read.
pub fn load(path: &Path, policy: impl Into<Policy>) -> Result<Loaded, Rejection> {
    let (policy, start, turn) = (policy.into(), Instant::now(), Turn::begin());
    let load = || {
        let bytes = read(path, &policy, &turn)?;
        let picture = decode_since(start, &bytes, policy)?;
        Ok((bytes, picture))
    };
    let outcome = load();
    tell(path, start, outcome.as_ref().map(|(_, picture)| picture.outline()));
    outcome.map(|(bytes, picture)| Loaded { bytes, picture, _turn: turn })
}

/// Reads the file at `path` once and decides on it as [`check`](super::check) does.
///
/// # Errors
/// As [`load`].
pub fn check_file(path: &Path, policy: impl Into<Policy>) -> Result<Outline, Rejection> {
    let (policy, start, turn) = (policy.into(), Instant::now(), Turn::begin());
    let outcome = read(path, &policy, &turn).and_then(|bytes| check_since(start, &bytes, policy));
    tell(path, start, outcome.as_ref().copied());
    outcome
}

/// What became of an image, for the log.
fn tell(path: &Path, start: Instant, outcome: Result<Outline, &Rejection>) {
    let (path, taken) = (path.display(), start.elapsed());
    match outcome {
        Ok(Outline { width, height, format }) => debug!(%path, %format, width, height, ?taken, "decoded"),
        Err(rejection) => debug!(%path, reason = rejection.reason.code(), ?taken, "rejected"),
    }
}

fn read(path: &Path, policy: &Policy, turn: &Turn) -> Result<Vec<u8>, Rejection> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        // Reading a pipe could wait for ever.
        return Err(io::Error::other("not a regular file").into());
    }
    let length = metadata.len();
    let admit = |length| {
        let refuse = |(reason, detail)| Rejection::new(reason, Format::Unknown, detail);
        policy.limits.admit_file(length).map_err(refuse)
    };
    admit(length)?;
    turn.room(length, Format::Unknown, None)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX)).map_err(io::Error::from)?;
    // A byte more tells that the file grew; how far, nobody needs to know.
    File::open(path)?.take(length.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > length {
        return Err(io::Error::other("it is being written to").into());
    }
    Ok(bytes)
}
