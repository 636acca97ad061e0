//! Questions about paths that more than one stage asks.

use std::path::{Path, PathBuf};
use std::{fs, path};

/// Whether `inner` is `folder` or lies below it, links resolved; `inner` need not exist.
#[must_use]
pub(crate) fn contains(folder: &Path, inner: &Path) -> bool {
    resolved(inner).starts_with(resolved(folder))
}

/// The folder a path names its file in; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The real path of the part that exists, and the rest behind it as typed.
fn resolved(path: &Path) -> PathBuf {
    let absolute = path::absolute(path).unwrap_or_else(|_| path.into());
    let existing = absolute.ancestors().find_map(|part| Some((part, fs::canonicalize(part).ok()?)));
    match existing {
        Some((part, real)) => real.join(absolute.strip_prefix(part).unwrap_or(Path::new(""))),
        None => absolute,
    }
}
