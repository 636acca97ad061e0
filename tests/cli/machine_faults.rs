//! Faults of the machine: never a verdict on a photo, never a panic, and one line that says what failed.

use std::fs;

use super::{convert_photos, temporary};

#[cfg(unix)]
#[test]
fn a_failed_read_is_not_called_a_failed_write() {
    let out = temporary();
    // A folder can be opened for reading and not be read.
    fs::create_dir(out.path().join(".petrec-journal")).expect("made");
    let too_long = out.path().join("n".repeat(300));

    let journal = convert_photos(out.path(), &["--dry-run"]);
    let folder = convert_photos(&too_long, &["--dry-run"]);

    for run in [journal, folder] {
        assert!(!run.stderr.contains("half-written"), "{}", run.stderr);
        run.refused(1, &["cannot be read: ", "(os error ", "hint: "]);
    }
}
