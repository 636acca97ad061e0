//! A convolution with its batch normalisation folded in, and the nonlinearity after it.

use ::burn::module::{Module, Param};
use ::burn::nn::PaddingConfig2d;
use ::burn::nn::conv::Conv2d;
use ::burn::tensor::activation::silu;
use ::burn::tensor::{Tensor, TensorData};

use super::Place;
use crate::model::{self, Activation, Convolution, Weights};

/// Where ReLU6 saturates (Krizhevsky 2010; Sandler et al. 2018).
const RELU6_LIMIT: f32 = 6.0;

/// Conv, bias, and maybe an activation: stem, expand, depthwise, project and head are all this.
#[derive(Module, Debug)]
pub(super) struct ConvLayer {
    conv: Conv2d,
    #[module(skip)]
    activation: Option<Activation>,
}

impl ConvLayer {
    /// Builds the layer for input maps of `side` x `side`, on which the padding depends.
    pub(super) fn new(
        conv: &Convolution,
        weights: &Weights,
        side: usize,
        activation: Option<Activation>,
        place: &Place,
    ) -> Self {
        Self { conv: conv2d(conv, weights, side, place), activation }
    }

    /// N x C x H x W to N x C' x H/stride x W/stride.
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let output = self.conv.forward(input);
        match self.activation {
            Some(activation) => activate(activation, output),
            None => output,
        }
    }
}

/// Applies a nonlinearity to every value.
pub(super) fn activate(activation: Activation, input: Tensor<4>) -> Tensor<4> {
    match activation {
        Activation::Swish => silu(input),
        Activation::Relu6 => input.clamp(0.0, RELU6_LIMIT),
    }
}

/// A Burn convolution with the weights of `conv`.
pub(super) fn conv2d(conv: &Convolution, weights: &Weights, side: usize, place: &Place) -> Conv2d {
    let (before, after) = weights.metadata().padding.amounts(side, conv.kernel, conv.stride);
    let (weight, bias) = weights.of(conv);
    Conv2d {
        weight: parameter(weight, place),
        bias: Some(parameter(bias, place)),
        stride: [conv.stride; 2],
        kernel_size: [conv.kernel; 2],
        dilation: [1, 1],
        groups: conv.groups,
        padding: PaddingConfig2d::Explicit(before, before, after, after),
    }
}

fn parameter<const D: usize>(tensor: &model::Tensor, place: &Place) -> Param<Tensor<D>> {
    let data = TensorData::new(tensor.values.clone(), tensor.shape.clone());
    Param::from_tensor(Tensor::<D>::from_data(data, &place.device).cast(place.precision))
}
