//! Locks on files, where a file system has them, and files that are opened by their names and never through a link.
//!
//! A name can get another file while a process waits for the lock of the one it opened. So a lock counts only where the locked
//! file still has the name, and whoever removes a lock file does so while it holds the lock against all others.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// Against whom a file is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockMode {
    /// Against all others.
    Alone,
    /// Against those who want it alone.
    Shared,
}

/// What becomes of a file that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfAbsent {
    /// It is made, empty.
    Make,
    /// It stays so.
    Leave,
}

/// What came of locking a file.
#[derive(Debug)]
pub(crate) enum Lock {
    /// It is locked until it is closed.
    Held(File),
    /// Another process has it locked.
    Busy,
    /// There is no such file.
    Absent,
}

/// How often the file of a name may be another one each time before that is an error.
const TRIES: usize = 1000;

/// Locks the plain file `path` if nobody else has it locked. A link, a folder or a device is an error.
pub(crate) fn lock_file(path: &Path, mode: LockMode, if_absent: IfAbsent) -> io::Result<Lock> {
    for _ in 0..TRIES {
        let file = match (open_plain(path)?, if_absent) {
            (Some(file), _) => file,
            (None, IfAbsent::Leave) => return Ok(Lock::Absent),
            // A new file only: where there is a link meanwhile, it is not followed.
            (None, IfAbsent::Make) => match File::options().read(true).write(true).create_new(true).open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            },
        };
        let lock = match mode {
            LockMode::Alone => file.try_lock(),
            LockMode::Shared => file.try_lock_shared(),
        };
        if !is_granted(lock)? {
            return Ok(Lock::Busy);
        }
        if is_named(path, &file)? {
            return Ok(Lock::Held(file));
        }
    }
    Err(io::Error::other("its name gets another file again and again"))
}

/// Opens the plain file `path` for reading and writing; `None` where there is none. A link, a folder or a device is an error.
pub(crate) fn open_plain(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..TRIES {
        if !is_plain(path)? {
            return Ok(None);
        }
        let file = match File::options().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // A link may have come between the two calls: nothing was written yet.
        if is_named(path, &file)? {
            return Ok(Some(file));
        }
    }
    Err(io::Error::other("its name gets another file again and again"))
}

/// Whether there is a plain file of that name.
///
/// # Errors
/// There is something else, such as a link; or the system does not tell.
pub(crate) fn is_plain(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(found) => Err(io::Error::other(match found.is_symlink() {
            true => "it is a link, which petrec does not follow here",
            false => "it is no plain file",
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether `file` is still the one that goes by the name `path`, which is no link.
#[cfg(unix)]
pub(crate) fn is_named(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    // Without opening anything: a process that has no descriptor left would never get an answer.
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether `file` is still the one that goes by the name `path`, which is no link.
#[cfg(not(unix))]
pub(crate) fn is_named(path: &Path, file: &File) -> io::Result<bool> {
    use same_file::Handle;
    let open = file.try_clone().and_then(Handle::from_file)?;
    let named = fs::symlink_metadata(path).and_then(|found| match found.is_file() {
        true => Handle::from_path(path).map(|named| named == open),
        false => Ok(false),
    });
    match named {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        answer => answer,
    }
}

/// Whether a lock was got. Some network file systems have no locks; work without one is better than none.
pub(crate) fn is_granted(lock: Result<(), TryLockError>) -> io::Result<bool> {
    match lock {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if has_no_locks(&error) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether this is what a system says that has no locks, such as NFS without its lock daemon (ENOLCK).
fn has_no_locks(error: &io::Error) -> bool {
    const ENOLCK: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 37 } else { 77 };
    error.kind() == io::ErrorKind::Unsupported || (cfg!(unix) && error.raw_os_error() == Some(ENOLCK))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_never_opened_nor_its_target_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        std::os::unix::fs::symlink(&target, &link).expect("made");

        assert!(lock_file(&link, LockMode::Alone, IfAbsent::Make).is_err());
        assert!(!target.exists());
        fs::write(&target, "precious").expect("written");
        assert!(lock_file(&link, LockMode::Alone, IfAbsent::Make).is_err() && open_plain(&link).is_err());
    }

    #[test]
    fn of_processes_that_race_for_a_lock_file_that_is_removed_one_has_it_at_a_time() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let (inside, held) = (AtomicUsize::new(0), AtomicUsize::new(0));

        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while held.load(Ordering::Relaxed) < 2000 {
                        let lock = lock_file(&path, LockMode::Alone, IfAbsent::Make).expect("can be made");
                        let Lock::Held(file) = lock else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                        held.fetch_add(1, Ordering::Relaxed);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        fs::remove_file(&path).expect("ours");
                        drop(file);
                    }
                });
            }
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_without_locks_is_taken_and_a_failing_one_is_not() {
        assert!(has_no_locks(&io::Error::from_raw_os_error(37)), "ENOLCK");
        assert!(has_no_locks(&io::Error::from_raw_os_error(95)), "EOPNOTSUPP");
        assert!(!has_no_locks(&io::Error::from_raw_os_error(5)), "EIO");
    }
}
