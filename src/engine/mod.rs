//! Running a network: pictures in, features out.
//!
//! Every engine implements [`FeatureExtractor`] and is built from a [`Weights`](crate::model::Weights) value alone, so all of them can be held
//! against each other. [`open`] picks one.

#[cfg(any(feature = "flex", feature = "ndarray", feature = "wgpu"))]
mod burn;
#[cfg(feature = "cpu")]
pub mod cpu;
mod device;
#[cfg(feature = "wgpu")]
pub mod gpu;
mod select;

use thiserror::Error;

pub use device::{Adapter, AdapterKind, DeviceChoice, adapters, best_hardware};
pub use select::{Backend, Precision, Selection, open, open_processor};

/// Why features could not be computed.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The batch does not hold pictures of the network's size.
    #[error("the batch holds pictures of side {side}, the network takes {expected}")]
    Side {
        /// Side of the batch's pictures, in pixels.
        side: usize,
        /// Side that the network takes.
        expected: usize,
    },
    /// The engine itself failed.
    #[error("engine {engine}: {problem}")]
    Failed {
        /// The engine's name.
        engine: &'static str,
        /// What it said.
        problem: String,
    },
    /// A GPU could not be opened, or failed.
    #[error("{device} failed: {problem}; try again, on another device (--device), or with --backend cpu")]
    Device {
        /// The adapter.
        device: String,
        /// What its driver said.
        problem: String,
    },
    /// A GPU went away: its driver reset it, or took too long over a batch.
    #[error(
        "{device} failed: the device was lost{}{said}; try again, with smaller batches (--batch), on another device (--device), \
         or with --backend cpu",
        if said.is_empty() { "" } else { ": " }
    )]
    Lost {
        /// The adapter.
        device: String,
        /// What its driver said, if anything.
        said: String,
    },
    /// There is no GPU of the kind that was asked for.
    #[error("{problem}; {}", ways_on(*.has_software))]
    NoDevice {
        /// What was looked for.
        problem: String,
        /// Whether there is a device that computes on the processor.
        has_software: bool,
    },
    /// A GPU computes something else than the CPU engine.
    #[error(
        "{device} computes wrong features (relative error {error:.1e}, at most {limit:.0e} is right): use another device \
        (--device) or --backend cpu, and please report it with the output of 'petrec devices'"
    )]
    WrongDevice {
        /// The adapter.
        device: String,
        /// The difference's norm relative to that of the CPU engine's features.
        error: f64,
        /// What it may be.
        limit: f64,
    },
    /// This petrec was built without the engine.
    #[error("this petrec was built without the engine '{0}': build it with 'cargo build --release --features {0}'")]
    NotBuilt(&'static str),
}

fn ways_on(has_software: bool) -> &'static str {
    if has_software {
        "install the GPU's driver, use --backend cpu, or type --device cpu for the software device, which is far slower"
    } else {
        "install the GPU's driver, or use --backend cpu"
    }
}

/// Pictures of one size, ready for the stem.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBatch {
    side: usize,
    data: Vec<f32>,
}

impl ImageBatch {
    /// Takes N x `side` x `side` x 3 preprocessed values (NHWC).
    ///
    /// # Panics
    /// Where `data` is not a whole number of pictures.
    #[must_use]
    pub fn new(side: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len() % (side * side * 3), 0, "a batch holds whole pictures");
        Self { side, data }
    }

    /// Number of pictures.
    #[must_use]
    pub fn count(&self) -> usize {
        self.data.len() / (self.side * self.side * 3)
    }

    /// Height and width of each picture, in pixels.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// The values, NHWC.
    #[must_use]
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }
}

/// Features of a batch, in the order of its pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureBatch {
    /// Number of pictures.
    pub count: usize,
    /// Height, width and channels of one feature.
    pub shape: [usize; 3],
    /// `count` features one after the other, each H x W x C.
    pub data: Vec<f32>,
}

/// What becomes of a feature before it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// Nothing: H x W x C values.
    #[default]
    None,
    /// The mean over height and width: C values, as Keras' `pooling="avg"`.
    Avg,
}

impl Pool {
    /// Applies this to one feature of `channels` channels (H x W x C).
    #[must_use]
    pub fn apply(self, feature: Vec<f32>, channels: usize) -> Vec<f32> {
        match self {
            Self::None => feature,
            Self::Avg => average(&feature, channels),
        }
    }

    /// Shape of what [`Pool::apply`] returns for a feature of that shape (H, W, C).
    #[must_use]
    pub fn shape(self, feature: [usize; 3]) -> Vec<usize> {
        match self {
            Self::None => feature.to_vec(),
            Self::Avg => vec![feature[2]],
        }
    }
}

/// The mean over height and width of a feature of `channels` channels (H x W x C), summed in f64 and rounded once.
pub(crate) fn average(feature: &[f32], channels: usize) -> Vec<f32> {
    let mut sums = vec![0f64; channels];
    for pixel in feature.chunks_exact(channels) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += f64::from(*value);
        }
    }
    let pixels = (feature.len() / channels) as f64;
    sums.iter().map(|sum| (sum / pixels) as f32).collect()
}

/// How far `ours` is from `truth`: the norm of the difference over that of `truth`. Infinite where a value is not a number, or
/// there are not as many.
#[cfg(any(feature = "import", feature = "wgpu"))]
pub(crate) fn relative_l2(ours: &[f32], truth: impl ExactSizeIterator<Item = f64>) -> f64 {
    if ours.len() != truth.len() {
        return f64::INFINITY;
    }
    let (mut difference, mut norm) = (0.0, 0.0);
    for (&ours, truth) in ours.iter().zip(truth) {
        difference += (f64::from(ours) - truth).powi(2);
        norm += truth.powi(2);
    }
    let distance = (difference / norm).sqrt();
    if distance.is_nan() { f64::INFINITY } else { distance }
}

/// A network on a device.
pub trait FeatureExtractor: Send {
    /// Name for summaries and manifests: `flex`.
    fn name(&self) -> &'static str;

    /// The instructions it was compiled for, where it has several: `avx2`. The last bits of a feature depend on them.
    fn isa(&self) -> Option<&'static str> {
        None
    }

    /// The device, where it is none that every machine has. The last bits of a feature depend on it, too.
    fn device(&self) -> Option<String> {
        None
    }

    /// How many workers, each with a [`fork`](Self::fork), keep it and `threads` cores busy.
    fn workers(&self, threads: usize) -> usize {
        threads
    }

    /// Computes the features of `batch`, N x side x side x 3 in, N x H x W x C out.
    ///
    /// The feature of a picture does not depend on what else is in its batch.
    ///
    /// # Errors
    /// The pictures have another size than the network takes, or the device failed.
    fn extract(&mut self, batch: ImageBatch) -> Result<FeatureBatch, EngineError>;

    /// Another extractor on the same weights, for another thread.
    fn fork(&self) -> Box<dyn FeatureExtractor>;
}

impl dyn FeatureExtractor {
    /// `count` extractors on the same weights, this one among them: one for each worker.
    #[must_use]
    pub fn forks(self: Box<Self>, count: usize) -> Vec<Box<Self>> {
        let mut engines: Vec<_> = (1..count).map(|_| self.fork()).collect();
        engines.push(self);
        engines
    }
}

#[cfg(all(test, any(feature = "import", feature = "wgpu")))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_number_is_infinitely_far_from_the_truth() {
        let distance = |ours: &[f32], truth: &[f64]| relative_l2(ours, truth.iter().copied());

        assert_eq!(distance(&[3.0, 4.5], &[3.0, 4.0]), 0.1);
        assert_eq!(distance(&[f32::NAN, 4.0], &[3.0, 4.0]), f64::INFINITY);
        assert_eq!(distance(&[3.0], &[3.0, 4.0]), f64::INFINITY);
        assert_eq!(distance(&[], &[]), f64::INFINITY);
    }
}
