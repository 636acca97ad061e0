//! A file that appears under its name when it is whole and on disk, or not at all.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use serde::Serialize;
use tempfile::{NamedTempFile, TempPath};

use crate::storage;
use crate::storage::dirs::folder_of;
use crate::util::failpoint::failpoint;

/// Few large writes: a record of B0 is a quarter of this.
const BUFFER: usize = 1 << 20;

/// Bytes after which the disk is asked to begin, so that little is left to wait for at the end.
const SYNC_EVERY: usize = 16 << 20;

/// How the names of files begin that are not whole yet.
const TEMPORARY_PREFIX: &str = ".petrec-";
/// And how they end.
const TEMPORARY_SUFFIX: &str = ".partial";

/// A file under a temporary name in the folder of its final one; dropped before [`AtomicFile::commit`], it is gone. Where the
/// final one is an object of a store, the temporary one lies in the system's own folder for such files.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    // Apart from each other, because tempfile's own writer names the temporary file in its errors, which means nothing
    // to anybody; and in this order, so that the file is closed before it is removed.
    file: BufWriter<File>,
    temporary: TempPath,
    /// Bytes since the last sync began.
    unsynced: usize,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl AtomicFile {
    /// Begins a file that will be `path`, in a folder that exists.
    ///
    /// # Errors
    /// The folder is not there or not writable.
    pub fn begin(path: &Path) -> io::Result<Self> {
        Self::begin_of("", path)
    }

    /// The same, with a temporary name by which [`is_temporary_of`] knows the owner.
    pub(crate) fn begin_of(owner: &str, path: &Path) -> io::Result<Self> {
        failpoint();
        if storage::is_url(path) && !storage::is_writable(path) {
            return Err(io::Error::other("over http and https petrec reads only"));
        }
        let folder = if storage::is_url(path) { &env::temp_dir() } else { folder_of(path) };
        let temporary = match storage::is_url(path) {
            // In a folder that others can read, and for nobody but this user: tempfile's own permissions.
            true => tempfile::Builder::new().prefix(&prefix_of(owner)).suffix(TEMPORARY_SUFFIX).tempfile_in(folder),
            false => temporary_in(folder, owner),
        };
        let temporary = temporary.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other(format!("there is no folder {}", folder.display())),
            _ => error,
        })?;
        let (file, temporary) = temporary.into_parts();
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { path: path.into(), file, temporary, unsynced: 0, syncing: None })
    }

    /// Syncs the file to disk and renames it; a file of that name is replaced.
    ///
    /// # Errors
    /// What the system says; nothing is left under either name, and what was there before is untouched.
    pub fn commit(self) -> io::Result<()> {
        self.sync()?.publish()
    }

    /// Syncs the file to disk, still under its temporary name.
    ///
    /// # Errors
    /// What the system says; nothing is left.
    pub(crate) fn sync(mut self) -> io::Result<SyncedFile> {
        self.settle()?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        if !storage::is_url(&self.path) {
            failpoint();
            file.sync_all()?;
        }
        Ok(SyncedFile { path: self.path, temporary: self.temporary })
    }

    /// Gives the file this time of change. Nothing may be written after that.
    ///
    /// # Errors
    /// What was written so far cannot be. That a file system does not keep such a time is no error.
    pub(crate) fn set_modified(&mut self, time: SystemTime) -> io::Result<()> {
        self.file.flush()?;
        let _ = self.file.get_ref().set_modified(time);
        Ok(())
    }

    /// Has what was written so far put on disk, on a thread of its own, unless one is still busy with what came before.
    fn sync_ahead(&mut self) -> io::Result<()> {
        if self.syncing.as_ref().is_some_and(|syncing| !syncing.is_finished()) {
            return Ok(());
        }
        self.settle()?;
        let file = self.file.get_ref().try_clone()?;
        // Where there is no thread to be had, all of it is left for the end.
        self.syncing = thread::Builder::new().spawn(move || file.sync_data()).ok();
        self.unsynced = 0;
        Ok(())
    }

    /// Waits for that thread. The system tells of a failed write once only, so what it says must not be lost.
    fn settle(&mut self) -> io::Result<()> {
        let Some(syncing) = self.syncing.take() else { return Ok(()) };
        syncing.join().unwrap_or_else(|_| Err(io::Error::other("the thread that wrote it died")))
    }

    /// Writes `path` in one go with what `fill` puts into it.
    ///
    /// # Errors
    /// As [`AtomicFile::begin`] and [`AtomicFile::commit`], and what `fill` says.
    pub fn write(path: &Path, fill: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        let mut file = Self::begin(path)?;
        fill(&mut file)?;
        file.commit()
    }
}

/// Makes a file in `folder` under a temporary name of `owner`; dropped, it is gone.
pub(crate) fn temporary_in(folder: &Path, owner: &str) -> io::Result<NamedTempFile> {
    // Without the final name in it, so that no reader's pattern finds it.
    let prefix = prefix_of(owner);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(TEMPORARY_SUFFIX);
    // Made here and not by tempfile, which puts the temporary name into the system's own words, and would give the file to its
    // owner alone: this has the permissions of any new file.
    builder.make_in(folder, |path| File::options().read(true).write(true).create_new(true).open(path))
}

/// A file that is whole and on disk, and lacks nothing but its name; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct SyncedFile {
    path: PathBuf,
    temporary: TempPath,
}

impl SyncedFile {
    /// Where it lies until it gets its name.
    pub(crate) fn path(&self) -> &Path {
        &self.temporary
    }

    /// Gives the file its name; a file of that name is replaced.
    ///
    /// # Errors
    /// What the system says; what was there before is untouched.
    pub(crate) fn publish(self) -> io::Result<()> {
        if storage::is_url(&self.path) {
            return storage::upload(&self.temporary, &self.path);
        }
        failpoint();
        self.temporary.persist(&self.path)?;
        failpoint();
        sync_folder(folder_of(&self.path))
    }

    /// Gives the file its name unless there is a file of that name, which then stays as it is.
    ///
    /// # Errors
    /// What the system says, but not that the name is taken.
    pub(crate) fn publish_new(self) -> io::Result<()> {
        self.publish_if_new().map(|_| ())
    }

    /// Gives the file its name unless there is a file of that name, and returns whether it did.
    ///
    /// # Errors
    /// What the system says, but not that the name is taken.
    pub(crate) fn publish_if_new(self) -> io::Result<bool> {
        if storage::is_url(&self.path) {
            return storage::upload_new(&self.temporary, &self.path);
        }
        failpoint();
        match self.temporary.persist_noclobber(&self.path) {
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            outcome => outcome.map_err(Into::into).and_then(|()| sync_folder(folder_of(&self.path))).map(|()| true),
        }
    }
}

/// Makes sure that names made and removed in `folder` are so on disk. Windows has no such call and needs none, and some
/// network and user-space file systems have it for files only: those keep the order of things themselves, or cannot.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) } {
        Err(error) if cannot_be_synced(&error) => Ok(()),
        outcome => outcome,
    }
}

/// Whether this is what a system says that has no sync for folders: EINVAL, ENOTSUP or, for what is open for reading, EBADF.
fn cannot_be_synced(error: &io::Error) -> bool {
    const EBADF: i32 = 9; // on every Unix
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(EBADF)
}

/// Whether `name` is that of a file that is not whole, of this run or of one that was killed.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    is_temporary_of("", name)
}

/// The same, and begun by `owner`; all are the owner's who has no name.
pub(crate) fn is_temporary_of(owner: &str, name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(prefix_of(owner).as_bytes()) && name.ends_with(TEMPORARY_SUFFIX.as_bytes())
}

/// How the names of one owner's temporary files begin.
fn prefix_of(owner: &str) -> String {
    let hyphen = if owner.is_empty() { "" } else { "-" };
    format!("{TEMPORARY_PREFIX}{owner}{hyphen}")
}

impl Write for AtomicFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.file.write(data)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_EVERY && !storage::is_url(&self.path) {
            self.sync_ahead()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes `value` as indented JSON, whole or not at all.
///
/// # Errors
/// As [`AtomicFile::write`].
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    AtomicFile::write(path, |file| fill_json(file, value))
}

/// Writes `value` as indented JSON that ends in a line end.
pub(crate) fn fill_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_fails_half_way_leaves_nothing_and_replaces_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        std::fs::write(&path, "old").expect("writable");

        let outcome = AtomicFile::write(&path, |file| {
            file.write_all(b"new")?;
            Err(io::Error::other("disk full"))
        });

        assert!(outcome.is_err());
        assert_eq!(std::fs::read(&path).expect("still there"), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn what_the_system_says_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let in_a_file = folder.path().join("file/report.json");
        std::fs::write(folder.path().join("file"), "").expect("written");
        let nowhere = folder.path().join("folder/report.json");

        let [in_a_file, nowhere] = [in_a_file, nowhere].map(|path| AtomicFile::begin(&path).map(drop));

        assert_eq!(in_a_file.expect_err("it is no folder").to_string(), "Not a directory (os error 20)");
        assert!(nowhere.expect_err("it is not there").to_string().starts_with("there is no folder "));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_synced_is_no_failure_and_a_failing_disk_is_one() {
        const EIO: i32 = 5;
        const EINVAL: i32 = 22;

        assert!(cannot_be_synced(&io::Error::from_raw_os_error(EINVAL)));
        assert!(cannot_be_synced(&io::ErrorKind::Unsupported.into()));
        assert!(cannot_be_synced(&io::Error::from_raw_os_error(9)));
        assert!(!cannot_be_synced(&io::Error::from_raw_os_error(EIO)));
    }

    #[cfg(unix)]
    #[test]
    fn a_written_file_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode();

        AtomicFile::write(&folder.path().join("ours"), |file| file.write_all(b"x")).expect("written");
        File::create(folder.path().join("theirs")).expect("created");

        assert_eq!(mode(&folder.path().join("ours")), mode(&folder.path().join("theirs")));
    }
}
