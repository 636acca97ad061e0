//! Features of imported weights beside those that another program made of the same pictures.

use thiserror::Error;

use crate::engine::{self, EngineError, ImageBatch, relative_l2};
use crate::image::Picture;
use crate::model::Weights;
use crate::util::npy::Npy;

/// How far two float32 engines may be from each other, relative l2: each is up to 3e-6 from float64's, and another
/// epsilon, padding or recipe is off by 1e-3 and more.
pub const TOLERANCE: f64 = 2e-5;

/// Why features could not be compared.
#[derive(Debug, Error)]
pub enum CompareError {
    /// The reference holds something else.
    #[error(
        "the reference has shape {found:?}, expected {expected:?} (pictures, height, width, channels), or channels \
         before height and width: dump the network's last feature maps, before pooling, of just these pictures"
    )]
    Shape {
        /// Shape of the reference.
        found: Vec<usize>,
        /// What the weights make of as many pictures.
        expected: [usize; 4],
    },
    /// The engine did not run.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// How far the weights' features of `pictures` are from the reference's, each as `|ours - theirs| / |theirs|` (l2).
///
/// It is infinite where a value is not a number. `reference` is N x H x W x C or N x C x H x W, a row for each picture in the same order; N may be left out where it is 1.
///
/// # Errors
/// [`CompareError`]: the reference has another shape, or the engine failed.
pub fn distances(weights: &Weights, pictures: &[Picture], reference: &Npy) -> Result<Vec<f64>, CompareError> {
    let network = weights.network();
    let [height, width, channels] = network.feature_shape();
    let expected = [pictures.len(), height, width, channels];
    let rows = match reference.shape.as_slice() {
        one @ [_, _, _] => [&[1], one].concat(),
        all => all.to_vec(),
    };
    let planar = rows == [pictures.len(), channels, height, width];
    if rows != expected && !planar {
        return Err(CompareError::Shape { found: reference.shape.clone(), expected });
    }

    let mut engine = engine::open_processor(weights)?;
    let features = reference.values.chunks_exact(height * width * channels);
    (pictures.iter().zip(features))
        .map(|(picture, theirs)| {
            let input = weights.metadata().preprocess.input(picture, network.side);
            let ours = engine.extract(ImageBatch::new(network.side, input))?.data;
            let place = |at: usize| if planar { at % channels * (height * width) + at / channels } else { at };
            Ok(relative_l2(&ours, (0..theirs.len()).map(|at| theirs[place(at)])))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Format;
    use crate::model::{Architecture, seeded};

    const LITE0: Architecture = Architecture::EfficientNetLite0;
    const FEATURE: [usize; 3] = [7, 7, 1280];

    fn picture() -> Picture {
        Picture { width: 3, height: 2, format: Format::Png, rgb: (0..18).map(|value| value * 14).collect() }
    }

    fn features(weights: &Weights) -> Vec<f64> {
        let input = weights.metadata().preprocess.input(&picture(), 224);
        let mut engine = engine::open_processor(weights).expect("an engine");
        let batch = engine.extract(ImageBatch::new(224, input)).expect("the engine runs");
        batch.data.into_iter().map(f64::from).collect()
    }

    #[test]
    fn both_layouts_are_recognised() {
        let weights = seeded(LITE0);
        let values = features(&weights);
        let [height, width, channels] = FEATURE;
        let planar = (0..values.len()).map(|at| values[at % (height * width) * channels + at / (height * width)]);
        let planar = Npy { shape: vec![1, channels, height, width], values: planar.collect() };
        let alone = Npy { shape: FEATURE.to_vec(), values };

        for reference in [planar, alone] {
            assert_eq!(distances(&weights, &[picture()], &reference).expect("comparable"), [0.0]);
        }
    }

    #[test]
    fn a_difference_is_measured_and_another_shape_refused() {
        let weights = seeded(LITE0);
        let tenth_more = features(&weights).iter().map(|value| value / 1.1).collect();
        let reference = Npy { shape: FEATURE.to_vec(), values: tenth_more };

        let [distance] = distances(&weights, &[picture()], &reference).expect("comparable")[..] else { panic!("one") };

        assert!((distance - 0.1).abs() < 1e-9, "{distance}");
        let error = distances(&weights, &[picture(), picture()], &reference).expect_err("two pictures");
        assert!(error.to_string().contains("[7, 7, 1280], expected [2, 7, 7, 1280]"), "{error}");
        let nothing = Npy { values: vec![f64::NAN; 7 * 7 * 1280], ..reference };
        assert_eq!(distances(&weights, &[picture()], &nothing).expect("comparable"), [f64::INFINITY]);
    }
}
