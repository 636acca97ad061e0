//! EfficientNet as Burn modules, on any of Burn's devices.
//!
//! Burn is NCHW, petrec is NHWC outside the engines: pictures are permuted on their way in and features on their way out,
//! both on the device.

mod convolution;
mod efficientnet;
mod mbconv;
mod squeeze_excite;

use ::burn::tensor::{Device, Tensor, TensorData};

use super::{EngineError, FeatureBatch, FeatureExtractor, ImageBatch};
use crate::model::Weights;
use efficientnet::EfficientNet;

/// A network on one of Burn's devices.
#[derive(Clone)]
pub(super) struct BurnExtractor {
    name: &'static str,
    device: Device,
    side: usize,
    network: EfficientNet,
}

impl BurnExtractor {
    /// Burn's pure-Rust CPU back end. It is built without threads of its own: workers each run their own pictures, which
    /// keeps all cores busy and every result independent of how many there are.
    pub(super) fn flex(weights: &Weights) -> Self {
        let device = Device::flex();
        let network = EfficientNet::new(weights, &device);
        Self { name: "flex", device, side: weights.network().side, network }
    }
}

impl FeatureExtractor for BurnExtractor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn extract(&mut self, batch: ImageBatch) -> Result<FeatureBatch, EngineError> {
        let (count, side) = (batch.count(), batch.side());
        if side != self.side {
            return Err(EngineError::Side { side, expected: self.side });
        }
        let pictures = TensorData::new(batch.into_data(), [count, side, side, 3]);
        let pictures = Tensor::<4>::from_data(pictures, &self.device).permute([0, 3, 1, 2]);
        let features = self.network.forward(pictures).permute([0, 2, 3, 1]);
        let [_, height, width, channels] = features.dims();
        let data = features.try_into_vec_as::<f32>();
        let data = data.map_err(|error| EngineError::Failed { engine: self.name, problem: error.to_string() })?;
        Ok(FeatureBatch { count, shape: [height, width, channels], data })
    }

    fn fork(&self) -> Box<dyn FeatureExtractor> {
        Box::new(self.clone())
    }
}
