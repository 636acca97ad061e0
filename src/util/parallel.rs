//! Work on all cores, results in order.
//!
//! Every stage of petrec that touches pictures runs through [`ordered`]: workers take the next item as soon as they are
//! free, the caller sees the results in the items' order, and memory is bounded because nobody runs more than a fixed
//! window ahead of the slowest item. What the caller writes is therefore the same for any number of threads.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tracing::warn;

/// How many items per worker may be finished or under way before the first of them is consumed.
const WINDOW_PER_WORKER: usize = 4;

/// The number of workers that keeps this machine busy: its cores, or the share that a container's quota leaves.
#[must_use]
pub fn available_threads() -> NonZero<usize> {
    thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Runs `work` on the items `0..count`, one thread per state in `states`, and hands the results to `consume` on the
/// calling thread in the order of the items. Where the system has fewer threads to give, those do it all; where it has none,
/// the calling thread does.
///
/// # Errors
/// The first error of `consume` ends the run: no further item is begun, and the error is returned.
///
/// # Panics
/// A panic of `work` or `consume` ends the run and is passed on.
pub fn ordered<S, R, E>(
    count: usize,
    states: Vec<S>,
    work: impl Fn(&mut S, usize) -> R + Sync,
    mut consume: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    S: Send,
    R: Send,
{
    let queue = Queue {
        window: WINDOW_PER_WORKER * states.len(),
        count,
        progress: Mutex::default(),
        finished: Condvar::new(),
        room: Condvar::new(),
    };
    let wanted = states.len();
    // Each thread takes one when it begins, so that none is lost with a thread that does not.
    let states = Mutex::new(states);
    let next_state = || states.lock().unwrap_or_else(PoisonError::into_inner).pop();
    thread::scope(|scope| {
        let _stop_however_this_ends = Stop(&queue);
        let (queue, work, next_state) = (&queue, &work, &next_state);
        let begun = (0..wanted).map_while(|_| {
            let run = move || {
                let Some(mut state) = next_state() else { return };
                // Only a panic of `work` may end the run from here.
                let stop_if_work_panics = Stop(queue);
                while let Some(item) = queue.claim() {
                    let result = work(&mut state, item);
                    queue.finish(item, result);
                }
                std::mem::forget(stop_if_work_panics);
            };
            thread::Builder::new().spawn_scoped(scope, run).inspect_err(|error| warn!(%error, "no further thread")).ok()
        });
        let begun = begun.count();
        match if begun == 0 { next_state() } else { None } {
            Some(mut state) => (0..count).try_for_each(|item| consume(work(&mut state, item))),
            None => std::iter::from_fn(|| queue.next()).try_for_each(&mut consume),
        }
    })
}

struct Queue<R> {
    window: usize,
    count: usize,
    progress: Mutex<Progress<R>>,
    /// Signalled when a result has come in, or none will.
    finished: Condvar,
    /// Signalled when the window has moved on, or the run is over.
    room: Condvar,
}

struct Progress<R> {
    claimed: usize,
    consumed: usize,
    waiting: BTreeMap<usize, R>,
    stopped: bool,
}

impl<R> Default for Progress<R> {
    fn default() -> Self {
        Self { claimed: 0, consumed: 0, waiting: BTreeMap::new(), stopped: false }
    }
}

impl<R> Queue<R> {
    /// No code that can panic runs under the lock, so a poisoned one still holds sound values.
    fn lock(&self) -> MutexGuard<'_, Progress<R>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self) -> Option<usize> {
        let full = |p: &mut Progress<R>| !p.stopped && p.claimed < self.count && p.claimed >= p.consumed + self.window;
        let mut progress = self.room.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        if progress.stopped || progress.claimed == self.count {
            return None;
        }
        progress.claimed += 1;
        Some(progress.claimed - 1)
    }

    fn finish(&self, item: usize, result: R) {
        self.lock().waiting.insert(item, result);
        self.finished.notify_one();
    }

    fn next(&self) -> Option<R> {
        let mut progress = self.lock();
        loop {
            if progress.stopped || progress.consumed == self.count {
                return None;
            }
            let item = progress.consumed;
            if let Some(result) = progress.waiting.remove(&item) {
                progress.consumed += 1;
                self.room.notify_all();
                return Some(result);
            }
            progress = self.finished.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.room.notify_all();
        self.finished.notify_all();
    }
}

/// Ends the run when it goes out of scope, in a panic too: the scope waits for its threads, and they would wait for ever.
struct Stop<'a, R>(&'a Queue<R>);

impl<R> Drop for Stop<'_, R> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(threads: usize, count: usize) -> Vec<usize> {
        let mut seen = Vec::new();
        let work = |_: &mut (), item: usize| {
            thread::sleep(Duration::from_micros(((item * 7919) % 13) as u64 * 20));
            item
        };
        ordered(count, vec![(); threads], work, |item| {
            seen.push(item);
            Ok::<_, ()>(())
        })
        .expect("consume never fails");
        seen
    }

    #[test]
    fn results_arrive_in_order_for_any_number_of_threads() {
        for threads in [1, 2, 7] {
            assert_eq!(run(threads, 200), (0..200).collect::<Vec<_>>());
        }
        assert_eq!(run(3, 0), Vec::<usize>::new());
    }

    #[test]
    fn the_first_error_ends_the_run() {
        let result =
            ordered(1_000_000, vec![(); 2], |(), item| item, |item| if item == 5 { Err(item) } else { Ok(()) });

        assert_eq!(result, Err(5));
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_of_the_consumer_does_not_hang() {
        let _ = ordered(
            1_000_000,
            vec![(); 2],
            |(), item| item,
            |item| {
                assert!(item != 3, "on purpose");
                Ok::<_, ()>(())
            },
        );
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_of_the_work_does_not_hang() {
        let work = |(): &mut (), item: usize| assert!(item != 3, "on purpose");
        let _ = ordered(100, vec![(); 2], work, |()| Ok::<_, ()>(()));
    }
}
