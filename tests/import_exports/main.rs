//! Model files of real exporters become features that agree with what the exporter's own runtime computes.
//!
//! Two folders are looked at: `../shared/reference`, and the one that PETREC_EXPORTS names, which
//! `tests/reference/make_exports.py` fills. Each test prints its part of the table in `docs/weights.md`. A row counts only if
//! it could fail: every reference must move with the picture, and weights without a stem must be found out.
#![cfg(all(feature = "import", feature = "cpu"))]

mod damaged;
mod exports;
mod reference;
#[path = "../common/shared.rs"]
mod shared;
#[path = "../common/sight.rs"]
mod sight;

use std::path::Path;

use petrec::image::{Accept, Picture, load};
use petrec::import::compare::{TOLERANCE, distances};
use petrec::import::keras::import_keras;
use petrec::import::onnx::import_onnx;
use petrec::import::state_dict::{Format, import_state_dict};
use petrec::import::{ImportError, Options};
use petrec::model::{Padding, Preprocess, Weights};
use petrec::util::npy::Npy;

/// Reads a model by the ending of its name.
fn import(path: &Path, options: &Options) -> Result<Weights, ImportError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let padding = match () {
        () if name.starts_with("tf_") => Some(Padding::Same),
        () if name.contains(".timm") => Some(Padding::Symmetric),
        () => None,
    };
    let preprocess = options.preprocess.clone().or_else(|| said(&name));
    let options = &Options { preprocess, ..options.clone() };
    let state_dict = |format| import_state_dict(path, format, padding, options);
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("onnx") => import_onnx(path, options),
        Some("h5" | "keras") => import_keras(path, options),
        Some("safetensors") => state_dict(Format::Safetensors),
        Some("pth" | "pt") => state_dict(Format::Pth),
        _ => panic!("{}: no importer for that ending", path.display()),
    }
}

/// What must be said of a file of that name, because it prepares no picture itself.
fn said(name: &str) -> Option<Preprocess> {
    let has = |part: &str| name.contains(part);
    match () {
        () if has("takes-0-to-1") => None,
        () if has("lite0-imagenet") => Some(Preprocess::lite()),
        () if has("torchvision") || has("timm") || has("huggingface") => Some(Preprocess::torch()),
        () => None,
    }
}

fn pictures(paths: impl Iterator<Item = impl AsRef<Path>>) -> Vec<Picture> {
    paths.map(|path| load(path.as_ref(), Accept::TensorFlow).expect("a good picture").picture).collect()
}

/// Imports a model and holds its features of `pictures` against those of its own runtime.
fn assert_agrees(path: &Path, pictures: &[Picture], runtime: &str, reference: &Npy) -> Weights {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let weights = import(path, &Options::default()).unwrap_or_else(|error| panic!("{error}"));

    let distances = distances(&weights, pictures, reference).unwrap_or_else(|error| panic!("{name}: {error}"));

    let worst = distances.into_iter().fold(0.0, f64::max);
    let metadata = weights.metadata();
    eprintln!("| `{name}` | {} | {:?} | {runtime} | {worst:.1e} |", metadata.source.exporter, metadata.padding);
    assert!(worst <= TOLERANCE, "{name}: rel-l2 {worst:e}");
    sight::assert_looks(&name, reference);
    assert_stem_matters(&name, &weights, &pictures[..1], reference);
    weights
}

/// The same weights without a stem are far from the reference.
fn assert_stem_matters(name: &str, weights: &Weights, picture: &[Picture], reference: &Npy) {
    let first = Npy {
        shape: [&[1], &reference.shape[1..]].concat(),
        values: reference.values[..reference.values.len() / reference.shape[0]].to_vec(),
    };

    let distance = distances(&sight::without_stem(weights), picture, &first).expect("comparable")[0];

    assert!(
        distance > sight::LEAST,
        "{name}: without a stem the features are only {distance:.1e} off: this shows nothing"
    );
}
