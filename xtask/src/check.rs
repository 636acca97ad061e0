//! One picture through freshly imported weights, before they get their name: do numbers come out that mean anything?

use std::fmt;

use anyhow::{Context, Result, ensure};
use petrec::engine::{self, Backend, ImageBatch};
use petrec::image::{Accept, Picture, decode};
use petrec::model::Weights;

/// Public domain, see `examples/photos`; built in so that the check needs no folder.
const PICTURE: &[u8] = include_bytes!("../../examples/photos/Cat/chelsea.jpg");

/// Statistics of one feature.
pub(crate) struct Feature {
    shape: [usize; 3],
    mean: f64,
    std: f64,
    zeros: f64,
}

/// The built-in picture.
///
/// # Errors
/// None in a program that was built from an undamaged tree.
pub(crate) fn picture() -> Result<Picture> {
    decode(PICTURE, Accept::TensorFlow).context("the built-in picture")
}

/// Runs the built-in picture.
///
/// # Errors
/// The engine failed, or the feature holds a value that is not finite, or one and the same value throughout.
pub(crate) fn run(weights: &Weights) -> Result<Feature> {
    let picture = picture()?;
    let side = weights.network().side;
    let input = weights.metadata().preprocess.input(&picture, side);
    let mut engine = engine::open(Backend::Auto, weights)?;
    let batch = engine.extract(ImageBatch::new(side, input))?;

    let unsound = "these weights do not work, export the model again";
    let infinite = batch.data.iter().filter(|value| !value.is_finite()).count();
    ensure!(infinite == 0, "{infinite} of {} feature values are not finite: {unsound}", batch.data.len());
    let count = batch.data.len() as f64;
    let mean = batch.data.iter().copied().map(f64::from).sum::<f64>() / count;
    let variance = batch.data.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    ensure!(variance > 0.0, "all {} feature values are {mean}: {unsound}", batch.data.len());
    let zeros = batch.data.iter().filter(|value| **value == 0.0).count() as f64 / count;
    Ok(Feature { shape: batch.shape, mean, std: variance.sqrt(), zeros })
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shape: [height, width, channels], mean, std, zeros } = self;
        write!(f, "{height}x{width}x{channels}, mean {mean:.4}, std {std:.4}, zeros {:.1} %", zeros * 100.0)
    }
}
