//! The bytes of an image file: read once, and tried again where it is the machine that fails.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tracing::debug;

use super::memory::Turn;
use super::{Format, Policy, Reason, Rejection};
use crate::dataset::ImageFile;
use crate::storage;
use crate::storage::machine;

/// How long to wait before each further try.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_millis(1000)];

/// A file that was read.
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// When the try began that was good: the pauses before it are not the file's.
    pub(super) since: Instant,
}

/// Why there is no content.
pub(super) enum Failure {
    /// There is none that could be decoded, and it is the file's own fault.
    Rejected(Rejection),
    /// It is not the file that was listed.
    Changed(String),
    /// What the system said.
    Io(io::Error),
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Tries again, with pauses, while the machine fails. Once it failed in spite of all pauses, no other file waits as long, until
/// one is read again: a million files on a disk that is gone would take weeks.
#[derive(Default)]
pub(super) struct Patience(AtomicBool);

impl Patience {
    pub(super) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// The first outcome of `read` that says something about the file. `lost` names a folder that is gone, where a file that is
    /// not there is no sign of the file's own.
    pub(super) fn read<T>(
        &self,
        mut read: impl FnMut() -> Result<T, Failure>,
        lost: impl Fn() -> Option<PathBuf>,
    ) -> Result<T, Failure> {
        let mut pauses = PAUSES.iter();
        loop {
            let error = match read() {
                Err(Failure::Io(error)) => error,
                outcome => {
                    self.0.store(false, Ordering::Relaxed);
                    return outcome;
                }
            };
            let detail = match machine::is_of_file(&error).then(&lost) {
                Some(None) => return Err(Rejection::unreadable(&error).into()),
                Some(Some(folder)) => {
                    format!("the folder {} is gone, or is not the one that was listed", folder.display())
                }
                None => format!("reading failed: {error}"),
            };
            match pauses.next().filter(|_| !self.0.load(Ordering::Relaxed)) {
                Some(pause) => {
                    debug!(detail, ?pause, "the machine failed; waiting before another try");
                    thread::sleep(*pause);
                }
                None => {
                    self.0.store(true, Ordering::Relaxed);
                    return Err(unreachable(&detail, &error).into());
                }
            }
        }
    }
}

/// The outcome for a file that the machine failed to read.
pub(super) fn unreachable(detail: &str, error: &io::Error) -> Rejection {
    let words = format!("{detail}; hint: {}, then run the same command again", machine::hint(error));
    Rejection::new(Reason::Unreachable, Format::Unknown, words)
}

/// Refuses a file for its length, and waits for the memory that it will take.
pub(super) fn admit(length: u64, policy: &Policy, turn: &Turn) -> Result<(), Rejection> {
    let refuse = |(reason, detail)| Rejection::new(reason, Format::Unknown, detail);
    policy.limits.admit_file(length).map_err(refuse)?;
    turn.room(length, Format::Unknown, None)
}

/// Reads the file at `path` of this machine; `listed` is what it must be still.
pub(super) fn read_file(
    path: &Path,
    listed: Option<&ImageFile>,
    policy: &Policy,
    turn: &Turn,
) -> Result<Content, Failure> {
    let since = Instant::now();
    let metadata = fs::metadata(path)?;
    refuse_changed(listed, storage::Metadata::of_file(&metadata))?;
    if !metadata.is_file() {
        // Reading a pipe could wait for ever.
        return Err(Rejection::new(Reason::Unreadable, Format::Unknown, "not a regular file").into());
    }
    let length = metadata.len();
    admit(length, policy, turn)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX)).map_err(io::Error::from)?;

    let slot = machine::slot_for_file();
    let file = File::open(path)?;
    // A byte more tells that the file grew; how far, nobody needs to know.
    (&file).take(length.saturating_add(1)).read_to_end(&mut bytes)?;
    if listed.is_some() {
        refuse_changed(listed, storage::Metadata::of_file(&file.metadata()?))?;
    }
    drop((file, slot));
    if bytes.len() as u64 > length {
        return Err(Rejection::new(Reason::Unreadable, Format::Unknown, "it is being written to").into());
    }
    Ok(Content { bytes, since })
}

/// Refuses a file whose length or time of change is not as it was listed.
pub(super) fn refuse_changed(listed: Option<&ImageFile>, now: storage::Metadata) -> Result<(), Failure> {
    let Some(listed) = listed else { return Ok(()) };
    if now.bytes != listed.size {
        return Err(Failure::Changed(format!("it had {} bytes and has {}", listed.size, now.bytes)));
    }
    match storage::is_same_time(listed.modified, now.modified) {
        true => Ok(()),
        false => Err(Failure::Changed("it was written to, or another file has its name".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EIO: i32 = 5;

    fn failing(times: usize, with: i32) -> impl FnMut() -> Result<usize, Failure> {
        let mut tries = 0;
        move || {
            tries += 1;
            if tries > times { Ok(tries) } else { Err(io::Error::from_raw_os_error(with).into()) }
        }
    }

    fn reason(outcome: Result<usize, Failure>) -> Option<(Reason, String)> {
        match outcome {
            Err(Failure::Rejected(rejection)) => Some((rejection.reason, rejection.detail)),
            _ => None,
        }
    }

    #[test]
    fn a_machine_that_recovers_costs_no_photo() {
        let outcome = Patience::new().read(failing(2, EIO), || None);

        assert!(matches!(outcome, Ok(3)));
    }

    #[test]
    fn a_machine_that_does_not_recover_is_no_fault_of_the_photo() {
        let patience = Patience::new();

        let (first, words) = reason(patience.read(failing(9, EIO), || None)).expect("it failed");
        // The next file fails at its first try, and a good one brings the patience back.
        let (second, _) = reason(patience.read(failing(1, EIO), || None)).expect("it failed");
        assert!(matches!(patience.read(failing(0, EIO), || None), Ok(1)));
        assert!(matches!(patience.read(failing(1, EIO), || None), Ok(2)));

        assert_eq!((first, second), (Reason::Unreachable, Reason::Unreachable));
        assert!(words.contains("os error 5") && words.contains("; hint: "), "{words}");
    }

    #[test]
    fn a_file_that_is_not_there_is_rejected_at_once_unless_its_folder_is_gone() {
        const ENOENT: i32 = 2;
        let patience = Patience::new();

        let gone = reason(patience.read(failing(1, ENOENT), || None)).expect("it failed");
        let lost = reason(patience.read(failing(9, ENOENT), || Some("ds/Cat".into()))).expect("it failed");

        assert_eq!(gone.0, Reason::Unreadable);
        assert_eq!(lost.0, Reason::Unreachable);
        assert!(lost.1.contains("the folder ds/Cat is gone"), "{}", lost.1);
    }
}
