//! Pictures become the features that TensorFlow and onnxruntime make of them, and the inputs bit for bit TensorFlow's.
//!
//! Fixtures are made by `tests/reference/make_features.py`.

#[path = "../common/places.rs"]
mod places;
#[path = "../common/shared.rs"]
mod shared;
#[path = "../common/sight.rs"]
mod sight;

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use petrec::engine::{self, Backend, FeatureExtractor, ImageBatch};
use petrec::image::{Accept, load};
use petrec::model::{Preprocess, Weights, seeded_b0};
use petrec::util::npy::Npy;
use petrec::util::parallel::{self, available_threads};
use places::{photos, repository};
use sha2::{Digest, Sha256};
use shared::shared;

/// The fixtures keep every 61st value of a feature: 61 is prime to 1280 and to 7, so all channels and places occur.
const STEP: usize = 61;
const FEATURE: usize = 7 * 7 * 1280;

/// TensorFlow's own f32 is 1.0e-4 and 2.9e-6 away from the float64 truth: these are the same magnitudes, rounded up.
/// A wrong epsilon, padding or resize is off by 1e-3 and more.
const TRUTH: Tolerance = Tolerance { absolute: 1e-4, relative: 1e-4, rel_l2: 1e-5 };
/// Two f32 engines against each other, each up to 2.5e-6 away from the truth on these pictures; ReLU6 keeps values in
/// 0..=6. Another JPEG decoder is off by 3e-2.
const ONNXRUNTIME: Tolerance = Tolerance { absolute: 1e-4, relative: 1e-4, rel_l2: 2e-5 };

struct Tolerance {
    absolute: f64,
    relative: f64,
    rel_l2: f64,
}

impl Tolerance {
    fn check(&self, name: &str, ours: &[f64], truth: &[f64]) {
        assert_eq!(ours.len(), truth.len(), "{name}");
        let pairs = || ours.iter().zip(truth);
        let within = |(a, b): (&f64, &f64)| (a - b).abs() <= self.absolute + self.relative * b.abs();
        let worst = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let square: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
        let rel_l2 = (square / truth.iter().map(|b| b * b).sum::<f64>()).sqrt();
        eprintln!("{name}: rel-l2 {rel_l2:.1e}, largest difference {worst:.1e}");
        assert!(pairs().all(within), "{name}: largest difference {worst:e}");
        assert!(rel_l2 <= self.rel_l2, "{name}: rel-l2 {rel_l2:e}");
    }
}

/// The engines that this petrec was built with.
const ENGINES: &[Backend] = &[
    #[cfg(feature = "cpu")]
    Backend::Cpu,
    #[cfg(feature = "flex")]
    Backend::Flex,
    #[cfg(feature = "ndarray")]
    Backend::Ndarray,
];

/// The features of each picture, in order.
fn features(backend: Backend, weights: &Weights, pictures: &[PathBuf]) -> Vec<Vec<f64>> {
    let engine = engine::open(&backend.into(), weights, &mut |_| {}).expect("the engine opens");
    let mut features = Vec::new();
    let work =
        |engine: &mut Box<dyn FeatureExtractor>, index: usize| feature(engine.as_mut(), weights, &pictures[index]);
    parallel::ordered(pictures.len(), engine.forks(available_threads().get()), work, |feature| {
        features.push(feature);
        Ok::<_, Infallible>(())
    })
    .expect("nothing fails");
    features
}

/// Row `index` along the array's first axis.
fn row(array: &Npy, index: usize) -> &[f64] {
    let length = array.shape[1..].iter().product();
    &array.values[index * length..][..length]
}

fn feature(engine: &mut dyn FeatureExtractor, weights: &Weights, path: &Path) -> Vec<f64> {
    let side = weights.network().side;
    let loaded = load(path, Accept::TensorFlow).unwrap_or_else(|rejection| panic!("{}: {rejection}", path.display()));
    let input = weights.metadata().preprocess.input(&loaded.picture, side);
    let features = engine.extract(ImageBatch::new(side, input)).expect("the engine runs");
    assert_eq!((features.count, features.shape), (1, [7, 7, 1280]));
    features.data.into_iter().map(f64::from).collect()
}

fn check_photos(weights: &Weights, fixture: &str, tolerance: &Tolerance) {
    let truth = Npy::read(&repository("tests/fixtures").join(fixture)).expect("a reference");
    let names = photos();
    let paths: Vec<_> = names.iter().map(|name| repository("examples/photos").join(name)).collect();

    assert_eq!(truth.shape, [names.len(), FEATURE.div_ceil(STEP)]);
    sight::assert_looks(fixture, &truth);
    for &engine in ENGINES {
        let features = features(engine, weights, &paths);

        for (index, (name, feature)) in names.iter().zip(features).enumerate() {
            let sampled: Vec<f64> = feature.into_iter().step_by(STEP).collect();
            tolerance.check(&format!("{} {name}", engine.name()), &sampled, row(&truth, index));
        }
    }
}

#[test]
fn seeded_b0_agrees_with_the_float64_truth_on_the_example_photos() {
    check_photos(&seeded_b0(), "seeded_b0_f64.npy", &TRUTH);
}

#[test]
fn seeded_b0_agrees_with_the_float64_truth_in_every_value_of_the_14_reference_pictures() {
    let Some(reference) = shared("reference") else { return };
    let truth = Npy::read(&reference.join("features_f64.npy")).expect("a reference");
    let names = fs::read_to_string(reference.join("names.txt")).expect("the pictures' names");
    let names: Vec<&str> = names.lines().collect();
    let paths: Vec<_> = names.iter().map(|name| reference.join("images").join(format!("{name}.jpg"))).collect();

    assert_eq!(names.len(), 14);
    for &engine in ENGINES {
        let features = features(engine, &seeded_b0(), &paths);

        for (index, (name, feature)) in names.iter().zip(features).enumerate() {
            TRUTH.check(&format!("{} {name}", engine.name()), &feature, row(&truth, index));
        }
    }
}

#[test]
fn built_in_lite0_agrees_with_onnxruntime_on_the_example_photos() {
    let weights = Weights::built_in_lite0().expect("the built-in weights are whole");

    check_photos(&weights, "lite0_onnxruntime.npy", &ONNXRUNTIME);
}

#[test]
fn a_missing_stem_and_another_photo_are_far_from_the_reference() {
    let Some(&engine) = ENGINES.first() else { return };
    let weights = Weights::built_in_lite0().expect("the built-in weights are whole");
    let truth = Npy::read(&repository("tests/fixtures/lite0_onnxruntime.npy")).expect("a reference");
    let names = photos();
    let path = repository("examples/photos").join(&names[0]);
    let sampled = |weights: &Weights| -> Vec<f64> {
        let features = features(engine, weights, std::slice::from_ref(&path)).remove(0);
        features.into_iter().step_by(STEP).collect()
    };
    let norm = |values: Vec<f64>| values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let distance =
        |ours: &[f64], truth: &[f64]| norm(ours.iter().zip(truth).map(|(a, b)| a - b).collect()) / norm(truth.to_vec());

    let (whole, blind) = (sampled(&weights), sampled(&sight::without_stem(&weights)));

    assert!(distance(&whole, row(&truth, 0)) < ONNXRUNTIME.rel_l2);
    assert!(distance(&blind, row(&truth, 0)) > sight::LEAST);
    let farthest = (1..names.len()).map(|other| distance(&whole, row(&truth, other))).fold(0.0, f64::max);
    assert!(farthest > sight::LEAST, "{farthest}");
}

#[test]
fn every_stage_up_to_the_input_is_tensorflows_bit_for_bit() {
    let expected = fs::read(repository("tests/fixtures/photos_pixels.json")).expect("the fixture");
    let expected: serde_json::Value = serde_json::from_slice(&expected).expect("JSON");
    let hash_of = |values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        petrec::text::hex(&Sha256::digest(bytes))
    };

    for name in photos() {
        let expected = &expected[&name];
        let loaded = load(&repository("examples/photos").join(&name), Accept::TensorFlow).expect("a good photo");
        let picture = &loaded.picture;
        let resized = petrec::image::Recipe::TfBilinear.resize(picture, 224);

        assert_eq!(petrec::text::hex(&Sha256::digest(&picture.rgb)), expected["px_sha256"], "{name}");
        assert_eq!(hash_of(&resized), expected["resized_f32_sha256"], "{name}");
        let keras = Preprocess::keras().input(picture, 224);
        assert_eq!(hash_of(&keras), expected["b0_input_f32_sha256"], "{name}");
        let lite = Preprocess::lite().input(picture, 224);
        assert_eq!(hash_of(&lite), expected["lite0_input_f32_sha256"], "{name}");
    }
}
