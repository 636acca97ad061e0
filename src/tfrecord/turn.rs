//! Large records take turns: a file of some megabytes can hold records of gigabytes, and there are many threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// A record of more bytes than this is read while no other such record is in memory; one of B7 has 500 kB.
pub(super) const LARGE: u64 = 64 << 20;

static IS_TAKEN: Mutex<bool> = Mutex::new(false);
static IS_FREE: Condvar = Condvar::new();

/// The right to have a large record in memory, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(());

impl Turn {
    /// Waits until nobody else has it. Whoever has it already would wait for ever.
    pub(super) fn wait() -> Self {
        let taken = IS_TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        *IS_FREE.wait_while(taken, |is_taken| *is_taken).unwrap_or_else(PoisonError::into_inner) = true;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *IS_TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        IS_FREE.notify_one();
    }
}
