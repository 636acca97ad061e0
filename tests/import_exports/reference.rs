//! The files of `../shared/reference`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;

use petrec::npy::Npy;
use zip::ZipArchive;

use super::shared::shared;
use super::{assert_agrees, pictures};

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
        ("onnx/torchvision-b0-random-legacy-nofold.onnx", "onnxruntime", &onnxruntime["torchvision_nofold"]),
        ("onnx/torchvision_b0_features_dynamo_extdata.onnx", "onnxruntime", &onnxruntime["torchvision_dynamo"]),
        ("onnx/lite0-imagenet-features-legacy.onnx", "onnxruntime", &onnxruntime["lite0"]),
        ("onnx/lite0-imagenet-logits-dynamo.onnx", "onnxruntime", &onnxruntime["lite0"]),
        ("h5/keras-b0-seeded-notop-legacy.h5", "Keras, float64", &float64),
    ] {
        assert_agrees(&folder.join(file), &pictures, runtime, truth);
    }
}
