//! Which record files of a plan are done, as the journals say, in little memory: four bytes for an image.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::num::NonZero;
use std::path::Path;
use std::rc::Rc;

use tracing::info;

use super::file::PlanFile;
use crate::convert::ConvertError;
use crate::convert::changed::changed_since_record;
use crate::convert::earlier::{Watching, on_all_threads};
use crate::convert::journal::Entry;
use crate::manifest::WrittenFile;
use crate::results::Finding;
use crate::storage::dirs::path_of;

/// A finding, as its place among those that differ.
pub(super) type FindingId = u32;

/// What was found out about images, each different finding once.
#[derive(Default)]
pub(super) struct Findings {
    ids: HashMap<Rc<Finding>, FindingId>,
    all: Vec<Rc<Finding>>,
}

impl Findings {
    fn id_of(&mut self, finding: Finding) -> FindingId {
        if let Some(id) = self.ids.get(&finding) {
            return *id;
        }
        let (id, finding) = (self.all.len() as FindingId, Rc::new(finding));
        self.all.push(Rc::clone(&finding));
        self.ids.insert(finding, id);
        id
    }

    pub(super) fn get(&self, id: FindingId) -> Option<&Finding> {
        self.all.get(id as usize).map(Rc::as_ref)
    }
}

/// One that is done.
pub(super) struct DoneFile {
    /// `None` where its only image was rejected.
    pub(super) file: Option<WrittenFile>,
    /// One for each image, in the order of the plan.
    pub(super) findings: Box<[FindingId]>,
    /// When the run began that wrote it, in nanoseconds since 1970.
    begun: u64,
}

/// Those that are done, by their places in the plan.
#[derive(Default)]
pub(super) struct Done {
    pub(super) files: BTreeMap<usize, DoneFile>,
    /// What else was said of some of them: by two processes that were the same worker, on machines that compute the last bits
    /// otherwise, or before a file was made again. The file decides.
    otherwise: Vec<(usize, DoneFile)>,
    pub(super) findings: Findings,
}

impl Done {
    /// Takes an entry of a journal; of two for one file, the later counts, as far as nobody looks at the file.
    pub(super) fn add(&mut self, entry: Entry) {
        let findings = entry.findings.into_iter().map(|finding| self.findings.id_of(finding)).collect();
        let earlier = self.files.insert(entry.index, DoneFile { file: entry.file, findings, begun: entry.begun });
        self.otherwise.extend(earlier.map(|earlier| (entry.index, earlier)));
    }

    /// Leaves those that are in the plan and lie in `out`, byte for byte, which is looked at on `threads` threads.
    pub(super) fn retain_whole(
        &mut self,
        plan: &mut PlanFile,
        out: &Path,
        threads: NonZero<usize>,
        watch: &mut Watching<'_>,
    ) -> Result<(), ConvertError> {
        let mut known: Vec<_> = mem::take(&mut self.otherwise).into_iter().chain(mem::take(&mut self.files)).collect();
        // That there is no file nobody can look at: where there is one that somebody wrote, it counts.
        known.sort_by_key(|(_, done)| done.file.is_some());
        let mut are_planned = Vec::with_capacity(known.len());
        for (number, done) in &known {
            are_planned.push(*number < plan.files() && plan.images_of(*number)? == done.findings.len());
        }
        let is_whole = |place: usize| known[place].1.file.as_ref().map_or(Ok(true), |file| file.is_in(out));
        let question = |place: usize| Ok(are_planned[place] && is_whole(place)?);
        let are_whole = on_all_threads(out, known.len(), threads, question, watch)?;
        let count = known.len();
        let whole = known.into_iter().zip(are_whole).filter(|(_, is_whole)| *is_whole);
        self.files = whole.map(|(done, _)| done).collect();
        if count > 0 {
            info!(
                whole = self.files.len(),
                known = count,
                planned = plan.files(),
                "read back the record files that are there"
            );
        }
        Ok(())
    }

    /// Leaves those of whose images none was changed since. Asks for images that are there only: where the data set is gone, what is
    /// done is done.
    pub(super) fn retain_unchanged(&mut self, plan: &mut PlanFile) -> Result<(), ConvertError> {
        let folder = plan.header.folder().ok_or_else(|| plan.damaged())?;
        let mut changed = Vec::new();
        for (number, done) in &self.files {
            for image in plan.part(*number)?.images {
                let path = folder.join(path_of(&image.path).ok_or_else(|| plan.damaged())?);
                if changed_since_record(&path, image.modified, done.begun) {
                    changed.push(*number);
                    break;
                }
            }
        }
        for number in &changed {
            self.files.remove(number);
        }
        if !changed.is_empty() {
            info!(files = changed.len(), "images of record files that are there were changed since");
        }
        Ok(())
    }

    /// When the first run began that wrote any of them.
    pub(super) fn begun(&self) -> u64 {
        self.files.values().map(|done| done.begun).min().unwrap_or_default()
    }

    /// The record files that there are, in the order of the plan.
    pub(super) fn written(&self) -> impl Iterator<Item = &WrittenFile> {
        self.files.values().filter_map(|done| done.file.as_ref())
    }

    /// The images of all record files that are done.
    pub(super) fn images(&self) -> usize {
        self.files.values().map(|done| done.findings.len()).sum()
    }
}
