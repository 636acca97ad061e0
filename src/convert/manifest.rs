//! What a finished conversion says of itself, for those who read the records later.

use serde::Serialize;

use crate::dataset::Dataset;
use crate::engine::Pool;
use crate::model::{Metadata, Weights};

/// Name of the manifest in the output folder.
pub const MANIFEST_NAME: &str = "petrec-manifest.json";
/// Version of the manifest.
const FORMAT: u32 = 1;

/// `petrec-manifest.json`: written last, so where it is, the conversion is complete.
#[derive(Debug, Serialize)]
pub struct Manifest {
    /// Version of this object.
    pub format: u32,
    /// Version of petrec that wrote it.
    pub petrec: &'static str,
    /// Name of the data set's folder.
    pub dataset: String,
    /// Class names; a record's label is an index into them.
    pub classes: Vec<String>,
    /// Images that were looked at, rejected ones included.
    pub images: usize,
    /// What each record holds.
    pub record: RecordDescription,
    /// The engine that ran.
    pub engine: &'static str,
    /// Its instructions, where it has several.
    pub isa: Option<&'static str>,
    /// The weights: architecture, preprocessing, source, SHA-256.
    pub weights: Metadata,
    /// The record files in the order of their images.
    pub files: Vec<WrittenFile>,
}

/// What each record holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordDescription {
    /// Key of the features, a float list.
    pub feature_key: String,
    /// Key of the label, an int64 list of one.
    pub label_key: String,
    /// Shape of the features, row-major.
    pub shape: Vec<usize>,
    /// How they were pooled.
    pub pool: Pool,
    /// Keys of the extra features, byte lists of one.
    pub with: Vec<String>,
}

/// One record file as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrittenFile {
    /// Relative to the output folder, with forward slashes.
    pub path: String,
    /// Records in it.
    pub records: u64,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn new(
        dataset: &Dataset,
        weights: &Weights,
        (engine, isa): (&'static str, Option<&'static str>),
        record: RecordDescription,
        files: Vec<WrittenFile>,
    ) -> Self {
        Self {
            format: FORMAT,
            petrec: env!("CARGO_PKG_VERSION"),
            dataset: dataset.name.clone(),
            classes: dataset.classes.clone(),
            images: dataset.images.len(),
            record,
            engine,
            isa,
            weights: weights.metadata().clone(),
            files,
        }
    }
}
