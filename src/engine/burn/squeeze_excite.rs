//! Squeeze-excite: each channel is scaled by what the whole picture holds (Hu et al. 2018).

use ::burn::module::Module;
use ::burn::nn::conv::Conv2d;
use ::burn::tensor::Tensor;
use ::burn::tensor::activation::sigmoid;

use super::Place;
use super::convolution::{activate, conv2d};
use crate::model::{self, Activation, Weights};

/// Mean over the map, two 1x1 convolutions, a sigmoid, a product.
#[derive(Module, Debug)]
pub(super) struct SqueezeExcite {
    reduce: Conv2d,
    expand: Conv2d,
    #[module(skip)]
    activation: Activation,
}

impl SqueezeExcite {
    pub(super) fn new(layers: &model::SqueezeExcite, weights: &Weights, activation: Activation, place: &Place) -> Self {
        // The squeezed map is a single pixel.
        let layer = |conv| conv2d(conv, weights, 1, place);
        Self { reduce: layer(&layers.reduce), expand: layer(&layers.expand), activation }
    }

    /// N x C x H x W to the same.
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let squeezed = input.clone().mean_dim(2).mean_dim(3);
        let reduced = activate(self.activation, self.reduce.forward(squeezed));
        input * sigmoid(self.expand.forward(reduced))
    }
}
