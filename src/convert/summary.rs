//! What a run did, for people and for machines.

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::engine::FeatureExtractor;
use crate::manifest::{WorkerId, WrittenFile};
use crate::model::{Architecture, Weights};

/// What is in record files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Images that were looked at: those of the data set, or of a worker's share.
    pub images: usize,
    /// Images left out of the records.
    pub rejected: usize,
    /// Records written.
    pub records: u64,
    /// Record files written.
    pub files: usize,
    /// Bytes of all record files.
    pub bytes: u64,
}

impl Totals {
    /// The totals of `files`, which were to hold so many images.
    pub(super) fn new<'a>(images: usize, files: impl IntoIterator<Item = &'a WrittenFile>) -> Self {
        let mut totals = Self { images, rejected: images, records: 0, files: 0, bytes: 0 };
        for file in files {
            // What a journal says may be altered.
            totals.records = totals.records.saturating_add(file.records);
            totals.files += 1;
            totals.bytes = totals.bytes.saturating_add(file.bytes);
        }
        let records = usize::try_from(totals.records).unwrap_or(images);
        totals.rejected = images.saturating_sub(records);
        totals
    }
}

/// What a finished conversion, or a worker that has finished its share, did.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// What was converted.
    #[serde(flatten)]
    pub totals: Totals,
    /// Images whose records an earlier run had written; all of them where nothing was left to do.
    pub resumed: usize,
    /// Wall-clock time.
    pub seconds: f64,
    /// Images of this run, rejected ones included, divided by seconds.
    pub images_per_second: f64,
    /// The engine of this run.
    pub engine: Cow<'static, str>,
    /// Its instructions, where it has several.
    pub isa: Option<Cow<'static, str>>,
    /// Its device, where it is a GPU.
    pub device: Option<String>,
    /// The network.
    pub model: Architecture,
    /// Shape of one feature.
    pub feature_shape: Vec<usize>,
    /// The output folder; bytes that are not UTF-8 are replaced.
    pub out: String,
    /// Where the report is; likewise. A worker writes none.
    pub report: Option<String>,
    /// Which worker this was, of how many; `None` for a run that did everything.
    pub worker: Option<WorkerId>,
}

impl Summary {
    /// That of a run into `out` which has done nothing yet.
    pub(super) fn begin(engine: &dyn FeatureExtractor, weights: &Weights, out: &Path) -> Self {
        Self {
            totals: Totals::new(0, []),
            resumed: 0,
            seconds: 0.0,
            images_per_second: 0.0,
            engine: engine.name().into(),
            isa: engine.isa().map(Into::into),
            device: engine.device(),
            model: weights.metadata().architecture,
            feature_shape: Vec::new(),
            out: out.to_string_lossy().into_owned(),
            report: None,
            worker: None,
        }
    }

    /// The same of one that began at `start` and came to `totals`, some of whose images an earlier run had done.
    pub(super) fn end(self, start: Instant, totals: Totals, resumed: usize) -> Self {
        let seconds = start.elapsed().as_secs_f64();
        Self { totals, resumed, seconds, images_per_second: (totals.images - resumed) as f64 / seconds, ..self }
    }
}

/// What was put together from the work of several workers.
#[derive(Clone, Debug, Serialize)]
pub struct Finalized {
    /// What they converted.
    #[serde(flatten)]
    pub totals: Totals,
    /// Whether it had been put together before.
    pub was_finished: bool,
    /// Wall-clock time.
    pub seconds: f64,
    /// The output folder; bytes that are not UTF-8 are replaced.
    pub out: String,
    /// Where the report is; likewise.
    pub report: String,
}
