//! What is not the network, or not whole, is refused by name.

use std::fs;

use petrec::import::Options;
use petrec::import::onnx::import_onnx;
use petrec::import::onnx::proto::{StringStringEntryProto, TensorProto};
use petrec::model::{Architecture, seeded_b0};
use prost::Message as _;
use tempfile::TempDir;

use crate::model::{Model, bytes, int, ints, node, picture, text};

fn b0() -> Model {
    Model::new(&seeded_b0())
}

#[test]
fn a_kernel_of_another_size_names_its_convolution() {
    let mut model = b0();
    model.tensor("block3a.depthwise.weight").dims = vec![144, 1, 3, 3];
    model.tensor("block3a.depthwise.weight").raw_data = bytes(&[0.1; 144 * 9]);

    model.assert_refused(&[
        "not efficientnet-b0",
        r#"Conv "block3a.depthwise" (output "block3a.depthwise")"#,
        "[144, 1, 3, 3], not [144, 1, 5, 5]",
        "expected block3a.depthwise: 5x5 Conv, stride 2, 144 -> 144 channels, 144 groups",
        "hint: if the file holds another network, petrec has no use for it",
    ]);
}

#[test]
fn another_stride_grouping_or_dilation_names_its_convolution() {
    let changes = [
        (ints("strides", &[1, 1]), "its strides are [1, 1]"),
        (int("group", 1), "its group is 1, not 96"),
        (ints("dilations", &[2, 2]), "its dilations are [2, 2]"),
    ];
    for (change, message) in changes {
        let mut model = b0();
        let attributes = &mut model.at("block2a.depthwise").attribute;
        attributes.retain(|attribute| attribute.name != change.name);
        attributes.push(change);

        model.assert_refused(&[r#"Conv "block2a.depthwise""#, message]);
    }
}

#[test]
fn a_missing_weight_or_bias_is_named() {
    for tensor in ["block4a.project.weight", "block4a.project.bias"] {
        let mut model = b0();
        model.remove_tensor(tensor);

        model.assert_refused(&[r#"Conv "block4a.project""#, tensor, "nowhere in the file"]);
    }
}

#[test]
fn a_bias_of_another_length_is_named() {
    let mut model = b0();
    model.tensor("stem.bias").dims = vec![16];
    model.tensor("stem.bias").raw_data = bytes(&[0.0; 16]);

    model.assert_refused(&[r#"Conv "stem""#, r#"its bias "stem.bias" has 16 values, expected 32"#]);
}

#[test]
fn an_extra_convolution_is_named_wherever_it_is() {
    for (value, width) in [("block5a.project", 112), ("head/swish", 1280)] {
        let mut model = b0();
        model.floats("w", &[width, width, 1, 1], &vec![0.0; width * width]);
        model.insert_after(value, node("Conv", "extra", &[value, "w"]));

        model.assert_refused(&[r#"Conv "extra" (output "extra")"#, "expected"]);
    }
}

#[test]
fn another_activation_is_named() {
    let mut model = b0();
    model.at("block2b.expand/sigmoid").op_type = "HardSigmoid".into();
    model.assert_refused(&[r#"HardSigmoid "block2b.expand/sigmoid""#, "swish) after block2b.expand"]);

    let mut model = b0();
    model.at("block2b.expand/swish").op_type = "Add".into();
    model.assert_refused(&["block2b.expand/s", "swish) after block2b.expand"]);
}

#[test]
fn a_limit_that_is_not_six_is_named() {
    let lite0 = petrec::model::Weights::built_in_lite0().expect("the built-in weights are sound");
    let mut model = Model::new(&lite0);
    model.tensor("stem/high").raw_data = bytes(&[7.0]);

    model.assert_refused(&[r#"Clip "stem/clip""#, "0..7", "ReLU6"]);
}

#[test]
fn a_missing_or_superfluous_shortcut_is_named() {
    let mut model = b0();
    model.at("block2b/add").input[1] = "block2b.project".into();
    model.assert_refused(&["expected an Add of block2b's input"]);

    let mut model = b0();
    model.insert_after("block5a.project", node("Add", "extra", &["block5a.project", "block4c/add"]));
    model.assert_refused(&[r#"Add "extra""#]);
}

#[test]
fn numbers_that_are_not_finite_are_named() {
    for value in [f32::NAN, f32::INFINITY] {
        let mut model = b0();
        let mut values = vec![0.5; 320 * 1152];
        values[77] = value;
        model.tensor("block7a.project.weight").raw_data = bytes(&values);

        model.assert_refused(&[r#"tensor "block7a.project.weight": value 77 is "#, "block7a.project"]);
    }
}

#[test]
fn mixed_padding_is_named() {
    let mut model = b0();
    let attribute = model.at("block3a.depthwise").attribute.iter_mut().find(|attribute| attribute.name == "pads");
    attribute.expect("every Conv has pads").ints = vec![2; 4];
    model.assert_refused(&[r#"Conv "block3a.depthwise""#, "top 2, left 2, bottom 2, right 2", "as stem has it"]);

    let mut model = b0();
    let attributes = &mut model.at("stem").attribute;
    attributes.retain(|attribute| attribute.name != "pads");
    attributes.push(text("auto_pad", "SAME_LOWER"));
    model.assert_refused(&[r#"Conv "stem""#, "SAME_LOWER"]);
}

#[test]
fn an_input_that_is_not_square_is_named() {
    let mut model = b0();
    model.graph().input[0].r#type = Some(picture([1, 3, 224, 240]));

    model.assert_refused(&[r#"input "image""#, "1 x 3 x 224 x 240", "expected a batch of 224 x 224"]);
}

#[test]
fn the_wrong_model_name_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = b0().save(folder.path());
    let options = Options { architecture: Some(Architecture::EfficientNetLite0), ..Options::default() };

    let message = import_onnx(&path, &options).expect_err("must be refused").to_string();

    assert!(message.contains("not efficientnet-lite0"), "{message}");
    assert!(message.contains("stem/sigmoid") || message.contains("stem/swish"), "{message}");
}

#[test]
fn a_node_before_its_input_is_named() {
    let mut model = b0();
    model.graph().node.reverse();

    model.assert_refused(&["nowhere in the file", "head/swish"]);
}

#[test]
fn a_claimed_size_is_refused_without_being_allocated() {
    let mut model = b0();
    model.tensor("stem.weight").dims = vec![32, 3, 1 << 20, 1 << 20];
    model.assert_refused(&[r#""stem.weight" has shape [32, 3, 1048576, 1048576]"#]);

    let mut model = b0();
    model.tensor("stem.weight").dims = vec![i64::MAX, i64::MAX];
    model.assert_refused(&[r#"tensor "stem.weight""#, "impossible"]);

    let mut model = b0();
    let raw = &mut model.tensor("head.weight").raw_data;
    *raw = raw.slice(..1000);
    model.assert_refused(&[r#"tensor "head.weight": it holds 250 values, expected 409600"#]);

    let mut model = b0();
    model.integers("huge", &[1 << 40]);
    model.remove_tensor("stem.bias");
    model.graph().node.insert(0, node("ConstantOfShape", "stem.bias", &["huge"]));
    model.assert_refused(&[r#"tensor "stem.bias": it is computed"#]);
}

#[test]
fn external_data_stays_in_the_models_folder() {
    let outer = TempDir::new().expect("a temporary folder");
    let folder = outer.path().join("model");
    fs::create_dir(&folder).expect("writable");
    fs::write(outer.path().join("secret"), [0; 128]).expect("writable");
    fs::write(folder.join("short"), [0; 100]).expect("writable");
    let absolute = outer.path().join("secret").display().to_string();
    let mut cases = vec![
        ("../secret", "0", "outside the model's folder"),
        (absolute.as_str(), "0", "outside the model's folder"),
        ("", "0", "outside the model's folder"),
        ("absent", "0", "No such file"),
        ("short", "0", "reaches past the file's 100 bytes"),
        ("short", "18446744073709551600", "reaches past"),
        ("short", "-1", "is no number"),
    ];
    if cfg!(unix) {
        #[cfg(unix)]
        std::os::unix::fs::symlink("../secret", folder.join("link")).expect("links can be made");
        cases.push(("link", "0", "outside the model's folder"));
    }
    for (location, offset, expected) in cases {
        let mut model = b0();
        let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
        let tensor = model.tensor("stem.bias");
        tensor.raw_data.clear();
        tensor.data_location = TensorProto::EXTERNAL;
        tensor.external_data = vec![entry("location", location), entry("offset", offset), entry("length", "128")];

        let message = import_onnx(&model.save(&folder), &Options::default()).expect_err(location).to_string();

        assert!(message.contains(r#"tensor "stem.bias""#) && message.contains(expected), "{location}: {message}");
    }
}

#[test]
fn a_file_that_is_no_onnx_model_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    for content in [b"".as_slice(), b"not a model\n", b"\x89HDF\r\n\x1a\n", &[0xff; 64]] {
        fs::write(&path, content).expect("writable");

        let message = import_onnx(&path, &Options::default()).expect_err("must be refused").to_string();

        assert!(message.contains("not a whole ONNX model"), "{message}");
    }
    assert!(import_onnx(folder.path(), &Options::default()).is_err());
    assert!(import_onnx(&folder.path().join("absent.onnx"), &Options::default()).is_err());
}

#[test]
fn a_cut_off_file_is_refused_wherever_it_was_cut() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    let whole = b0().proto.encode_to_vec();
    for length in (1..20).map(|part| whole.len() * part / 20).chain([1, 100, whole.len() - 1]) {
        fs::write(&path, &whole[..length]).expect("writable");

        let message = import_onnx(&path, &Options::default()).expect_err("must be refused").to_string();

        assert!(message.contains("not a whole ONNX model"), "{length}: {message}");
    }
}

#[test]
fn no_flipped_bit_in_the_graph_makes_it_panic() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    let mut model = b0();
    // Without the weights only the graph is left, which is where a flip can lead anywhere; all of them are refused.
    model.graph().initializer.iter_mut().for_each(|tensor| tensor.raw_data.clear());
    let whole = model.proto.encode_to_vec();
    for at in 0..whole.len().min(2000) {
        let mut damaged = whole.clone();
        damaged[at * whole.len() / 2000] ^= 1 << (at % 8);
        fs::write(&path, damaged).expect("writable");

        assert!(import_onnx(&path, &Options::default()).is_err());
    }
}
