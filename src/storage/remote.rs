//! What can be done with objects, each call complete when it returns.
//!
//! Requests are tried again with growing pauses, the rest of a half-read object, too; and each has an end, whatever the server
//! does. An object appears whole or not at all, as stores have it.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectMeta, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::connect::{Store, locate, patience};
use super::listing::has_any;
pub(crate) use super::listing::{below, has_objects, list, list_from, take_unusable};
use super::object::Object;
pub(crate) use super::prefetch::Prefetch;
pub(crate) use super::problem::is_transient;
use super::problem::problem;
use super::{Metadata, ReadSeek, is_writable};
use crate::util::failpoint::failpoint;
use crate::util::panics;

/// Threads that move bytes between sockets and memory.
const THREADS: usize = 2;
/// Bytes of an upload that go in one request, S3's least being 5 MiB; and how many such requests go at once.
const PART: u64 = 8 << 20;
const PARTS_UNDER_WAY: usize = 2;
/// The most parts that S3 takes.
const MOST_PARTS: u64 = 10_000;
/// How often an upload of parts is begun anew: one whose end was lost on the way cannot be asked how it went.
const UPLOADS: usize = 3;
/// Bytes a second that a connection is given time for.
const SLOWEST: u64 = 32 << 10;

/// Where the client's own tasks run.
pub(super) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
        let build =
            || Builder::new_multi_thread().worker_threads(THREADS).thread_name("petrec-store").enable_all().build();
        // It panics where the system has no thread to give.
        panics::catch(build).unwrap_or_else(|problem| Err(io::Error::other(problem)))
    });
    RUNTIME.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

/// Waits for a request that moves so many bytes, and not for ever.
pub(super) fn wait<T>(bytes: u64, request: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
    runtime()?.block_on(limited(bytes, request))
}

/// The same for those who wait elsewhere.
pub(super) async fn limited<T>(bytes: u64, request: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
    let limit = 2 * patience() + Duration::from_secs(bytes / SLOWEST);
    match tokio::time::timeout(limit, request).await {
        Ok(outcome) => outcome.map_err(|error| problem(&error)),
        Err(_) => Err(io::Error::new(
            ErrorKind::TimedOut,
            format!(
                "nothing came of it within {} s: check the network, then run the same command again",
                limit.as_secs()
            ),
        )),
    }
}

/// A URL's store, for writing.
fn locate_for_writing(url: &Path) -> io::Result<(Arc<Store>, Key)> {
    if !is_writable(url) {
        let words = "over http and https petrec reads only: name an s3://, gs:// or az:// URL or a folder";
        return Err(io::Error::new(ErrorKind::Unsupported, words));
    }
    locate(url)
}

pub(super) fn metadata(url: &Path) -> io::Result<Metadata> {
    let (store, key) = locate(url)?;
    let is_folder = match &store.pages {
        // A bucket without objects is one all the same.
        _ if key.as_ref().is_empty() => true,
        // Asked for first, because servers that keep objects in folders fail where an object is one.
        Some(pages) => wait(0, has_any(pages.as_ref(), &key))?,
        // A web server has a page for either, and only some can list: the slash is all that tells.
        None => url.as_os_str().as_encoded_bytes().ends_with(b"/"),
    };
    if is_folder { Ok(Metadata { is_folder, bytes: 0, modified: None }) } else { head(url) }
}

/// What is known of an object.
pub(crate) fn head(url: &Path) -> io::Result<Metadata> {
    let (store, key) = locate(url)?;
    Ok(metadata_of(&wait(0, store.objects.head(&key))?))
}

pub(super) fn open(url: &Path) -> io::Result<Box<dyn ReadSeek>> {
    let (store, key) = locate(url)?;
    let length = wait(0, store.objects.head(&key))?.size;
    Ok(Box::new(Object::new(store, key, length)))
}

pub(super) fn read(url: &Path) -> io::Result<Vec<u8>> {
    let (store, key) = locate(url)?;
    runtime()?.block_on(fetch(&store, &key, 0)).map(|(_, bytes)| bytes)
}

/// All of an object, which was once said to have so many bytes, and what the store says of it now.
pub(super) async fn fetch(store: &Store, key: &Key, bytes: u64) -> io::Result<(Metadata, Vec<u8>)> {
    let get = async || {
        let object = store.objects.get(key).await?;
        Ok((metadata_of(&object.meta), Vec::from(object.bytes().await?)))
    };
    let once = async || limited(bytes, get()).await;
    match once().await {
        // Some servers name no version, and without one the client does not go on in the middle.
        Err(error) if is_transient(&error) => once().await,
        outcome => outcome,
    }
}

/// So many bytes of an object from the byte `at` on.
pub(crate) fn read_piece(url: &Path, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let (store, key) = locate(url)?;
    read_range(&store, &key, at..at + length as u64)
}

/// A piece of an object.
pub(super) fn read_range(store: &Store, key: &Key, range: Range<u64>) -> io::Result<Vec<u8>> {
    let bytes = range.end - range.start;
    let once = || wait(bytes, async { Ok(Vec::from(store.objects.get_range(key, range.clone()).await?)) });
    match once() {
        Err(error) if is_transient(&error) => once(),
        outcome => outcome,
    }
}

/// Reads small objects, many at a time.
pub(crate) fn read_many(urls: &[PathBuf]) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let ahead = Prefetch::default();
    let url = |place: usize| urls.get(place).map(|url| (url.as_path(), Some(0)));
    (0..urls.len()).map(move |place| ahead.take(place, url).map(|(_, bytes)| bytes))
}

fn metadata_of(object: &ObjectMeta) -> Metadata {
    Metadata { is_folder: false, bytes: object.size, modified: modified(object) }
}

pub(super) fn modified(object: &ObjectMeta) -> Option<u64> {
    object.last_modified.timestamp_nanos_opt().and_then(|nanoseconds| u64::try_from(nanoseconds).ok())
}

/// Writes an object, in place of one of that name.
pub(crate) fn put(url: &Path, content: Vec<u8>) -> io::Result<()> {
    let (store, key) = locate_for_writing(url)?;
    failpoint();
    wait(content.len() as u64, store.objects.put(&key, content.into())).map(|_| ())
}

/// Writes an object unless there is one of that name, and tells whether it did.
pub(crate) fn put_new(url: &Path, content: Vec<u8>) -> io::Result<bool> {
    let (store, key) = locate_for_writing(url)?;
    let (bytes, payload) = (content.len() as u64, PutPayload::from(content));
    failpoint();
    match wait(bytes, store.objects.put_opts(&key, payload.clone(), PutOptions::from(PutMode::Create))) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        // A store that cannot say so in one request.
        Err(error) if error.kind() == ErrorKind::Unsupported => match wait(0, store.objects.head(&key)) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                wait(bytes, store.objects.put(&key, payload)).map(|_| true)
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Makes an object of a file unless there is one of that name, and tells whether it did. Of large files stores cannot say so in one request: of two that
/// come at the same moment the later stays.
pub(crate) fn upload_new(from: &Path, to: &Path) -> io::Result<bool> {
    if from.metadata()?.len() <= PART {
        return put_new(to, fs::read(from)?);
    }
    match head(to) {
        Err(error) if error.kind() == ErrorKind::NotFound => upload(from, to).map(|()| true),
        outcome => outcome.map(|_| false),
    }
}

/// Makes an object of a file, in place of one of that name; in parts where it is large.
pub(crate) fn upload(from: &Path, to: &Path) -> io::Result<()> {
    let length = from.metadata()?.len();
    if length <= PART {
        return put(to, fs::read(from)?);
    }
    let (store, key) = locate_for_writing(to)?;
    for _ in 1..UPLOADS {
        match upload_parts(&store, &key, from, length) {
            Err(error) if is_transient(&error) => {}
            outcome => return outcome,
        }
    }
    upload_parts(&store, &key, from, length)
}

fn upload_parts(store: &Store, key: &Key, from: &Path, length: u64) -> io::Result<()> {
    failpoint();
    let mut upload = wait(0, store.objects.put_multipart(key))?;
    let sent = send_parts(upload.as_mut(), File::open(from)?, length).and_then(|()| {
        failpoint();
        wait(0, upload.complete()).map(|_| ())
    });
    if sent.is_err() {
        // That the store keeps the parts is the lesser problem of the two.
        let _ = wait(0, upload.abort());
    }
    sent
}

fn send_parts(upload: &mut dyn MultipartUpload, mut file: File, length: u64) -> io::Result<()> {
    // All of one length but the last, which some stores ask for.
    let part = PART.max(length.div_ceil(MOST_PARTS));
    let mut under_way: VecDeque<JoinHandle<io::Result<()>>> = VecDeque::new();
    let runtime = runtime()?;
    let settle = |task: JoinHandle<io::Result<()>>| runtime.block_on(task).unwrap_or_else(|error| Err(error.into()));
    let mut left = length;
    while left > 0 {
        if under_way.len() == PARTS_UNDER_WAY
            && let Some(task) = under_way.pop_front()
        {
            settle(task)?;
        }
        let bytes = part.min(left);
        let mut content = Vec::new();
        (&mut file).take(bytes).read_to_end(&mut content)?;
        if content.len() as u64 != bytes {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        left -= bytes;
        failpoint();
        let sending = upload.put_part(content.into());
        under_way.push_back(runtime.spawn(limited(bytes, sending)));
    }
    under_way.into_iter().try_for_each(settle)
}

/// Removes an object; that it is not there is as good.
pub(crate) fn remove(url: &Path) -> io::Result<()> {
    let (store, key) = locate_for_writing(url)?;
    failpoint();
    match wait(0, store.objects.delete(&key)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
