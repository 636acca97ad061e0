//! The files that `tests/reference/make_exports.py` made.

use std::path::{Path, PathBuf};
use std::{env, fs};

use petrec::engine::cpu::CpuExtractor;
use petrec::engine::{FeatureExtractor as _, ImageBatch};
use petrec::image::Picture;
use petrec::import::Options;
use petrec::import::compare::TOLERANCE;
use petrec::model::{Weights, seeded_b0};
use petrec::util::npy::Npy;

use super::{assert_agrees, import, pictures};

/// tf2onnx folds in float32 where we fold in float64: a product and a quotient, each rounded by 6e-8.
const FOLDING: f32 = 5e-7;

/// Every model that lies beside its features.
fn models(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut models: Vec<_> = paths.filter(|path| features(path).is_file()).collect();
    models.sort();
    models
}

fn photos(folder: &Path) -> Vec<Picture> {
    let names = fs::read_to_string(folder.join("photos.txt")).expect("the list of photos");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/photos");
    pictures(names.lines().map(|name| examples.join(name)))
}

fn features(model: &Path) -> PathBuf {
    model.with_added_extension("npy")
}

/// Whether every value is within `FOLDING` of the seeded one, in units of the largest of its tensor.
fn assert_seeded(name: &str, weights: &Weights) {
    let seeded = seeded_b0();
    for conv in seeded.network().convolutions() {
        let (ours, theirs) = (seeded.of(conv), weights.of(conv));
        for (ours, theirs) in [(ours.0, theirs.0), (ours.1, theirs.1)] {
            let largest = ours.values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let close = |(a, b): (&f32, &f32)| (a - b).abs() <= FOLDING * largest;
            assert!(ours.values.iter().zip(&theirs.values).all(close), "{name}: {}", conv.name);
        }
    }
}

/// The folder, if there is one.
fn folder() -> Option<PathBuf> {
    let folder = env::var_os("PETREC_EXPORTS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: PETREC_EXPORTS names no folder that tests/reference/make_exports.py filled");
    }
    folder
}

/// What the classifier gives each class, as its own runtime computes it: logits, or probabilities behind a softmax.
fn classes(weights: &Weights, pictures: &[Picture], behind_softmax: bool) -> Vec<f64> {
    let mut engine = CpuExtractor::new(weights).expect("the engine opens");
    let side = weights.network().side;
    let mut one = |picture: &Picture| {
        let input = weights.metadata().preprocess.input(picture, side);
        let feature = engine.extract(ImageBatch::new(side, input)).expect("the engine runs").data;
        let logits = weights.classifier().expect("imported with its top").logits(&feature);
        let logits = logits.into_iter().map(f64::from);
        if !behind_softmax {
            return logits.collect::<Vec<_>>();
        }
        let sum: f64 = logits.clone().map(f64::exp).sum();
        logits.map(|logit| logit.exp() / sum).collect()
    };
    pictures.iter().flat_map(&mut one).collect()
}

#[test]
fn every_classifier_that_came_along_gives_what_its_own_runtime_gives() {
    let Some(folder) = folder() else { return };
    let pictures = photos(&folder);
    let with_top = Options { with_top: true, ..Options::default() };
    let mut tops = 0;
    for path in models(&folder) {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let Ok(truth) = Npy::read(&path.with_added_extension("top.npy")) else { continue };
        let weights = import(&path, &with_top).unwrap_or_else(|error| panic!("{error}"));

        let ours = classes(&weights, &pictures, name.contains("top") || name.contains("whole"));

        let square = ours.iter().zip(&truth.values).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let rel_l2 = (square / truth.values.iter().map(|value| value * value).sum::<f64>()).sqrt();
        eprintln!("| `{name}`, classes | {rel_l2:.1e} |");
        assert!(ours.len() == truth.values.len() && rel_l2 <= TOLERANCE, "{name}: rel-l2 {rel_l2:e}");
        let read = Weights::from_bytes(&weights.to_bytes().expect("serialises"), "written").expect("reads back");
        assert_eq!(read.classifier().expect("kept").weight, weights.classifier().expect("there").weight);
        tops += 1;
    }
    assert!(tops > 0, "{}: no model with its top", folder.display());
}

#[test]
fn every_export_gives_the_features_of_its_own_runtime() {
    let Some(folder) = folder() else { return };
    let pictures = photos(&folder);
    let models = models(&folder);
    assert!(!models.is_empty(), "{}: no models", folder.display());

    for path in models {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let truth = Npy::read(&features(&path)).expect("the features");
        let runtime = match () {
            () if name.ends_with(".onnx") => "onnxruntime",
            () if name.contains(".keras-") => "Keras",
            () => "torch",
        };

        let weights = assert_agrees(&path, &pictures, runtime, &truth);

        if name.starts_with("efficientnet-b0.") {
            assert_seeded(&name, &weights);
        }
    }
}
