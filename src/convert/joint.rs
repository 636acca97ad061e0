//! The journal of a conversion while workers share it: it says what all of them convert, and every one keeps it locked,
//! together with the others and against whoever wants the folder for himself. What a worker has done is in a journal of its own.

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::content::Content;
use super::head::Head;
use super::journal::{self, Earlier, JOURNAL_NAME, is_named};
use super::output_error::OutputError;
use super::share::Share;
use crate::crash_point::crash_point;
use crate::locks::is_granted;
use crate::store;
use crate::whole_file::WholeFile;

/// How often a worker tries for a lock that another one may hold for a moment.
const TRIES: u32 = 20;
/// And how long it waits in between.
const WAIT: Duration = Duration::from_millis(25);

/// The journal that workers share, locked against all but them while this lives. It is never written to.
pub(super) struct JointJournal {
    path: PathBuf,
    file: File,
}

impl JointJournal {
    /// Takes part in the conversion of `head` in `out`, a folder that exists, or begins it. `same` refuses what somebody
    /// else began there, and does not count where nothing was done of that. `None` where the conversion is finished by now.
    pub(super) fn join(
        out: &Path,
        head: &Head,
        same: impl Fn(&Head) -> Result<(), OutputError>,
    ) -> Result<Option<(Self, Earlier<Head>)>, OutputError> {
        for _ in 0..TRIES {
            let Some(joint) = Self::open(out)? else {
                match Content::of(out)? {
                    Content::Nothing => Self::begin(out, head)?,
                    Content::Journal => {}
                    Content::Plan => return Err(OutputError::Planned(out.into())),
                    Content::Manifest => return Ok(None),
                }
                continue;
            };
            match joint.read()? {
                Some(earlier) => match same(&earlier.head) {
                    Ok(()) => return Ok(Some((joint, earlier))),
                    Err(error) if !joint.remove_if_nothing_is_done(out)? => return Err(error),
                    Err(_) => {}
                },
                // Workers had a head to begin with.
                None if !Share::all_in(out)?.is_empty() => return Err(OutputError::Foreign(joint.path)),
                // A run that was killed before it had written anything.
                None => {
                    if !joint.remove_if_nothing_is_done(out)? {
                        sleep(WAIT);
                    }
                }
            }
        }
        Err(OutputError::InUse(out.into()))
    }

    /// Locks the journal of `out`; `None` where there is none.
    fn open(out: &Path) -> Result<Option<Self>, OutputError> {
        let file = lock_shared(out, JOURNAL_NAME)?;
        Ok(file.map(|file| Self { path: out.join(JOURNAL_NAME), file }))
    }

    /// Puts a journal without entries into `out`, whole or not at all, unless another worker is faster.
    fn begin(out: &Path, head: &Head) -> Result<(), OutputError> {
        let path = out.join(JOURNAL_NAME);
        let write = || {
            // Nobody's own: a second process of this worker may have all locks by now, and remove what the first one left.
            let mut file = WholeFile::begin(&path)?;
            file.write_all(&journal::without_entries(head)?)?;
            file.sync()?.publish_new()
        };
        write().map_err(OutputError::write(&path))
    }

    fn read(&self) -> Result<Option<Earlier<Head>>, OutputError> {
        (&self.file).rewind().map_err(OutputError::read(&self.path))?;
        journal::read(&self.path, &self.file)
    }

    /// Removes the journal where neither it nor a worker's says of anything done, and nobody else is at work; tells whether
    /// it is gone.
    pub(super) fn remove_if_nothing_is_done(self, out: &Path) -> Result<bool, OutputError> {
        // Not one lock changed into another: between the two, another worker may come and must then be seen.
        let _ = self.file.unlock();
        if self.file.try_lock().is_err() {
            return Ok(false);
        }
        if !is_named(&self.path, &self.file).map_err(OutputError::read(&self.path))? {
            return Ok(true);
        }
        let is_done = self.read()?.is_some_and(|earlier| !earlier.entries.is_empty());
        if is_done || !Share::all_in(out)?.is_empty() {
            return Ok(false);
        }
        crash_point();
        fs::remove_file(&self.path).map_err(OutputError::write(&self.path))?;
        Ok(true)
    }
}

/// Locks the file `name` of `out` together with others; `None` where there is none, as at a URL, where nothing can be locked.
pub(super) fn lock_shared(out: &Path, name: &str) -> Result<Option<File>, OutputError> {
    lock(out, name, File::try_lock_shared)
}

/// The same against all others.
pub(super) fn lock_alone(out: &Path, name: &str) -> Result<Option<File>, OutputError> {
    lock(out, name, File::try_lock)
}

fn lock(
    out: &Path,
    name: &str,
    try_lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<Option<File>, OutputError> {
    if store::is_url(out) {
        return Ok(None);
    }
    let path = out.join(name);
    let failed = |reason| OutputError::Write { path: path.clone(), reason };
    for _ in 0..TRIES {
        // For writing, too, because some systems give the lock against all others to nobody else.
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if !is_granted(try_lock(&file)).map_err(failed)? {
            sleep(WAIT);
        } else if is_named(&path, &file).map_err(OutputError::read(&path))? {
            return Ok(Some(file));
        }
    }
    Err(in_use(out, name))
}

/// That somebody has the file `name` of `out` locked.
pub(super) fn in_use(out: &Path, name: &str) -> OutputError {
    // Workers have it together, so that another one could, too.
    match File::open(out.join(name)).is_ok_and(|file| file.try_lock_shared().is_ok()) {
        true => OutputError::WorkersAtWork(out.into()),
        false => OutputError::InUse(out.into()),
    }
}
