//! The whole network: stem, MBConv blocks, head.

use ::burn::module::Module;
use ::burn::tensor::Tensor;

use super::Place;
use super::convolution::ConvLayer;
use super::mbconv::MbConv;
use crate::model::Weights;

/// EfficientNet without its classifier, built from the table and the weights alone.
#[derive(Module, Debug)]
pub(super) struct EfficientNet {
    stem: ConvLayer,
    blocks: Vec<MbConv>,
    head: ConvLayer,
}

impl EfficientNet {
    pub(super) fn new(weights: &Weights, place: &Place) -> Self {
        let network = weights.network();
        let activation = network.activation;
        let layer = |conv, side| ConvLayer::new(conv, weights, side, Some(activation), place);

        let mut side = network.side.div_ceil(network.stem.stride);
        let stem = layer(&network.stem, network.side);
        let blocks = (network.blocks.iter())
            .map(|block| {
                let built = MbConv::new(block, weights, side, activation, place);
                side = side.div_ceil(block.depthwise.stride);
                built
            })
            .collect();
        let head = layer(&network.head, side);
        Self { stem, blocks, head }
    }

    /// N x 3 x 224 x 224 to N x 1280 x 7 x 7.
    pub(super) fn forward(&self, pictures: Tensor<4>) -> Tensor<4> {
        let stem = self.stem.forward(pictures);
        let features = self.blocks.iter().fold(stem, |x, block| block.forward(x));
        self.head.forward(features)
    }
}
