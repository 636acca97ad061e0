//! Real files with one thing wrong in each: refused, by what is wrong.

use std::fs;
use std::path::Path;

use petrec::import::Options;
use petrec::import::onnx::proto::{ModelProto, NodeProto, TensorProto};
use prost::Message as _;
use tempfile::TempDir;

use super::import;
use super::shared::shared;

const TORCHVISION: &str = "onnx/torchvision-b0-random-legacy-nofold.onnx";
const DYNAMO: &str = "onnx/torchvision_b0_features_dynamo_extdata.onnx";
const LITE0: &str = "onnx/lite0-imagenet-features-legacy.onnx";
const LITE0_LOGITS: &str = "onnx/lite0-imagenet-logits-dynamo.onnx";
const KERAS: &str = "onnx/keras-b0-seeded-tf2onnx-nhwc-op17.onnx";
const KERAS_EXPORT: &str = "onnx/keras-b0-seeded-kerasexport-op15.onnx";
const H5: &str = "h5/keras-b0-seeded-notop-legacy.h5";

fn nodes<'m>(model: &'m mut ModelProto, operator: &'static str) -> impl Iterator<Item = &'m mut NodeProto> {
    model.graph.as_mut().expect("a graph").node.iter_mut().filter(move |node| node.op_type == operator)
}

/// The tensor that the first convolution's input of that number names.
fn stem(model: &mut ModelProto, input: usize) -> &mut TensorProto {
    let name = nodes(model, "Conv").next().expect("a convolution").input[input].clone();
    let tensors = &mut model.graph.as_mut().expect("a graph").initializer;
    tensors.iter_mut().find(|tensor| tensor.name == name).expect("the stem's")
}

fn fill_with_nan(tensor: &mut TensorProto) {
    tensor.raw_data = vec![0xFF; tensor.raw_data.len()].into();
}

fn strides(node: &mut NodeProto) -> &mut Vec<i64> {
    let strides = node.attribute.iter_mut().find(|attribute| attribute.name == "strides");
    &mut strides.expect("a convolution with strides").ints
}

/// A model changed, as bytes.
fn changed(original: &Path, change: fn(&mut ModelProto)) -> Vec<u8> {
    let mut model = ModelProto::decode(fs::read(original).expect("readable").as_slice()).expect("a model");
    change(&mut model);
    model.encode_to_vec()
}

enum Damage {
    Cut(usize),
    Model(fn(&mut ModelProto)),
    Text(&'static str, &'static str),
    /// Of the data file beside the model only so many bytes are there.
    Data(usize),
}

fn damaged(original: &Path, damage: &Damage) -> Vec<u8> {
    let bytes = || fs::read(original).expect("readable");
    match damage {
        Damage::Cut(left) => bytes()[..*left].to_vec(),
        Damage::Model(change) => changed(original, *change),
        Damage::Data(_) => bytes(),
        Damage::Text(from, to) => {
            let mut bytes = bytes();
            let places: Vec<usize> =
                (0..bytes.len() - from.len()).filter(|&at| &bytes[at..][..from.len()] == from.as_bytes()).collect();
            places.iter().for_each(|&at| bytes[at..][..to.len()].copy_from_slice(to.as_bytes()));
            bytes
        }
    }
}

#[test]
fn each_damaged_file_is_refused_by_what_is_wrong() {
    let Some(reference) = shared("reference") else { return };
    let cases = [
        (KERAS, Damage::Cut(1 << 20), "not a whole ONNX model"),
        (KERAS, Damage::Model(|model| nodes(model, "Sigmoid").next().expect("swish").op_type = "Tanh".into()), "Tanh"),
        (
            KERAS_EXPORT,
            Damage::Model(|model| *strides(nodes(model, "Conv").next().expect("the stem")) = vec![1, 1]),
            "its strides are [1, 1]",
        ),
        (TORCHVISION, Damage::Model(|model| stem(model, 1).name = "gone".into()), "is nowhere in the file"),
        (TORCHVISION, Damage::Model(|model| fill_with_nan(stem(model, 1))), "value 0 is NaN, expected finite numbers"),
        (DYNAMO, Damage::Data(0), "its external data"),
        (DYNAMO, Damage::Data(1 << 20), "its external data"),
        (LITE0, Damage::Model(|model| stem(model, 1).dims.swap(0, 1)), "[3, 32, 3, 3]"),
        (
            LITE0_LOGITS,
            Damage::Model(|model| nodes(model, "Add").next().expect("a shortcut").op_type = "Max".into()),
            "expected an Add of block2b's input to its output",
        ),
        (H5, Damage::Cut(1 << 20), "not a whole file of Keras' weights"),
        (H5, Damage::Text("block3b_dwconv", "block3x_dwconv"), "tensor block3b_dwconv/kernel: not in the file"),
    ];
    for (file, damage, expected) in cases {
        let folder = TempDir::new().expect("a folder");
        let original = reference.join(file);
        let path = folder.path().join(original.file_name().expect("a file"));
        fs::write(&path, damaged(&original, &damage)).expect("writable");
        if let Damage::Data(left @ 1..) = damage {
            let name = |path: &Path| path.with_added_extension("data");
            fs::write(name(&path), &fs::read(name(&original)).expect("readable")[..left]).expect("writable");
        }

        let message = import(&path, &Options::default()).expect_err(expected).to_string();

        eprintln!("{message}\n");
        assert!(message.contains(expected), "{file}: {message}");
    }
}
