//! Memory for pictures whose headers, or whose files, ask for much of it.
//!
//! A file of a few hundred bytes can be a picture of gigabytes, and TensorFlow decodes it. So do we, but such pictures
//! take turns, however many workers there are, and one that does not fit is rejected before the attempt would end the run.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Format, Reason, Rejection};

/// A decode that takes more bytes than this waits for its turn: a photo of 40 megapixels takes less.
const LARGE: u64 = 256 << 20;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

thread_local! {
    static HELD: RefCell<Held> = const { RefCell::new(Held { turns: 0, guard: None }) };
}

/// What this thread has.
struct Held {
    turns: usize,
    guard: Option<MutexGuard<'static, ()>>,
}

/// The work on one picture: what was waited for in it is kept to its end, so that the pixels of two large pictures are
/// never there at once. Turns of one thread can lie within each other.
#[derive(Debug)]
pub(super) struct Turn {
    _stays_on_its_thread: PhantomData<*const ()>,
}

impl Turn {
    pub(super) fn begin() -> Self {
        HELD.with_borrow_mut(|held| held.turns += 1);
        Self { _stays_on_its_thread: PhantomData }
    }

    /// Waits where `bytes` are many and this thread has not waited before.
    ///
    /// # Errors
    /// The system does not have them.
    pub(super) fn room(&self, bytes: u64, format: Format, size: Option<(usize, usize)>) -> Result<(), Rejection> {
        if bytes <= LARGE {
            return Ok(());
        }
        HELD.with_borrow_mut(|held| {
            // Whoever panicked in its turn left nothing behind: the lock guards no value.
            held.guard.get_or_insert_with(|| ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner));
        });
        let fits = usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
        if !fits {
            let detail = format!("it takes {:.1} GB of memory, which the system refuses", bytes as f64 / 1e9);
            return Err(Rejection::new(Reason::TooLarge, format, detail).with_size(size));
        }
        Ok(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| {
            held.turns -= 1;
            if held.turns == 0 {
                held.guard = None;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_picture_that_cannot_fit_is_rejected_and_the_next_one_gets_its_turn() {
        let refused = Turn::begin().room(1 << 62, Format::Png, Some((1 << 30, 1 << 30))).err();

        assert_eq!(refused.map(|rejection| rejection.reason), Some(Reason::TooLarge));
        assert!(Turn::begin().room(LARGE + 1, Format::Png, None).is_ok());
        assert!(Turn::begin().room(LARGE + 1, Format::Png, None).is_ok());
    }

    #[test]
    fn a_large_picture_waits_until_nobody_needs_the_one_before() {
        let outer = Turn::begin();
        Turn::begin().room(LARGE + 1, Format::Png, None).expect("the system has it");
        let (tell, told) = mpsc::channel();
        let other = thread::spawn(move || {
            Turn::begin().room(LARGE + 1, Format::Png, None).expect("the system has it");
            tell.send(()).expect("somebody listens");
        });

        assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "the other thread must wait");
        drop(outer);

        told.recv().expect("the other thread goes on");
        other.join().expect("and ends");
    }
}
