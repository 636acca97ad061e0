//! Whether a GPU computes what the processor computes.
//!
//! Drivers and shader compilers have bugs, and so had Burn's kernels on some devices (tracel-ai/burn#5626: wrong 1x1
//! convolutions on Metal): a feature that is quietly wrong costs more than any time that a GPU saves.

use std::time::{Duration, Instant};

use tracing::info;

use super::super::cpu::CpuExtractor;
use super::super::{EngineError, FeatureExtractor, ImageBatch, Precision, relative_l2};
use super::GpuExtractor;
use crate::image::{Format, Picture};
use crate::model::Weights;

/// Features of a right device differ by less, as norm of the difference over norm of the feature. Sums of f32 in another
/// order come to 2.4e-6; drivers may also take liberties with exp, division and multiply-add. Wrong kernels come to 0.1 and more.
const LIMIT: f64 = 1e-4;
/// The same in half precision, which comes to 1.1e-2 (seeded B0) and 2.5e-2 (Lite0).
const LIMIT_F16: f64 = 5e-2;

/// What was found out about a device.
#[derive(Clone, Copy, Debug)]
pub struct SelfCheck {
    /// The norm of the difference from the CPU engine's features over the norm of these.
    pub error: f64,
    /// Time until the first batch was through, kernels compiled and all.
    pub first: Duration,
    /// Time of one more batch.
    pub batch: Duration,
}

/// Runs the engine on fixed pictures and compares the first and the last feature of a batch with those of the CPU engine on
/// `weights`.
///
/// # Errors
/// The device failed, or it is wrong.
pub fn self_check(engine: &mut GpuExtractor, weights: &Weights) -> Result<SelfCheck, EngineError> {
    let side = weights.network().side;
    let picture = |seed| weights.metadata().preprocess.input(&fixed_picture(side, seed), side);
    let (count, first, last) = (engine.batch(), picture(0), picture(1));
    let pictures = ImageBatch::new(side, [first.repeat(count - 1), last.clone()].concat());

    let start = Instant::now();
    let features = engine.extract(pictures.clone())?;
    let first_time = start.elapsed();
    let start = Instant::now();
    engine.extract(pictures)?;
    let batch = start.elapsed();

    let mut reference = CpuExtractor::new(weights)?;
    let length = features.data.len() / count;
    let of_batch = features.data.chunks_exact(length);
    let ends = [(first, of_batch.clone().next()), (last, of_batch.last())];
    // The feature of a batch of one is that of the last picture.
    let ends = &ends[if count == 1 { 1 } else { 0 }..];
    let mut error = 0f64;
    for (picture, feature) in ends {
        let truth = reference.extract(ImageBatch::new(side, picture.clone()))?.data;
        error = error.max(relative_l2(feature.unwrap_or_default(), truth.iter().copied().map(f64::from)));
    }
    let limit = match engine.precision() {
        Precision::F32 => LIMIT,
        Precision::F16 => LIMIT_F16,
    };
    info!(device = %engine.adapter(), batch = count, error, limit, ?first_time, ?batch, "compared with the processor");
    if error <= limit {
        Ok(SelfCheck { error, first: first_time, batch })
    } else {
        Err(EngineError::WrongDevice { device: engine.adapter().to_string(), error, limit })
    }
}

/// Slopes and noise, so that every channel of the network has something to say. The same on every machine.
fn fixed_picture(side: usize, seed: u32) -> Picture {
    let mut noise = 0x9e37_79b9_u32.wrapping_add(seed);
    let values = (0..side * side * 3).map(|place| {
        // Numerical Recipes' generator (Press et al.).
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = (place / 3 % side, place / 3 / side);
        let slope = if place % 3 == 0 { x } else { y } * 192 / side;
        slope as u8 + (noise >> 26) as u8
    });
    Picture { width: side, height: side, format: Format::Png, rgb: values.collect() }
}
