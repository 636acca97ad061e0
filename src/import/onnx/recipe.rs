//! The preprocessing that belongs to an imported network.

use super::affine::Affine;
use crate::model::{Architecture, Padding, Preprocess};

/// How far a graph's preprocessing may be from a known recipe and still be it, relative.
///
/// Exporters fold `1/255`, `1/std` and their products in float32, each rounding by 6e-8; another recipe differs in the
/// third digit.
const TOLERANCE: f64 = 1e-5;

/// The recipe of a graph that does `front` to the picture's 0..=255 values first.
///
/// A graph that does nothing leaves it to whoever feeds it: then it is what the network is usually fed.
pub(super) fn recipe(front: &Affine, architecture: Architecture, padding: Padding) -> Result<Preprocess, String> {
    let usual = Preprocess::usual(architecture, padding);
    if *front == Affine::identity(front.scale.len()) {
        return Ok(usual);
    }
    let imagenet = if padding == Padding::Same { Preprocess::keras() } else { Preprocess::torch() };
    match [imagenet, Preprocess::lite()].into_iter().find(|known| agrees(front, known)) {
        Some(known) => Ok(known),
        None => general(front, usual),
    }
}

fn agrees(front: &Affine, known: &Preprocess) -> bool {
    let close = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * b.abs();
    (0..front.scale.len()).all(|channel| {
        let factor = f64::from(known.factor[channel]) / f64::from(known.divisor[channel]);
        let [scale, shift] = [f64::from(known.scale) * factor, -f64::from(known.mean[channel]) * factor];
        close(front.scale[channel], scale) && close(front.shift[channel], shift)
    })
}

/// `(x * 1 - mean) / 1 * factor` is `front` in the form of a [`Preprocess`], with the usual resize.
fn general(front: &Affine, usual: Preprocess) -> Result<Preprocess, String> {
    let (mut mean, mut factor) = ([0.0; 3], [0.0; 3]);
    for channel in 0..3 {
        let (scale, shift) = (front.scale[channel], front.shift[channel]);
        mean[channel] = (-shift / scale) as f32;
        factor[channel] = scale as f32;
        if !mean[channel].is_finite() || !factor[channel].is_normal() {
            return Err(format!("its preprocessing is x * {scale} + {shift} for channel {channel}"));
        }
    }
    Ok(Preprocess { divisor: [1.0; 3], factor, mean, scale: 1.0, ..usual })
}

#[cfg(test)]
mod tests {
    use super::*;

    const B0: Architecture = Architecture::EfficientNetB0;

    /// Keras' numbers as tf2onnx folds them.
    fn keras_front() -> Affine {
        let std = [0.229, 0.224, 0.225];
        let mean = [0.485, 0.456, 0.406];
        let scale = std.iter().map(|std| f64::from(1.0f32 / 255.0) * f64::from(1.0f32 / *std as f32)).collect();
        Affine { scale, shift: mean.iter().zip(std).map(|(mean, std)| -mean / std).collect() }
    }

    #[test]
    fn the_padding_tells_keras_from_torch() {
        let front = keras_front();

        assert_eq!(recipe(&front, B0, Padding::Same), Ok(Preprocess::keras()));
        assert_eq!(recipe(&front, B0, Padding::Symmetric), Ok(Preprocess::torch()));
    }

    #[test]
    fn nothing_at_the_front_means_the_usual_recipe() {
        let nothing = Affine::identity(3);

        assert_eq!(recipe(&nothing, B0, Padding::Same), Ok(Preprocess::keras()));
        assert_eq!(recipe(&nothing, B0, Padding::Symmetric), Ok(Preprocess::torch()));
        assert_eq!(recipe(&nothing, Architecture::EfficientNetLite0, Padding::Same), Ok(Preprocess::lite()));
    }

    #[test]
    fn another_recipe_is_kept_as_it_is() {
        let front = Affine { scale: vec![1.0 / 128.0; 3], shift: vec![-1.0; 3] };
        let blind = Affine { scale: vec![0.0; 3], shift: vec![1.0; 3] };

        let kept = recipe(&front, B0, Padding::Same).expect("is an affine");

        let mut values = [128.0, 0.0, 255.0];
        kept.normalise(&mut values);
        assert_eq!(values, [0.0, -1.0, 127.0 / 128.0]);
        assert!(recipe(&blind, B0, Padding::Same).is_err());
    }
}
