//! Questions about paths that more than one stage asks.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, path};

use serde::{Deserialize, Serialize};

use crate::storage;
use crate::text::text_of_bytes;

/// Whether `inner` is `folder` or lies below it, links resolved; `inner` need not exist.
#[must_use]
pub(crate) fn contains(folder: &Path, inner: &Path) -> bool {
    resolved(inner).starts_with(resolved(folder))
}

/// The folder a path names its file in; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The path as bytes, on Unix whatever they are; `None` where it is not Unicode elsewhere.
pub(crate) fn bytes_of(path: &Path) -> Option<Vec<u8>> {
    #[cfg(unix)]
    return Some(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec());
    #[cfg(not(unix))]
    path.to_str().map(|path| path.as_bytes().to_vec())
}

/// The path of these bytes, which may have forward slashes on every system.
pub(crate) fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    #[cfg(unix)]
    return Some(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes).into());
    #[cfg(not(unix))]
    str::from_utf8(bytes).ok().map(PathBuf::from)
}

/// A path in a file of ours: a text or, where it is not UTF-8, its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum StoredPath {
    Text(String),
    Bytes(Vec<u8>),
}

impl StoredPath {
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    pub(crate) fn of(path: &Path) -> Self {
        bytes_of(path).map_or_else(|| Self::Text(path.to_string_lossy().into_owned()), Self::of_bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// The path; on a system that has no such names, with other characters for what is not UTF-8.
    pub(crate) fn to_path(&self) -> PathBuf {
        path_of(self.as_bytes()).unwrap_or_else(|| String::from_utf8_lossy(self.as_bytes()).into_owned().into())
    }

    /// The path with forward slashes as one of this system; `None` where it would lead out of its folder.
    pub(crate) fn below(&self) -> Option<PathBuf> {
        let parts = self.as_bytes().split(|byte| *byte == b'/').map(|part| Self::of_bytes(part.to_vec()).to_path());
        let path: PathBuf = parts.collect();
        path.components().all(|part| matches!(part, path::Component::Normal(_))).then_some(path)
    }

    /// The path as text, what is not UTF-8 in it escaped.
    pub(crate) fn shown(&self) -> String {
        text_of_bytes(self.as_bytes())
    }
}

/// Whether Windows takes the name for a device, whatever its ending, or would drop the end of it.
pub(crate) fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    let is_port = |port: &str| {
        let number = stem.strip_prefix(port).map(str::chars);
        number.is_some_and(|mut rest| matches!((rest.next(), rest.next()), (Some('1'..='9' | '¹' | '²' | '³'), None)))
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str())
        || is_port("com")
        || is_port("lpt")
        || name.ends_with(['.', ' '])
}

/// The real path of the part that exists, and the rest behind it as typed.
fn resolved(path: &Path) -> PathBuf {
    if storage::is_url(path) {
        return path.into(); // no links lead anywhere there
    }
    let absolute = path::absolute(path).unwrap_or_else(|_| path.into());
    let existing = absolute.ancestors().find_map(|part| Some((part, fs::canonicalize(part).ok()?)));
    match existing {
        Some((part, real)) => real.join(absolute.strip_prefix(part).unwrap_or(Path::new(""))),
        None => absolute,
    }
}

/// A relative path as bytes with forward slashes on every system, names that are not UTF-8 kept as they are.
pub(crate) fn portable(relative: &Path) -> Vec<u8> {
    let parts: Vec<&[u8]> = relative.iter().map(OsStr::as_encoded_bytes).collect();
    parts.join(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_takes_for_something_else_are_known() {
        for name in
            ["CON.tfrecord", "nul", "aux.tar.tfrecord", "com1.tfrecord", "LPT9", "Dog.", "Dog ", "prn .tfrecord"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["console.tfrecord", "com.tfrecord", "com10.tfrecord", "com0", "a.con", ".tfrecord", "Dog"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
