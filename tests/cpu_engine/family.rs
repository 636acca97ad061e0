//! The whole family, each network at its own size.

use petrec::engine::cpu::CpuExtractor;
use petrec::engine::{FeatureBatch, FeatureExtractor as _, ImageBatch};
use petrec::image::{Accept, load};
use petrec::model::{Architecture, Weights, seeded};
use petrec::util::npy::Npy;

use super::check;
use super::places::repository;

/// The feature of the photo that tests/reference/make_family.py takes.
fn feature(weights: &Weights) -> FeatureBatch {
    let photo = repository("examples/photos/Cat/chelsea.jpg");
    let picture = load(&photo, Accept::TensorFlow).expect("decodes").picture;
    let side = weights.network().side;
    let input = weights.metadata().preprocess.input(&picture, side);
    let mut engine = CpuExtractor::new(weights).expect("the engine opens");
    engine.extract(ImageBatch::new(side, input)).expect("the engine runs")
}

#[test]
fn every_architecture_runs_at_its_own_size() {
    for architecture in Architecture::ALL {
        let weights = seeded(architecture);

        let batch = feature(&weights);

        assert_eq!(batch.shape, weights.network().feature_shape(), "{architecture}");
        assert!(batch.data.iter().all(|value| value.is_finite()), "{architecture}");
        assert!(batch.data.iter().any(|value| *value != batch.data[0]), "{architecture}");
    }
}

#[test]
fn larger_networks_agree_with_keras_in_float64() {
    let truth = Npy::read(&repository("tests/fixtures/family_f64.npy")).expect("a reference");
    let samples = truth.shape[1];
    // Which networks, and how far apart the samples are, is what tests/reference/make_family.py chose.
    let rows =
        [(Architecture::EfficientNetB1, 79), (Architecture::EfficientNetB3, 151), (Architecture::EfficientNetB7, 919)];
    assert_eq!(truth.shape[0], rows.len());
    for ((architecture, step), truth) in rows.into_iter().zip(truth.values.chunks(samples)) {
        let feature = feature(&seeded(architecture)).data;

        let ours: Vec<f64> = feature.iter().step_by(step).take(samples).copied().map(f64::from).collect();

        check(&architecture.to_string(), &ours, truth);
    }
}
