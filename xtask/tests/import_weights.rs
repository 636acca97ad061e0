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

/// Keras' own file of the seeded network.
fn seeded_file() -> Option<std::path::PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let file = shared.join("reference/h5/keras-b0-seeded-notop-legacy.h5");
    if !file.exists() {
        eprintln!("skipped: ../shared is not here");
    }
    fs::canonicalize(file).ok()
}

fn run_in(folder: &Path, arguments: &[&str]) -> (Output, String) {
    let run =
        Command::new(env!("CARGO_BIN_EXE_xtask")).current_dir(folder).arg("import-weights").args(arguments).output();
    let run = run.expect("xtask starts");
    let said = [&run.stdout[..], &run.stderr].concat();
    (run, String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn without_out_the_weight_file_is_in_the_current_folder() {
    let Some(file) = seeded_file() else { return };
    let folder = tempfile::tempdir().expect("a folder");

    let (run, said) = run_in(folder.path(), &["--h5", file.to_str().expect("UTF-8")]);

    assert!(run.status.success(), "{said}");
    assert!(folder.path().join("model-weights/efficientnet-b0.safetensors").is_file(), "{said}");
    assert!(
        said.contains("fed       (x/255 - 0.485 0.456 0.406) / 0.229 0.224 0.225") && said.contains("--size"),
        "{said}"
    );
}

#[test]
fn the_size_and_the_recipe_that_were_typed_are_kept() {
    let Some(file) = seeded_file() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = file.to_str().expect("UTF-8");

    let (run, said) =
        run_in(folder.path(), &["--h5", file, "--size", "256", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"]);
    let (bytes, refused) = run_in(folder.path(), &["--h5", file, "--mean", "127,127,127", "--std", "128,128,128"]);

    assert!(run.status.success() && said.contains("8x8x1280"), "{said}");
    let weights = Weights::load(&folder.path().join("model-weights/efficientnet-b0.safetensors")).expect("weights");
    assert_eq!(weights.network().side, 256);
    assert!(weights.metadata().fed().starts_with("(x/255 - 0.5) / 0.5"), "{}", weights.metadata().fed());
    assert_eq!(bytes.status.code(), Some(2), "{refused}");
    assert!(refused.contains("divide those of 0..255 by 255"), "{refused}");
}
