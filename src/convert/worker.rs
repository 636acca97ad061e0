//! What happens to one image: read, decode, resize, preprocess, extract, pool, encode.

use std::mem;

use super::ConvertError;
use crate::dataset::{Dataset, ImageFile};
use crate::engine::{FeatureExtractor, ImageBatch};
use crate::image::{Files, Loaded, NotLoaded, Reason, Rejection};
use crate::manifest::{Options, RecordDescription, pool_name};
use crate::model::{Network, Preprocess, Weights};
use crate::results::Finding;
use crate::storage::dirs::portable;
use crate::tfrecord::framing::FRAMING_LEN;
use crate::tfrecord::{Extra, RecordLayout};

/// Everything that workers share; each brings its own extractor.
pub(super) struct Worker<'a> {
    dataset: &'a Dataset,
    options: &'a Options,
    preprocess: &'a Preprocess,
    network: Network,
    layout: RecordLayout,
    /// Whether a plan lists the images.
    is_of_plan: bool,
}

/// What became of one image.
pub(super) struct Converted<'a> {
    pub(super) file: &'a ImageFile,
    pub(super) finding: Finding,
    /// The bytes of its `tf.train.Example`.
    pub(super) record: Result<Vec<u8>, Rejection>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(dataset: &'a Dataset, weights: &'a Weights, options: &'a Options) -> Result<Self, ConvertError> {
        if dataset.images.iter().any(|file| file.label.is_none()) {
            return Err(ConvertError::NoClasses);
        }
        let layout = RecordLayout::new(&options.feature_key, &options.label_key, &options.extras)?;
        let preprocess = &weights.metadata().preprocess;
        Ok(Self { dataset, options, preprocess, network: weights.network(), layout, is_of_plan: false })
    }

    /// Creates a worker for the images of a plan: an image that differs from what was planned stops the run.
    pub(super) fn of_plan(
        dataset: &'a Dataset,
        weights: &'a Weights,
        options: &'a Options,
    ) -> Result<Self, ConvertError> {
        Ok(Self { is_of_plan: true, ..Self::new(dataset, weights, options)? })
    }

    /// How many workers there are to be.
    pub(super) fn count(&self, engine: &dyn FeatureExtractor) -> usize {
        engine.workers(self.options.threads.get())
    }

    /// Images of the data set in the order in which they will be converted.
    pub(super) fn files<'o>(&self, order: &'o [usize]) -> Files<'o>
    where
        'a: 'o,
    {
        Files::new(&self.dataset.images, Some(order), self.options.policy)
    }

    /// Converts the image of `files` whose turn is the `place`-th; that it cannot be decoded is a result, not an error.
    pub(super) fn convert<'o>(
        &self,
        engine: &mut dyn FeatureExtractor,
        files: &Files<'o>,
        place: usize,
    ) -> Result<Converted<'o>, ConvertError> {
        let file = files.get(place).expect("the order ends here");
        let loaded = match files.load(place, file) {
            Ok(loaded) => Ok(loaded),
            Err(NotLoaded::Rejected(Rejection { reason: Reason::Unreachable, detail, .. })) => {
                return Err(ConvertError::Unreachable { path: file.path.clone(), detail });
            }
            Err(NotLoaded::Rejected(rejection)) => Err(rejection),
            Err(NotLoaded::Changed(_)) if self.is_of_plan => {
                return Err(ConvertError::Replaced { path: file.path.clone() });
            }
            Err(NotLoaded::Changed(detail)) => return Err(ConvertError::Changed { path: file.path.clone(), detail }),
        };
        let finding = Finding::new(loaded.as_ref().map(|loaded| loaded.picture.outline()));
        let record = match loaded {
            Ok(loaded) => Ok(self.record(engine, file, loaded)?),
            Err(rejection) => Err(rejection),
        };
        Ok(Converted { file, finding, record })
    }

    fn record(
        &self,
        engine: &mut dyn FeatureExtractor,
        file: &ImageFile,
        mut loaded: Loaded,
    ) -> Result<Vec<u8>, ConvertError> {
        let side = self.network.side;
        let input = self.preprocess.input(&loaded.picture, side);
        let bytes = mem::take(&mut loaded.bytes);
        // Many workers wait for a GPU, and pictures are large.
        drop(loaded);
        let features = engine.extract(ImageBatch::new(side, input))?;
        let values = self.options.pool.apply(features.data, self.network.head.output);
        if !values.iter().all(|value| value.is_finite()) {
            return Err(ConvertError::NotFinite { path: file.path.clone(), engine: engine.name() });
        }

        let path = portable(&file.relative);
        let class = self.dataset.class_of(file).unwrap_or_default();
        let extra = |extra: &Extra| match extra {
            Extra::Path => path.as_slice(),
            Extra::Class => class.as_bytes(),
            Extra::Image => bytes.as_slice(),
        };
        let extras: Vec<&[u8]> = self.options.extras.iter().map(extra).collect();
        let mut record = Vec::new();
        self.layout.encode(&values, label_of(file), &extras, &mut record);
        Ok(record)
    }

    /// Bytes that the record of `file` takes in a record file, as far as can be told without reading it.
    pub(super) fn record_len(&self, file: &ImageFile) -> u64 {
        let extra = |extra: &Extra| match extra {
            Extra::Path => portable(&file.relative).len(),
            Extra::Class => self.dataset.class_of(file).map_or(0, str::len),
            Extra::Image => usize::try_from(file.size).unwrap_or(usize::MAX),
        };
        let extras: Vec<usize> = self.options.extras.iter().map(extra).collect();
        let values = self.feature_shape().iter().product();
        (self.layout.encoded_len(values, label_of(file), &extras) + FRAMING_LEN) as u64
    }

    pub(super) fn record_description(&self) -> RecordDescription {
        RecordDescription {
            feature_key: self.options.feature_key.clone(),
            label_key: self.options.label_key.clone(),
            shape: self.feature_shape(),
            pool: pool_name(self.options.pool).into(),
            compression: self.options.compression.name().into(),
            with: self.options.extras.iter().map(|extra| extra.key().to_owned()).collect(),
        }
    }

    fn feature_shape(&self) -> Vec<usize> {
        self.options.pool.shape(self.network.feature_shape())
    }
}

/// The label that goes into the record; every file has one, see [`Worker::new`].
fn label_of(file: &ImageFile) -> i64 {
    file.label.and_then(|label| i64::try_from(label).ok()).unwrap_or_default()
}
