//! A run that follows a plan: one worker's share of it, or everything that is left.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::batch::PlanBatch;
use super::conclude::{conclude, concluded_before, leave};
use super::done::Done;
use super::error::PlanFileError;
use super::file::PlanFile;
use crate::convert::conclude::write_companions;
use crate::convert::content::{Content, refuse_foreign_files};
use crate::convert::earlier::{Entries, Watching, are_whole, sweep};
use crate::convert::options::go_on;
use crate::convert::output::{Output, has_manifest, leave_finished};
use crate::convert::output_dir::OutputDir;
use crate::convert::record_files::{Form, RecordFiles};
use crate::convert::summary::{Summary, Totals};
use crate::convert::worker::Worker;
use crate::convert::{ConvertError, OutputError, Watch, convert_images};
use crate::engine::FeatureExtractor;
use crate::manifest::{Manifest, Options, REPORT_NAME, WorkerId, WrittenFile};
use crate::model::Weights;
use crate::storage::atomic_file::is_temporary_of;
use crate::storage::lock::LockMode;

/// How a run that follows a plan does so; the bytes do not depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Which worker it is; `None` does everything that is left, and completes the conversion.
    pub share: Option<WorkerId>,
    /// Number of threads.
    pub threads: NonZero<usize>,
    /// Whether each file is read back before it gets its name.
    pub read_back: bool,
}

/// Converts what `plan`, which lies in `out`, wants of this run and is not done yet; the data set is not listed.
///
/// # Errors
/// As [`convert`](super::super::convert); the plan is damaged, or was made for other weights.
pub fn convert_planned(
    plan: PlanFile,
    out: &Path,
    weights: &Weights,
    engine: Box<dyn FeatureExtractor>,
    running: Running,
    watch: &mut impl Watch,
) -> Result<Summary, ConvertError> {
    match follow(plan, out, weights, engine, running, watch) {
        // Where nothing is locked, others may have completed it meanwhile, and removed the plan.
        Err(ConvertError::PlanFile(error)) if error.is_gone() && has_manifest(out)? => {
            leave_finished(out)?;
            finished(out, running, &mut |_| go_on(watch))
        }
        outcome => outcome,
    }
}

fn follow(
    mut plan: PlanFile,
    out: &Path,
    weights: &Weights,
    engine: Box<dyn FeatureExtractor>,
    running: Running,
    watch: &mut impl Watch,
) -> Result<Summary, ConvertError> {
    let start = Instant::now();
    let Running { share, threads, read_back } = running;
    plan.header.refuse_other_weights(out, weights)?;
    let options = plan.header.options(threads, read_back);
    let options = options.ok_or_else(|| PlanFileError::Foreign(plan.path().into()))?;
    let summary = Summary::begin(engine.as_ref(), weights, out);

    if share.is_some() && has_manifest(out)? {
        // Finished but for the plan, which finalize removes; or something was lost since, and is made again.
        match finished_in(out, running, &mut |_| go_on(watch)) {
            Err(ConvertError::Output(OutputError::NeedsRepair(_))) => {}
            finished => return finished,
        }
    }
    let mut done = Done::default();
    let dir = Arc::clone(&plan.dir);
    if share.is_none() {
        refuse_foreign_files(out)?;
        if let Some(manifest) = concluded_before(&plan, threads, &mut |_| go_on(watch))? {
            let output = Output::by_plan(Arc::clone(&dir), None, &plan.digest, |_| {})?;
            leave(plan, output, manifest)?;
            return finished_in(out, running, &mut |_| go_on(watch));
        }
    }
    let mut output = Output::by_plan(dir, share, &plan.digest, |entry| {
        if has(share, entry.index) {
            done.add(entry);
        }
    })?;
    done.retain_whole(&mut plan, out, threads, &mut |_| go_on(watch))?;
    done.retain_unchanged(&mut plan)?;
    let (mut planned, mut images) = (0, 0);
    for file in (0..plan.files()).filter(|file| has(share, *file)) {
        planned += 1;
        images += plan.images_of(file)?;
    }
    let resumed = done.images();
    if resumed < images {
        plan.refuse_lost_dataset()?;
    }
    watch.begun(images, resumed);

    let workers = engine.workers(threads.get()).clamp(1, (images - resumed).max(1));
    let mut engines = engine.forks(workers);
    let following = Following { share, out, weights, options: &options, planned };
    following.run(&mut plan, &mut output, &mut done, &mut engines, watch)?;
    drop(engines);

    let record = plan.header.manifest.record.clone();
    let (totals, report) = match share {
        Some(_) => {
            output.leave(done.written())?;
            (Totals::new(images, done.written()), None)
        }
        None => {
            let manifest = conclude(plan, output, done)?;
            (Totals::new(images, &manifest.files), Some(out.join(REPORT_NAME).to_string_lossy().into_owned()))
        }
    };
    Ok(Summary { feature_shape: record.shape, report, worker: share, ..summary.end(start, totals, resumed) })
}

/// Everything about a run that stays the same from lot to lot.
struct Following<'a> {
    share: Option<WorkerId>,
    out: &'a Path,
    weights: &'a Weights,
    options: &'a Options,
    /// Record files of the run, those that were done before included.
    planned: usize,
}

impl Following<'_> {
    /// Converts the images of those files that are this run's and not `done`.
    fn run(
        &self,
        plan: &mut PlanFile,
        output: &mut Output,
        done: &mut Done,
        engines: &mut [Box<dyn FeatureExtractor>],
        watch: &mut impl Watch,
    ) -> Result<(), ConvertError> {
        let form = Form {
            compression: self.options.compression,
            index: self.options.index,
            read_back: self.options.read_back.then(|| Arc::new(plan.header.manifest.clone())),
        };
        let owner = output.owner().to_owned();
        let mut next = 0;
        loop {
            let wanted = |file| has(self.share, file) && !done.files.contains_key(&file);
            let Some(PlanBatch { dataset, plan: part }) = PlanBatch::next(plan, &mut next, wanted)? else {
                return Ok(());
            };
            sweep(self.out, part.files.iter().map(|file| &file.path), |name| is_temporary_of(&owner, name))?;
            let worker = Worker::of_plan(&dataset, self.weights, self.options)?;
            let first = engines[0].as_ref();
            let files = RecordFiles::new(&part, |_| true, form.clone(), output, first, Entries::new());
            let files = files.in_part_of(self.planned, done.files.len());
            let engines = engines.iter_mut().map(AsMut::as_mut).collect();
            convert_images(&worker, files, engines, watch)?.into_values().for_each(|entry| done.add(entry));
        }
    }
}

/// Whether a record file is a run's.
fn has(share: Option<WorkerId>, file: usize) -> bool {
    share.is_none_or(|share| share.has(file))
}

/// What there is to tell where the conversion is finished and its plan gone: every record file of this run is there. Which they
/// were the plan alone knew, so that each worker looks after every so manieth of those that there are.
///
/// # Errors
/// There is no finished conversion in `out`, or record files are missing or damaged.
pub fn finished_before(out: &Path, running: Running) -> Result<Summary, ConvertError> {
    finished(out, running, &mut |_| ControlFlow::Continue(()))
}

/// Does what [`finished_before`] does; `watch` decides after each record file whether to go on.
fn finished(out: &Path, running: Running, watch: &mut Watching<'_>) -> Result<Summary, ConvertError> {
    if Content::of(out)? == Content::Nothing {
        return Err(PlanFileError::Missing(out.into()).into()); // no folder is made to say so
    }
    let mode = if running.share.is_some() { LockMode::Shared } else { LockMode::Alone };
    let _locked = OutputDir::open(out, mode)?;
    finished_in(out, running, watch)
}

/// The same in a folder that is locked.
fn finished_in(out: &Path, running: Running, watch: &mut Watching<'_>) -> Result<Summary, ConvertError> {
    let start = Instant::now();
    let manifest = match Content::of(out)? {
        Content::Nothing => return Err(PlanFileError::Missing(out.into()).into()),
        Content::Journal => return Err(PlanFileError::Unplanned(out.into()).into()),
        Content::Manifest | Content::Plan => Manifest::read(out).map_err(OutputError::from)?,
    };
    let ours = manifest.files.iter().enumerate().filter(|(place, _)| has(running.share, *place));
    let files: Vec<WrittenFile> = ours.map(|(_, file)| file.clone()).collect();
    if !are_whole(&files, out, running.threads, watch)? {
        return Err(OutputError::NeedsRepair(out.into()).into());
    }
    let (images, report) = match running.share {
        Some(_) => (files.iter().map(|file| usize::try_from(file.records).unwrap_or(usize::MAX)).sum(), None),
        None => {
            write_companions(out, &manifest)?;
            (manifest.images, Some(out.join(REPORT_NAME).to_string_lossy().into_owned()))
        }
    };
    let first = manifest.files.first();
    Ok(Summary {
        totals: Totals::new(images, &files),
        resumed: images,
        seconds: start.elapsed().as_secs_f64(),
        images_per_second: 0.0,
        engine: first.map(|file| file.engine.clone()).unwrap_or_default(),
        isa: first.and_then(|file| file.isa.clone()),
        device: first.and_then(|file| file.device.clone()),
        model: manifest.weights.architecture,
        feature_shape: manifest.record.shape,
        out: out.to_string_lossy().into_owned(),
        report,
        worker: running.share,
    })
}
