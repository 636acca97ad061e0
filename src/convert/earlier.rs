//! What an earlier run left in the output folder, and how much of it can be relied upon.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::fingerprint::{Fingerprint, Images};
use super::journal::{Entry, Head};
use super::manifest::{MANIFEST_NAME, Manifest, WrittenFile};
use super::output::{Content, Output, OutputError, remove_if_there};
use super::plan::{Plan, PlannedFile};
use super::{REPORT_NAME, Start};
use crate::dataset::Dataset;
use crate::parallel;
use crate::report::{Finding, Verdict};
use crate::whole_file::is_temporary;

/// The entries of record files that are there and whole, by their place in the plan.
pub(super) type Entries = BTreeMap<usize, Entry>;

/// How a run begins.
pub(super) enum Begun {
    /// There is something to do; this much is done.
    Unfinished(Output, Entries),
    /// Every record file is as the manifest says.
    Finished(Box<Manifest>),
}

/// A conversion about to be run.
pub(super) struct Beginning<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) plan: &'a Plan,
    pub(super) fingerprint: &'a Fingerprint,
    pub(super) out: &'a Path,
    pub(super) threads: NonZero<usize>,
}

impl Beginning<'_> {
    /// Takes the output folder, with what lies there of the same conversion. Every record file in it is read.
    pub(super) fn begin(&self, start: Start) -> Result<Begun, OutputError> {
        let content = Content::of(self.out)?;
        if (content, start) == (Content::Manifest, Start::Resume) {
            let manifest = self.same(Manifest::read(self.out)?)?;
            if self.all_whole(&manifest) {
                return Ok(Begun::Finished(Box::new(manifest)));
            }
        }
        let mut output = Output::lock(self.out)?;
        let head = Head::new(self.fingerprint.clone(), Images::of(self.dataset));
        let entries = match start {
            Start::Anew => {
                clear(&mut output, self.out)?;
                self.write_journal(&mut output, &head, &[])?;
                Vec::new()
            }
            Start::Resume => match output.journal().read()? {
                Some(earlier) => {
                    let images = || earlier.head.images.difference(&head.images);
                    self.refuse_other("an unfinished conversion", &earlier.head.plan, images)?;
                    earlier.entries
                }
                None if self.out.join(MANIFEST_NAME).exists() => {
                    let entries = self.entries_of(self.same(Manifest::read(self.out)?)?);
                    self.write_journal(&mut output, &head, &entries)?;
                    remove_if_there(&self.out.join(MANIFEST_NAME))?;
                    entries
                }
                None => {
                    // An entry comes before its file: where the journal has none, no file of ours can be there. Files
                    // that are there all the same are another conversion's, whose journal was lost.
                    let ours = self.plan.files.iter().flat_map(|file| file.path.ancestors().skip(1));
                    Content::refuse_strangers(self.out, &ours.map(Path::to_path_buf).collect())?;
                    self.write_journal(&mut output, &head, &[])?;
                    Vec::new()
                }
            },
        };
        sweep(self.out, self.plan.files.iter().map(|file| file.path.as_path()))?;
        Ok(Begun::Unfinished(output, self.whole(entries)))
    }

    fn write_journal(&self, output: &mut Output, head: &Head, entries: &[Entry]) -> Result<(), OutputError> {
        output.journal().begin(head, entries).map_err(OutputError::write(self.out))
    }

    /// The manifest, if it is that of this conversion.
    fn same(&self, manifest: Manifest) -> Result<Manifest, OutputError> {
        self.refuse_other("a finished conversion", &manifest.plan, || None)?;
        Ok(manifest)
    }

    /// Refuses to go on with a conversion of another plan or of other images.
    fn refuse_other(
        &self,
        what: &'static str,
        then: &Fingerprint,
        images: impl Fn() -> Option<String>,
    ) -> Result<(), OutputError> {
        let named = || images().unwrap_or_else(|| "other images".to_owned());
        match then.difference(self.fingerprint, named).or_else(&images) {
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
        let report = fs::read(self.out.join(REPORT_NAME)).ok();
        let findings = report.and_then(|bytes| serde_json::from_slice::<Found>(&bytes).ok()).map(|found| found.files);
        let findings = findings.filter(|findings| findings.len() == self.dataset.images.len()).unwrap_or_default();
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
            })
        };
        self.plan.files.iter().enumerate().filter_map(entry).collect()
    }

    /// Those of `entries` whose files are there and whole; of two for one file, the later.
    fn whole(&self, entries: Vec<Entry>) -> Entries {
        let entries: Entries = entries.into_iter().map(|entry| (entry.index, entry)).collect();
        let entries: Vec<Entry> = entries.into_values().collect();
        let is_whole = |entry: &Entry| {
            let Some(planned) = self.plan.files.get(entry.index) else { return false };
            let is_there = |file: &WrittenFile| file.path == planned.name() && file.is_in(self.out);
            entry.images == self.plan.images_of(planned)
                && entry.findings.len() == entry.images.len()
                && entry.file.as_ref().is_none_or(is_there)
        };
        let verdicts = self.on_all_threads(entries.len(), |index| is_whole(&entries[index]));
        let whole = entries.into_iter().zip(verdicts).filter(|(_, is_whole)| *is_whole);
        whole.map(|(entry, _)| (entry.index, entry)).collect()
    }

    fn all_whole(&self, manifest: &Manifest) -> bool {
        let is_whole = |index: usize| manifest.files[index].is_in(self.out);
        self.on_all_threads(manifest.files.len(), is_whole).iter().all(|whole| *whole)
    }

    fn on_all_threads(&self, count: usize, question: impl Fn(usize) -> bool + Sync) -> Vec<bool> {
        let mut answers = Vec::with_capacity(count);
        let states = vec![(); self.threads.get().min(count).max(1)];
        let done: Result<(), Infallible> = parallel::ordered(
            count,
            states,
            |(), index| question(index),
            |answer| {
                answers.push(answer);
                Ok(())
            },
        );
        match done {
            Ok(()) => answers,
            Err(never) => match never {},
        }
    }
}

/// Removes whatever earlier conversions left in `out`, by what their journal and manifest say; nothing at all where there is
/// a file that they do not name.
fn clear(output: &mut Output, out: &Path) -> Result<(), OutputError> {
    // A journal or manifest that cannot be read names no files: if there are any, they are strangers.
    let journal = output.journal().read().ok().flatten();
    let manifest = Manifest::read(out).ok();
    let in_journal = journal.iter().flat_map(|earlier| &earlier.entries).filter_map(|entry| entry.file.as_ref());
    let files = in_journal.chain(manifest.iter().flat_map(|manifest| &manifest.files));
    let records = files.flat_map(|file| [file.relative(), file.relative_index()]).flatten();
    let companions = manifest.iter().flat_map(Manifest::companions).map(|(name, _)| name.into());
    let paths: BTreeSet<PathBuf> = records.chain(companions).collect();

    Content::refuse_strangers(out, &paths)?;
    sweep(out, paths.iter().map(PathBuf::as_path))?;
    for path in &paths {
        remove_if_there(&out.join(path))?;
    }
    let folders: BTreeSet<&Path> = paths.iter().flat_map(|path| path.ancestors().skip(1)).collect();
    for folder in folders.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
        let _ = fs::remove_dir(out.join(folder)); // stays where something else is in it
    }
    for name in [REPORT_NAME, MANIFEST_NAME] {
        remove_if_there(&out.join(name))?;
    }
    Ok(())
}

/// Removes the temporary files that a killed run left beside `files`.
fn sweep<'a>(out: &Path, files: impl Iterator<Item = &'a Path>) -> Result<(), OutputError> {
    let folders: BTreeSet<_> = files.filter_map(Path::parent).map(|folder| out.join(folder)).collect();
    for folder in folders.into_iter().chain([out.into()]) {
        let Ok(entries) = fs::read_dir(&folder) else { continue }; // not made yet
        for entry in entries.flatten().filter(|entry| is_temporary(&entry.file_name())) {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}
