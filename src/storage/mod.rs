//! Files by their paths, wherever they lie: on this machine, or under a URL in an object store.
//!
//! A path that begins like `s3://bucket/` names an object, or all that lie below it, and is joined, shown and compared as any
//! other path. What is on this machine is left to [`std::fs`] and never goes through here on its way to the disk. The store's
//! own client is asynchronous; nobody outside this module sees anything of that.

pub mod atomic_file;
#[cfg(feature = "cloud")]
mod connect;
pub(crate) mod dirs;
pub(crate) mod hash;
#[cfg(feature = "cloud")]
mod listing;
pub(crate) mod lock;
pub(crate) mod machine;
#[cfg(feature = "cloud")]
mod names;
#[cfg(feature = "cloud")]
mod object;
#[cfg(feature = "cloud")]
mod prefetch;
#[cfg(feature = "cloud")]
mod problem;
#[cfg(feature = "cloud")]
mod remote;
#[cfg(not(feature = "cloud"))]
#[path = "disabled.rs"]
mod remote;

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;

pub(crate) use remote::{
    Prefetch, below, has_objects, head, is_transient, list, list_from, put, put_new, read_many, read_piece, remove,
    take_unusable, upload, upload_new,
};

/// What a URL may begin with, and whether such stores can be written to.
const SCHEMES: [(&str, bool); 9] = [
    ("s3", true),
    ("s3a", true),
    ("gs", true),
    ("az", true),
    ("azure", true),
    ("abfs", true),
    ("abfss", true),
    ("http", false),
    ("https", false),
];

/// Whether the path is a URL of an object store.
pub(crate) fn is_url(path: &Path) -> bool {
    scheme(path).is_some_and(|scheme| SCHEMES.iter().any(|(known, _)| *known == scheme))
}

/// What stands before `://`, if that can be the scheme of a URL.
pub(crate) fn scheme(path: &Path) -> Option<&str> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let end = bytes.iter().position(|byte| !byte.is_ascii_alphanumeric())?;
    let scheme = std::str::from_utf8(&bytes[..end]).ok()?;
    // One letter is a drive of Windows.
    (end > 1 && bytes[end..].starts_with(b"://")).then_some(scheme)
}

/// Whether records can be written there.
pub(crate) fn is_writable(path: &Path) -> bool {
    scheme(path).is_none_or(|scheme| !SCHEMES.iter().any(|(known, writable)| *known == scheme && !writable))
}

/// Something in a folder of an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) name: String,
    /// Whether it is what several objects' names have in common up to a slash.
    pub(crate) is_folder: bool,
    pub(crate) bytes: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: Option<u64>,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) is_folder: bool,
    pub(crate) bytes: u64,
    /// Nanoseconds since 1970, where it is told.
    pub(crate) modified: Option<u64>,
}

impl Metadata {
    /// Of a file or folder on this machine.
    pub(crate) fn of_file(metadata: &fs::Metadata) -> Self {
        let since_1970 = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let modified = since_1970.and_then(|time| u64::try_from(time.as_nanos()).ok());
        Self { is_folder: metadata.is_dir(), bytes: metadata.len(), modified }
    }
}

/// Whether two times of change, in nanoseconds since 1970, are one as far as they are known. Some systems tell parts of
/// microseconds, and some whole seconds, which a store may round one way where it lists an object and another where it sends it.
pub(crate) fn is_same_time(one: Option<u64>, other: Option<u64>) -> bool {
    const SECOND: u64 = 1_000_000_000;
    let Some((one, other)) = one.zip(other) else { return true };
    match one.is_multiple_of(SECOND) || other.is_multiple_of(SECOND) {
        true => one.abs_diff(other) <= SECOND,
        false => one / 1000 == other / 1000,
    }
}

/// What can be read, and begun anywhere.
pub(crate) trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// What is at `path`: a file, or a folder, which in an object store is any prefix that objects lie below.
pub(crate) fn metadata(path: &Path) -> io::Result<Metadata> {
    if is_url(path) { remote::metadata(path) } else { Ok(Metadata::of_file(&fs::metadata(path)?)) }
}

/// Whether there is a file.
pub(crate) fn is_there(path: &Path) -> io::Result<bool> {
    if !is_url(path) {
        return match path.try_exists() {
            Err(error) if machine::is_of_file(&error) => Ok(false),
            outcome => outcome,
        };
    }
    match head(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a file. Of an object so much is read at a time as is asked for, and a piece more.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn ReadSeek>> {
    if is_url(path) { remote::open(path) } else { Ok(Box::new(File::open(path)?)) }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if is_url(path) { remote::read(path) } else { fs::read(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        for url in ["s3://bucket", "s3://bucket/a b/c", "gs://b/x", "az://c", "http://localhost:8000/x", "https://h/"] {
            assert!(is_url(Path::new(url)), "{url}");
        }
        for path in ["", "s3", "s3:/bucket", "photos/s3://x", "./s3://x", "C://x", "c:\\x", "ftp://x", "file:///x"] {
            assert!(!is_url(Path::new(path)), "{path}");
        }
        assert_eq!(scheme(Path::new("ftp://x")), Some("ftp"));
        assert!(
            is_writable(Path::new("s3://x")) && is_writable(Path::new("x")) && !is_writable(Path::new("https://x"))
        );
    }

    #[test]
    fn times_are_compared_as_exactly_as_both_are_told() {
        let is_same = |one, other| is_same_time(Some(one), Some(other));

        assert!(is_same(5_000_000_999, 5_000_000_100), "microseconds");
        assert!(!is_same(5_000_001_999, 5_000_000_100));
        assert!(is_same(5_900_000_000, 5_000_000_000) && is_same(5_900_000_000, 6_000_000_000), "seconds");
        assert!(!is_same(5_900_000_000, 7_000_000_000));
        assert!(is_same_time(None, Some(1)) && is_same_time(Some(1), None));
    }

    #[test]
    fn a_url_is_joined_as_a_path_is() {
        let path = Path::new("s3://bucket/pets").join("Cat").join("1.jpg");

        assert!(is_url(&path) && path.starts_with("s3://bucket/pets"));
        assert_eq!(path.file_name(), Some("1.jpg".as_ref()));
    }
}
