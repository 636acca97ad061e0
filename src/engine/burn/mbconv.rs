//! MBConv: widen, filter each channel, weigh the channels, narrow (Sandler et al. 2018; Tan & Le 2019).

use ::burn::module::Module;
use ::burn::tensor::Tensor;

use super::Place;
use super::convolution::ConvLayer;
use super::squeeze_excite::SqueezeExcite;
use crate::model::{Activation, Block, Weights};

/// One block; what a variant does not have is absent.
#[derive(Module, Debug)]
pub(super) struct MbConv {
    expand: Option<ConvLayer>,
    depthwise: ConvLayer,
    squeeze_excite: Option<SqueezeExcite>,
    project: ConvLayer,
    residual: bool,
}

impl MbConv {
    /// Builds `block` for input maps of `side` x `side`.
    pub(super) fn new(block: &Block, weights: &Weights, side: usize, activation: Activation, place: &Place) -> Self {
        let layer = |conv, side, activation| ConvLayer::new(conv, weights, side, activation, place);
        let narrow_side = side.div_ceil(block.depthwise.stride);
        Self {
            expand: block.expand.as_ref().map(|conv| layer(conv, side, Some(activation))),
            depthwise: layer(&block.depthwise, side, Some(activation)),
            squeeze_excite: (block.squeeze_excite.as_ref())
                .map(|layers| SqueezeExcite::new(layers, weights, activation, place)),
            project: layer(&block.project, narrow_side, None),
            residual: block.residual,
        }
    }

    /// N x C x H x W to N x C' x H/stride x W/stride.
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut x = input.clone();
        if let Some(expand) = &self.expand {
            x = expand.forward(x);
        }
        x = self.depthwise.forward(x);
        if let Some(squeeze_excite) = &self.squeeze_excite {
            x = squeeze_excite.forward(x);
        }
        x = self.project.forward(x);
        if self.residual { x + input } else { x }
    }
}
