//! A file that appears under its name when it is whole and on disk, or not at all.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::TempPath;

use crate::crash_point::crash_point;
use crate::paths::folder_of;

/// Few large writes: a record of B0 is a quarter of this.
const BUFFER: usize = 1 << 20;

/// How the names of files begin that are not whole yet.
const TEMPORARY_PREFIX: &str = ".petrec-";
/// And how they end.
const TEMPORARY_SUFFIX: &str = ".partial";

/// A file under a temporary name in the folder of its final one; dropped before [`WholeFile::commit`], it is gone.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    // Apart from each other, because tempfile's own writer names the temporary file in its errors, which means nothing
    // to anybody; and in this order, so that the file is closed before it is removed.
    file: BufWriter<File>,
    temporary: TempPath,
}

impl WholeFile {
    /// Begins a file that will be `path`, in a folder that exists.
    ///
    /// # Errors
    /// The folder is not there or not writable.
    pub fn begin(path: &Path) -> io::Result<Self> {
        // Without the final name in it, so that no reader's pattern finds it.
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY_PREFIX).suffix(TEMPORARY_SUFFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask, as any new file
        crash_point();
        let folder = folder_of(path);
        let temporary = builder.tempfile_in(folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other(format!("there is no folder {}", folder.display())),
            kind => kind.into(),
        })?;
        let (file, temporary) = temporary.into_parts();
        Ok(Self { path: path.into(), file: BufWriter::with_capacity(BUFFER, file), temporary })
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
    pub(crate) fn sync(self) -> io::Result<SyncedFile> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        crash_point();
        file.sync_all()?;
        Ok(SyncedFile { path: self.path, temporary: self.temporary })
    }

    /// Writes `path` in one go with what `fill` puts into it.
    ///
    /// # Errors
    /// As [`WholeFile::begin`] and [`WholeFile::commit`], and what `fill` says.
    pub fn write(path: &Path, fill: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        let mut file = Self::begin(path)?;
        fill(&mut file)?;
        file.commit()
    }
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
        crash_point();
        self.temporary.persist(&self.path)?;
        crash_point();
        sync_folder(folder_of(&self.path))
    }
}

/// Makes sure that names made and removed in `folder` are so on disk. Windows has no such call and needs none.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Whether `name` is that of a file that is not whole, of this run or of one that was killed.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(TEMPORARY_PREFIX.as_bytes()) && name.ends_with(TEMPORARY_SUFFIX.as_bytes())
}

impl Write for WholeFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes `value` as indented JSON, whole or not at all.
///
/// # Errors
/// As [`WholeFile::write`].
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    WholeFile::write(path, |file| fill_json(file, value))
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

        let outcome = WholeFile::write(&path, |file| {
            file.write_all(b"new")?;
            Err(io::Error::other("disk full"))
        });

        assert!(outcome.is_err());
        assert_eq!(std::fs::read(&path).expect("still there"), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_written_file_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode();

        WholeFile::write(&folder.path().join("ours"), |file| file.write_all(b"x")).expect("written");
        File::create(folder.path().join("theirs")).expect("created");

        assert_eq!(mode(&folder.path().join("ours")), mode(&folder.path().join("theirs")));
    }
}
