//! EfficientNet as Burn modules, on any of Burn's devices.
//!
//! Burn is NCHW, petrec is NHWC outside the engines: pictures are permuted on their way in and features on their way out,
//! both on the device.

mod convolution;
mod efficientnet;
mod mbconv;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod processor;
mod squeeze_excite;

#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) use processor::BurnExtractor;

use ::burn::tensor::{Device, FloatDType, Tensor, TensorData};

use crate::model::Weights;
use efficientnet::EfficientNet;

/// Where and in which precision a network computes.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) device: Device,
    pub(super) precision: FloatDType,
}

/// A network on one of Burn's devices.
#[derive(Clone)]
pub(super) struct Network {
    place: Place,
    side: usize,
    network: EfficientNet,
}

impl Network {
    pub(super) fn new(weights: &Weights, place: Place) -> Self {
        let network = EfficientNet::new(weights, &place);
        Self { place, side: weights.network().side, network }
    }

    /// N x side x side x 3 values to a tensor N x H x W x C of f32.
    pub(super) fn features(&self, pictures: Vec<f32>) -> Tensor<4> {
        let count = pictures.len() / (self.side * self.side * 3);
        let pictures = TensorData::new(pictures, [count, self.side, self.side, 3]);
        let pictures = Tensor::<4>::from_data(pictures, &self.place.device).permute([0, 3, 1, 2]);
        let features = self.network.forward(pictures.cast(self.place.precision)).permute([0, 2, 3, 1]);
        features.cast(FloatDType::F32)
    }
}
