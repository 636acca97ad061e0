//! The network on a GPU: one device, shared by all workers.

use std::future::Future;
use std::num::NonZero;
use std::pin::Pin;

use ::burn::tensor::{FloatDType, TensorData};
use futures_lite::future::{block_on, poll_once};

use super::super::device::Adapter;
use super::super::{EngineError, FeatureBatch, FeatureExtractor, ImageBatch, Precision, burn};
use super::adapters::{Opened, open};
use super::batches::{Client, Runner, Sizes};
use super::loss::Loss;
use crate::model::{self, Weights};

const NAME: &str = "wgpu";
/// Red, green, blue.
const COLORS: usize = 3;
/// Pictures in a batch where nobody says and the device has room: enough to keep a large GPU busy in the last layers, whose
/// maps have 7 x 7 pixels.
const USUAL_BATCH: usize = 32;

/// A network on a GPU.
pub struct GpuExtractor {
    adapter: Adapter,
    precision: Precision,
    sizes: Sizes,
    side: usize,
    shape: [usize; 3],
    client: Client,
}

impl GpuExtractor {
    /// Uploads `weights` to the device behind `adapter`, in `precision`. It computes `batch` pictures at a time; where
    /// that is not said, 32 or as many as it has room for.
    ///
    /// # Errors
    /// The device cannot be opened, does not compute in that precision, or has no room for the weights.
    pub fn new(
        weights: &Weights,
        adapter: Adapter,
        batch: Option<NonZero<usize>>,
        precision: Precision,
    ) -> Result<Self, EngineError> {
        let network = weights.network();
        let (side, shape) = (network.side, network.feature_shape());
        let batch = batch.map_or_else(|| default_batch(&network, &adapter), NonZero::get);
        let sizes = Sizes { batch, picture: side * side * COLORS, feature: shape.iter().product() };

        let (weights, its) = (weights.clone(), adapter.clone());
        let client = Client::start(sizes, move || {
            let Opened { device, beneath } = open(&its)?;
            let place = burn::Place { device, precision: dtype(precision) };
            if !place.device.supports_dtype(place.precision) {
                return Err(format!("it does not compute in {}: leave out --precision", precision.name()));
            }
            Ok(OnDevice { network: burn::Network::new(&weights, place), loss: Loss::of(beneath) })
        });
        let client = client.map_err(|problem| failed(&adapter, &problem))?;
        Ok(Self { adapter, precision, sizes, side, shape, client })
    }

    /// The device.
    #[must_use]
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// How it holds values.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Computes a batch of nothing: its kernels are compiled then, and there is room for it.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn warm_up(&mut self) -> Result<(), EngineError> {
        let Sizes { batch, picture, .. } = self.sizes;
        self.extract(ImageBatch::new(self.side, vec![0.0; batch * picture])).map(|_| ())
    }

    /// Pictures that it computes at a time.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.sizes.batch
    }
}

fn dtype(precision: Precision) -> FloatDType {
    match precision {
        Precision::F32 => FloatDType::F32,
        Precision::F16 => FloatDType::F16,
    }
}

fn failed(adapter: &Adapter, problem: &str) -> EngineError {
    let (device, cause) = (adapter.to_string(), root_cause(problem));
    // CubeCL's word for a device that wgpu has lost; below it are wgpu's name for the case and what the driver said.
    if problem.contains("device is poisoned") {
        let said = cause.split_once(':').map_or("", |(_, said)| said.trim());
        return EngineError::Lost { device, said: said.to_owned() };
    }
    EngineError::Device { device, problem: cause.to_owned() }
}

/// What is at the bottom of the pile of causes, headings and skipped kernels that Burn makes of an error.
fn root_cause(problem: &str) -> &str {
    let says_something = |line: &&str| {
        let noise = ["Caused by:", "Asked at:", "Backtrace:", "No backtrace available", "skipped `", "("];
        !line.is_empty() && !noise.iter().any(|noise| line.starts_with(noise))
    };
    problem.lines().map(str::trim).rfind(says_something).unwrap_or("the driver does not say why")
}

/// Pictures in a batch: as many as there is room for, up to 32, where the largest map must fit into a buffer. One where the
/// "GPU" is the processor, for which more in a batch is only more to wait for.
fn default_batch(network: &model::Network, adapter: &Adapter) -> usize {
    if !adapter.kind.is_hardware() {
        return 1;
    }
    let map = network.largest_map() * size_of::<f32>();
    let room = usize::try_from(adapter.max_binding.min(adapter.max_buffer)).unwrap_or(usize::MAX) / map;
    USUAL_BATCH.min(room).max(1)
}

impl FeatureExtractor for GpuExtractor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn device(&self) -> Option<String> {
        Some(match self.precision {
            Precision::F32 => self.adapter.to_string(),
            Precision::F16 => format!("{}, {}", self.adapter, self.precision.name()),
        })
    }

    /// While a batch is computed, another one waits, and every core prepares pictures.
    fn workers(&self, threads: usize) -> usize {
        threads + 2 * self.sizes.batch
    }

    fn extract(&mut self, batch: ImageBatch) -> Result<FeatureBatch, EngineError> {
        let (count, side, expected) = (batch.count(), batch.side(), self.side);
        if side != expected {
            return Err(EngineError::Side { side, expected });
        }
        let pictures = batch.into_data();
        let data = self.client.extract(pictures.chunks_exact(self.sizes.picture));
        let data = data.map_err(|problem| failed(&self.adapter, &problem))?;
        Ok(FeatureBatch { count, shape: self.shape, data })
    }

    fn fork(&self) -> Box<dyn FeatureExtractor> {
        let Self { adapter, precision, sizes, side, shape, client } = self;
        let (adapter, client) = (adapter.clone(), client.clone());
        Box::new(Self { adapter, precision: *precision, sizes: *sizes, side: *side, shape: *shape, client })
    }
}

/// The network as the device's thread has it.
struct OnDevice {
    network: burn::Network,
    loss: Loss,
}

type Read = Result<TensorData, String>;

impl Runner for OnDevice {
    type Running = Result<Read, Pin<Box<dyn Future<Output = Read>>>>;

    fn start(&mut self, pictures: Vec<f32>) -> Result<Self::Running, String> {
        self.loss.point();
        let features = self.network.features(pictures);
        let read = async { features.into_data_async().await.map_err(|error| error.to_string()) };
        let mut read: Pin<Box<dyn Future<Output = Read>>> = Box::pin(read);
        // A future does nothing before it is polled: this queues the read behind the kernels.
        Ok(block_on(poll_once(&mut read)).ok_or(read))
    }

    fn finish(&mut self, running: Self::Running) -> Result<Vec<f32>, String> {
        let data = running.unwrap_or_else(block_on)?;
        data.try_into_vec::<f32>().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::AdapterKind;
    use super::*;
    use crate::model::Architecture;

    #[test]
    fn a_batch_is_as_large_as_the_largest_map_lets_it_be() {
        let batch = |kind, max_binding, architecture: Architecture| {
            let (name, driver) = (String::new(), String::new());
            let max_buffer = 1 << 31;
            let adapter =
                Adapter { index: 0, name, kind, api: "Vulkan", driver, max_buffer, max_binding, nth_of_kind: 0 };
            default_batch(&architecture.network(), &adapter)
        };
        use Architecture::{EfficientNetB0, EfficientNetB7};

        assert_eq!(batch(AdapterKind::Discrete, 1 << 31, EfficientNetB0), 32);
        // 128 MiB is what every implementation of WebGPU gives; the largest map of B0 takes 4.8 MB, that of B7 69 MB.
        assert_eq!(batch(AdapterKind::Integrated, 1 << 27, EfficientNetB0), 27);
        assert_eq!(batch(AdapterKind::Discrete, 1 << 27, EfficientNetB7), 1);
        assert_eq!(batch(AdapterKind::Discrete, 1 << 20, EfficientNetB7), 1, "and it says so when it fails");
        assert_eq!(batch(AdapterKind::Cpu, 1 << 31, EfficientNetB0), 1);
    }

    #[test]
    fn a_lost_device_is_told_from_one_that_fails() {
        let (name, driver) = ("G".to_owned(), String::new());
        let (kind, api) = (AdapterKind::Discrete, "Vulkan");
        let adapter = Adapter { index: 0, name, kind, api, driver, max_buffer: 0, max_binding: 0, nth_of_kind: 0 };
        let lost = |said| {
            let pile =
                format!("The device is poisoned\nCaused by:\n  Unknown: {said}\nBacktrace:\nNo backtrace available");
            failed(&adapter, &pile).to_string()
        };

        assert!(lost("").starts_with("G (discrete, Vulkan) failed: the device was lost; try again"), "{}", lost(""));
        assert!(lost("reset").contains("failed: the device was lost: reset; try again"));
        assert!(matches!(failed(&adapter, "Out of Memory"), EngineError::Device { .. }));
    }

    #[test]
    fn of_a_pile_of_causes_the_lowest_is_told() {
        let pile = "An error happened during execution\nCaused by:\n  Several failures at once\nCaused by:\n  skipped `KernelBinop`: it \
            needed memory\n  (69 older skip record(s) were dropped)\nCaused by:\n  can't allocate buffer of size: 308281344\n\
            No backtrace available\nAsked at:\nNo backtrace available";

        assert_eq!(root_cause(pile), "can't allocate buffer of size: 308281344");
        assert_eq!(root_cause("wgpu error: Out of Memory"), "wgpu error: Out of Memory");
        assert_eq!(root_cause("\nCaused by:\n"), "the driver does not say why");
    }
}
