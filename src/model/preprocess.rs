//! From a decoded picture to the network's input, by the recipe that came with the weights.

use serde::{Deserialize, Serialize};

use super::{Architecture, Padding};
use crate::image::Picture;
use crate::image::resize::Recipe;

/// What happens to a picture before the stem: a resize, then per channel `(x * scale - mean) / divisor * factor`.
///
/// The four steps are separate f32 operations in just that order because Keras' are: `Rescaling(1/255)`,
/// `Normalization`, `Rescaling(1/sqrt(std))`. One fused multiply-add would differ in the last bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Divides, per RGB channel.
    pub divisor: [f32; 3],
    /// Multiplies at the very end, per RGB channel.
    pub factor: [f32; 3],
    /// Subtracted after scaling, per RGB channel.
    pub mean: [f32; 3],
    /// How the picture gets the network's size.
    pub resize: Recipe,
    /// Multiplies the 0..=255 values first.
    pub scale: f32,
}

/// ImageNet's mean and standard deviation of RGB in 0..1, as Keras and torchvision both write them.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];

impl Preprocess {
    /// Keras' EfficientNetB0 since 2.9: `(x/255 - mean) / std`, computed as `/ sqrt(std) * (1 / sqrt(std))`.
    ///
    /// The official weight file holds the standard deviation where the variance belongs, so `Normalization` divides by
    /// its root only and a last `Rescaling` puts that right.
    #[must_use]
    pub fn keras() -> Self {
        Self {
            // TensorFlow takes the root of the f32 it stores, Python that of the f64 it was given.
            divisor: IMAGENET_STD.map(|std| (std as f32).sqrt()),
            factor: IMAGENET_STD.map(|std| (1.0 / std.sqrt()) as f32),
            ..Self::torch()
        }
    }

    /// torchvision's and timm's: `(x/255 - mean) / std`.
    #[must_use]
    pub fn torch() -> Self {
        Self {
            divisor: IMAGENET_STD.map(|std| std as f32),
            factor: [1.0; 3],
            mean: IMAGENET_MEAN,
            resize: Recipe::TfBilinear,
            scale: 1.0 / 255.0,
        }
    }

    /// EfficientNet-Lite's: `(x - 127) / 128`.
    #[must_use]
    pub fn lite() -> Self {
        Self { divisor: [128.0; 3], factor: [1.0; 3], mean: [127.0; 3], resize: Recipe::TfBilinear, scale: 1.0 }
    }

    /// What a network is fed where nobody says anything else.
    ///
    /// Keras' and torchvision's recipes are the same numbers in another order of operations; the padding, which is a mark
    /// of the framework, tells them apart.
    #[must_use]
    pub fn usual(architecture: Architecture, padding: Padding) -> Self {
        match padding {
            _ if architecture.is_lite() => Self::lite(),
            Padding::Same => Self::keras(),
            Padding::Symmetric => Self::torch(),
        }
    }

    /// Whether every step gives a finite number.
    pub(super) fn is_sound(&self) -> bool {
        let steps = [self.mean, self.divisor, self.factor, [self.scale; 3]];
        steps.as_flattened().iter().all(|value| value.is_finite()) && !self.divisor.contains(&0.0)
    }

    /// Turns a picture of any size into the stem's input: `side * side * 3` values, H x W x 3.
    #[must_use]
    pub fn input(&self, picture: &Picture, side: usize) -> Vec<f32> {
        let mut values = self.resize.resize(picture, side);
        self.normalise(&mut values);
        values
    }

    /// Applies everything but the resize, in place, to H x W x 3 values in 0..=255.
    pub fn normalise(&self, values: &mut [f32]) {
        for pixel in values.as_chunks_mut::<3>().0 {
            for (channel, value) in pixel.iter_mut().enumerate() {
                *value = (*value * self.scale - self.mean[channel]) / self.divisor[channel] * self.factor[channel];
            }
        }
    }
}
