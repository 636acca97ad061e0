//! The files of `../shared/reference`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;

use petrec::util::npy::Npy;
use zip::ZipArchive;

use super::shared::shared;
use super::{assert_agrees, pictures, sight};

/// The arrays of a .npz file by name.
fn arrays(file: File) -> BTreeMap<String, Npy> {
    let mut archive = ZipArchive::new(file).expect("a .npz file");
    let count = archive.len();
    let read = |at| {
        let mut entry = archive.by_index(at).expect("an entry");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("whole");
        let name = entry.name().expect("UTF-8").trim_end_matches(".npy").to_owned();
        (name, Npy::from_bytes(&bytes).expect("an array"))
    };
    (0..count).map(read).collect()
}

#[test]
fn every_reference_file_gives_the_features_of_its_own_runtime() {
    let Some(folder) = shared("reference") else { return };
    let names = fs::read_to_string(folder.join("names.txt")).expect("the names of the pictures");
    let pictures = pictures(names.lines().map(|name| folder.join(format!("images/{name}.jpg"))));
    let float64 = Npy::read(&folder.join("features_f64.npy")).expect("the features");
    let onnxruntime = arrays(File::open(folder.join("ort-outputs.npz")).expect("onnxruntime's outputs"));

    for (file, runtime, truth) in [
        ("onnx/keras-b0-seeded-tf2onnx-nhwc-op17.onnx", "Keras, float64", &float64),
        ("onnx/keras-b0-seeded-kerasexport-op15.onnx", "Keras, float64", &float64),
        ("onnx/lite0-imagenet-features-legacy.onnx", "onnxruntime", &onnxruntime["lite0"]),
        ("onnx/lite0-imagenet-logits-dynamo.onnx", "onnxruntime", &onnxruntime["lite0"]),
        ("h5/keras-b0-seeded-notop-legacy.h5", "Keras, float64", &float64),
    ] {
        assert_agrees(&folder.join(file), &pictures, runtime, truth);
    }
}

#[test]
fn a_network_that_ignores_its_picture_is_found_out() {
    // torchvision's networks as they are initialised: every photo has the same features, so they are in no table.
    let Some(path) = shared("reference/ort-outputs.npz") else { return };
    let outputs = arrays(File::open(path).expect("onnxruntime's outputs"));

    for name in ["torchvision_nofold", "torchvision_dynamo"] {
        assert!(sight::moved(&outputs[name]) < 1e-6, "{name}: {:e}", sight::moved(&outputs[name]));
    }
    assert!(sight::moved(&outputs["lite0"]) > 0.1);
}
