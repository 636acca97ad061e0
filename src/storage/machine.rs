//! Whether a failed read is the file's own fault or the machine's, and how many files may be open at a time.
//!
//! The file's own faults are a closed list: they say something about this file that another try cannot change. Everything else
//! (no file descriptor left, a failing disk, a network file system that does not answer, an error that nobody has seen before)
//! says something about the machine, and nothing about the file.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};

/// Files that a run may have open beside those that wait for a slot: standard streams, journal and plan, record files on their way to the disk
/// with their indices, folders that are synced.
const RESERVED: u64 = 32;

/// Whether the error is the file's own fault: it is not there, may not be read, is a folder, or has a name or a link that leads
/// nowhere.
pub(crate) fn is_of_file(error: &io::Error) -> bool {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::InvalidFilename => true,
        // A NUL in the name, which std finds before it asks the system. EINVAL of the system is anything.
        ErrorKind::InvalidInput => error.raw_os_error().is_none(),
        _ => is_link_loop(error),
    }
}

/// Whether links lead to each other. `ErrorKind::FilesystemLoop` is not stable yet.
#[cfg(unix)]
fn is_link_loop(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP)
}

#[cfg(windows)]
fn is_link_loop(error: &io::Error) -> bool {
    const ERROR_CANT_RESOLVE_FILENAME: i32 = 1921;
    error.raw_os_error() == Some(ERROR_CANT_RESOLVE_FILENAME)
}

#[cfg(not(any(unix, windows)))]
fn is_link_loop(_: &io::Error) -> bool {
    false
}

/// What helps against a fault of the machine.
pub(crate) fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        _ if is_out_of_files(error) => "raise the limit of open files (ulimit -n) or lower --threads",
        ErrorKind::OutOfMemory => "free some memory or lower --threads",
        _ if is_of_file(error) => "bring it back",
        _ => "check the disk or the network that the file is on",
    }
}

#[cfg(unix)]
fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(not(unix))]
fn is_out_of_files(error: &io::Error) -> bool {
    const ERROR_TOO_MANY_OPEN_FILES: i32 = 4;
    cfg!(windows) && error.raw_os_error() == Some(ERROR_TOO_MANY_OPEN_FILES)
}

/// Raises the limit of open files as far as the system allows. Windows has no such limit.
pub(crate) fn raise_file_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        /// The most that macOS takes, even where it says that there is no limit: OPEN_MAX.
        const OPEN_MAX: u64 = 10_240;

        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raise = |to: Option<u64>| setrlimit(Resource::Nofile, Rlimit { current: to, maximum });
        if current != maximum && raise(maximum).is_err() && current.is_some_and(|current| current < OPEN_MAX) {
            let _ = raise(Some(OPEN_MAX)); // as it was, it was enough for most
        }
    }
}

/// How many files the process may have open; `None` where the system has no limit.
fn file_limit() -> Option<u64> {
    #[cfg(unix)]
    return rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    None
}

/// Images, and record files that are read back, that may be open at a time, whatever the number of threads: what the limit of open
/// files leaves, and at least one.
static OPEN_FILES: LazyLock<Slots> = LazyLock::new(|| {
    let left = file_limit().map(|limit| limit.saturating_sub(RESERVED).max(1));
    Slots::new(left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX))
});

/// Waits until another file may be opened; it may be open until the result is dropped. Whoever has a slot must not wait for
/// another one: there may be only one.
pub(crate) fn slot_for_file() -> Slot<'static> {
    OPEN_FILES.take()
}

/// Waits as [`slot_for_file`] does where `path` is a file of this machine; an object of a store takes none.
pub(crate) fn slot_for(path: &Path) -> Option<Slot<'static>> {
    (!super::is_url(path)).then(slot_for_file)
}

/// So many at a time.
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One of them.
pub(crate) struct Slot<'a>(&'a Slots);

impl Slots {
    const fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), freed: Condvar::new() }
    }

    fn take(&self) -> Slot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(self)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_faults_of_a_file_are_a_closed_list() {
        use rustix::io::Errno;

        let is_of_file = |errno: Errno| is_of_file(&io::Error::from_raw_os_error(errno.raw_os_error()));
        let of_file =
            [Errno::NOENT, Errno::ACCESS, Errno::PERM, Errno::ISDIR, Errno::NOTDIR, Errno::LOOP, Errno::NAMETOOLONG];
        let of_machine = [
            Errno::MFILE,
            Errno::NFILE,
            Errno::IO,
            Errno::STALE,
            Errno::NOMEM,
            Errno::TIMEDOUT,
            Errno::NOTCONN,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::NETDOWN,
            Errno::CONNABORTED,
            Errno::CONNRESET,
            Errno::NODEV,
            Errno::NXIO,
            Errno::INVAL,
            Errno::BADF,
            Errno::BUSY,
            Errno::DEADLK,
            Errno::OVERFLOW,
            Errno::NOTSUP,
            Errno::BADMSG,
            Errno::NOSPC,
        ];

        for errno in of_file {
            assert!(is_of_file(errno), "{errno}");
        }
        for errno in of_machine {
            assert!(!is_of_file(errno), "{errno}");
        }
        assert!(!super::is_of_file(&io::Error::from_raw_os_error(i32::MAX)), "an unknown one");
        assert!(!super::is_of_file(&io::Error::other("no code at all")));
    }

    #[test]
    fn no_more_are_taken_at_a_time_than_there_are() {
        let (slots, taken, most) = (Slots::new(3), AtomicUsize::new(0), AtomicUsize::new(0));

        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _slot = slots.take();
                        most.fetch_max(taken.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        taken.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });

        assert!((1..=3).contains(&most.into_inner()));
        assert_eq!(*slots.free.lock().expect("nobody panicked"), 3);
    }
}
