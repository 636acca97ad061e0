//! From a decoded picture to the network's input, by the recipe that came with the weights.

use std::fmt;

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

    /// Keras' EfficientNet up to 2.8: `(x/255 - mean) / sqrt(std)`.
    ///
    /// The official file holds the standard deviation as the variance.
    #[must_use]
    pub fn keras_25() -> Self {
        Self { factor: [1.0; 3], ..Self::keras() }
    }

    /// `(x/255 - mean) / std` with these means and standard deviations of red, green and blue in 0..1.
    #[must_use]
    pub fn normalised(mean: [f32; 3], std: [f32; 3]) -> Self {
        Self { mean, divisor: std, ..Self::unit() }
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

    /// timm's `*_inception` recipe, AdvProp's and TF-Hub's -1..1: `(x/255 - 0.5) / 0.5`.
    #[must_use]
    pub fn half() -> Self {
        Self { divisor: [0.5; 3], mean: [0.5; 3], ..Self::unit() }
    }

    /// Values in 0..1 and nothing else: `x/255`.
    #[must_use]
    pub fn unit() -> Self {
        Self { scale: 1.0 / 255.0, ..Self::raw() }
    }

    /// Values in 0..255 as they were decoded: `x`.
    #[must_use]
    pub fn raw() -> Self {
        Self { divisor: [1.0; 3], factor: [1.0; 3], mean: [0.0; 3], resize: Recipe::TfBilinear, scale: 1.0 }
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

/// Writes what happens to a channel value as a formula: `(x/255 - 0.485 0.456 0.406) / 0.229 0.224 0.225, x = 0..255`.
///
/// Three numbers are those of red, green and blue; a number that all three share is written once. Six significant digits.
impl fmt::Display for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scaled = match self.scale {
            1.0 => "x".to_owned(),
            scale if (f64::from(scale) * 255.0 - 1.0).abs() < 1e-6 => "x/255".to_owned(),
            scale => format!("x * {}", number(f64::from(scale))),
        };
        let channels = [0, 1, 2];
        let std = channels.map(|at| f64::from(self.divisor[at]) / f64::from(self.factor[at]));
        let (mean, std) = (numbers(self.mean.map(f64::from)), numbers(std));
        let centred = match mean.as_str() {
            "0" => scaled,
            mean if std == "1" => format!("{scaled} - {mean}"),
            mean => format!("({scaled} - {mean})"),
        };
        let formula = if std == "1" { centred } else { format!("{centred} / {std}") };
        write!(f, "{formula}, x = 0..255")
    }
}

/// The three channels' numbers, or the one that they share.
fn numbers(values: [f64; 3]) -> String {
    let [red, green, blue] = values.map(number);
    if red == green && green == blue { red } else { format!("{red} {green} {blue}") }
}

/// A number with six significant digits and no zeros at its end.
fn number(value: f64) -> String {
    const DIGITS: i32 = 6;
    if value == 0.0 || !value.is_finite() {
        return format!("{}", value + 0.0); // never -0
    }
    let whole = value.abs().log10().floor() as i32 + 1;
    let decimals = usize::try_from(DIGITS - whole).unwrap_or_default();
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preprocessing_reads_as_a_formula() {
        for (preprocess, formula) in [
            (Preprocess::keras(), "(x/255 - 0.485 0.456 0.406) / 0.229 0.224 0.225, x = 0..255"),
            (Preprocess::torch(), "(x/255 - 0.485 0.456 0.406) / 0.229 0.224 0.225, x = 0..255"),
            (Preprocess::lite(), "(x - 127) / 128, x = 0..255"),
            (Preprocess::half(), "(x/255 - 0.5) / 0.5, x = 0..255"),
            (Preprocess::unit(), "x/255, x = 0..255"),
            (Preprocess::raw(), "x, x = 0..255"),
            (Preprocess { mean: [123.675, 0.0, 1.0], ..Preprocess::raw() }, "x - 123.675 0 1, x = 0..255"),
            (Preprocess { factor: [1.0 / 127.5; 3], ..Preprocess::raw() }, "x / 127.5, x = 0..255"),
            (Preprocess { scale: 1.0 / 127.5, ..Preprocess::raw() }, "x * 0.00784314, x = 0..255"),
        ] {
            assert_eq!(preprocess.to_string(), formula);
        }
    }
}
