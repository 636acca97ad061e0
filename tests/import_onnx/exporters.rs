//! Real exporters' files, where `../shared` is there.

use std::path::{Path, PathBuf};

use super::shared::shared;
use petrec::import::Options;
use petrec::import::onnx::import_onnx;
use petrec::model::{Architecture, Padding, Preprocess, Tensor, Weights, seeded_b0};

/// The ONNX file of that name.
fn onnx(name: &str) -> Option<PathBuf> {
    shared(&format!("reference/onnx/{name}"))
}

/// Imports a file whose pictures are prepared like that, or by the file itself.
fn import(path: &Path, preprocess: Option<Preprocess>) -> Weights {
    let options = Options { license: Some("Apache-2.0".into()), preprocess, ..Options::default() };
    import_onnx(path, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// The largest difference of any value, in units of the largest value of its tensor.
fn distance(a: &Weights, b: &Weights) -> f64 {
    let largest = |values: &[f32]| f64::from(values.iter().fold(0f32, |most, value| most.max(value.abs())));
    let distance = |(a, b): (&Tensor, &Tensor)| {
        assert_eq!(a.shape, b.shape);
        let differences: Vec<f32> = a.values.iter().zip(&b.values).map(|(a, b)| a - b).collect();
        if differences.iter().all(|&difference| difference == 0.0) {
            0.0
        } else {
            largest(&differences) / largest(&b.values)
        }
    };
    let network = a.network();
    let pairs = network.convolutions().flat_map(|conv| [(a.of(conv).0, b.of(conv).0), (a.of(conv).1, b.of(conv).1)]);
    pairs.map(distance).fold(0.0, f64::max)
}

#[test]
fn keras_exports_hold_the_seeded_weights() {
    // tf2onnx folds in float32 where we fold in float64: a product and a quotient, each rounded by 6e-8. Found: 1.8e-7.
    // Another epsilon (1e-5 for 1e-3) or a swapped mean and offset is off by 1e-3 and more.
    const TOLERANCE: f64 = 5e-7;
    let seeded = seeded_b0();
    for name in ["keras-b0-seeded-tf2onnx-nhwc-op17.onnx", "keras-b0-seeded-kerasexport-op15.onnx"] {
        let Some(path) = onnx(name) else { continue };

        let imported = import(&path, None);

        let distance = distance(&imported, &seeded);
        assert!(distance <= TOLERANCE, "{name}: {distance:e}");
        assert_eq!(imported.metadata().architecture, Architecture::EfficientNetB0);
        assert_eq!(imported.metadata().padding, Padding::Same);
        assert_eq!(imported.metadata().preprocess, Preprocess::keras());
        assert!(imported.metadata().source.exporter.starts_with("tf2onnx 1.17.0"));
    }
}

#[test]
fn the_built_in_weights_are_what_the_importer_makes_again_byte_for_byte() {
    let Some(path) = onnx("lite0-imagenet-features-legacy.onnx") else { return };
    let committed = Weights::built_in_lite0().expect("the built-in weights are sound");

    let [first, second] = [(); 2]
        .map(|()| import(&path, Some(Preprocess::lite())))
        .map(|weights| weights.to_bytes().expect("serialises"));

    assert_eq!(first, second);
    assert!(first == committed.to_bytes().expect("serialises"), "import model-weights/efficientnet-lite0 again");
}

#[test]
fn both_exports_of_lite0_hold_the_same_weights() {
    // PyTorch's two exporters fold batch normalisation in float32 in another order of operations.
    const TOLERANCE: f64 = 5e-7;
    let Some(path) = onnx("lite0-imagenet-logits-dynamo.onnx") else { return };
    let committed = Weights::built_in_lite0().expect("the built-in weights are sound");

    let imported = import(&path, Some(Preprocess::lite()));

    let distance = distance(&imported, &committed);
    assert!(distance <= TOLERANCE, "{distance:e}");
    assert_eq!(imported.metadata().padding, Padding::Same);
    assert_eq!(imported.metadata().preprocess, Preprocess::lite());
}

#[test]
fn torchvisions_explicit_batch_norms_fold_to_what_its_other_exporter_folds() {
    const TOLERANCE: f64 = 5e-7; // as above
    let explicit = onnx("torchvision-b0-random-legacy-nofold.onnx");
    let Some((explicit, folded)) = explicit.zip(onnx("torchvision_b0_features_dynamo_extdata.onnx")) else { return };

    let [explicit, folded] = [&explicit, &folded].map(|path| import(path, Some(Preprocess::torch())));

    let distance = distance(&explicit, &folded);
    assert!(distance <= TOLERANCE, "{distance:e}");
    for weights in [explicit, folded] {
        assert_eq!(weights.metadata().padding, Padding::Symmetric);
        assert_eq!(weights.metadata().preprocess, Preprocess::torch());
    }
}
