//! The data beside the repository, which is too large or not ours to commit.

use std::path::{Path, PathBuf};

/// A path below `../shared`; says so when it is not there.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if !found.exists() {
        eprintln!("skipped: ../shared is not here ({path})");
    }
    found.exists().then_some(found)
}
