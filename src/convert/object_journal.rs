//! The journal of a conversion whose records go to an object store: an object for what is converted, and one for each record
//! file, all below a common name; those of a worker below a name of its own.
//!
//! Nothing there can be locked, appended to or renamed. So every object is written once and whole, an entry before its record
//! file, and what is converted before the first entry, unless somebody was faster. Two processes that do the same write the same,
//! and if they do not, an entry is found out by the record file, as always. All of it goes when the manifest is there. Where there
//! is a plan, that says what is converted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::content::{names, names_from};
use super::head::Head;
use super::journal::{self, Earlier, Entry};
use super::output_error::OutputError;
use crate::manifest::{JOURNAL_NAME, WorkerId};
use crate::storage;

/// Name of the object that says what is converted, below [`JOURNAL_NAME`].
const HEAD_NAME: &str = "head";

/// The journal of one process.
pub(super) struct ObjectJournal {
    out: PathBuf,
    /// Where its entries go.
    folder: PathBuf,
    head: Mutex<State>,
}

/// How far the object that says what is converted has come.
enum State {
    /// Nobody knows yet what is converted.
    Unknown,
    /// It is to be written before the first entry.
    Pending { content: Vec<u8>, identity: String },
    /// It is there, with this SHA-256 of its record.
    There(String),
}

impl ObjectJournal {
    /// The journal of whoever has `out` for himself, or of a worker. Asks the store for nothing.
    pub(super) fn new(out: &Path, share: Option<WorkerId>) -> Self {
        let folder = out.join(share.map_or_else(|| JOURNAL_NAME.to_owned(), WorkerId::journal));
        Self { out: out.into(), folder, head: Mutex::new(State::Unknown) }
    }

    /// The same of one who goes by the plan with this digest.
    pub(super) fn by_plan(out: &Path, share: Option<WorkerId>, digest: &str) -> Self {
        Self { head: Mutex::new(State::There(digest.to_owned())), ..Self::new(out, share) }
    }

    /// What all journals in `out` say of those record files that are `wanted`, by their places in the plan; `None` where it is not
    /// known what was converted.
    pub(super) fn earlier(&self, wanted: impl Fn(usize) -> bool) -> Result<Option<Earlier<Head>>, OutputError> {
        let path = self.head_path();
        let content = match storage::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(reason) => return Err(OutputError::Unreachable { path, reason }),
        };
        let Some(mut earlier) = journal::read::<Head>(&path, &content[..])? else {
            return Err(OutputError::Foreign(path));
        };
        let Earlier { digest, entries, .. } = &mut earlier;
        visit(&folders_in(&self.out)?, wanted, |path, of_file| {
            let of_file = of_file?;
            if of_file.head != *digest {
                return Err(OutputError::Foreign(path.into()));
            }
            entries.extend(of_file.entries);
            Ok(())
        })?;
        if !earlier.entries.is_empty() {
            *self.state() = State::There(earlier.digest.clone());
        }
        Ok(Some(earlier))
    }

    /// Says what is converted. It is written when there is the first entry to write, and now, if there are `entries`.
    pub(super) fn begin(&self, head: &Head, entries: &[Entry]) -> io::Result<()> {
        let content = journal::without_entries(head)?;
        *self.state() = State::Pending { content, identity: identity(head)? };
        entries.iter().try_for_each(|entry| self.append(entry))
    }

    /// Adds an entry, which is there when this returns.
    pub(super) fn append(&self, entry: &Entry) -> io::Result<()> {
        let content = journal::of_one_entry(&self.ensure_head()?, entry)?;
        // By its content, too: two entries of one record file that differ are both kept, and the record file decides.
        let name = format!("{:08}-{}", entry.index, &crate::text::hex(&Sha256::digest(&content))[..16]);
        storage::put(&self.folder.join(name), content)
    }

    /// Writes what is converted unless it is there, and tells the SHA-256 of its record.
    fn ensure_head(&self) -> io::Result<String> {
        let mut state = self.state();
        let (content, identity) = match &*state {
            State::There(digest) => return Ok(digest.clone()),
            State::Pending { content, identity } => (content, identity),
            State::Unknown => return Err(io::Error::other("nothing was begun")),
        };
        let path = self.head_path();
        let found = if storage::put_new(&path, content.clone())? { None } else { Some(storage::read(&path)?) };
        let parse = |content: &[u8]| journal::read::<Head>(&path, content).ok().flatten();
        let there = match found.as_deref().and_then(parse) {
            Some(there) if self::identity(&there.head)? == *identity => Some(there.digest),
            // A run that was killed before its first entry, of something else or of another version.
            _ if found.is_some() && !is_something_done(&self.out).map_err(io::Error::other)? => {
                storage::put(&path, content.clone())?;
                None
            }
            _ if found.is_some() => {
                return Err(io::Error::other("another conversion was begun there meanwhile: name another folder"));
            }
            _ => None,
        };
        let own = || parse(content).map(|own| own.digest).ok_or_else(|| io::Error::other("no journal came of it"));
        let digest = there.map_or_else(own, Ok)?;
        *state = State::There(digest.clone());
        Ok(digest)
    }

    fn head_path(&self) -> PathBuf {
        self.out.join(JOURNAL_NAME).join(HEAD_NAME)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What must be the same for two runs to share a journal. The data set's folder as it was typed need not be.
fn identity(head: &Head) -> io::Result<String> {
    Ok(crate::text::hex(&Sha256::digest(serde_json::to_vec(&(head.plan(), &head.images))?)))
}

/// The place in the plan that an entry of this name is of; none is that of the head.
fn place_of(path: &Path) -> Option<usize> {
    path.file_name()?.to_str()?.split_once('-')?.0.parse().ok()
}

/// Whether there is an entry in any journal in `out`.
pub(super) fn is_something_done(out: &Path) -> Result<bool, OutputError> {
    Ok(!all_in(&folders_in(out)?)?.is_empty())
}

/// The folders of all journals in `out`.
pub(super) fn folders_in(out: &Path) -> Result<Vec<PathBuf>, OutputError> {
    let mut names = names_from(out, JOURNAL_NAME)?;
    names.retain(|name| name == JOURNAL_NAME || WorkerId::of_journal(name).is_some());
    Ok(names.into_iter().map(|name| out.join(name)).collect())
}

/// The objects of these journals but the head, in order.
fn all_in(folders: &[PathBuf]) -> Result<Vec<PathBuf>, OutputError> {
    let mut found = Vec::new();
    for folder in folders {
        let mut names = names(folder)?;
        names.sort();
        found.extend(names.into_iter().map(|name| folder.join(name)).filter(|path| place_of(path).is_some()));
    }
    Ok(found)
}

/// Tells what the journals in `folders` say of those record files that are `wanted`, by their places in the plan, each with what
/// it says of what is converted, and where it lies.
pub(super) fn visit(
    folders: &[PathBuf],
    wanted: impl Fn(usize) -> bool,
    mut each: impl FnMut(&Path, Result<Earlier<String>, OutputError>) -> Result<(), OutputError>,
) -> Result<(), OutputError> {
    let mut paths = all_in(folders)?;
    paths.retain(|path| place_of(path).is_some_and(&wanted));
    for (path, content) in paths.iter().zip(storage::read_many(&paths)) {
        let content = match content {
            Ok(content) => content,
            // Whoever removes them has written the manifest.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(reason) => return Err(OutputError::Unreachable { path: path.clone(), reason }),
        };
        let of_file = journal::read::<String>(path, &content[..]);
        each(path, of_file.and_then(|of_file| of_file.ok_or_else(|| OutputError::Foreign(path.clone()))))?;
    }
    Ok(())
}

/// Removes all journals in `out`: the head last, because entries without it say nothing.
pub(super) fn remove_all(out: &Path) -> Result<(), OutputError> {
    let mut paths = all_in(&folders_in(out)?)?;
    paths.push(out.join(JOURNAL_NAME).join(HEAD_NAME));
    paths.iter().try_for_each(|path| storage::remove(path).map_err(OutputError::write(path)))
}
