//! Where the tests' data lies.

use std::path::{Path, PathBuf};

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The good photos of `examples/photos`, in the order of the fixtures' rows.
pub(crate) fn photos() -> Vec<String> {
    let list = std::fs::read_to_string(repository("tests/fixtures/photos.txt")).expect("the list of photos");
    list.lines().map(str::to_owned).collect()
}
