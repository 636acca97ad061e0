//! Pictures of many workers become batches of one size, on one thread that owns the device.
//!
//! Each worker brings a picture and waits for its feature. While a batch is computed the next one is made up, uploaded and
//! queued behind it, so that the device need not wait for anybody.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::debug;

use crate::util::panics;

/// How long a picture waits for others to fill its batch. Workers that are still decoding bring the next one sooner; they
/// come this late only where they are slower than the device, which then has time for a batch that is not full.
const PATIENCE: Duration = Duration::from_millis(100);

/// A network on a device, with room for a fixed number of pictures.
pub(super) trait Runner {
    /// A batch under way.
    type Running;

    /// Uploads the pictures, one after the other, and sets the device to work on them. Does not wait for it.
    fn start(&mut self, pictures: Vec<f32>) -> Result<Self::Running, String>;

    /// Waits for the features, one after the other.
    fn finish(&mut self, running: Self::Running) -> Result<Vec<f32>, String>;
}

/// Of what size things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Pictures in a batch.
    pub(super) batch: usize,
    /// Values of a picture.
    pub(super) picture: usize,
    /// Values of a feature.
    pub(super) feature: usize,
}

/// A picture, and where its feature goes.
struct Request {
    picture: Vec<f32>,
    /// Whether its worker goes on when it has this feature.
    is_last: bool,
    since: Instant,
    reply: mpsc::Sender<Result<Vec<f32>, String>>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Request>,
    /// How many [`Client`]s there are.
    clients: usize,
    /// How many of them wait for features.
    waiting: usize,
    /// Why the device does not work any more.
    failure: Option<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    /// No code that can panic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pictures of the next batch. While one is `under_way` only a full batch counts, and this does not wait.
    ///
    /// `None` when nobody is left who could bring another.
    fn next(&self, size: usize, under_way: bool) -> Option<Vec<Request>> {
        let mut state = self.lock();
        loop {
            if state.queue.len() >= size {
                return Some(state.queue.drain(..size).collect());
            }
            if under_way {
                return Some(Vec::new());
            }
            let Some(first) = state.queue.front() else {
                if state.clients == 0 {
                    return None;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = first.since.elapsed();
            if state.waiting == state.clients || waited >= PATIENCE {
                return Some(state.queue.drain(..).collect());
            }
            let patience = self.changed.wait_timeout(state, PATIENCE - waited);
            state = patience.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Hands out the features of a batch.
    fn reply(&self, requests: Vec<Request>, features: &[f32], feature: usize) {
        // Counted before they wake up: whoever has its feature will bring another picture, and is to be waited for.
        self.lock().waiting -= requests.iter().filter(|request| request.is_last).count();
        for (request, feature) in requests.into_iter().zip(features.chunks_exact(feature)) {
            let _ = request.reply.send(Ok(feature.to_vec())); // whoever has gone does not want it
        }
    }

    /// Tells everybody who waits, and everybody who will, that the device is of no use any more.
    fn fail(&self, requests: Vec<Request>, problem: &str) {
        debug!(problem, "the device failed");
        let mut state = self.lock();
        state.failure = Some(problem.to_owned());
        for request in requests.into_iter().chain(state.queue.drain(..)) {
            let _ = request.reply.send(Err(problem.to_owned())); // whoever has gone does not want to know
        }
    }
}

/// One worker's access to the device.
pub(super) struct Client {
    shared: Arc<Shared>,
}

impl Client {
    /// Starts the thread; `open` makes the network there.
    ///
    /// # Errors
    /// What `open` says, or what it panicked with.
    pub(super) fn start<R: Runner>(
        sizes: Sizes,
        open: impl FnOnce() -> Result<R, String> + Send + 'static,
    ) -> Result<Self, String> {
        let shared = Arc::new(Shared::default());
        shared.lock().clients = 1;
        let (opened, is_open) = mpsc::channel();
        let its = Arc::clone(&shared);
        let thread = thread::Builder::new().name("gpu".into()).spawn(move || {
            let network = panics::catch(open).and_then(|network| network);
            let (result, network) = match network {
                Ok(network) => (Ok(()), Some(network)),
                Err(problem) => (Err(problem), None),
            };
            let _ = opened.send(result); // somebody waits for it below
            if let Some(network) = network {
                run(&its, sizes, network);
            }
        });
        let thread = thread.map_err(|error| error.to_string())?;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        is_open.recv().unwrap_or_else(|_| Err("its thread ended".into()))?;
        Ok(Self { shared })
    }

    /// The features of these pictures, each with those of whoever asks at the same time.
    pub(super) fn extract<'a>(&mut self, pictures: impl Iterator<Item = &'a [f32]>) -> Result<Vec<f32>, String> {
        let mut pictures = pictures.peekable();
        if pictures.peek().is_none() {
            return Ok(Vec::new());
        }
        let replies = {
            let mut state = self.shared.lock();
            if let Some(problem) = &state.failure {
                return Err(problem.clone());
            }
            state.waiting += 1;
            let mut replies = Vec::new();
            while let Some(picture) = pictures.next() {
                let (reply, feature) = mpsc::channel();
                let (picture, is_last) = (picture.to_vec(), pictures.peek().is_none());
                state.queue.push_back(Request { picture, is_last, since: Instant::now(), reply });
                replies.push(feature);
            }
            replies
        };
        self.shared.changed.notify_all();
        let features: Result<Vec<_>, _> =
            replies.into_iter().map(|reply| reply.recv().unwrap_or_else(|_| Err("its thread ended".into()))).collect();
        Ok(features?.concat())
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        self.shared.lock().clients += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.clients -= 1;
        let is_last = state.clients == 0;
        drop(state);
        self.shared.changed.notify_all();
        if is_last {
            // A driver may not take it well when the process ends while its device is being closed.
            let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            let _ = thread.map(JoinHandle::join);
        }
    }
}

/// What the device's thread does.
fn run<R: Runner>(shared: &Shared, sizes: Sizes, mut network: R) {
    let mut under_way: Option<(Vec<Request>, R::Running)> = None;
    while let Some(mut requests) = shared.next(sizes.batch, under_way.is_some()) {
        let next = if requests.is_empty() {
            None
        } else {
            let mut pictures = Vec::with_capacity(sizes.batch * sizes.picture);
            requests.iter_mut().for_each(|request| pictures.append(&mut request.picture));
            // Another size would be another set of kernels to compile.
            pictures.resize(sizes.batch * sizes.picture, 0.0);
            match panics::catch(|| network.start(pictures)).and_then(|running| running) {
                Ok(running) => Some((requests, running)),
                Err(problem) => return shared.fail(both(requests, under_way.take()), &problem),
            }
        };
        if let Some((requests, running)) = under_way.take() {
            match panics::catch(|| network.finish(running)).and_then(|features| features) {
                Ok(features) => shared.reply(requests, &features, sizes.feature),
                Err(problem) => return shared.fail(both(requests, next), &problem),
            }
        }
        under_way = next;
    }
}

/// The requests of two batches that come to nothing.
fn both<T>(mut requests: Vec<Request>, other: Option<(Vec<Request>, T)>) -> Vec<Request> {
    requests.extend(other.into_iter().flat_map(|(requests, _)| requests));
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { batch: 4, picture: 2, feature: 1 };

    /// Adds the two values of each picture, and notes what it was given.
    struct Sums {
        batches: mpsc::Sender<Vec<f32>>,
        fails_at: f32,
    }

    impl Runner for Sums {
        type Running = Vec<f32>;

        fn start(&mut self, pictures: Vec<f32>) -> Result<Vec<f32>, String> {
            self.batches.send(pictures.clone()).map_err(|error| error.to_string())?;
            Ok(pictures)
        }

        fn finish(&mut self, pictures: Vec<f32>) -> Result<Vec<f32>, String> {
            assert!(!pictures.contains(&self.fails_at), "lost on purpose");
            Ok(pictures.chunks(2).map(|pair| pair[0] + pair[1]).collect())
        }
    }

    fn start(fails_at: f32) -> (Client, mpsc::Receiver<Vec<f32>>) {
        let (batches, seen) = mpsc::channel();
        (Client::start(SIZES, move || Ok(Sums { batches, fails_at })).expect("it opens"), seen)
    }

    #[test]
    fn every_worker_gets_the_features_of_its_own_pictures() {
        let (client, seen) = start(f32::NAN);

        thread::scope(|scope| {
            for worker in 0..11u8 {
                let mut client = client.clone();
                scope.spawn(move || {
                    for round in 0..50u8 {
                        let picture = [f32::from(worker), f32::from(round)];
                        let features = client.extract([picture.as_slice()].into_iter()).expect("a feature");
                        assert_eq!(features, [picture[0] + picture[1]]);
                    }
                });
            }
        });
        drop(client);

        let batches: Vec<_> = seen.iter().collect();
        assert!(batches.iter().all(|batch| batch.len() == SIZES.batch * SIZES.picture), "one size for all batches");
    }

    #[test]
    fn the_last_batch_is_padded_and_more_pictures_than_a_batch_are_several() {
        let (mut client, seen) = start(f32::NAN);
        let pictures: Vec<f32> = (0..12u8).map(f32::from).collect();

        let features = client.extract(pictures.chunks(2)).expect("features");

        assert_eq!(features, [1.0, 5.0, 9.0, 13.0, 17.0, 21.0]);
        drop(client);
        let last = seen.iter().last().expect("a batch");
        assert_eq!(last, [8.0, 9.0, 10.0, 11.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_picture_does_not_wait_for_workers_that_bring_none() {
        let (mut client, _seen) = start(f32::NAN);
        let idle = client.clone();

        let features = client.extract([[1.0, 2.0].as_slice()].into_iter());

        assert_eq!(features, Ok(vec![3.0]));
        drop(idle);
    }

    #[test]
    fn a_lost_device_is_told_to_everybody_once_and_for_all() {
        let (mut client, _seen) = start(-1.0);
        let mut other = client.clone();

        let first = client.extract([[1.0, 2.0].as_slice()].into_iter());
        let lost = client.extract([[-1.0, 2.0].as_slice()].into_iter());
        let after = other.extract([[1.0, 2.0].as_slice()].into_iter());

        assert_eq!(first, Ok(vec![3.0]));
        assert_eq!(lost, Err("lost on purpose".into()));
        assert_eq!(after, Err("lost on purpose".into()));
    }

    #[test]
    fn a_device_that_cannot_be_opened_says_why() {
        let refused = |open: fn() -> Result<Sums, String>| Client::start(SIZES, open).err();

        assert_eq!(refused(|| Err("no".into())), Some("no".into()));
        assert_eq!(refused(|| panic!("not at all")), Some("not at all".into()));
    }
}
