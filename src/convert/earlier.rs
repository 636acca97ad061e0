//! What an earlier run left in the output folder, and how much of it can be relied upon.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{io, mem};

use serde::Deserialize;
use tracing::info;

use super::changed::{changed_in_entry, manifest_time, refuse_changed};
use super::content::{Content, Ours, refuse_foreign_files};
use super::folder::remove_if_there;
use super::head::Head;
use super::joint::JointJournal;
use super::journal::{self, Entry};
use super::object_journal::ObjectJournal;
use super::output::{self, Output};
use super::output_dir::{OutputDir, refuse_links};
use super::output_error::OutputError;
use super::plan::{Plan, PlannedFile};
use super::planned::PlanFile;
use super::{Part, Start};
use crate::dataset::Dataset;
use crate::manifest::{
    Fingerprint, JOURNAL_NAME, MANIFEST_NAME, Manifest, PAGE_NAME, PLAN_NAME, REPORT_NAME, WorkerId, WrittenFile,
};
use crate::results::{Finding, Verdict};
use crate::storage;
use crate::storage::atomic_file::{is_temporary, is_temporary_of};
use crate::storage::lock::LockMode;
use crate::util::parallel;

/// The entries of record files that are there and whole, by their place in the plan.
pub(super) type Entries = BTreeMap<usize, Entry>;

/// Who hears of each record file that is read back, and how many there are, and decides whether to go on.
pub(super) type Watching<'a> = dyn FnMut(usize) -> ControlFlow<()> + 'a;

/// How a run begins.
pub(super) enum Begun {
    /// There is something to do; this much is done.
    Unfinished(Output, Entries),
    /// The conversion is finished, and these are the record files in question, each as the manifest says. The folder stays locked
    /// as long as the first is there.
    Finished(Arc<OutputDir>, Vec<WrittenFile>),
}

/// How often a worker looks again what is begun, where that changes under its eyes.
const LOOKS: u32 = 20;

/// A conversion about to be run.
pub(super) struct Beginning<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) plan: &'a Plan,
    pub(super) head: &'a Head,
    pub(super) out: &'a Path,
    pub(super) threads: NonZero<usize>,
}

impl Beginning<'_> {
    /// Looks at the output folder and changes nothing: refuses what [`Beginning::begin`] would refuse of what lies there.
    pub(super) fn look(&self, part: Part<'_>) -> Result<Content, OutputError> {
        let content = Content::of(self.out)?;
        match (content, part) {
            (_, Part::Whole { start: Start::Anew, .. }) | (Content::Nothing, _) => {}
            (Content::Plan, _) => return Err(OutputError::Planned(self.out.into())),
            (Content::Manifest, _) => {
                self.same(Manifest::read(self.out)?)?;
            }
            (Content::Journal, _) if storage::is_url(self.out) => {
                if let Some(earlier) = ObjectJournal::new(self.out, None).earlier(|_| false)? {
                    self.refuse_other_head(&earlier.head)?;
                }
            }
            (Content::Journal, _) => {
                let path = self.out.join(JOURNAL_NAME);
                let file = File::open(&path).map_err(OutputError::read(&path))?;
                if let Some(earlier) = journal::read::<Head>(&path, &file)? {
                    self.refuse_other_head(&earlier.head)?;
                }
            }
        }
        Ok(content)
    }

    /// Takes the output folder, with what lies there of the same conversion. Every record file in it is read.
    pub(super) fn begin(&self, start: Start, watch: &mut Watching<'_>) -> Result<Begun, OutputError> {
        let dir = Arc::new(OutputDir::open(self.out, LockMode::Alone)?);
        let content = Content::of(self.out)?;
        match (content, start) {
            (Content::Plan, Start::Resume) => return Err(OutputError::Planned(self.out.into())),
            (Content::Manifest, Start::Resume) => {
                let manifest = self.same(Manifest::read(self.out)?)?;
                if are_whole(&manifest.files, self.out, self.threads, watch)? {
                    output::leave_finished(self.out)?;
                    return Ok(Begun::Finished(dir, manifest.files));
                }
            }
            _ => {}
        }
        refuse_foreign_files(self.out)?;
        let mut output = Output::alone(dir)?;
        let entries = match start {
            Start::Anew => {
                clear(&mut output, |output| self.write_journal(output, &[]))?;
                remove_if_there(&self.out.join(PLAN_NAME))?;
                Vec::new()
            }
            Start::Resume => match output.earlier()?.filter(|earlier| !earlier.entries.is_empty()) {
                // In a store a manifest outlasts no entry: what is left there beside one is on its way out.
                Some(earlier) if !(storage::is_url(self.out) && content == Content::Manifest) => {
                    self.refuse_other_head(&earlier.head)?;
                    output.absorb_workers(&earlier.entries)?;
                    earlier.entries
                }
                _ if output::has_manifest(self.out)? => {
                    output::leave_plan_of_finished(self.out)?;
                    let entries = self.entries_of(self.same(Manifest::read(self.out)?)?);
                    self.write_journal(&mut output, &entries)?;
                    remove_if_there(&self.out.join(MANIFEST_NAME))?;
                    entries
                }
                _ => {
                    // An entry comes before its file: where no journal has one, no file of ours can be there. Files
                    // that are there all the same are another conversion's, whose journal was lost.
                    let mut folders = output.folders_planned_before();
                    folders.extend(self.head.paths().flat_map(|file| folders_of(&file).collect::<Vec<_>>()));
                    let companions = self.head.manifest.companions().into_iter().map(|(name, _)| name.into());
                    let ours = Ours { folders, companions: companions.collect(), ..Ours::default() };
                    Content::refuse_strangers(self.out, &ours)?;
                    output.absorb_workers(&[])?;
                    self.write_journal(&mut output, &[])?;
                    Vec::new()
                }
            },
        };
        sweep(self.out, self.head.paths(), is_temporary)?;
        let entries = self.unchanged(entries);
        Ok(Begun::Unfinished(output, whole(entries, self.head, self.out, self.threads, watch)?))
    }

    /// The same for one of several workers, who needs the record files of its share only.
    pub(super) fn begin_share(&self, share: WorkerId, watch: &mut Watching<'_>) -> Result<Begun, OutputError> {
        let mut made = Vec::new();
        for _ in 0..LOOKS {
            let dir = Arc::new(OutputDir::open(self.out, LockMode::Shared)?.having_made(mem::take(&mut made)));
            match Content::of(self.out)? {
                Content::Manifest => return self.finished_share(dir, share, watch),
                Content::Plan => return Err(OutputError::Planned(self.out.into())),
                Content::Nothing if !storage::is_url(self.out) => {
                    drop(dir);
                    made = JointJournal::begin(self.out, self.head)?;
                    continue;
                }
                Content::Nothing | Content::Journal => {}
            }
            let joined = Output::join(dir, share, self.head, |then| self.refuse_other_head(then))?;
            let Some((output, entries)) = joined else { continue };
            if entries.is_empty() && output::has_manifest(self.out)? {
                continue; // it was finished while we took part
            }
            sweep(self.out, self.head.paths(), |name| is_temporary_of(&share.owner(), name))?;
            let entries = entries.into_iter().filter(|entry| share.has(entry.index)).collect();
            let entries = self.unchanged(entries);
            return Ok(Begun::Unfinished(output, whole(entries, self.head, self.out, self.threads, watch)?));
        }
        Err(OutputError::InUse(self.out.into()))
    }

    /// Those entries of whose images none was changed since: the record files of the others are made again.
    fn unchanged(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let known = entries.len();
        entries.retain(|entry| !changed_in_entry(self.dataset, entry));
        if entries.len() < known {
            info!(files = known - entries.len(), "images of record files that are there were changed since");
        }
        entries
    }

    fn finished_share(
        &self,
        dir: Arc<OutputDir>,
        share: WorkerId,
        watch: &mut Watching<'_>,
    ) -> Result<Begun, OutputError> {
        let manifest = self.same(Manifest::read(self.out)?)?;
        let planned = (0..self.head.planned()).filter(|file| share.has(*file)).filter_map(|file| self.head.file(file));
        let planned: HashSet<&str> = planned.collect();
        let files: Vec<_> = manifest.files.into_iter().filter(|file| planned.contains(file.path.as_str())).collect();
        if are_whole(&files, self.out, self.threads, watch)? {
            Ok(Begun::Finished(dir, files))
        } else {
            Err(OutputError::NeedsRepair(self.out.into()))
        }
    }

    fn write_journal(&self, output: &mut Output, entries: &[Entry]) -> Result<(), OutputError> {
        output.journal().begin(self.head, entries).map_err(OutputError::write(self.out))
    }

    /// Refuses to go on with an unfinished conversion of another plan or of other images.
    fn refuse_other_head(&self, then: &Head) -> Result<(), OutputError> {
        self.refuse_other("an unfinished conversion", then.plan(), || then.images.difference(&self.head.images))
    }

    /// The manifest, if it is that of this conversion, and of images that were not changed since.
    fn same(&self, manifest: Manifest) -> Result<Manifest, OutputError> {
        self.head.refuse_other_manifest(&manifest, self.out, self.dataset)?;
        refuse_changed(self.out, self.dataset)?;
        Ok(manifest)
    }

    /// Refuses to go on with a conversion of another plan or of other images.
    fn refuse_other(
        &self,
        what: &'static str,
        then: &Fingerprint,
        images: impl Fn() -> Option<String>,
    ) -> Result<(), OutputError> {
        let named = |counts: String| images().unwrap_or(counts);
        match then.difference(self.head.plan(), named).or_else(&images) {
            Some(difference) => Err(OutputError::Other { out: self.out.into(), what, difference }),
            None => Ok(()),
        }
    }

    /// What the journal of a finished conversion held. Where the findings of a file's images are not known any more, the
    /// entry has none: it names the file, and the file is made again.
    fn entries_of(&self, manifest: Manifest) -> Vec<Entry> {
        #[derive(Deserialize)]
        struct Found {
            files: Vec<Finding>,
        }
        let report = storage::read(&self.out.join(REPORT_NAME)).ok();
        let findings = report.and_then(|bytes| serde_json::from_slice::<Found>(&bytes).ok()).map(|found| found.files);
        let findings = findings.filter(|findings| findings.len() == self.head.manifest.images).unwrap_or_default();
        let begun = manifest_time(self.out).unwrap_or(u64::MAX);
        let mut files: BTreeMap<_, _> = manifest.files.into_iter().map(|file| (file.path.clone(), file)).collect();
        let entry = |(index, planned): (usize, &PlannedFile)| {
            let images = self.plan.images_of(planned).to_vec();
            let findings = images.iter().filter_map(|image| findings.get(*image)).cloned().collect::<Vec<_>>();
            let file = files.remove(&planned.name());
            let needs_none =
                || !findings.is_empty() && findings.iter().all(|finding| finding.verdict == Verdict::Rejected);
            (file.is_some() || needs_none()).then_some(Entry {
                index,
                split: planned.split.clone(),
                images,
                file,
                findings,
                begun,
            })
        };
        self.plan.files.iter().enumerate().filter_map(entry).collect()
    }
}

/// Those of `entries` whose files are there and whole; of two such for one file, the later.
pub(super) fn whole(
    entries: Vec<Entry>,
    head: &Head,
    out: &Path,
    threads: NonZero<usize>,
    watch: &mut Watching<'_>,
) -> Result<Entries, OutputError> {
    let known = entries.len();
    let is_whole = |entry: &Entry| match (head.file(entry.index), &entry.file) {
        (None, _) => Ok(false),
        (Some(_), _) if entry.findings.len() != entry.images.len() => Ok(false),
        (Some(name), Some(file)) => Ok(file.path == name && file.is_in(out)?),
        (Some(_), None) => Ok(true),
    };
    let verdicts = on_all_threads(out, known, threads, |index| is_whole(&entries[index]), watch)?;
    let whole = entries.into_iter().zip(verdicts);
    let mut whole: Vec<_> = whole.filter(|(_, is_whole)| *is_whole).map(|(entry, _)| entry).collect();
    // That there is no file nobody can look at: where there is one that somebody wrote, it counts.
    whole.sort_by_key(|entry| entry.file.is_some());
    let whole: Entries = whole.into_iter().map(|entry| (entry.index, entry)).collect();
    if known > 0 {
        info!(whole = whole.len(), known, planned = head.planned(), "read back the record files that are there");
    }
    Ok(whole)
}

/// Whether all of these files lie in `out`, byte for byte.
pub(super) fn are_whole(
    files: &[WrittenFile],
    out: &Path,
    threads: NonZero<usize>,
    watch: &mut Watching<'_>,
) -> Result<bool, OutputError> {
    let verdicts = on_all_threads(out, files.len(), threads, |index| files[index].is_in(out), watch)?;
    Ok(verdicts.iter().all(|whole| *whole))
}

/// Asks the question of so many files in `out`; `watch` hears of each answer.
pub(super) fn on_all_threads(
    out: &Path,
    count: usize,
    threads: NonZero<usize>,
    question: impl Fn(usize) -> io::Result<bool> + Sync,
    watch: &mut Watching<'_>,
) -> Result<Vec<bool>, OutputError> {
    let mut answers = Vec::with_capacity(count);
    let states = vec![(); threads.get().min(count).max(1)];
    parallel::ordered(
        count,
        states,
        |(), index| question(index),
        |answer| {
            answers.push(answer.map_err(OutputError::unreachable(out))?);
            if watch(count).is_break() { Err(OutputError::Interrupted) } else { Ok(()) }
        },
    )?;
    Ok(answers)
}

/// Removes whatever earlier conversions left in the folder, by what their journal and manifest say; nothing at all where there
/// is a file that they do not name. The manifest goes last, when the new conversion was begun: so the folder is known as ours at
/// every moment.
pub(super) fn clear<E: From<OutputError>>(
    output: &mut Output,
    begin: impl FnOnce(&mut Output) -> Result<(), E>,
) -> Result<(), E> {
    let out = &output.root().to_path_buf();
    // Journals or a manifest that cannot be read name no files: if there are any, they are strangers.
    let in_journals = output.written_before()?;
    let manifest = Manifest::read(out).ok();
    let named = in_journals.iter().chain(manifest.iter().flat_map(|manifest| &manifest.files));
    let records = named.flat_map(|file| [file.relative(), file.relative_index()]).flatten();
    let companions = manifest.iter().flat_map(Manifest::companions).map(|(name, _)| name.into());
    let files: BTreeSet<PathBuf> = records.filter(|path| is_name_of_ours(path)).chain(companions).collect();
    let mut folders: BTreeSet<PathBuf> = files.iter().flat_map(|path| folders_of(path)).collect();
    folders.extend(output.folders_planned_before());
    folders.extend(PlanFile::folders_in(out));
    let ours = Ours { files, folders, companions: Vec::new() };

    Content::refuse_strangers(out, &ours)?;
    sweep(out, ours.folders.iter().map(|folder| folder.join("x")), is_temporary)?;
    for path in &ours.files {
        output.remove(path)?;
    }
    // A store has no folders that stay behind.
    for folder in ours.folders.iter().rev().filter(|_| !storage::is_url(out)) {
        let _ = fs::remove_dir(out.join(folder)); // stays where something else is in it
    }
    for name in [REPORT_NAME, PAGE_NAME] {
        remove_if_there(&out.join(name))?;
    }
    output.absorb_workers(&[])?;
    if storage::is_url(out) {
        remove_if_there(&out.join(PLAN_NAME))?; // there a new one replaces none
    }
    begin(output)?;
    Ok(remove_if_there(&out.join(MANIFEST_NAME))?)
}

/// The folders that a file lies in, but for the one that it is relative to.
pub(super) fn folders_of(file: &Path) -> impl Iterator<Item = PathBuf> {
    file.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_path_buf)
}

/// Whether a path below the output folder can be that of a record file of ours or of its index: such as
/// `train/Cat/TFRecord/1.tfrecord`. A manifest that somebody wrote can name anything.
fn is_name_of_ours(path: &Path) -> bool {
    const DEEPEST: usize = 4;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.components().count() <= DEEPEST && (name.contains(".tfrecord") || name.contains(".idx"))
}

/// Removes the temporary files that a killed run left beside `files`, if they are `ours`.
pub(super) fn sweep(
    out: &Path,
    files: impl Iterator<Item = impl AsRef<Path>>,
    ours: impl Fn(&OsStr) -> bool,
) -> Result<(), OutputError> {
    if storage::is_url(out) {
        return Ok(()); // nothing there has a temporary name
    }
    let folders: BTreeSet<PathBuf> = files.filter_map(|file| Some(file.as_ref().parent()?.into())).collect();
    for folder in folders.into_iter().chain([PathBuf::new()]) {
        refuse_links(out, &folder.join("x"))?;
        let folder = out.join(folder);
        let Ok(entries) = fs::read_dir(&folder) else { continue }; // not made yet
        for entry in entries.flatten().filter(|entry| ours(&entry.file_name())) {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}
