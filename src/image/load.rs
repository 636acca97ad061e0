//! Reading an image file and decoding it, or deciding on it, in one step.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Instant;

use tracing::debug;

use super::memory::{self, Turn};
use super::{Format, Outline, Picture, Policy, Reason, Rejection, check_since, decode_since};
use crate::dataset::ImageFile;
use crate::store::{self, ReadAhead};

/// An image file that decodes, with the bytes it was decoded from. Its memory counts until this value is dropped, on the
/// thread that got it: other threads wait where there is too little for all, and with the next large picture.
#[derive(Debug)]
pub struct Loaded {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// What it shows.
    pub picture: Picture,
    _turn: Turn,
}

/// Reads the file at `path`, which may be a URL, once and decodes it as [`decode`](super::decode) does.
///
/// # Errors
/// As [`decode`](super::decode); a file that cannot be read is rejected as [`Reason::Unreadable`], one of a store that does not
/// answer as [`Reason::Unreachable`], and one that is too long is not read.
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

/// The files of a data set in the order in which they are wanted. Those of a store are fetched before their turn comes.
pub(crate) struct Files<'a> {
    files: &'a [ImageFile],
    /// Which of them are wanted, in this order; all where it is `None`.
    order: Option<&'a [usize]>,
    policy: Policy,
    ahead: ReadAhead,
}

impl<'a> Files<'a> {
    pub(crate) fn new(files: &'a [ImageFile], order: Option<&'a [usize]>, policy: Policy) -> Self {
        Self { files, order, policy, ahead: ReadAhead::default() }
    }

    /// The file whose turn is the `place`-th.
    pub(crate) fn get(&self, place: usize) -> Option<&'a ImageFile> {
        let index = self.order.map_or(Some(place), |order| order.get(place).copied())?;
        self.files.get(index)
    }

    /// [`load`] of a file, once only.
    pub(crate) fn load(&self, place: usize, file: &ImageFile) -> Result<Loaded, Rejection> {
        let (start, turn) = (Instant::now(), Turn::begin());
        let load = || {
            let bytes = self.read(place, file, &turn)?;
            let picture = decode_since(start, &bytes, self.policy)?;
            Ok((bytes, picture))
        };
        let outcome = load();
        tell(&file.path, start, outcome.as_ref().map(|(_, picture)| picture.outline()));
        outcome.map(|(bytes, picture)| Loaded { bytes, picture, _turn: turn })
    }

    /// [`check_file`] of a file, once only.
    pub(crate) fn check(&self, place: usize, file: &ImageFile) -> Result<Outline, Rejection> {
        let (start, turn) = (Instant::now(), Turn::begin());
        let outcome = self.read(place, file, &turn).and_then(|bytes| check_since(start, &bytes, self.policy));
        tell(&file.path, start, outcome.as_ref().copied());
        outcome
    }

    fn read(&self, place: usize, file: &ImageFile, turn: &Turn) -> Result<Vec<u8>, Rejection> {
        if !store::is_url(&file.path) {
            return read(&file.path, &self.policy, turn);
        }
        admit(file.size, &self.policy, turn)?;
        let object = |place| {
            let file = self.get(place)?;
            // One that is too long has its place in the row, and is not fetched.
            let is_admitted = self.policy.limits.admit_file(file.size).is_ok();
            Some((file.path.as_path(), is_admitted.then_some(file.size)))
        };
        self.ahead.take(place, object).map_err(|error| not_fetched(&error))
    }
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

/// Refuses a file for its length, and waits for the memory that it will take.
fn admit(length: u64, policy: &Policy, turn: &Turn) -> Result<(), Rejection> {
    let refuse = |(reason, detail)| Rejection::new(reason, Format::Unknown, detail);
    policy.limits.admit_file(length).map_err(refuse)?;
    turn.room(length, Format::Unknown, None)
}

/// Of a store that does not answer nobody knows what it has: that is another thing than a file that cannot be read.
fn not_fetched(error: &io::Error) -> Rejection {
    match store::is_transient(error) {
        true => Rejection::new(Reason::Unreachable, Format::Unknown, error.to_string()),
        false => Rejection::unreadable(error),
    }
}

fn read(path: &Path, policy: &Policy, turn: &Turn) -> Result<Vec<u8>, Rejection> {
    if store::is_url(path) {
        let metadata = store::head(path).map_err(|error| not_fetched(&error))?;
        admit(metadata.bytes, policy, turn)?;
        return store::read(path).map_err(|error| not_fetched(&error));
    }
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        // Reading a pipe could wait for ever.
        return Err(io::Error::other("not a regular file").into());
    }
    let length = metadata.len();
    admit(length, policy, turn)?;
    let mut bytes = Vec::new();
    let reserved = bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX));
    reserved.map_err(|_| memory::refusal(length, Format::Unknown, None))?;
    // A byte more tells that the file grew; how far, nobody needs to know.
    File::open(path)?.take(length.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > length {
        return Err(io::Error::other("it is being written to").into());
    }
    Ok(bytes)
}
