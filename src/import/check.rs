//! One picture through freshly imported weights, before they get their name: do numbers come out that mean anything?

use std::fmt;

use thiserror::Error;

use crate::engine::{self, EngineError, ImageBatch};
use crate::image::{Accept, Picture, Rejection, decode};
use crate::model::Weights;

/// Public domain, see `examples/photos`; built in so that the check needs no folder.
const PICTURE: &[u8] = include_bytes!("../../examples/photos/Cat/chelsea.jpg");

/// Statistics of one feature.
#[derive(Clone, Debug)]
pub struct Feature {
    shape: [usize; 3],
    mean: f64,
    std: f64,
    zeros: f64,
}

/// Why weights do not pass.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The built-in picture is damaged, which means the program is.
    #[error("the built-in picture: {0}")]
    Picture(#[from] Rejection),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// NaN or infinity.
    #[error("{count} of {all} feature values are not finite: these weights do not work, export the model again")]
    NotFinite {
        /// How many are not finite.
        count: usize,
        /// How many there are.
        all: usize,
    },
    /// One and the same value throughout.
    #[error("all {all} feature values are {value}: these weights do not work, export the model again")]
    Constant {
        /// How many there are.
        all: usize,
        /// Their value.
        value: f64,
    },
}

/// The built-in picture.
///
/// # Errors
/// None in a program that was built from an undamaged tree.
pub fn picture() -> Result<Picture, CheckError> {
    Ok(decode(PICTURE, Accept::TensorFlow)?)
}

/// Runs the built-in picture.
///
/// # Errors
/// The engine failed, or the feature holds a value that is not finite, or one and the same value throughout.
pub fn run(weights: &Weights) -> Result<Feature, CheckError> {
    let picture = picture()?;
    let side = weights.network().side;
    let input = weights.metadata().preprocess.input(&picture, side);
    let mut engine = engine::open_processor(weights)?;
    let batch = engine.extract(ImageBatch::new(side, input))?;

    let all = batch.data.len();
    let infinite = batch.data.iter().filter(|value| !value.is_finite()).count();
    if infinite > 0 {
        return Err(CheckError::NotFinite { count: infinite, all });
    }
    let count = all as f64;
    let mean = batch.data.iter().copied().map(f64::from).sum::<f64>() / count;
    let variance = batch.data.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    if variance <= 0.0 {
        return Err(CheckError::Constant { all, value: mean });
    }
    let zeros = batch.data.iter().filter(|value| **value == 0.0).count() as f64 / count;
    Ok(Feature { shape: batch.shape, mean, std: variance.sqrt(), zeros })
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shape: [height, width, channels], mean, std, zeros } = self;
        write!(f, "{height}x{width}x{channels}, mean {mean:.4}, std {std:.4}, zeros {:.1} %", zeros * 100.0)
    }
}
