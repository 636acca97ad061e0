//! Burn's pure-Rust CPU back ends, flex and the older ndarray.

use ::burn::tensor::{Device, FloatDType};

use super::super::{EngineError, FeatureBatch, FeatureExtractor, ImageBatch};
use super::{Network, Place};
use crate::model::Weights;

/// A network on the processor, in Burn's kernels.
///
/// Burn is built without threads of its own: workers each run their own pictures, which keeps all cores busy and every
/// result independent of how many there are.
#[derive(Clone)]
pub(in super::super) struct BurnExtractor {
    name: &'static str,
    network: Network,
}

impl BurnExtractor {
    #[cfg(feature = "flex")]
    pub(in super::super) fn flex(weights: &Weights) -> Self {
        Self { name: "flex", network: network(weights, Device::flex()) }
    }

    #[cfg(feature = "ndarray")]
    #[expect(deprecated, reason = "Burn will drop it; until then it is one more opinion on every feature")]
    pub(in super::super) fn ndarray(weights: &Weights) -> Self {
        Self { name: "ndarray", network: network(weights, Device::ndarray()) }
    }
}

fn network(weights: &Weights, device: Device) -> Network {
    Network::new(weights, Place { device, precision: FloatDType::F32 })
}

impl FeatureExtractor for BurnExtractor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn extract(&mut self, batch: ImageBatch) -> Result<FeatureBatch, EngineError> {
        let (count, side, expected) = (batch.count(), batch.side(), self.network.side);
        if side != expected {
            return Err(EngineError::Side { side, expected });
        }
        let features = self.network.features(batch.into_data());
        let [_, height, width, channels] = features.dims();
        let data = features.try_into_vec_as::<f32>();
        let data = data.map_err(|error| EngineError::Failed { engine: self.name, problem: error.to_string() })?;
        Ok(FeatureBatch { count, shape: [height, width, channels], data })
    }

    fn fork(&self) -> Box<dyn FeatureExtractor> {
        Box::new(self.clone())
    }
}
