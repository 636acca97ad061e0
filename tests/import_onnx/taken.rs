//! The same network as different exporters write it: always the same weights.

use petrec::import::Options;
use petrec::import::onnx::import_onnx;
use petrec::import::onnx::proto::{AttributeProto, StringStringEntryProto, TensorProto};
use petrec::model::{Padding, Preprocess, Weights, seeded_b0};
use sha2::{Digest as _, Sha256};
use std::fs;
use tempfile::TempDir;

use crate::model::{Model, assert_same, float, int, ints, node, picture, prepared, text};

#[test]
fn a_plain_graph_gives_its_weights_bit_for_bit() {
    let seeded = seeded_b0();

    let imported = Model::new(&seeded).import().expect("imports");

    assert_same(&imported, &seeded);
    assert_eq!(imported.metadata().padding, Padding::Same);
    assert_eq!(imported.metadata().preprocess, Preprocess::keras());
    assert_eq!(imported.metadata().source.exporter, "the test 1");
    assert_eq!(imported.metadata().source.license, "unknown");
}

#[test]
fn the_architecture_is_read_from_the_graph() {
    let lite0 = Weights::built_in_lite0().expect("the built-in weights are sound");

    let imported = Model::new(&lite0).import().expect("imports");

    assert_same(&imported, &lite0);
}

#[test]
fn keras_preprocessing_and_nhwc_are_recognised() {
    let seeded = seeded_b0();
    let mut model = Model::new(&seeded);
    model.graph().input[0].r#type = Some(picture([1, 224, 224, 3]));
    model.floats("scale", &[], &[1.0 / 255.0]);
    model.floats("mean", &[1, 1, 1, 3], &[0.485, 0.456, 0.406]);
    model.floats("std", &[3], &[0.229, 0.224, 0.225]);
    let mut transpose = node("Transpose", "nchw", &["divided"]);
    transpose.attribute = vec![ints("perm", &[0, 3, 1, 2])];
    model.insert_after("image", transpose);
    model.graph().node.insert(0, node("Div", "divided", &["centred", "std"]));
    model.graph().node.insert(0, node("Sub", "centred", &["scaled", "mean"]));
    model.graph().node.insert(0, node("Mul", "scaled", &["scale", "image"]));

    let imported = model.import_unsaid().expect("imports");

    assert_same(&imported, &seeded);
    assert_eq!(imported.metadata().preprocess, Preprocess::keras());
}

#[test]
fn other_preprocessing_is_stored_as_it_is() {
    let mut model = Model::new(&seeded_b0());
    model.floats("half", &[1, 3, 1, 1], &[127.5; 3]);
    model.floats("one", &[], &[1.0]);
    model.insert_after("image", node("Sub", "shifted", &["scaled", "one"]));
    model.graph().node.insert(0, node("Div", "scaled", &["image", "half"]));

    let preprocess = model.import_unsaid().expect("imports").metadata().preprocess.clone();

    let mut values = [0.0, 127.5, 255.0];
    preprocess.normalise(&mut values);
    assert_eq!(values, [-1.0, 0.0, 1.0]);
}

#[test]
fn batch_normalisation_is_folded_in_each_of_its_shapes() {
    let seeded = seeded_b0();
    let mut model = Model::new(&seeded);
    // tf2onnx leaves a depthwise convolution's as Mul and Add; halving and doubling round nothing.
    model.scale("block3a.depthwise.weight", 0.5);
    model.scale("block3a.depthwise.bias", 0.5);
    model.floats("two", &[1, 144, 1, 1], &[2.0; 144]);
    model.floats("zero", &[1, 144, 1, 1], &[0.0; 144]);
    model.insert_after("block3a.depthwise", node("Add", "shift", &["scale", "zero"]));
    let at = model.graph().node.iter().position(|node| node.name == "shift").expect("just put there");
    model.graph().node.insert(at, node("Mul", "scale", &["block3a.depthwise", "two"]));
    // PyTorch's exporters may keep it: 2 * (x - 0) / sqrt(0.75 + 0.25) + 0.
    model.scale("head.weight", 0.5);
    model.scale("head.bias", 0.5);
    for (name, value) in [("gamma", 2.0), ("beta", 0.0), ("moving_mean", 0.0), ("variance", 0.75)] {
        model.floats(name, &[1280], &[value; 1280]);
    }
    let inputs = ["head", "gamma", "beta", "moving_mean", "variance"];
    let mut normalise = node("BatchNormalization", "head/bn", &inputs);
    normalise.attribute = vec![float("epsilon", 0.25)];
    model.insert_after("head", normalise);

    assert_same(&model.import().expect("imports"), &seeded);
}

#[test]
fn an_absent_bias_is_zero() {
    let mut model = Model::new(&seeded_b0());
    model.at("block1a.se_reduce").input.pop();

    let imported = model.import().expect("imports");

    let network = imported.network();
    let conv = network.convolutions().find(|conv| conv.name == "block1a.se_reduce").expect("is in the table");
    assert!(imported.of(conv).1.values.iter().all(|&value| value == 0.0));
}

#[test]
fn padding_is_found_wherever_it_is_written() {
    let seeded = seeded_b0();
    let mut model = Model::new(&seeded);
    let strides = ints("strides", &[2, 2]);
    model.at("stem").attribute = vec![strides.clone(), text("auto_pad", "SAME_UPPER")];
    // A Pad of its own, whose amounts are computed: [1, 1] behind six zeros.
    model.at("block2a.depthwise").attribute = vec![strides, int("group", 96)];
    model.integers("six", &[6]);
    model.integers("ones", &[1, 1]);
    model.insert_after("block2a.expand/swish", node("Pad", "pad", &["block2a.expand/swish", "amounts"]));
    model.graph().node.insert(0, node("Concat", "amounts", &["zeros", "ones"]));
    model.at("amounts").attribute = vec![int("axis", 0)];
    let zero = TensorProto { dims: vec![1], data_type: TensorProto::INT64, int64_data: vec![0], ..Default::default() };
    model.graph().node.insert(0, node("ConstantOfShape", "zeros", &["six"]));
    let value = AttributeProto { name: "value".into(), t: Some(zero), r#type: 4, ..AttributeProto::default() };
    model.at("zeros").attribute = vec![value];

    let imported = model.import().expect("imports");

    assert_same(&imported, &seeded);
    assert_eq!(imported.metadata().padding, Padding::Same);
}

#[test]
fn symmetric_padding_brings_torchs_order_of_operations() {
    let mut model = Model::new(&seeded_b0());
    model.pad_symmetrically();
    model.put_in_front([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

    let imported = model.import_unsaid().expect("imports");

    assert_eq!(imported.metadata().padding, Padding::Symmetric);
    assert_eq!(imported.metadata().preprocess, Preprocess::torch());
}

#[test]
fn squeezed_means_are_followed_through_their_shapes() {
    let seeded = seeded_b0();
    let mut model = Model::new(&seeded);
    // Operator set 18 without kept axes, then back by way of N, 1, 1, C; and as tf2onnx writes it, over N, H, W, C.
    model.integers("axes", &[-1, -2]);
    model.integers("nhwc", &[-1, 1, 1, 32]);
    let mean = model.at("block1a/mean");
    mean.op_type = "ReduceMean".into();
    mean.input.push("axes".into());
    mean.attribute = vec![int("keepdims", 0)];
    let mut transpose = node("Transpose", "transposed", &["reshaped"]);
    transpose.attribute = vec![ints("perm", &[0, 3, 1, 2])];
    model.insert_after("block1a/mean", transpose);
    let at = model.graph().node.iter().position(|node| node.name == "transposed").expect("just put there");
    model.graph().node.insert(at, node("Reshape", "reshaped", &["block1a/mean", "nhwc"]));
    model.integers("middle", &[1, 2]);
    let mut transpose = node("Transpose", "turned", &["block2a.depthwise/swish"]);
    transpose.attribute = vec![ints("perm", &[0, 2, 3, 1])];
    let at = model.graph().node.iter().position(|node| node.name == "block2a/mean").expect("a mean");
    model.graph().node.insert(at, transpose);
    let mean = model.at("block2a/mean");
    mean.op_type = "ReduceMean".into();
    mean.input = vec!["turned".into(), "middle".into()];
    mean.attribute = vec![int("keepdims", 0)];
    model.integers("nchw", &[-1, 96, 1, 1]);
    model.insert_after("block2a/mean", node("Reshape", "block2a/reshaped", &["block2a/mean", "nchw"]));

    assert_same(&model.import().expect("imports"), &seeded);
}

#[test]
fn a_classifier_behind_the_features_is_ignored() {
    let seeded = seeded_b0();
    let mut model = Model::new(&seeded);
    model.floats("classes", &[1280, 2], &[0.5; 2560]);
    let mean = model.node("GlobalAveragePool", "mean", &["head/swish"]);
    let flat = model.node("Flatten", "flat", &[&mean]);
    let logits = model.node("MatMul", "logits", &[&flat, "classes"]);
    model.graph().output[0].name = logits;

    assert_same(&model.import().expect("imports"), &seeded);
}

#[test]
fn a_classifier_comes_along_where_it_is_asked_for() {
    let with_top = Options { with_top: true, ..prepared() };
    let mut model = Model::new(&seeded_b0());
    let without = model.import_as(&with_top).expect_err("there is none").to_string();
    let columns: Vec<f32> = (0..2560u16).map(f32::from).collect();
    model.floats("classes", &[1280, 2], &columns);
    model.floats("offsets", &[2], &[3.0, 4.0]);
    let mean = model.node("GlobalAveragePool", "mean", &["head/swish"]);
    let flat = model.node("Flatten", "flat", &[&mean]);
    let product = model.node("MatMul", "product", &[&flat, "classes"]);
    let logits = model.node("Add", "logits", &[&product, "offsets"]);
    model.graph().output[0].name = model.node("Softmax", "probabilities", &[&logits]);

    let imported = model.import_as(&with_top).expect("imports");

    let classifier = imported.classifier().expect("came along");
    let rows: Vec<f32> = columns.iter().step_by(2).chain(columns.iter().skip(1).step_by(2)).copied().collect();
    assert_eq!((classifier.weight.shape.as_slice(), &classifier.weight.values), ([2, 1280].as_slice(), &rows));
    assert_eq!(classifier.bias.values, [3.0, 4.0]);
    assert!(without.contains("nothing takes the mean of the features; leave out --with-top"), "{without}");
    model.at("product").op_type = "Max".into();
    let other = model.import_as(&with_top).expect_err("no dense layer").to_string();
    assert!(other.contains("it follows the mean of the features, expected a dense layer with 1280 inputs"), "{other}");
}

#[test]
fn external_data_is_read_and_hashed_with_the_model() {
    let seeded = seeded_b0();
    let mut model = Model::new(&seeded);
    let folder = TempDir::new().expect("a temporary folder");
    let mut data = Vec::new();
    for tensor in &mut model.graph().initializer {
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
        tensor.external_data = vec![
            entry("location", "weights.data".into()),
            entry("offset", data.len().to_string()),
            entry("length", tensor.raw_data.len().to_string()),
        ];
        tensor.data_location = TensorProto::EXTERNAL;
        data.extend_from_slice(&std::mem::take(&mut tensor.raw_data));
    }
    let path = model.save(folder.path());
    fs::write(folder.path().join("weights.data"), &data).expect("writable");

    let imported = import_onnx(&path, &prepared()).expect("imports");

    assert_same(&imported, &seeded);
    let both = [fs::read(&path).expect("readable"), data].concat();
    assert_eq!(imported.metadata().source.sha256, petrec::text::hex(&Sha256::digest(both)));
}
