//! What a plan says of a conversion as a whole: all that a worker must be told, and whoever concludes.

use std::num::NonZero;
use std::path::{self, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::PlanFileError;
use crate::convert::ConvertError;
use crate::dataset::Dataset;
use crate::engine::{Pool, Precision, Selection};
use crate::image::Policy;
use crate::manifest::{Layout, Manifest, Options, Order, pool_name};
use crate::model::Weights;
use crate::storage;
use crate::storage::dirs::{StoredPath, bytes_of, path_of};
use crate::text::one_line;
use crate::tfrecord::Compression;

/// What workers are to use that the bytes do not, or hardly, depend on.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// The weights' file, where they are not found by the network's name.
    pub weights: Option<PathBuf>,
    /// The engine.
    pub selection: Selection,
}

/// The first record of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// The manifest without its files.
    pub(super) manifest: Manifest,
    /// The data set's folder as it was typed, for the report.
    pub(super) root: StoredPath,
    /// The same from the root of the file system on, for opening.
    folder: Place,
    pub(super) notes: Vec<String>,
    pub(super) policy: Policy,
    is_per_image: bool,
    has_index: bool,
    weights: Option<Place>,
    pub(super) selection: Selection,
    /// SHA-256 of the images' times of change, in the order of the data set: by the digest of this, journals know them.
    times: String,
}

fn hash_of_times(dataset: &Dataset) -> String {
    let mut hash = Sha256::new();
    for image in &dataset.images {
        hash.update(image.modified.unwrap_or_default().to_le_bytes());
    }
    crate::text::hex(&hash.finalize())
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    Text(String),
    Bytes(Vec<u8>),
}

impl Place {
    /// That of `path`, whatever the current folder is.
    fn absolute(path: &Path) -> Result<Self, PlanFileError> {
        let is_absolute = storage::is_url(path);
        let absolute = if is_absolute { Ok(path.to_owned()) } else { path::absolute(path) };
        let absolute = absolute.map_err(PlanFileError::unreadable(path))?;
        match absolute.to_str() {
            Some(text) => Ok(Self::Text(text.to_owned())),
            None => bytes_of(&absolute).map(Self::Bytes).ok_or_else(|| PlanFileError::NotUnicode(path.into())),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Bytes(bytes) => path_of(bytes),
        }
    }
}

impl Header {
    pub(super) fn new(
        dataset: &Dataset,
        options: &Options,
        manifest: Manifest,
        how: &How,
    ) -> Result<Self, PlanFileError> {
        Ok(Self {
            manifest,
            root: StoredPath::of(&dataset.root),
            folder: Place::absolute(&dataset.root)?,
            notes: dataset.notes.iter().map(ToString::to_string).collect(),
            policy: options.policy,
            is_per_image: options.layout == Layout::PerImage,
            has_index: options.index,
            weights: how.weights.as_deref().map(Place::absolute).transpose()?,
            selection: how.selection.clone(),
            times: hash_of_times(dataset),
        })
    }

    /// The data set's folder, for opening.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.folder.path()
    }

    /// The weights' file, where they are not found by the network's name.
    pub(super) fn weights(&self) -> Option<PathBuf> {
        self.weights.as_ref()?.path()
    }

    /// The layout, as far as it matters when the files are planned.
    pub(super) fn layout(&self) -> Layout {
        if self.is_per_image { Layout::PerImage } else { Layout::Shards { target: 0 } }
    }

    /// The options of a run that follows the plan; `None` where another version planned.
    pub(super) fn options(&self, threads: NonZero<usize>, read_back: bool) -> Option<Options> {
        let record = &self.manifest.record;
        let extras = record.with.iter().map(|key| key.parse().ok());
        let compressions = [Compression::None, Compression::Gzip, Compression::Zlib];
        Some(Options {
            policy: self.policy,
            layout: self.layout(),
            order: Order::Sorted,
            division: self.manifest.division.clone(),
            pool: [Pool::None, Pool::Avg].into_iter().find(|pool| pool_name(*pool) == record.pool)?,
            feature_key: record.feature_key.clone(),
            label_key: record.label_key.clone(),
            extras: extras.collect::<Option<_>>()?,
            compression: compressions.into_iter().find(|compression| compression.name() == record.compression)?,
            index: self.has_index,
            tfds: self.manifest.tfds.clone(),
            read_back,
            threads,
        })
    }

    /// Whether its numbers make sense: a header that somebody altered has a checksum that is right.
    pub(super) fn is_sound(&self) -> bool {
        let values = self.manifest.record.shape.iter().try_fold(size_of::<f32>(), |all, side| all.checked_mul(*side));
        values.is_some_and(|bytes| isize::try_from(bytes).is_ok()) && self.manifest.files.is_empty()
    }

    /// What `now` has otherwise, in words; `None` where it has nothing otherwise.
    pub(super) fn difference(&self, now: &Self, images: impl Fn(String) -> String) -> Option<String> {
        let of_bytes = self.manifest.plan.difference(&now.manifest.plan, &images);
        let told =
            |what: &str, then: String, now: String| (then != now).then(|| format!("{what} was {then} and is {now}"));
        let folder = |header: &Self| match &header.folder {
            Place::Text(folder) => format!("{} ({})", one_line(&header.root.shown()), one_line(folder)),
            Place::Bytes(_) => one_line(&header.root.shown()).to_string(),
        };
        let weights = |header: &Self| match header.weights() {
            Some(path) => path.to_string_lossy().into_owned(),
            None => "found by name".to_owned(),
        };
        of_bytes
            .or_else(|| (self.times != now.times).then(|| images("the images' times of change are others".to_owned())))
            .or_else(|| told("the folder", folder(self), folder(now)))
            .or_else(|| told("the weights' file", weights(self), weights(now)))
            .or_else(|| told("the engine", self.engine(), now.engine()))
    }

    /// The engine in words: `wgpu on nvidia`.
    fn engine(&self) -> String {
        let Selection { backend, device, batch, precision } = &self.selection;
        let device = device.as_ref().map(|device| format!(" on {device}")).unwrap_or_default();
        let batch = batch.map(|batch| format!(" in batches of {batch}")).unwrap_or_default();
        let precision = if *precision == Precision::F16 { " in f16" } else { "" };
        format!("{}{device}{batch}{precision}", backend.name())
    }

    /// Refuses weights that are not those of the plan for the records in `out`.
    pub(super) fn refuse_other_weights(&self, out: &Path, weights: &Weights) -> Result<(), ConvertError> {
        let (planned, found) = (&self.manifest.weights, weights.metadata());
        if planned == found {
            return Ok(());
        }
        let [planned, found] = [planned, found].map(|weights| format!("{} {}", weights.architecture, weights.sha256));
        Err(PlanFileError::OtherWeights { out: out.into(), planned, found }.into())
    }
}
