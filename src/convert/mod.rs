//! The whole way: images of a data set become records, in order, each read and decoded exactly once.
//!
//! Promises: a file appears under its final name only when it is whole and on disk; a rejected image costs its own
//! record and nothing else; the same images, weights and options give the same record bytes for any number of threads,
//! and however often the run was interrupted: a second one goes on where the first one stopped.

mod earlier;
mod fingerprint;
mod journal;
mod manifest;
mod output;
mod plan;
mod record_files;
mod split;
mod tfds;
mod worker;

use std::fs;
use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use thiserror::Error;

pub use fingerprint::Fingerprint;
pub use journal::JOURNAL_NAME;
pub use manifest::{IndexFile, MANIFEST_NAME, Manifest, ManifestError, RecordDescription, WrittenFile};
pub use output::OutputError;
pub use plan::{Layout, Order, PlanError};
pub use split::{Division, ParseSplitsError, Split, Splits};
pub use tfds::{ParseTfdsError, Tfds, TfdsError};

use crate::dataset::{Dataset, ImageFile};
use crate::engine::{EngineError, FeatureExtractor, Pool};
use crate::image::{Policy, Rejection};
use crate::model::{Architecture, Weights};
use crate::number::{counted, thousands};
use crate::parallel;
use crate::report::{Finding, Report, ReportFile, ReportFileError};
use crate::tfrecord::{Compression, Extra, LayoutError};
use crate::validate::validate;
use crate::whole_file::WholeFile;
use earlier::{Beginning, Begun, Entries};
use plan::{Arrangement, Plan};
use record_files::{Form, RecordFiles};
use worker::Worker;

/// Name of the report in the output folder.
const REPORT_NAME: &str = "petrec-report.json";

/// Why a conversion stopped.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// The keys of the record clash.
    #[error(transparent)]
    Keys(#[from] LayoutError),
    /// The files to write cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// TFDS could not read it.
    #[error(transparent)]
    Tfds(#[from] TfdsError),
    /// An index of compressed files.
    #[error("--index does not go with --compression: nothing can be found by its place in a compressed file")]
    IndexOfCompressed,
    /// The output folder cannot be used or written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The network failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The data set has images without a label.
    #[error("the data set has no classes, and a record needs a label: put each class's photos into a sub-folder")]
    NoClasses,
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportFileError),
    /// Somebody wanted it to stop.
    #[error("interrupted")]
    Interrupted,
    /// It stopped with some of its record files done.
    #[error(
        "{reason}; {} of {} are done, and the same command goes on from there",
        thousands(*done),
        counted(*planned, "record file")
    )]
    Unfinished {
        /// Why it stopped.
        reason: Box<ConvertError>,
        /// Record files that are done.
        done: usize,
        /// All record files.
        planned: usize,
    },
    /// No image decoded.
    #[error("none of the {images} images can be decoded: nothing was written; 'petrec validate' shows why for each")]
    NothingDecoded {
        /// Images in the data set.
        images: usize,
    },
}

/// How pictures become records.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which files are taken.
    pub policy: Policy,
    /// Which files are written.
    pub layout: Layout,
    /// In which order the records are.
    pub order: Order,
    /// How the images are divided, if they are.
    pub division: Option<Division>,
    /// What becomes of a feature.
    pub pool: Pool,
    /// Key of the features.
    pub feature_key: String,
    /// Key of the label.
    pub label_key: String,
    /// What else goes into each record.
    pub extras: Vec<Extra>,
    /// How each file is compressed.
    pub compression: Compression,
    /// Whether each file gets an index beside it.
    pub index: bool,
    /// The name in TFDS, for a folder that `tfds.builder_from_directory` loads. Without a division everything is in one split.
    pub tfds: Option<Tfds>,
    /// Whether each file is read back before it gets its name.
    pub read_back: bool,
    /// Number of workers; the bytes do not depend on it.
    pub threads: NonZero<usize>,
}

impl Options {
    /// These options with what they leave open, if they go together and with `dataset`.
    fn completed(&self, dataset: &Dataset) -> Result<Self, ConvertError> {
        if self.index && self.compression != Compression::None {
            return Err(ConvertError::IndexOfCompressed);
        }
        let mut options = self.clone();
        if options.tfds.is_some() {
            Tfds::check(dataset, self)?;
            options.division.get_or_insert_with(|| Division { seed: 0, splits: Tfds::only_split() });
        }
        Ok(options)
    }
}

/// Where a conversion goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The folder of the records.
    pub out: &'a Path,
    /// The file of the report; `out/petrec-report.json` if it is `None`.
    pub report: Option<&'a Path>,
    /// What becomes of an earlier conversion in that folder.
    pub start: Start,
}

/// What becomes of an earlier conversion in the output folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// One of the same input and options is gone on with; any other is refused.
    Resume,
    /// It is removed.
    Anew,
}

/// Who watches a conversion; called on the thread that called [`convert`].
pub trait Watch {
    /// So many images are in record files that an earlier run wrote.
    fn resumed(&mut self, images: usize);
    /// An image is through; they come in order.
    fn image(&mut self, file: &ImageFile, rejection: Option<&Rejection>);
    /// Whether to stop as soon as the record file in hand is done.
    fn wants_to_stop(&mut self) -> bool;
}

/// What a finished conversion did.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Images in the data set.
    pub images: usize,
    /// Images whose records an earlier run had written; all of them where nothing was left to do.
    pub resumed: usize,
    /// Images left out of the records.
    pub rejected: usize,
    /// Records written.
    pub records: u64,
    /// Record files written.
    pub files: usize,
    /// Bytes of all record files.
    pub bytes: u64,
    /// Wall-clock time.
    pub seconds: f64,
    /// Images of this run, rejected ones included, divided by seconds.
    pub images_per_second: f64,
    /// The engine of this run.
    pub engine: &'static str,
    /// Its instructions, where it has several.
    pub isa: Option<&'static str>,
    /// The network.
    pub model: Architecture,
    /// Shape of one feature.
    pub feature_shape: Vec<usize>,
    /// The output folder; bytes that are not UTF-8 are replaced.
    pub out: String,
    /// Where the report is; likewise.
    pub report: String,
}

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
    let out = target.out;
    let options = &options.completed(dataset)?;
    let worker = Worker::new(dataset, weights, options)?;
    let plan = Plan::new(dataset, Arrangement::of(options), |file| worker.record_len(file))?;
    let fingerprint = Fingerprint::new(dataset, weights, options, &plan);
    let mut manifest = Manifest::new(dataset, weights, options, fingerprint.clone(), worker.record_description());
    let (engine_name, isa) = (engine.name(), engine.isa());

    output::refuse_inside(out, &dataset.root)?;
    let beginning = Beginning { dataset, plan: &plan, fingerprint: &fingerprint, out, threads: options.threads };
    let resumed = match beginning.begin(target.start)? {
        Begun::Finished(finished) => {
            manifest = *finished;
            write_companions(out, &manifest)?;
            let report = target.report.map_or_else(|| out.join(REPORT_NAME), Path::to_path_buf);
            if target.report.is_some() || !report.exists() {
                // Deleted since, or wanted in another place now. Validation comes to the same verdicts.
                let file = report_file(&report, out, &manifest, &dataset.root)?;
                let mut outcomes = validate(dataset, options.policy, options.threads, |_, _| {});
                let splits = plan.files.iter().map(|file| (file.split.as_deref(), plan.images_of(file)));
                divide(&mut outcomes, options, splits);
                file.finish(&outcomes)?;
            }
            watch.resumed(manifest.images);
            manifest.images
        }
        Begun::Unfinished(mut output, done) => {
            let report = target.report.map(|path| report_file(path, out, &manifest, &dataset.root)).transpose()?;
            let resumed = done.values().map(|entry| entry.findings.len()).sum();
            watch.resumed(resumed);
            let form = Form {
                compression: options.compression,
                index: options.index,
                read_back: options.read_back.then(|| Arc::new(manifest.clone())),
            };
            let files = RecordFiles::new(&plan, form, &mut output, engine.as_ref(), done);
            let entries = convert_images(&worker, files, engine, watch)?;

            let (outcomes, files) = assemble(dataset, options, entries);
            if outcomes.counts.accepted == 0 {
                output.take_back(plan.files.iter().map(|file| file.path.as_path()))?;
                return Err(ConvertError::NothingDecoded { images: dataset.images.len() });
            }
            manifest.files = files;
            write_companions(out, &manifest)?;
            match report {
                Some(report) => report.finish(&outcomes)?,
                None => output.write_json(REPORT_NAME, &outcomes)?,
            }
            output.write_json(MANIFEST_NAME, &manifest)?;
            output.finish()?;
            resumed
        }
    };

    let seconds = start.elapsed().as_secs_f64();
    let records = manifest.records();
    Ok(Summary {
        images: manifest.images,
        resumed,
        rejected: manifest.images - usize::try_from(records).unwrap_or(manifest.images).min(manifest.images),
        records,
        files: manifest.files.len(),
        bytes: manifest.files.iter().map(|file| file.bytes).sum(),
        seconds,
        images_per_second: (manifest.images - resumed) as f64 / seconds,
        engine: engine_name,
        isa,
        model: weights.metadata().architecture,
        feature_shape: manifest.record.shape,
        out: out.to_string_lossy().into_owned(),
        report: target.report.unwrap_or(&out.join(REPORT_NAME)).to_string_lossy().into_owned(),
    })
}

/// The file that a report beside or outside the records goes to.
fn report_file(path: &Path, out: &Path, manifest: &Manifest, root: &Path) -> Result<ReportFile, ReportFileError> {
    let companions = manifest.companions();
    let reserved: Vec<_> = companions.iter().map(|(name, _)| name.as_str()).chain([MANIFEST_NAME]).collect();
    ReportFile::begin_beside(path, out, &reserved, root)
}

/// Writes what lies beside the records and the manifest, where it is not there yet.
fn write_companions(out: &Path, manifest: &Manifest) -> Result<(), OutputError> {
    for (name, content) in manifest.companions() {
        let path = out.join(name);
        if fs::read(&path).is_ok_and(|found| found == content) {
            continue;
        }
        WholeFile::write(&path, |file| file.write_all(&content)).map_err(OutputError::write(&path))?;
    }
    Ok(())
}

/// Converts what is not done, and tells what is done then: everything.
fn convert_images(
    worker: &Worker<'_>,
    mut files: RecordFiles<'_>,
    engine: Box<dyn FeatureExtractor>,
    watch: &mut impl Watch,
) -> Result<Entries, ConvertError> {
    let planned = files.planned();
    let images = files.images();
    let converted = parallel::ordered(
        images.len(),
        engine.forks(worker.threads().min(images.len())),
        |engine, index| worker.convert(engine.as_mut(), images[index]),
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
    let (done, failed) = files.finish();
    match (settled, done.len() - failed) {
        (Ok(()), _) => Ok(done),
        (Err(reason), 0) => Err(reason),
        (Err(reason), done) => Err(ConvertError::Unfinished { reason: Box::new(reason), done, planned }),
    }
}

/// The report and the list of files, in order.
fn assemble(dataset: &Dataset, options: &Options, entries: Entries) -> (Report, Vec<WrittenFile>) {
    let mut report = Report::new(dataset, options.policy.accept);
    let mut findings: Vec<Option<&Finding>> = vec![None; dataset.images.len()];
    for entry in entries.values() {
        for (image, finding) in entry.images.iter().zip(&entry.findings) {
            findings[*image] = Some(finding);
        }
    }
    for (image, finding) in dataset.images.iter().zip(findings) {
        report.push(dataset, image, finding.expect("every image is in a record file").clone());
    }
    divide(&mut report, options, entries.values().map(|entry| (entry.split.as_deref(), &entry.images[..])));
    (report, entries.into_values().filter_map(|entry| entry.file).collect())
}

/// Tells the report in which split each image is.
fn divide<'a>(report: &mut Report, options: &Options, files: impl Iterator<Item = (Option<&'a str>, &'a [usize])>) {
    let Some(division) = &options.division else { return };
    let names = division.splits.parts().iter().map(|split| split.name.as_str());
    let images = files.flat_map(|(split, images)| images.iter().filter_map(move |image| Some((*image, split?))));
    report.divide(names, images);
}
