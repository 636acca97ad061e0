//! The whole way: images of a data set become records, in order, each read and decoded exactly once.
//!
//! Promises: a file appears under its final name only when it is whole and on disk; a rejected image costs its own
//! record and nothing else; the same images, weights and options give the same record bytes for any number of threads,
//! however often the run was interrupted (a second one goes on where the first one stopped), and for any number of
//! workers that share it.

mod changed;
mod claim;
mod conclude;
mod content;
mod earlier;
mod error;
mod finalize;
mod folder;
mod head;
mod images;
mod joint;
mod journal;
mod new_file;
mod object_journal;
mod options;
mod output;
mod output_dir;
mod output_error;
mod page;
mod plan;
mod plan_error;
mod planned;
mod preview;
mod record_files;
mod summary;
mod worker;
mod workers;

use std::ops::DerefMut;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tracing::info;

pub use content::Content;
pub use error::ConvertError;
pub use finalize::{Lacks, finalize};
pub use options::{Part, Start, Target, Watch};
pub use output_error::OutputError;
pub(crate) use page::PageDir;
pub use plan_error::PlanError;
pub use planned::{How, PlanFile, PlanFileError, Planned, Running, convert_planned, finished_before, plan};
pub use preview::{Estimate, PlannedClass, PlannedRecords, PlannedSplit, Preview, preview};
pub use summary::{Finalized, Summary, Totals};

use crate::dataset::{Dataset, ImageFile};
use crate::engine::FeatureExtractor;
use crate::image::{Reason, Rejection};
use crate::manifest::{Fingerprint, Manifest, Options, REPORT_NAME, WrittenFile};
use crate::model::Weights;
use crate::storage;
use crate::util::parallel;
use crate::validate::try_validate;
use conclude::{conclude, report_file, write_companions};
use earlier::{Beginning, Begun, Entries};
use head::{Head, divide};
use options::go_on;
use plan::{Arrangement, Plan};
use record_files::{Form, RecordFiles};
use worker::Worker;

/// Converts `dataset` into the folder `target.out`, which must be new or empty, or hold the same conversion: what is whole
/// of that one stays, and `watch` hears of the other images only.
///
/// # Errors
/// See [`ConvertError`]. An error leaves no half-written file. Record files that were finished before it stay, with a
/// hidden journal that a second run goes on from; where there are none, everything is taken back. A process that is
/// killed leaves a temporary file, too, which the second run removes.
pub fn convert(
    dataset: &Dataset,
    weights: &Weights,
    engine: Box<dyn FeatureExtractor>,
    options: &Options,
    target: Target<'_>,
    watch: &mut impl Watch,
) -> Result<Summary, ConvertError> {
    let start = Instant::now();
    let Target { out, part } = target;
    let options = options.completed(dataset)?;
    let conversion = Conversion::plan(dataset, weights, &options)?;
    let summary = Summary::begin(engine.as_ref(), weights, out);

    folder::refuse_inside(out, &dataset.root)?;
    let wanted = conversion.plan.files.iter().enumerate().filter(|(place, _)| part.has(*place));
    let images = wanted.map(|(_, file)| conversion.plan.images_of(file).len()).sum();
    let feature_shape = conversion.head.manifest.record.shape.clone();
    let (resumed, files) = conversion.run(images, engine, target, watch)?;

    let (report, worker) = match part {
        Part::Whole { report, .. } => {
            (Some(report.unwrap_or(&out.join(REPORT_NAME)).to_string_lossy().into_owned()), None)
        }
        Part::Worker(share) => (None, Some(share)),
    };
    let summary = summary.end(start, Totals::new(images, &files), resumed);
    Ok(Summary { feature_shape, report, worker, ..summary })
}

/// What there is to do, as it was listed and typed.
struct Draft<'a> {
    worker: Worker<'a>,
    plan: Plan,
    /// Without files.
    manifest: Manifest,
}

impl<'a> Draft<'a> {
    /// Plans it, with `options` that are complete.
    fn new(dataset: &'a Dataset, weights: &'a Weights, options: &'a Options) -> Result<Self, ConvertError> {
        let worker = Worker::new(dataset, weights, options)?;
        let plan = Plan::new(dataset, Arrangement::of(options), |file| worker.record_len(file))?;
        let fingerprint = Fingerprint::new(dataset, weights, options, plan.files.len());
        let manifest = Manifest::new(dataset, weights, options, fingerprint, worker.record_description());
        Ok(Self { worker, plan, manifest })
    }
}

/// A conversion, planned.
struct Conversion<'a> {
    dataset: &'a Dataset,
    options: &'a Options,
    worker: Worker<'a>,
    plan: Plan,
    head: Head,
}

impl<'a> Conversion<'a> {
    /// Plans it, with `options` that are complete.
    fn plan(dataset: &'a Dataset, weights: &'a Weights, options: &'a Options) -> Result<Self, ConvertError> {
        let Draft { worker, plan, manifest } = Draft::new(dataset, weights, options)?;
        let head = Head::new(dataset, options, &plan, manifest);
        info!(files = plan.files.len(), images = dataset.images.len(), "planned the record files");
        Ok(Self { dataset, options, worker, plan, head })
    }

    /// Does `target.part`, which has so many images, or what is left of it. Tells how many images were done before, and which
    /// record files there are now.
    fn run(
        self,
        images: usize,
        engine: Box<dyn FeatureExtractor>,
        target: Target<'_>,
        watch: &mut impl Watch,
    ) -> Result<(usize, Vec<WrittenFile>), ConvertError> {
        let Target { out, part } = target;
        let beginning =
            Beginning { dataset: self.dataset, plan: &self.plan, head: &self.head, out, threads: self.options.threads };
        let begun = match part {
            Part::Whole { start, .. } => beginning.begin(start, &mut |_| go_on(watch))?,
            Part::Worker(share) => beginning.begin_share(share, &mut |_| go_on(watch))?,
        };
        let (mut output, done) = match begun {
            Begun::Unfinished(output, done) => (output, done),
            Begun::Finished(_locked, files) => {
                if let Part::Whole { report, .. } = part {
                    self.complete(report, out, &files, watch)?;
                }
                watch.begun(images, images);
                return Ok((images, files));
            }
        };
        let report = match part {
            Part::Whole { report: Some(path), .. } => {
                Some(report_file(path, out, &self.head.manifest, &self.dataset.root)?)
            }
            _ => None,
        };
        let resumed = done.values().map(|entry| entry.findings.len()).sum();
        watch.begun(images, resumed);
        let form = Form {
            compression: self.options.compression,
            index: self.options.index,
            read_back: self.options.read_back.then(|| Arc::new(self.head.manifest.clone())),
        };
        let files = RecordFiles::new(&self.plan, |file| part.has(file), form, &mut output, engine.as_ref(), done);
        let workers = self.worker.count(engine.as_ref()).min(files.images().len());
        let entries = convert_images(&self.worker, files, engine.forks(workers), watch)?;
        let files = match part {
            Part::Whole { .. } => conclude(output, self.head, entries, report)?.files,
            Part::Worker(_) => {
                let files: Vec<_> = entries.into_values().filter_map(|entry| entry.file).collect();
                output.leave(&files)?;
                files
            }
        };
        Ok((resumed, files))
    }

    /// Writes what is missing beside the record files of a finished conversion, and its report where that is wanted.
    fn complete(
        &self,
        report: Option<&Path>,
        out: &Path,
        files: &[WrittenFile],
        watch: &mut impl Watch,
    ) -> Result<(), ConvertError> {
        let manifest = Manifest { files: files.to_vec(), ..self.head.manifest.clone() };
        write_companions(out, &manifest)?;
        let path = report.map_or_else(|| out.join(REPORT_NAME), Path::to_path_buf);
        if report.is_some() || !storage::is_there(&path).map_err(OutputError::unreachable(&path))? {
            // Deleted since, or wanted in another place now. Validation comes to the same verdicts.
            let file = report_file(&path, out, &manifest, &self.dataset.root)?;
            let on_file = |file: &ImageFile, rejection: Option<&Rejection>| match rejection {
                Some(Rejection { reason: Reason::Unreachable, detail, .. }) => {
                    Err(ConvertError::Unreachable { path: file.path.clone(), detail: detail.clone() })
                }
                _ if watch.wants_to_stop() => Err(ConvertError::Interrupted),
                _ => Ok(()),
            };
            let mut outcomes = try_validate(self.dataset, self.options.policy, self.options.threads, on_file)?;
            let splits = self.plan.files.iter().map(|file| (file.split.as_deref(), self.plan.images_of(file)));
            divide(&mut outcomes, &manifest, splits);
            file.finish(&outcomes)?;
        }
        Ok(())
    }
}

/// Converts what is not done, and tells what is done then: everything that is wanted.
fn convert_images(
    worker: &Worker<'_>,
    mut files: RecordFiles<'_>,
    engines: Vec<impl DerefMut<Target = dyn FeatureExtractor> + Send>,
    watch: &mut impl Watch,
) -> Result<Entries, ConvertError> {
    let planned = files.planned();
    let images = files.images();
    let in_order = worker.files(&images);
    let converted = parallel::ordered(
        images.len(),
        engines,
        |engine, place| worker.convert(&mut **engine, &in_order, place),
        |converted| {
            if watch.wants_to_stop() && files.is_between_files() {
                return Err(ConvertError::Interrupted);
            }
            let converted = converted?;
            watch.image(converted.file, converted.record.as_ref().err());
            files.put(converted.finding, converted.record.ok().as_deref())
        },
    );
    let settled = converted.and_then(|()| files.settle());
    let (entries, done) = files.finish();
    match (settled, done) {
        (Ok(()), _) => Ok(entries),
        (Err(reason), 0) => Err(reason),
        (Err(reason), done) => Err(ConvertError::Unfinished { reason: Box::new(reason), done, planned }),
    }
}
