//! The folder that records go to, and its lock: who may look at it, write there and remove there, and what.
//!
//! A hidden, empty file is the lock. It is taken before the first look at the folder and held to the end, by every command that
//! writes there: by workers together, by all others alone. It is there only while a process has it (a killed one leaves it, and
//! the next takes it). Whoever removes it holds it alone, and a lock counts only where its file still has the name: so two
//! processes never decide on what the other one changes meanwhile. A store has no locks: there a process is found out by what
//! it wrote (see [`object_journal`](super::object_journal)).
//!
//! Nothing is written or removed through a link below the folder. The folder itself may be one.

use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;
use std::{io, mem};

use super::content::{Content, names_from};
use super::folder::{make_folder, remove_folders};
use super::output_error::OutputError;
use crate::manifest::JOURNAL_NAME;
use crate::manifest::LOCK_NAME;
use crate::storage;
use crate::storage::lock::{IfAbsent, Lock, LockMode, is_granted, is_named, lock_file};
use crate::util::failpoint::failpoint;

/// How often a lock is tried for that others may hold for a moment, such as one who puts a plan there.
const TRIES: u32 = 80;
/// The same for one who wants the folder alone, where a conversion is under way.
const FEW_TRIES: u32 = 4;
/// The same as long as nothing is there but the lock.
const LONG_TRIES: u32 = 40 * TRIES;
/// How long to wait between tries.
const WAIT: Duration = Duration::from_millis(25);

/// The output folder, locked; or one at a URL.
#[derive(Debug)]
pub(super) struct OutputDir {
    root: PathBuf,
    /// `None` at a URL, and where the folder can only be read.
    lock: Option<(File, LockMode)>,
    /// Whether a process that was killed left the lock's file.
    was_left: bool,
    /// The folders that were made for it.
    made: Vec<PathBuf>,
}

impl OutputDir {
    /// Makes or takes the folder `root`, and locks it.
    ///
    /// # Errors
    /// It holds what is not ours, others are at work there, or it cannot be written.
    pub(super) fn open(root: &Path, mode: LockMode) -> Result<Self, OutputError> {
        if root.as_os_str().is_empty() {
            return Err(OutputError::NoName);
        }
        if storage::is_url(root) {
            return Ok(Self::at(root));
        }
        // Nothing is put into a folder that is somebody else's, not even for a moment.
        Content::of(root)?;
        let mut dir = Self::at(root);
        for attempt in 0..LONG_TRIES {
            // Where nothing is begun yet, somebody is about to begin or to put a large plan there. Who has begun is not waited for.
            let most = match Content::of(root)? {
                Content::Nothing => LONG_TRIES,
                Content::Journal if mode == LockMode::Alone => FEW_TRIES,
                _ => TRIES,
            };
            if attempt >= most {
                break;
            }
            if attempt > 0 {
                sleep(WAIT);
            }
            match dir.try_lock(mode) {
                Ok(Lock::Held(file)) => {
                    refuse_content(&dir.lock_path(), &file)?;
                    dir.lock = Some((file, mode));
                    return Ok(dir);
                }
                Ok(Lock::Busy | Lock::Absent) => {}
                // What cannot be written is nobody's to change; a finished conversion can be looked at all the same.
                Err(OutputError::Write { reason, .. })
                    if matches!(reason.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
                        && Content::of(root)? == Content::Manifest =>
                {
                    return Ok(dir);
                }
                Err(error) => return Err(error),
            }
        }
        Err(dir.in_use(mode))
    }

    /// The same, where this process made these folders when it had the folder locked before.
    pub(super) fn having_made(mut self, made: Vec<PathBuf>) -> Self {
        self.made.extend(made);
        self
    }

    /// Unlocks the folder and returns the folders that were made for it, which stay.
    pub(super) fn unlock(mut self) -> Vec<PathBuf> {
        mem::take(&mut self.made)
    }

    /// The folder `root` for one who only looks, while somebody else has it locked.
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.into(), lock: None, was_left: false, made: Vec::new() }
    }

    /// `Absent` where another process removed the folder at this moment.
    fn try_lock(&mut self, mode: LockMode) -> Result<Lock, OutputError> {
        make_folder(&self.root, &mut self.made)?;
        failpoint();
        self.was_left = self.lock_path().is_file();
        match lock_file(&self.lock_path(), mode, IfAbsent::Make) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Lock::Absent),
            outcome => outcome.map_err(OutputError::write(&self.lock_path())),
        }
    }

    /// That others have the folder.
    fn in_use(&self, mode: LockMode) -> OutputError {
        let is_shared = || matches!(lock_file(&self.lock_path(), LockMode::Shared, IfAbsent::Leave), Ok(Lock::Held(_)));
        match mode == LockMode::Alone && is_shared() {
            true => OutputError::WorkersAtWork(self.root.clone()),
            false => OutputError::InUse(self.root.clone()),
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.root.join(LOCK_NAME)
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file of that relative path lies.
    ///
    /// # Errors
    /// The path leads out of the folder, or a folder on the way is a link.
    pub(super) fn path(&self, relative: &Path) -> Result<PathBuf, OutputError> {
        refuse_links(&self.root, relative)?;
        Ok(self.root.join(relative))
    }
}

impl Drop for OutputDir {
    fn drop(&mut self) {
        if let Some((file, mode)) = self.lock.take() {
            // Not one lock changed into another: who comes between the two must then be seen.
            let is_alone = match mode {
                LockMode::Alone => true,
                LockMode::Shared => file.unlock().is_ok() && is_granted(file.try_lock()).unwrap_or(false),
            };
            // Beside an unfinished conversion it stays where it was found: who is refused there changes nothing.
            let stays = self.was_left && has_journal(&self.root);
            if is_alone && !stays && is_named(&self.lock_path(), &file).unwrap_or(false) {
                failpoint();
                let _ = fs::remove_file(self.lock_path()); // one that stays is in nobody's way
            }
        }
        // Those that are not empty stay.
        remove_folders(&self.made);
    }
}

/// Whether a conversion is under way in `out`.
fn has_journal(out: &Path) -> bool {
    names_from(out, JOURNAL_NAME).is_ok_and(|names| !names.is_empty())
}

/// A lock that holds something is another's file.
fn refuse_content(path: &Path, file: &File) -> Result<(), OutputError> {
    match file.metadata().map_err(OutputError::write(path))?.len() {
        0 => Ok(()),
        _ => Err(OutputError::NotOurs(path.into())),
    }
}

/// Refuses a path below `root` that leads out of it, or through a link.
pub(super) fn refuse_links(root: &Path, relative: &Path) -> Result<(), OutputError> {
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(OutputError::NotOurs(root.join(relative)));
    }
    if storage::is_url(root) {
        return Ok(());
    }
    let folders = relative.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    for folder in folders {
        let path = root.join(folder);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => return Err(OutputError::Link(path)),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(OutputError::read(&path)(error)),
        }
    }
    Ok(())
}
