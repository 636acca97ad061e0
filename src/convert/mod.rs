//! The whole way: images of a data set become records, in order, each read and decoded exactly once.
//!
//! Promises: a file appears under its final name only when it is whole and on disk; a rejected image costs its own
//! record and nothing else; the same images, weights and options give the same record bytes for any number of threads.

mod manifest;
mod output;
mod plan;
mod record_files;
mod worker;

use std::num::NonZero;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use thiserror::Error;

pub use manifest::{MANIFEST_NAME, Manifest};
pub use output::OutputError;
pub use plan::{Layout, PlanError};

use crate::dataset::{Dataset, ImageFile};
use crate::engine::{EngineError, FeatureExtractor, Pool};
use crate::image::{Accept, Rejection};
use crate::model::{Architecture, Weights};
use crate::parallel;
use crate::report::{Report, ReportFile, ReportFileError};
use crate::tfrecord::{Extra, LayoutError};
use output::Output;
use plan::Plan;
use record_files::RecordFiles;
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
    pub accept: Accept,
    /// Which files are written.
    pub layout: Layout,
    /// What becomes of a feature.
    pub pool: Pool,
    /// Key of the features.
    pub feature_key: String,
    /// Key of the label.
    pub label_key: String,
    /// What else goes into each record.
    pub extras: Vec<Extra>,
    /// Number of workers; the bytes do not depend on it.
    pub threads: NonZero<usize>,
}

/// What a finished conversion did.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Images in the data set.
    pub images: usize,
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
    /// Images, rejected ones included, divided by seconds.
    pub images_per_second: f64,
    /// The engine that ran.
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

/// Converts `dataset` into the folder `out`, which must be new or empty.
///
/// `report` is where the report goes, `out/petrec-report.json` if it is `None`. `on_file` hears of each image on the
/// calling thread, in order.
///
/// # Errors
/// See [`ConvertError`]. Every error takes back what was written, but for one: a report that cannot be written at the
/// very end leaves the finished records in place. A process that is killed leaves files that are whole and a temporary
/// one.
pub fn convert(
    dataset: &Dataset,
    weights: &Weights,
    engine: Box<dyn FeatureExtractor>,
    options: &Options,
    out: &Path,
    report: Option<&Path>,
    mut on_file: impl FnMut(&ImageFile, Option<&Rejection>),
) -> Result<Summary, ConvertError> {
    let start = Instant::now();
    let worker = Worker::new(dataset, weights, options)?;
    let plan = Plan::new(dataset, options.layout, |file| worker.record_len(file))?;
    let mut output = Output::create(out, &dataset.root)?;
    let elsewhere = report.map(|path| ReportFile::begin_beside(path, out, MANIFEST_NAME, &dataset.root)).transpose()?;
    let mut outcomes = Report::new(dataset, options.accept);
    let mut files = RecordFiles::new(&plan, &mut output);
    let (engine_name, isa) = (engine.name(), engine.isa());

    parallel::ordered(
        dataset.images.len(),
        engine.forks(options.threads.get().min(dataset.images.len())),
        |engine, index| worker.convert(engine.as_mut(), &dataset.images[index]),
        |converted| {
            let converted = converted?;
            on_file(converted.file, converted.record.as_ref().err());
            outcomes.push(converted.file.label, converted.outcome);
            files.put(converted.record.ok().as_deref())
        },
    )?;

    let files = files.finish()?;
    if outcomes.counts.accepted == 0 {
        return Err(ConvertError::NothingDecoded { images: dataset.images.len() });
    }
    if elsewhere.is_none() {
        output.write_json(REPORT_NAME, &outcomes)?;
    }
    let manifest = Manifest::new(dataset, weights, (engine_name, isa), worker.record_description(), files);
    output.write_json(MANIFEST_NAME, &manifest)?;
    output.keep();
    elsewhere.map(|file| file.finish(&outcomes)).transpose()?;

    let seconds = start.elapsed().as_secs_f64();
    Ok(Summary {
        images: outcomes.counts.files,
        rejected: outcomes.counts.rejected,
        records: manifest.files.iter().map(|file| file.records).sum(),
        files: manifest.files.len(),
        bytes: manifest.files.iter().map(|file| file.bytes).sum(),
        seconds,
        images_per_second: outcomes.counts.files as f64 / seconds,
        engine: engine_name,
        isa,
        model: weights.metadata().architecture,
        feature_shape: manifest.record.shape,
        out: out.to_string_lossy().into_owned(),
        report: report.unwrap_or(&out.join(REPORT_NAME)).to_string_lossy().into_owned(),
    })
}
