//! A conversion whose plan was written down first, so that no worker has to list the data set.
//!
//! [`plan`] lists the data set and writes the plan; any number of [`convert_planned`], anywhere, read their part of it; the
//! end is that of every conversion, [`finalize`](super::finalize) or a run that is no worker's. The plan takes the place of the
//! journal that workers share otherwise: in a folder all keep it locked together, and it is gone when the conversion is
//! finished. What was done is in the same journals as without a plan, but the plan tells which images are in a record file.

mod batch;
mod codec;
mod conclude;
mod done;
mod error;
mod file;
mod header;
mod run;
mod source;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

pub(super) use conclude::put_together;
pub use error::PlanFileError;
pub use file::PlanFile;
pub use header::How;
pub use run::{Running, convert_planned, finished_before};
pub(super) use source::refuse_foreign_plan;

use super::changed::refuse_changed;
use super::content::{Content, Ours};
use super::earlier::clear;
use super::folder::{refuse_inside, remove_if_there};
use super::head::refuse_other_manifest;
use super::output::{Output, leave_finished};
use super::output_dir::OutputDir;
use super::output_error::OutputError;
use super::preview::{PlannedClass, PlannedSplit};
use super::{ConvertError, Draft, Start};
use crate::dataset::Dataset;
use crate::manifest::{Manifest, Options, PLAN_NAME, RecordDescription};
use crate::model::{Architecture, Weights};
use crate::storage;
use crate::storage::atomic_file::{AtomicFile, SyncedFile};
use crate::storage::dirs::path_of;
use crate::storage::dirs::portable;
use crate::storage::lock::LockMode;
use header::Header;

/// What was planned.
#[derive(Clone, Debug, Serialize)]
pub struct Planned {
    /// Name of the data set's folder.
    pub dataset: String,
    /// Images in it.
    pub images: usize,
    /// The classes in label order, with their images.
    pub classes: Vec<PlannedClass>,
    /// The splits with their images; empty where the data set is not divided.
    pub splits: Vec<PlannedSplit>,
    /// Record files that there will be.
    pub files: usize,
    /// Bytes of all of them before they are compressed, if no image is rejected.
    pub bytes: u64,
    /// What each record will hold.
    pub record: RecordDescription,
    /// The network.
    pub model: Architecture,
    /// The engine that workers use who are not told otherwise.
    pub backend: &'static str,
    /// The output folder; bytes that are not UTF-8 are replaced.
    pub out: String,
    /// What was there before: nothing, the same plan, or the same conversion, finished.
    pub out_held: Content,
    /// The plan's file, likewise, and its length; `None` where the conversion is finished.
    pub plan: Option<String>,
    /// Its length.
    pub plan_bytes: Option<u64>,
}

/// Writes the plan of converting `dataset` into the folder `out`, which must be new or empty, or hold the same plan or the same
/// conversion, finished: then it stays as it is. Opens no image.
///
/// # Errors
/// As [`convert`](super::convert) before it begins to write; [`PlanFileError`]. An error leaves nothing.
pub fn plan(
    dataset: &Dataset,
    weights: &Weights,
    options: &Options,
    how: &How,
    out: &Path,
    start: Start,
) -> Result<Planned, ConvertError> {
    let options = options.completed(dataset)?;
    let draft = Draft::new(dataset, weights, &options)?;
    refuse_inside(out, &dataset.root)?;
    let is_spelt = |relative: &Path| path_of(&portable(relative)).is_some_and(|path| path == relative);
    if let Some(image) = dataset.images.iter().find(|image| !is_spelt(&image.relative)) {
        return Err(PlanFileError::NotUnicode(image.relative.clone()).into());
    }
    let header = Header::new(dataset, &options, draft.manifest.clone(), how)?;

    let out_held = put(&header, &draft, dataset, out, start)?;

    let path = out.join(PLAN_NAME);
    let plan = (out_held != Content::Manifest).then(|| path.to_string_lossy().into_owned());
    let plan_bytes =
        plan.is_some().then(|| storage::metadata(&path).map_err(OutputError::unreachable(&path))).transpose()?;
    let class = |(label, name): (usize, &String)| PlannedClass { name: name.clone(), label, images: 0 };
    let mut classes: Vec<_> = dataset.classes.iter().enumerate().map(class).collect();
    dataset.images.iter().filter_map(|image| image.label).for_each(|label| classes[label].images += 1);
    let split = |name: &str| {
        let files = draft.plan.files.iter().filter(|file| file.split.as_deref() == Some(name));
        PlannedSplit { name: name.to_owned(), images: files.map(|file| draft.plan.images_of(file).len()).sum() }
    };
    Ok(Planned {
        dataset: dataset.name.clone(),
        images: dataset.images.len(),
        classes,
        splits: draft.manifest.splits().map(split).collect(),
        files: draft.plan.files.len(),
        bytes: dataset.images.iter().map(|image| draft.worker.record_len(image)).sum(),
        record: draft.manifest.record,
        model: weights.metadata().architecture,
        backend: how.selection.backend.name(),
        out: out.to_string_lossy().into_owned(),
        out_held,
        plan,
        plan_bytes: plan_bytes.map(|metadata| metadata.bytes),
    })
}

/// How often to look again what is there, where that changes meanwhile.
const LOOKS: u32 = 20;

/// Sees to it that the plan is in `out`, unless the conversion is finished there; tells what was there before.
///
/// The folder is locked as a worker's while the plan there is looked at, so that a plan can be made once more while workers follow
/// it; and alone to put one there, so that nothing else is begun at the same time.
fn put(
    header: &Header,
    draft: &Draft<'_>,
    dataset: &Dataset,
    out: &Path,
    start: Start,
) -> Result<Content, ConvertError> {
    if start == Start::Anew {
        let dir = Arc::new(OutputDir::open(out, LockMode::Alone)?);
        let mut output = Output::alone(Arc::clone(&dir))?;
        clear(&mut output, |_| write(&dir, header, draft, dataset).map(|_| ()))?;
        output.finish()?;
        return Ok(Content::Nothing);
    }
    for _ in 0..LOOKS {
        let dir = Arc::new(OutputDir::open(out, LockMode::Shared)?);
        match Content::of(out)? {
            Content::Plan => match PlanFile::open_and_check(Arc::clone(&dir)) {
                Ok(Some(mut plan)) => {
                    let named = plan.difference(dataset)?;
                    let images =
                        |counts: String| named.clone().map_or(counts.clone(), |named| format!("{counts}: {named}"));
                    refuse(out, "a plan", plan.header.difference(header, images))?;
                    return Ok(Content::Plan);
                }
                Ok(None) => {} // finalized at this moment
                Err(ConvertError::PlanFile(PlanFileError::Damaged(_))) => {
                    drop(dir);
                    let dir = Arc::new(OutputDir::open(out, LockMode::Alone)?);
                    refuse_foreign_plan(out)?;
                    if Content::of(out)? == Content::Plan {
                        if storage::is_url(out) {
                            remove_if_there(&out.join(PLAN_NAME))?; // there a new one replaces none
                        }
                        write(&dir, header, draft, dataset)?;
                        return Ok(Content::Plan);
                    }
                }
                Err(error) => return Err(error),
            },
            Content::Manifest => {
                let then = Manifest::read(out).map_err(OutputError::from)?;
                refuse_other_manifest(&then, &header.manifest.plan, out, dataset)?;
                refuse_changed(out, dataset)?;
                leave_finished(out)?;
                return Ok(Content::Manifest);
            }
            Content::Nothing | Content::Journal => {
                drop(dir);
                let dir = Arc::new(OutputDir::open(out, LockMode::Alone)?);
                match Content::of(out)? {
                    Content::Nothing => return write(&dir, header, draft, dataset),
                    Content::Journal => {
                        let mut output = Output::alone(Arc::clone(&dir))?;
                        if output.earlier()?.is_some() {
                            return Err(PlanFileError::Unplanned(out.into()).into());
                        }
                        // Of a run that was killed before it had done anything.
                        Content::refuse_strangers(out, &Ours::default())?;
                        output.finish()?;
                    }
                    // Somebody was faster.
                    Content::Plan | Content::Manifest => {}
                }
            }
        }
    }
    Err(OutputError::InUse(out.into()).into())
}

fn refuse(out: &Path, what: &'static str, difference: Option<String>) -> Result<(), OutputError> {
    match difference {
        Some(difference) => Err(OutputError::Other { out: out.into(), what, difference }),
        None => Ok(()),
    }
}

/// Writes the plan into a folder that this process has alone; in a store, unless another process is faster, whose plan must be the
/// same.
fn write(dir: &Arc<OutputDir>, header: &Header, draft: &Draft<'_>, dataset: &Dataset) -> Result<Content, ConvertError> {
    let out = dir.root();
    let path = out.join(PLAN_NAME);
    let publish = if storage::is_url(out) { SyncedFile::publish_new } else { SyncedFile::publish };
    let synced = AtomicFile::begin(&path).and_then(|file| file::write(file, header, &draft.plan, dataset)?.sync());
    synced.and_then(publish).map_err(OutputError::write(&path))?;
    if storage::is_url(out)
        && let Some(mut plan) = PlanFile::open_and_check(Arc::clone(dir))?
    {
        let named = plan.difference(dataset)?;
        let images = |counts: String| named.clone().unwrap_or(counts);
        refuse(out, "a plan", plan.header.difference(header, images))?;
    }
    Ok(Content::Nothing)
}
