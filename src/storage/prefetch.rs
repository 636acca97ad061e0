//! Objects on their way here before somebody asks for them: what hides the time that a store takes to answer.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinHandle;

use super::Metadata;
use super::connect::locate;
use super::remote::{fetch, runtime};

/// Objects that are on their way or waiting, and what they may have in bytes together; one larger than that travels alone.
const OBJECTS: usize = 32;
const BYTES: u64 = 64 << 20;

type Fetching = JoinHandle<io::Result<(Metadata, Vec<u8>)>>;

/// A row of objects that are taken one after the other, about in order, by any number of threads.
#[derive(Default)]
pub(crate) struct Prefetch(Mutex<State>);

#[derive(Default)]
struct State {
    /// The first place that nobody has asked the store for.
    next: usize,
    /// Bytes of those that were begun and not taken.
    bytes: u64,
    begun: BTreeMap<usize, (u64, io::Result<Fetching>)>,
}

impl Prefetch {
    /// Takes the object at `place` of the row, with what is known of it. `object` names each: `None` after the end, and no length for one
    /// that will not be taken.
    pub(crate) fn take<'p>(
        &self,
        place: usize,
        object: impl Fn(usize) -> Option<(&'p Path, Option<u64>)>,
    ) -> io::Result<(Metadata, Vec<u8>)> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((url, wanted)) = object(state.next) {
            let Some(bytes) = wanted else {
                state.next += 1;
                continue;
            };
            let has_room = state.begun.len() < OBJECTS && state.bytes + bytes <= BYTES;
            // What is asked for is never left waiting for room: whoever could make some may be the one who asks.
            if state.next > place && !has_room {
                break;
            }
            let fetching = locate(url)
                .and_then(|(store, key)| Ok(runtime()?.spawn(async move { fetch(&store, &key, bytes).await })));
            let next = state.next;
            state.begun.insert(next, (bytes, fetching));
            state.bytes += bytes;
            state.next += 1;
        }
        let Some((bytes, fetching)) = state.begun.remove(&place) else {
            return Err(io::Error::other("it was taken already"));
        };
        state.bytes -= bytes;
        drop(state);
        runtime()?.block_on(fetching?).unwrap_or_else(|error| Err(error.into()))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for fetching in self.begun.values().flat_map(|(_, fetching)| fetching) {
            fetching.abort();
        }
    }
}
