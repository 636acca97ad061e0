//! What a finished conversion says of itself, for those who read the records later and for a second run.

mod file_names;
mod fingerprint;
mod spec;
mod split;
mod tfds;
mod worker_id;

use std::borrow::Cow;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use file_names::{JOURNAL_NAME, MANIFEST_NAME, PLAN_NAME};
pub(crate) use file_names::{LOCK_NAME, PAGE_NAME, REPORT_NAME};
pub use fingerprint::Fingerprint;
pub(crate) use fingerprint::pool_name;
pub use spec::{Layout, Options, Order};
pub(crate) use split::PathHash;
pub use split::{Division, ParseSplitsError, Split, Splits};
pub use tfds::{ParseTfdsError, Tfds, TfdsError};
pub use worker_id::{WorkerId, WorkerIdError};

use crate::dataset::Dataset;
use crate::model::{Metadata, Weights};
use crate::storage;
use crate::storage::hash::hash_file;
use crate::storage::machine;
use crate::text::{display_path, one_line};
use crate::tfrecord::MAX_EXAMPLE_LEN;

/// Version of the manifest.
const FORMAT: u32 = 1;
/// Deflate makes at most 1,032 bytes of one, and a record has 16 of framing.
const MOST_RECORDS_IN_A_BYTE: u64 = 65;

/// Why a manifest tells nothing.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// It could not be read.
    #[error("{}: cannot be read: {reason}; check the file's permissions", display_path(path))]
    Unreadable {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// It is not there.
    #[error(
        "{}: there is no {MANIFEST_NAME}, so this is no conversion that petrec has finished; hint: name a folder that \
         'petrec convert' has finished; 'petrec inspect' and 'petrec verify' read records of anybody",
        display_path(.0)
    )]
    Missing(PathBuf),
    /// It is damaged, or another version's.
    #[error(
        "{}: not a manifest of this version of petrec: {}; delete the folder and convert again",
        display_path(path), one_line(&reason.to_string())
    )]
    Foreign {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
}

/// `petrec-manifest.json`: written last, so where it is, the conversion is complete.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this object.
    pub format: u32,
    /// Version of petrec that wrote it.
    pub petrec: Cow<'static, str>,
    /// Name of the data set's folder.
    pub dataset: String,
    /// Class names; a record's label is an index into them.
    pub classes: Vec<String>,
    /// Images that were looked at, rejected ones included.
    pub images: usize,
    /// How the images are divided into splits, if they are.
    pub division: Option<Division>,
    /// Under which name TFDS knows it, if it does.
    pub tfds: Option<Tfds>,
    /// What each record holds.
    pub record: RecordDescription,
    /// The weights: architecture, preprocessing, source, SHA-256.
    pub weights: Metadata,
    /// What the bytes depend on; the same command writes the same.
    pub plan: Fingerprint,
    /// The record files in the order of their images.
    pub files: Vec<WrittenFile>,
}

/// What each record holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordDescription {
    /// Key of the features, a float list.
    pub feature_key: String,
    /// Key of the label, an int64 list of one.
    pub label_key: String,
    /// Shape of the features, row-major.
    pub shape: Vec<usize>,
    /// How they were pooled: `none` or `avg`.
    pub pool: Cow<'static, str>,
    /// How the files are compressed: `none`, `gzip` or `zlib`.
    pub compression: Cow<'static, str>,
    /// Keys of the extra features, byte lists of one.
    pub with: Vec<String>,
}

/// One record file as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Relative to the output folder, with forward slashes.
    pub path: String,
    /// The split that its records belong to, where the data set is divided.
    pub split: Option<String>,
    /// Records in it.
    pub records: u64,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// The engine that computed its features.
    pub engine: Cow<'static, str>,
    /// The engine's instructions, where it has several.
    pub isa: Option<Cow<'static, str>>,
    /// The engine's device, where it is a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The index of it, if there is one.
    pub index: Option<IndexFile>,
}

/// The index of a record file as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexFile {
    /// Relative to the output folder, with forward slashes.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl RecordDescription {
    /// Values of a feature; `None` where the shape is that of none, or of more than a record can hold.
    #[must_use]
    pub fn values(&self) -> Option<usize> {
        let values = self.shape.iter().try_fold(1usize, |values, axis| values.checked_mul(*axis))?;
        let is_record = values.checked_mul(size_of::<f32>()).is_some_and(|bytes| bytes as u64 <= MAX_EXAMPLE_LEN);
        (!self.shape.is_empty() && values > 0 && is_record).then_some(values)
    }
}

impl WrittenFile {
    /// The path below the output folder; `None` where it would lead out of it, which no manifest of ours does.
    #[must_use]
    pub fn relative(&self) -> Option<PathBuf> {
        below(&self.path)
    }

    /// The same for its index.
    #[must_use]
    pub fn relative_index(&self) -> Option<PathBuf> {
        below(&self.index.as_ref()?.path)
    }

    /// Whether it and its index lie in `out`, byte for byte.
    ///
    /// # Errors
    /// They are in a store that does not answer, or the machine fails to read them.
    pub(crate) fn is_in(&self, out: &Path) -> io::Result<bool> {
        let is_there = |path: Option<PathBuf>, bytes: u64, sha256: &str| match path {
            Some(path) => is_whole(&out.join(path), bytes, sha256),
            None => Ok(false),
        };
        let index = |index: &IndexFile| is_there(below(&index.path), index.bytes, &index.sha256);
        Ok(self.index.as_ref().map_or(Ok(true), index)? && is_there(self.relative(), self.bytes, &self.sha256)?)
    }
}

/// A path with forward slashes as one of this system; `None` where it would lead out of its folder.
pub(crate) fn below(path: &str) -> Option<PathBuf> {
    let path: PathBuf = path.split('/').collect();
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

fn is_whole(path: &Path, bytes: u64, sha256: &str) -> io::Result<bool> {
    let has_its_hash = || hash_file(path).map(|(_, found)| found == sha256);
    let found = if storage::is_url(path) { storage::head(path) } else { storage::metadata(path) };
    match found.and_then(|found| Ok(found.bytes == bytes && has_its_hash()?)) {
        // What the machine fails to read may be whole all the same.
        Err(error) if storage::is_url(path) && !storage::is_transient(&error) || machine::is_of_file(&error) => {
            Ok(false)
        }
        outcome => outcome,
    }
}

impl Manifest {
    /// The manifest of a conversion that has no record file yet.
    pub(crate) fn new(
        dataset: &Dataset,
        weights: &Weights,
        options: &Options,
        plan: Fingerprint,
        record: RecordDescription,
    ) -> Self {
        Self {
            format: FORMAT,
            petrec: env!("CARGO_PKG_VERSION").into(),
            dataset: dataset.name.clone(),
            classes: dataset.classes.clone(),
            images: dataset.images.len(),
            division: options.division.clone(),
            tfds: options.tfds.clone(),
            record,
            weights: weights.metadata().clone(),
            plan,
            files: Vec::new(),
        }
    }

    /// Reads the manifest of the folder `out`.
    ///
    /// # Errors
    /// It is not there, cannot be read, is none of this version, or says what no conversion can have written.
    pub fn read(out: &Path) -> Result<Self, ManifestError> {
        let path = out.join(MANIFEST_NAME);
        let bytes = storage::read(&path).map_err(|reason| match reason.kind() {
            io::ErrorKind::NotFound => ManifestError::Missing(out.into()),
            _ => ManifestError::Unreadable { path: path.clone(), reason },
        })?;
        let manifest = serde_json::from_slice(&bytes).and_then(|manifest: Self| match manifest.flaw() {
            None => Ok(manifest),
            Some(flaw) => Err(serde::de::Error::custom(flaw)),
        });
        manifest.map_err(|reason| ManifestError::Foreign { path, reason })
    }

    /// What no conversion can have written, so that whoever reads the manifest may count on the rest.
    fn flaw(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("format {}, not {FORMAT}", self.format));
        }
        if self.record.values().is_none() {
            return Some("its record.shape is that of no feature".into());
        }
        let all = |of: fn(&WrittenFile) -> u64| self.files.iter().map(of).try_fold(0u64, u64::checked_add);
        if all(|file| file.records).is_none() || all(|file| file.bytes).is_none() {
            return Some("the records or bytes of its files are more than there can be".into());
        }
        // A record has its framing at least, compressed or not its place is not for free.
        let is_short = |file: &&WrittenFile| file.records > file.bytes.saturating_mul(MOST_RECORDS_IN_A_BYTE);
        self.files.iter().find(is_short).map(|file| format!("{} cannot hold so many records", file.path))
    }

    /// The files that lie beside the records and this, by name; their bytes depend on nothing else. None outside the folder.
    pub(crate) fn companions(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.tfds.iter().flat_map(|tfds| tfds.files(self));
        files.filter(|(name, _)| below(name).is_some()).collect()
    }

    /// The names of the splits; none where the data set is not divided.
    pub fn splits(&self) -> impl Iterator<Item = &str> {
        self.division.iter().flat_map(|division| division.splits.parts()).map(|split| split.name.as_str())
    }

    /// Records in all files.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.files.iter().map(|file| file.records).sum()
    }
}
