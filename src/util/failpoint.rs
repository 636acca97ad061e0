//! Dying on purpose, for the test that does so at every step on the way to the disk.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, process};

/// `PETREC_CRASH_AT=3` ends the process at the third crash point, as a power cut would: nothing is tidied up.
static LEFT: LazyLock<Option<AtomicU64>> =
    LazyLock::new(|| env::var("PETREC_CRASH_AT").ok()?.parse().ok().map(AtomicU64::new));

/// Stands before every step that changes what is on disk: file made, synced, renamed, removed. A few per record file.
pub(crate) fn failpoint() {
    if let Some(left) = &*LEFT
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        process::abort();
    }
}
