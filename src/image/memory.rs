//! Memory for pictures whose headers, or whose files, ask for much of it.
//!
//! A file of a few hundred bytes can be a picture of gigabytes, and TensorFlow decodes it. So do we, within what the
//! system has. Every decode asks for its memory before it takes any, and everything that workers hold at the same time
//! is counted: where it becomes too much, a worker waits until others are done. Large pictures are decoded one at a time.
//! A picture is rejected for its memory only when it does not fit alone, so that the verdict depends on the system and
//! not on what other workers do at that moment.

use std::cell::Cell;
use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::system::System;
use super::{Format, Reason, Rejection};

/// A picture that takes more bytes than this is decoded alone: a photo of 40 megapixels takes less.
const LARGE: u64 = 256 << 20;

/// As long as all workers together hold less than this, the system is not asked whether it has it: whoever cannot have
/// that much cannot run a network either.
const UNASKED: u64 = 64 << 20;

/// What has to be free beside the pictures: records that wait to be written, and the allocator's own losses.
const SLACK: u64 = 32 << 20;

/// The memory that decoding shares. There is one for the process, and more in tests.
struct Memory {
    usage: Mutex<Usage>,
    /// Signalled when memory becomes free, and when one who holds some begins to wait.
    changed: Condvar,
}

/// What all threads have together.
struct Usage {
    bytes: u64,
    /// Threads that hold anything.
    holders: usize,
    /// Holders that ask for more, and have not got it yet.
    waiting: usize,
    /// Whether a large picture is under way.
    is_large_taken: bool,
}

/// What one thread has.
#[derive(Clone, Copy, Default)]
struct Held {
    turns: usize,
    bytes: u64,
    is_large: bool,
    /// How long it waited for them.
    waited: Duration,
}

static MEMORY: Memory = Memory {
    usage: Mutex::new(Usage { bytes: 0, holders: 0, waiting: 0, is_large_taken: false }),
    changed: Condvar::new(),
};

thread_local! {
    static HELD: Cell<Held> = const { Cell::new(Held { turns: 0, bytes: 0, is_large: false, waited: Duration::ZERO }) };
}

/// What one request comes to.
enum Answer {
    Granted,
    Wait,
    Refused,
}

/// The work on one picture: what it was granted stays counted to its end. Turns of one thread can be nested.
#[derive(Debug)]
pub(super) struct Turn {
    _stays_on_its_thread: PhantomData<*const ()>,
}

impl Turn {
    pub(super) fn begin() -> Self {
        HELD.with(|held| held.set(Held { turns: held.get().turns + 1, ..held.get() }));
        Self { _stays_on_its_thread: PhantomData }
    }

    /// Asks for `bytes` more, before they are allocated. Waits while other workers hold too much.
    ///
    /// # Errors
    /// The system does not have them.
    pub(super) fn room(&self, bytes: u64, format: Format, size: Option<(usize, usize)>) -> Result<(), Rejection> {
        let held = HELD.get();
        match MEMORY.take(held, bytes, System::get()) {
            Some(taken) => {
                HELD.set(taken);
                Ok(())
            }
            None => Err(refusal(held.bytes.saturating_add(bytes), format, size)),
        }
    }
}

/// How long this thread's picture has waited for others.
pub(super) fn waited() -> Duration {
    HELD.get().waited
}

/// The rejection of a file or picture that takes more memory than there is.
pub(super) fn refusal(bytes: u64, format: Format, size: Option<(usize, usize)>) -> Rejection {
    let detail = format!("it takes {:.1} GB of memory, which the system refuses", bytes as f64 / 1e9);
    Rejection::new(Reason::TooLarge, format, detail).with_size(size)
}

impl Drop for Turn {
    fn drop(&mut self) {
        let held = HELD.get();
        let turns = held.turns.saturating_sub(1);
        if turns > 0 {
            HELD.set(Held { turns, ..held });
            return;
        }
        HELD.set(Held::default());
        MEMORY.give_back(held);
    }
}

impl Memory {
    /// No code that can panic runs under the lock, so a poisoned one still holds sound values.
    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `bytes` to what a thread has, as soon as there is room; `None` where there never will be.
    fn take(&self, held: Held, bytes: u64, system: &System) -> Option<Held> {
        let mut usage = self.lock();
        let is_holder = held.bytes > 0;
        usage.waiting += usize::from(is_holder);
        let mut has_told = false;
        let mut waited = held.waited;
        let answer = loop {
            match usage.answer(held, bytes, system) {
                Answer::Wait => {}
                answer => break answer,
            }
            if !has_told {
                has_told = true;
                // Another holder may be the only one that does not wait, or was until now.
                self.changed.notify_all();
            }
            let since = Instant::now();
            usage = self.changed.wait(usage).unwrap_or_else(PoisonError::into_inner);
            waited += since.elapsed();
        };
        usage.waiting -= usize::from(is_holder);
        if let Answer::Refused = answer {
            return None;
        }
        let total = held.bytes.saturating_add(bytes);
        let is_large = held.is_large || total > LARGE;
        usage.holders += usize::from(!is_holder && total > 0);
        usage.bytes = usage.bytes.saturating_add(bytes);
        usage.is_large_taken |= is_large;
        Some(Held { bytes: total, is_large, waited, ..held })
    }

    /// Takes back all that a thread has.
    fn give_back(&self, held: Held) {
        if held.bytes == 0 {
            return;
        }
        let mut usage = self.lock();
        usage.bytes = usage.bytes.saturating_sub(held.bytes);
        usage.holders = usage.holders.saturating_sub(1);
        usage.is_large_taken &= !held.is_large;
        self.changed.notify_all();
    }
}

impl Usage {
    /// Whether a thread that holds `held` gets `bytes` more.
    fn answer(&self, held: Held, bytes: u64, system: &System) -> Answer {
        let total = held.bytes.saturating_add(bytes);
        if total > system.memory {
            return Answer::Refused;
        }
        let others = self.bytes.saturating_sub(held.bytes);
        let all = self.bytes.saturating_add(bytes);
        if total > LARGE && !held.is_large && self.is_large_taken {
            return Answer::Wait;
        }
        if all <= UNASKED {
            return Answer::Granted;
        }
        // Not all that was granted is allocated yet: the system must have all of it at once.
        if all <= system.share && has(all.saturating_add(SLACK)) {
            return Answer::Granted;
        }
        let do_others_wait = held.bytes > 0 && self.waiting == self.holders;
        if others > 0 && !do_others_wait {
            return Answer::Wait;
        }
        if has(bytes.saturating_add(SLACK)) { Answer::Granted } else { Answer::Refused }
    }
}

/// Whether the system has that much memory now.
fn has(bytes: u64) -> bool {
    let mut buffer = Vec::<u8>::new();
    let is_there = usize::try_from(bytes).is_ok_and(|bytes| buffer.try_reserve_exact(bytes).is_ok());
    // Without this the compiler leaves out an allocation that nothing is written to.
    black_box(&mut buffer);
    is_there
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn memory() -> Memory {
        let usage = Usage { bytes: 0, holders: 0, waiting: 0, is_large_taken: false };
        Memory { usage: Mutex::new(usage), changed: Condvar::new() }
    }

    fn system(memory: u64, share: u64) -> System {
        System { memory: memory * MIB, share: share * MIB }
    }

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

    #[test]
    fn a_picture_is_refused_only_when_it_does_not_fit_alone() {
        let (memory, system) = (memory(), system(300, 100));

        let one = memory.take(Held::default(), 200 * MIB, &system).expect("more than a share, but alone");

        assert!(memory.take(Held::default(), 301 * MIB, &system).is_none(), "more than there is");
        memory.give_back(one);
        assert!(memory.take(Held::default(), 300 * MIB, &system).is_some());
    }

    #[test]
    fn what_all_workers_hold_stays_within_the_share_and_nobody_waits_for_ever() {
        let (memory, system) = (memory(), system(4096, 100));
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let (file, picture) = (30 * MIB, 60 * MIB);

        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let mut held = Held::default();
                        for bytes in [file, picture] {
                            held = memory.take(held, bytes, &system).expect("the system has it");
                            most.fetch_max(now.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                            thread::yield_now();
                        }
                        now.fetch_sub(held.bytes, Ordering::SeqCst);
                        memory.give_back(held);
                    }
                });
            }
        });

        // Three files can be in when all three need more: then one of them may go on beyond the share.
        let most = most.into_inner();
        assert!(most <= 3 * file + picture, "{} MiB at once", most / MIB);
        let usage = memory.lock();
        assert_eq!((usage.bytes, usage.holders, usage.waiting, usage.is_large_taken), (0, 0, 0, false));
    }
}
