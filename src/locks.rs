//! Locks on files, where a file system has them.

use std::fs::TryLockError;
use std::io;

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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_locks_is_taken_and_a_failing_one_is_not() {
        assert!(has_no_locks(&io::Error::from_raw_os_error(37)), "ENOLCK");
        assert!(has_no_locks(&io::Error::from_raw_os_error(95)), "EOPNOTSUPP");
        assert!(!has_no_locks(&io::Error::from_raw_os_error(5)), "EIO");
    }
}
