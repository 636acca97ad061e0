//! Ctrl-C and the system's wish that we end: the first is a request, the second an order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The exit code of a run that was interrupted: 128 and the number of SIGINT, as shells have it.
pub(super) const EXIT_CODE: u8 = 130;

/// A signal came when the last record file was in hand already.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; all record files are there, and the same command goes on from there")]
pub(super) struct InterruptedAtTheEnd;

/// Whether somebody wants the run to end.
pub(super) struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on the first signal is noted here, and the second ends the process at once.
    pub(super) fn listen() -> io::Result<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag still down.
            flag::register_conditional_shutdown(signal, EXIT_CODE.into(), Arc::clone(&requested))?;
            flag::register(signal, Arc::clone(&requested))?;
        }
        Ok(Self { requested })
    }

    pub(super) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// From now on the next signal ends the process at once; nothing is left that a request could wait for.
    ///
    /// # Errors
    /// One came before.
    pub(super) fn obey_at_once(self) -> Result<(), InterruptedAtTheEnd> {
        if self.requested.swap(true, Ordering::SeqCst) { Err(InterruptedAtTheEnd) } else { Ok(()) }
    }
}
