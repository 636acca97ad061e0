//! Files that ask for more work than they hold, and files that are not there.

use std::fs;

use petrec::import::Options;
use petrec::import::onnx::import_onnx;
use petrec::import::onnx::proto::{StringStringEntryProto, TensorProto};
use petrec::model::seeded_b0;
use tempfile::TempDir;

use crate::model::{Model, ints, node};

#[test]
fn a_git_lfs_pointer_is_named_as_one() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 16252096\n";
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("model.onnx");
    fs::write(&path, pointer).expect("writable");

    let message = import_onnx(&path, &Options::default()).expect_err("must be refused").to_string();

    assert!(message.contains("a Git LFS pointer of 73 bytes") && message.contains("git lfs pull"), "{message}");

    // The data file beside a model may be one as well.
    let mut model = Model::new(&seeded_b0());
    let tensor = model.tensor("stem.bias");
    tensor.raw_data.clear();
    tensor.data_location = TensorProto::EXTERNAL;
    tensor.external_data = vec![StringStringEntryProto { key: "location".into(), value: "weights.data".into() }];
    let path = model.save(folder.path());
    fs::write(folder.path().join("weights.data"), pointer).expect("writable");

    let message = import_onnx(&path, &Options::default()).expect_err("must be refused").to_string();

    assert!(message.contains("a Git LFS pointer"), "{message}");
}

#[test]
fn more_than_eight_axes_are_refused_before_they_cost_anything() {
    // A permutation was checked in the square of its axes: 300,000 of them took minutes.
    const AXES: usize = 300_000;
    let mut model = Model::new(&seeded_b0());
    model.floats("many", &[1; AXES], &[1.0]);
    let mut transpose = node("Transpose", "turned", &["many"]);
    transpose.attribute = vec![ints("perm", &(0..AXES as i64).collect::<Vec<_>>())];
    model.graph().node.insert(0, transpose);

    model.assert_refused(&[r#"tensor "many": it has 300000 axes, expected at most 8"#]);
}

#[test]
fn axes_beyond_eight_are_not_made_by_shape_operators_either() {
    let mut model = Model::new(&seeded_b0());
    model.integers("long", &[1; 2000]);
    model.integers("most", &(0..2000).collect::<Vec<_>>());
    model.floats("one", &[], &[1.0]);
    model.graph().node.insert(0, node("Unsqueeze", "unsqueezed", &["one", "most"]));
    model.graph().node.insert(0, node("Reshape", "reshaped", &["one", "long"]));
    model.remove_tensor("stem.bias");
    model.at("stem").input[2] = "reshaped".into();

    model.assert_refused(&[r#"tensor "reshaped": it is computed"#]);
}

#[test]
fn a_long_chain_of_arithmetic_is_no_batch_normalisation() {
    for value in ["image", "head"] {
        let mut model = Model::new(&seeded_b0());
        model.floats("one", &[], &[1.0]);
        for step in 0..100 {
            let name = format!("step{step}");
            model.insert_after(value, node("Mul", &name, &[value, "one"]));
        }

        let message = model.import().expect_err("must be refused").to_string();

        assert!(message.contains("Mul \"step"), "{message}");
    }
}

#[test]
fn a_data_file_of_many_names_is_read_once() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut model = Model::new(&seeded_b0());
    let tensors = &mut model.graph().initializer;
    let mut data = Vec::new();
    for (at, tensor) in tensors.iter_mut().enumerate() {
        let name = format!("{}weights.data", "./".repeat(at));
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
        tensor.external_data = vec![
            entry("location", name),
            entry("offset", data.len().to_string()),
            entry("length", tensor.raw_data.len().to_string()),
        ];
        tensor.data_location = TensorProto::EXTERNAL;
        data.extend_from_slice(&std::mem::take(&mut tensor.raw_data));
    }
    // 162 names of 16 MB would be 2.6 GB, over what all data files together may have.
    fs::write(folder.path().join("weights.data"), &data).expect("writable");

    let imported = import_onnx(&model.save(folder.path()), &crate::model::prepared()).expect("imports");

    crate::model::assert_same(&imported, &seeded_b0());
}
