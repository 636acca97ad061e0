//! How a run takes the output folder, alone, as a worker or by a plan, and what it finds written down there.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::IgnoredAny;

use super::earlier::folders_of;
use super::head::Head;
use super::joint::JointJournal;
use super::journal::{self, Earlier, Entry, Journal};
use super::object_journal::{self, ObjectJournal};
use super::output::{Basis, Output, Record};
use super::output_dir::OutputDir;
use super::output_error::OutputError;
use crate::manifest::{JOURNAL_NAME, WorkerId, WrittenFile};
use crate::storage;

impl Output {
    /// Takes the folder for a run that has it alone, with the journal that lies there, if one does.
    pub(super) fn alone(dir: Arc<OutputDir>) -> Result<Self, OutputError> {
        let record = match storage::is_url(dir.root()) {
            // Nothing can be locked there. Whoever else is at work writes the same or is found out.
            true => Record::Objects(ObjectJournal::new(dir.root(), None)),
            false => Record::File(Journal::open(dir.root().join(JOURNAL_NAME))?),
        };
        Ok(Self::new(dir, record, Basis::Alone, String::new()))
    }

    /// The same for a worker: locks its own journal, and shares that of the folder. Tells all that both say of record files,
    /// or `None` where nothing is begun. For `same` see [`JointJournal::join`].
    pub(super) fn join(
        dir: Arc<OutputDir>,
        share: WorkerId,
        head: &Head,
        same: impl Fn(&Head) -> Result<(), OutputError>,
    ) -> Result<Option<(Self, Vec<Entry>)>, OutputError> {
        let out = dir.root().to_path_buf();
        if storage::is_url(&out) {
            let journal = ObjectJournal::new(&out, Some(share));
            let entries = match journal.earlier(|file| share.has(file))? {
                Some(earlier) => match same(&earlier.head) {
                    Ok(()) => earlier.entries,
                    Err(error) if object_journal::is_something_done(&out)? => return Err(error),
                    Err(_) => Vec::new(),
                },
                None => Vec::new(),
            };
            journal.begin(head, &[]).map_err(OutputError::write(&out))?;
            return Ok(Some((Self::new(dir, Record::Objects(journal), Basis::Alone, share.owner()), entries)));
        }
        let joined = JointJournal::join(&out, same)?;
        let Some((joint, Earlier { digest, mut entries, .. })) = joined else { return Ok(None) };
        let path = out.join(share.journal());
        let Some(mut journal) = Journal::lock(path.clone(), &digest)? else {
            return Err(OutputError::SameWorker { out, share });
        };
        match journal.read::<String>()? {
            Some(own) if own.head == digest => entries.extend(own.entries),
            _ => return Err(OutputError::Foreign(path)),
        }
        let output = Self::new(dir, Record::File(journal), Basis::Joint(joint), share.owner());
        // Only now, so that of two that come at once one sees the other.
        share.refuse_other_count(&out)?;
        Ok(Some((output, entries)))
    }

    /// The same for one who goes by a plan with this digest: a worker, or a run that has the folder alone. `each` hears of
    /// every entry of its own journal and of those that nobody writes to meanwhile.
    pub(super) fn by_plan(
        dir: Arc<OutputDir>,
        share: Option<WorkerId>,
        digest: &str,
        mut each: impl FnMut(Entry),
    ) -> Result<Self, OutputError> {
        let out = &dir.root().to_path_buf();
        if storage::is_url(out) {
            let journal = ObjectJournal::by_plan(out, share, digest);
            let folders = match share {
                Some(share) => vec![out.join(JOURNAL_NAME), out.join(share.journal())],
                None => object_journal::folders_in(out)?,
            };
            let is_ours = |file| share.is_none_or(|share| share.has(file));
            object_journal::visit(&folders, is_ours, |path, of_file| {
                let of_file = of_file?;
                if of_file.head != digest {
                    return Err(OutputError::OtherPlan(path.into()));
                }
                of_file.entries.into_iter().for_each(&mut each);
                Ok(())
            })?;
            share.map_or(Ok(()), |share| share.refuse_other_count(out))?;
            let owner = share.map_or_else(String::new, WorkerId::owner);
            return Ok(Self::new(dir, Record::Objects(journal), Basis::Alone, owner));
        }
        let others = match share {
            Some(_) => vec![out.join(JOURNAL_NAME)],
            None => WorkerId::all_in(out)?.into_iter().map(|(_, path)| path).collect(),
        };
        for path in others {
            journal::refuse_foreign_at(&path)?;
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(OutputError::read(&path)(error)),
            };
            match journal::scan::<String>(&path, &file, &mut each)? {
                Some(journal::Scanned { head, .. }) if head != digest => return Err(OutputError::OtherPlan(path)),
                _ => {}
            }
        }
        let (path, owner) = match share {
            Some(share) => (out.join(share.journal()), share.owner()),
            None => (out.join(JOURNAL_NAME), String::new()),
        };
        let mut journal = match share {
            Some(share) => Journal::lock(path.clone(), &digest)?
                .ok_or_else(|| OutputError::SameWorker { out: out.clone(), share })?,
            None => Journal::open(path.clone())?,
        };
        match journal.scan::<String>(each)? {
            Some((head, _)) if head != digest => return Err(OutputError::OtherPlan(path)),
            Some(_) => {}
            None => journal.begin(&digest, []).map_err(OutputError::write(&path))?,
        }
        share.map_or(Ok(()), |share| share.refuse_other_count(out))?;
        Ok(Self::new(dir, Record::File(journal), Basis::Plan, owner))
    }

    /// The record files that any journal here names, whatever conversion it is of. One that cannot be read names none.
    ///
    /// # Errors
    /// A store does not answer.
    pub(super) fn written_before(&mut self) -> Result<Vec<WrittenFile>, OutputError> {
        let mut written = Vec::new();
        match self.journal() {
            Record::File(journal) => drop(journal.scan::<IgnoredAny>(|entry| written.extend(entry.file))),
            Record::Objects(_) => {
                let add = |_: &Path, of_file: Result<Earlier<String>, OutputError>| {
                    let entries = of_file.into_iter().flat_map(|of_file| of_file.entries);
                    written.extend(entries.filter_map(|entry| entry.file));
                    Ok(())
                };
                object_journal::visit(&object_journal::folders_in(self.root())?, |_| true, add)?;
                return Ok(written);
            }
        }
        for (_, path) in WorkerId::all_in(self.root()).unwrap_or_default() {
            if let Ok(file) = File::open(&path) {
                let _ = journal::scan::<IgnoredAny>(&path, &file, |entry| written.extend(entry.file));
            }
        }
        Ok(written)
    }

    /// The folders below this one that the journal here was begun for, whether or not there are records in them yet.
    pub(super) fn folders_planned_before(&mut self) -> BTreeSet<PathBuf> {
        let head = match self.journal() {
            Record::File(journal) => journal.scan::<Head>(|_| {}).ok().flatten(),
            Record::Objects(_) => None, // there are no folders in a store
        };
        head.iter().flat_map(|(head, _)| head.paths()).flat_map(|file| folders_of(&file).collect::<Vec<_>>()).collect()
    }

    /// All that the folder's journal and those of workers say; `None` where there is no journal with a head.
    pub(super) fn earlier(&mut self) -> Result<Option<Earlier<Head>>, OutputError> {
        let mut earlier = match self.journal() {
            Record::File(journal) => journal.read::<Head>()?,
            Record::Objects(journal) => return journal.earlier(|_| true),
        };
        for (_, path) in WorkerId::all_in(self.root())? {
            let file = File::open(&path).map_err(OutputError::read(&path))?;
            let Some(of_worker) = journal::read::<String>(&path, &file)? else { continue };
            match &mut earlier {
                Some(earlier) if earlier.digest == of_worker.head => earlier.entries.extend(of_worker.entries),
                _ => return Err(OutputError::Foreign(path)),
            }
        }
        Ok(earlier)
    }
}
