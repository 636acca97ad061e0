//! Burn's pure-Rust CPU back end.

use ::burn::tensor::Device;

use super::super::{EngineError, FeatureBatch, FeatureExtractor, ImageBatch};
use super::Network;
use crate::model::Weights;

const NAME: &str = "flex";

/// A network on the processor, in Burn's kernels.
///
/// Burn is built without threads of its own: workers each run their own pictures, which keeps all cores busy and every
/// result independent of how many there are.
#[derive(Clone)]
pub(in super::super) struct FlexExtractor(Network);

impl FlexExtractor {
    pub(in super::super) fn new(weights: &Weights) -> Self {
        Self(Network::new(weights, Device::flex()))
    }
}

impl FeatureExtractor for FlexExtractor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn extract(&mut self, batch: ImageBatch) -> Result<FeatureBatch, EngineError> {
        let (count, side, expected) = (batch.count(), batch.side(), self.0.side);
        if side != expected {
            return Err(EngineError::Side { side, expected });
        }
        let features = self.0.features(batch.into_data());
        let [_, height, width, channels] = features.dims();
        let data = features.try_into_vec_as::<f32>();
        let data = data.map_err(|error| EngineError::Failed { engine: NAME, problem: error.to_string() })?;
        Ok(FeatureBatch { count, shape: [height, width, channels], data })
    }

    fn fork(&self) -> Box<dyn FeatureExtractor> {
        Box::new(self.clone())
    }
}
