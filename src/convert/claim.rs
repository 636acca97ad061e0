//! How a run takes the output folder, alone, as a worker or by a plan, and what it finds written down there.

use std::fs::File;
use std::io;
use std::path::Path;

use serde::de::IgnoredAny;

use super::folder::{make_folder, remove_folders};
use super::head::Head;
use super::joint::{self, JointJournal};
use super::journal::{self, Earlier, Entry, JOURNAL_NAME, Journal};
use super::manifest::WrittenFile;
use super::object_journal::{self, ObjectJournal};
use super::output::{Basis, Output, Record};
use super::output_error::OutputError;
use super::share::Share;
use crate::store;

impl Output {
    /// Makes or takes the folder `out`, which must lie outside the data set, and locks it.
    pub(super) fn lock(out: &Path) -> Result<Self, OutputError> {
        if store::is_url(out) {
            // Nothing can be locked there. Whoever else is at work writes the same or is found out.
            return Ok(Self::new(
                out,
                Record::Objects(ObjectJournal::new(out, None)),
                Basis::Alone,
                String::new(),
                Vec::new(),
            ));
        }
        let mut folders = Vec::new();
        make_folder(out, &mut folders)?;
        let in_use = || joint::in_use(out, JOURNAL_NAME);
        let journal = Journal::lock(out.join(JOURNAL_NAME)).and_then(|journal| journal.ok_or_else(in_use));
        let journal = journal.inspect_err(|_| remove_folders(&folders))?;
        Ok(Self::new(out, Record::File(journal), Basis::Alone, String::new(), folders))
    }

    /// The same for a worker: locks its own journal, and shares that of the folder. Tells all that both say of record files,
    /// or `None` where there is a finished conversion. For `same` see [`JointJournal::join`].
    pub(super) fn join(
        out: &Path,
        share: Share,
        head: &Head,
        same: impl Fn(&Head) -> Result<(), OutputError>,
    ) -> Result<Option<(Self, Vec<Entry>)>, OutputError> {
        if store::is_url(out) {
            let journal = ObjectJournal::new(out, Some(share));
            let entries = match journal.earlier(|file| share.has(file))? {
                Some(earlier) => match same(&earlier.head) {
                    Ok(()) => earlier.entries,
                    Err(error) if object_journal::is_something_done(out)? => return Err(error),
                    Err(_) => Vec::new(),
                },
                None => Vec::new(),
            };
            journal.begin(head, &[]).map_err(OutputError::write(out))?;
            let output = Self::new(out, Record::Objects(journal), Basis::Alone, share.owner(), Vec::new());
            return Ok(Some((output, entries)));
        }
        let mut folders = Vec::new();
        make_folder(out, &mut folders)?;
        let joined = JointJournal::join(out, head, same).inspect_err(|_| remove_folders(&folders))?;
        let Some((joint, Earlier { digest, mut entries, .. })) = joined else { return Ok(None) };
        let path = out.join(share.journal());
        let Some(mut journal) = Journal::lock(path.clone())? else {
            return Err(OutputError::SameWorker { out: out.into(), share });
        };
        match journal.read::<String>()? {
            Some(own) if own.head == digest => entries.extend(own.entries),
            Some(_) => return Err(OutputError::Foreign(path)),
            None => journal.begin(&digest, []).map_err(OutputError::write(&path))?,
        }
        let output = Self::new(out, Record::File(journal), Basis::Joint(joint), share.owner(), folders);
        // Only now, so that of two that come at once one sees the other.
        share.refuse_other_count(out)?;
        Ok(Some((output, entries)))
    }

    /// The same for one who goes by a plan with this digest, which is locked: a worker, or somebody who is alone. `each`
    /// hears of every entry of its own journal and of those that nobody writes to meanwhile.
    pub(super) fn by_plan(
        out: &Path,
        share: Option<Share>,
        digest: &str,
        mut each: impl FnMut(Entry),
    ) -> Result<Self, OutputError> {
        if store::is_url(out) {
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
            let owner = share.map_or_else(String::new, Share::owner);
            return Ok(Self::new(out, Record::Objects(journal), Basis::Alone, owner, Vec::new()));
        }
        let others = match share {
            Some(_) => vec![out.join(JOURNAL_NAME)],
            None => Share::all_in(out)?.into_iter().map(|(_, path)| path).collect(),
        };
        for path in others {
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
        let (name, owner) =
            share.map_or((JOURNAL_NAME.to_owned(), String::new()), |share| (share.journal(), share.owner()));
        let path = out.join(&name);
        let mut journal = Journal::lock(path.clone())?.ok_or_else(|| match share {
            Some(share) => OutputError::SameWorker { out: out.into(), share },
            None => joint::in_use(out, &name),
        })?;
        match journal.scan::<String>(each)? {
            Some((head, _)) if head != digest => return Err(OutputError::OtherPlan(path)),
            Some(_) => {}
            None => journal.begin(&digest, []).map_err(OutputError::write(&path))?,
        }
        share.map_or(Ok(()), |share| share.refuse_other_count(out))?;
        Ok(Self::new(out, Record::File(journal), Basis::Plan, owner, Vec::new()))
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
        for (_, path) in Share::all_in(self.root()).unwrap_or_default() {
            if let Ok(file) = File::open(&path) {
                let _ = journal::scan::<IgnoredAny>(&path, &file, |entry| written.extend(entry.file));
            }
        }
        Ok(written)
    }

    /// All that the folder's journal and those of workers say; `None` where there is no journal with a head.
    pub(super) fn earlier(&mut self) -> Result<Option<Earlier<Head>>, OutputError> {
        let mut earlier = match self.journal() {
            Record::File(journal) => journal.read::<Head>()?,
            Record::Objects(journal) => return journal.earlier(|_| true),
        };
        for (_, path) in Share::all_in(self.root())? {
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
