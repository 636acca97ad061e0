//! `cargo xtask import-weights` without a file takes Keras' own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use petrec::model::{Weights, seeded_b0};

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1/";

fn import(folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let out = folder.join("b0.safetensors");
    command.args(["import-weights", "--url", NOWHERE, "--out"]).arg(out).args(more).output().expect("xtask starts")
}

#[test]
fn without_a_source_keras_own_file_is_imported() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/h5/keras-b0-seeded-notop-legacy.h5");
    let Ok(file) = fs::read(file) else { return eprintln!("skipped: ../shared is not here") };
    let folder = tempfile::tempdir().expect("a folder");
    // As an earlier download left it.
    fs::write(folder.path().join("efficientnetb0_notop.h5"), file).expect("written");

    let run = import(folder.path(), &["--md5", "e6c66e0c7269d450744bd9fc8958b1a7"]);

    assert!(run.status.success(), "{run:?}");
    let (weights, seeded) = (Weights::load(&folder.path().join("b0.safetensors")).expect("weights"), seeded_b0());
    for conv in seeded.network().convolutions() {
        assert!(weights.of(conv) == seeded.of(conv), "{}", conv.name);
    }
}

#[test]
fn where_there_is_no_way_three_lines_tell_of_others() {
    let folder = tempfile::tempdir().expect("a folder");

    let run = import(folder.path(), &[]);

    assert_eq!(run.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&run.stderr).into_owned();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{stderr}");
    assert!(lines[0].starts_with("xtask: ") && lines[0].contains("cannot be reached"), "{stderr}");
    assert!(lines[1].contains("by hand") && lines[2].contains("python -c") && lines[3].contains("--onnx"), "{stderr}");
    assert!(!folder.path().join("b0.safetensors").exists());
}

#[test]
fn a_network_that_keras_has_not_and_two_sources_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");

    let lite = import(folder.path(), &["--model", "efficientnet-lite1"]);
    let two = import(folder.path(), &["--onnx", "model.onnx"]);

    assert!(
        String::from_utf8_lossy(&lite.stderr).contains("Keras publishes no weights of efficientnet-lite1"),
        "{lite:?}"
    );
    assert_eq!(two.status.code(), Some(2), "{two:?}");
}
