//! Reading an image file and decoding it, or deciding on it, in one step.

use std::io;
use std::path::Path;
use std::time::Instant;

use tracing::debug;

use super::folders::Folders;
use super::memory::Turn;
use super::read::{Content, Failure, Patience, admit, read_file, refuse_changed, unreachable};
use super::{Format, Outline, Picture, Policy, Reason, Rejection, check_since, decode_since};
use crate::dataset::ImageFile;
use crate::storage::{self, Prefetch};

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
/// As [`decode`](super::decode); a file that cannot be read, by its own fault, is rejected as [`Reason::Unreadable`], one that
/// the machine or a store fails to read as [`Reason::Unreachable`], and one that is too long is not read.
pub fn load(path: &Path, policy: impl Into<Policy>) -> Result<Loaded, Rejection> {
    let (policy, start, turn) = (policy.into(), Instant::now(), Turn::begin());
    let load = || {
        let Content { bytes, since } = read(path, &policy, &turn)?;
        let picture = decode_since(since, &bytes, policy)?;
        Ok((bytes, picture))
    };
    let outcome = load();
    tell(path, start, outcome.as_ref().map(|(_, picture)| picture.outline()));
    outcome.map(|(bytes, picture)| Loaded { bytes, picture, _turn: turn })
}

/// Why an image of a data set is not loaded.
pub(crate) enum NotLoaded {
    /// It is not the file that was listed, in these words.
    Changed(String),
    /// It is rejected, or unreachable.
    Rejected(Rejection),
}

impl From<Rejection> for NotLoaded {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Failure> for NotLoaded {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Changed(detail) => Self::Changed(detail),
            Failure::Rejected(rejection) => Self::Rejected(rejection),
            Failure::Io(error) => Self::Rejected(error.into()),
        }
    }
}

/// The files of a data set in the order in which they are wanted. Those of a store are fetched before their turn comes.
pub(crate) struct Files<'a> {
    files: &'a [ImageFile],
    /// Which of them are wanted, in this order; all where it is `None`.
    order: Option<&'a [usize]>,
    policy: Policy,
    ahead: Prefetch,
    folders: Folders<'a>,
    patience: Patience,
}

impl<'a> Files<'a> {
    pub(crate) fn new(files: &'a [ImageFile], order: Option<&'a [usize]>, policy: Policy) -> Self {
        let folders = match order {
            Some(order) => Folders::of(order.iter().filter_map(|place| files.get(*place))),
            None => Folders::of(files.iter()),
        };
        Self { files, order, policy, ahead: Prefetch::default(), folders, patience: Patience::default() }
    }

    /// The file whose turn is the `place`-th.
    pub(crate) fn get(&self, place: usize) -> Option<&'a ImageFile> {
        let index = self.order.map_or(Some(place), |order| order.get(place).copied())?;
        self.files.get(index)
    }

    /// [`load`] of a file, once only, which must be the one that was listed.
    pub(crate) fn load(&self, place: usize, file: &ImageFile) -> Result<Loaded, NotLoaded> {
        let (start, turn) = (Instant::now(), Turn::begin());
        let load = || {
            let Content { bytes, since } = self.read(place, file, Some(file), &turn)?;
            let picture = decode_since(since, &bytes, self.policy)?;
            Ok((bytes, picture))
        };
        let outcome = load();
        match &outcome {
            Ok((_, picture)) => tell(&file.path, start, Ok(picture.outline())),
            Err(NotLoaded::Rejected(rejection)) => tell(&file.path, start, Err(rejection)),
            Err(NotLoaded::Changed(detail)) => debug!(path = %file.path.display(), detail, "changed"),
        }
        outcome.map(|(bytes, picture)| Loaded { bytes, picture, _turn: turn })
    }

    /// [`check_file`] of a file, once only.
    pub(crate) fn check(&self, place: usize, file: &ImageFile) -> Result<Outline, Rejection> {
        let (start, turn) = (Instant::now(), Turn::begin());
        let content = self.read(place, file, None, &turn).map_err(rejection);
        let outcome = content.and_then(|Content { bytes, since }| check_since(since, &bytes, self.policy));
        tell(&file.path, start, outcome.as_ref().copied());
        outcome
    }

    fn read(
        &self,
        place: usize,
        file: &ImageFile,
        listed: Option<&ImageFile>,
        turn: &Turn,
    ) -> Result<Content, Failure> {
        if !storage::is_url(&file.path) {
            let read = || read_file(&file.path, listed, &self.policy, turn);
            return self.patience.read(read, || self.folders.lost(file));
        }
        let since = Instant::now();
        admit(file.size, &self.policy, turn)?;
        let object = |place| {
            let file = self.get(place)?;
            // One that is too long has its place in the row, and is not fetched.
            let is_admitted = self.policy.limits.admit_file(file.size).is_ok();
            Some((file.path.as_path(), is_admitted.then_some(file.size)))
        };
        let (now, bytes) = self.ahead.take(place, object).map_err(|error| self.not_fetched(file, &error))?;
        refuse_changed(listed, now)?;
        Ok(Content { bytes, since })
    }

    /// The outcome for an object that did not come. A bucket that was emptied, and credentials that are no longer good, take all
    /// objects with them: then what the store says of this one is no sign of its own.
    fn not_fetched(&self, file: &ImageFile, error: &io::Error) -> Rejection {
        if storage::is_transient(error) {
            return not_fetched(error);
        }
        match self.folders.lost(file) {
            Some(folder) => {
                let detail = format!("{error}, and nothing in {} can be listed any more", folder.display());
                unreachable(&detail, error)
            }
            None => not_fetched(error),
        }
    }
}

/// What is wrong with a file of which nothing was listed.
fn rejection(failure: Failure) -> Rejection {
    match failure {
        Failure::Rejected(rejection) => rejection,
        Failure::Changed(detail) => Rejection::new(Reason::Unreadable, Format::Unknown, detail),
        Failure::Io(error) => error.into(),
    }
}

/// Reads the file at `path` once and decides on it as [`check`](super::check) does.
///
/// # Errors
/// As [`load`].
pub fn check_file(path: &Path, policy: impl Into<Policy>) -> Result<Outline, Rejection> {
    let (policy, start, turn) = (policy.into(), Instant::now(), Turn::begin());
    let content = read(path, &policy, &turn);
    let outcome = content.and_then(|Content { bytes, since }| check_since(since, &bytes, policy));
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

/// Of a store that does not answer nobody knows what it has: that is another thing than a file that cannot be read.
fn not_fetched(error: &io::Error) -> Rejection {
    match storage::is_transient(error) {
        true => Rejection::new(Reason::Unreachable, Format::Unknown, error.to_string()),
        false => Rejection::unreadable(error),
    }
}

fn read(path: &Path, policy: &Policy, turn: &Turn) -> Result<Content, Rejection> {
    /// Of all files that are in no data set.
    static PATIENCE: Patience = Patience::new();

    if !storage::is_url(path) {
        let content = PATIENCE.read(|| read_file(path, None, policy, turn), || None);
        return content.map_err(rejection);
    }
    let since = Instant::now();
    let metadata = storage::head(path).map_err(|error| not_fetched(&error))?;
    admit(metadata.bytes, policy, turn)?;
    let bytes = storage::read(path).map_err(|error| not_fetched(&error))?;
    Ok(Content { bytes, since })
}
