//! `petrec dump`: one line per image, the same values as .npy.

use std::fs;

use super::places::repository;
use super::{data_set, names, petrec, temporary};
use petrec::util::npy::Npy;

const CAT: &str = "examples/photos/Cat/chelsea.jpg";

#[test]
fn a_line_tells_hash_shape_and_statistics_and_ends_in_the_path_as_typed() {
    let pixels = fs::read(repository("tests/fixtures/photos_pixels.json")).expect("the fixture");
    let pixels: serde_json::Value = serde_json::from_slice(&pixels).expect("JSON");
    let expected = &pixels["Cat/chelsea.jpg"];
    let line = |stage: &str, more: &[&str]| {
        let args = ["dump", "--stage", stage, "./examples/photos/Cat/chelsea.jpg"];
        petrec(args.iter().chain(more)).ok().stdout
    };
    let fields = |line: &str| line.trim_end().split(' ').map(str::to_owned).collect::<Vec<_>>();

    let pixels = fields(&line("pixels", &[]));
    let resized = fields(&line("resized", &[]));
    let input = fields(&line("input", &["--model", "efficientnet-lite0"]));
    let features = fields(&line("features", &["--model", "efficientnet-lite0"]));

    assert_eq!(pixels.len(), 6);
    assert_eq!(pixels[0], expected["px_sha256"]);
    assert_eq!((&*pixels[1], &*pixels[5]), ("300x451x3", "./examples/photos/Cat/chelsea.jpg"));
    assert_eq!((&resized[0], &*resized[1]), (&expected["resized_f32_sha256"].as_str().unwrap().into(), "224x224x3"));
    assert_eq!((&input[0], &*input[1]), (&expected["lite0_input_f32_sha256"].as_str().unwrap().into(), "224x224x3"));
    assert_eq!(features[1], "7x7x1280");
    let [min, max, mean] = [2, 3, 4].map(|field| features[field].parse::<f64>().expect("a number"));
    assert!(0.0 <= min && min < mean && mean < max && max <= 6.0, "{features:?}");
}

#[test]
fn logits_of_weights_without_a_classifier_are_refused_with_the_way_out() {
    let run = petrec(["dump", "--stage", "logits", "--model", "efficientnet-lite0", CAT]);

    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("have no classifier") && run.stderr.contains("--with-top"), "{}", run.stderr);
}

#[test]
fn a_rejected_image_is_one_line_on_stderr_and_the_others_still_print() {
    let run = petrec(["dump", "--stage", "pixels", "examples/photos/Cat/666.jpg", CAT]);

    assert_eq!(run.code, Some(1));
    assert_eq!(run.stdout.lines().count(), 1);
    assert!(run.stdout.trim_end().ends_with(CAT));
    assert_eq!(run.stderr, "petrec: examples/photos/Cat/666.jpg: the file is empty (E_EMPTY)\n");
}

#[test]
fn as_json_every_image_has_an_entry_and_the_values_are_those_of_the_line() {
    let run = petrec(["dump", "--stage", "pixels", "--json", "examples/photos/Cat/666.jpg", CAT]);
    let line = petrec(["dump", "--stage", "pixels", CAT]).ok().stdout;

    assert_eq!(run.code, Some(1));
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(answer["stage"], "pixels");
    let [rejected, cat] = answer["images"].as_array().expect("a list").as_slice() else { panic!("two images") };
    assert_eq!((&rejected["path"], &rejected["reason"]), (&"examples/photos/Cat/666.jpg".into(), &"E_EMPTY".into()));
    assert_eq!((rejected.get("sha256"), &cat["reason"]), (None, &serde_json::Value::Null));
    let fields: Vec<_> = line.trim_end().split(' ').collect();
    assert_eq!((&cat["sha256"], &cat["path"]), (&fields[0].into(), &CAT.into()));
    assert_eq!(cat["shape"], serde_json::json!([300, 451, 3]));
    let numbers = ["min", "max", "mean"].map(|name| cat[name].as_f64().expect("a number"));
    for (number, field) in numbers.into_iter().zip(&fields[2..]) {
        assert!((number - field.parse::<f64>().expect("a number")).abs() < 1e-6, "{number} {field}");
    }
}

#[test]
fn arrays_are_written_as_npy() {
    let out = temporary();
    let to = out.path().join("made/for/this");
    let to = to.to_str().expect("UTF-8");

    petrec(["dump", "--stage", "resized", "--npy", to, CAT, "examples/photos/Coffee/coffee-dark.jpeg"]).ok();

    assert_eq!(names(to.as_ref()), ["chelsea.npy", "coffee-dark.npy"]);
    let array = Npy::read(&out.path().join("made/for/this/chelsea.npy")).expect("an array");
    assert_eq!(array.shape, [224, 224, 3]);
    assert_eq!(array.values.len(), 224 * 224 * 3);
    assert!(array.values.iter().all(|value| (0.0..=255.0).contains(value)));
}

#[test]
fn two_equal_stems_are_refused_for_npy() {
    let (data, out) = (data_set(&[("a/1.jpg", "Cat/chelsea.jpg"), ("b/1.jpeg", "Cat/chelsea.jpg")]), temporary());
    let paths = ["a/1.jpg", "b/1.jpeg"].map(|name| data.path().join(name).display().to_string());
    let to = out.path().join("npy");

    let run = petrec(["dump", "--stage", "pixels", "--npy", to.to_str().expect("UTF-8"), &paths[0], &paths[1]]);

    run.refused(2, &["1.npy"]);
    assert!(!to.exists());
}

#[test]
fn the_architecture_comes_from_the_weight_file() {
    let by_name = petrec(["dump", "--model", "efficientnet-lite0", CAT]).ok();
    let by_file = petrec(["dump", "--weights", "model-weights/efficientnet-lite0.safetensors", CAT]).ok();

    assert_eq!(by_file.stdout, by_name.stdout);
}
