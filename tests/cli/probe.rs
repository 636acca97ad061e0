//! `petrec probe`: what a linear classifier makes of a conversion.

use std::fs;
use std::path::Path;

use petrec::tfrecord::proto::Kind;
use petrec::tfrecord::{Message, Writer};
use serde_json::Value;

use super::shared::shared;
use super::{convert_photos, petrec, records, temporary};

fn probe(out: &Path, more: &[&str]) -> Value {
    let fixed = ["probe", "--json"].map(AsRef::as_ref).into_iter().chain([out.as_os_str()]);
    let run = petrec(fixed.chain(more.iter().map(AsRef::as_ref))).ok();
    let mut answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert!(answer["seconds"].take().as_f64().is_some_and(|seconds| seconds > 0.0));
    answer
}

#[test]
fn cats_are_told_from_dogs() {
    let Some(pets) = shared("data/pets") else { return };
    let out = temporary();
    let model = ["convert", "--quiet", "--model", "efficientnet-lite0", "--pool", "avg"].map(AsRef::as_ref);
    petrec(model.into_iter().chain([pets.as_os_str(), out.path().as_os_str()])).ok();

    let answer = probe(out.path(), &[]);

    assert!(answer["accuracy"].as_f64().expect("a number") >= 0.98, "{answer}");
    assert_eq!(answer["tested"], 600);
    let worst = answer["worst"][0]["image"].as_str().expect("a path");
    assert!(Path::new(worst).is_file(), "{worst}: the path comes from the report");
}

#[test]
fn the_answer_does_not_depend_on_threads_pooling_or_compression() {
    let answers = [&["--pool", "avg"][..], &["--compression", "gzip", "--shards", "3"]].map(|options| {
        let out = temporary();
        convert_photos(out.path(), &[options, &["--with", "path"]].concat()).ok();
        let answer = probe(out.path(), &["--folds", "3"]);
        assert_eq!(probe(out.path(), &["--folds", "3", "--threads", "1"]), answer);
        answer
    });

    // Pooling rounds the mean to float32 before the probe does the same.
    let [pooled, averaged] = &answers;
    assert_eq!((&pooled["accuracy"], &pooled["confusion"]), (&averaged["accuracy"], &averaged["confusion"]));
    assert_eq!(pooled["method"], serde_json::json!({ "folds": 3 }));
    assert_eq!(pooled["accuracy"], 1.0, "cats and coffee: {pooled}");
}

#[test]
fn splits_are_used_where_there_are_some() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg", "--split", "train=0.6,test=0.4", "--shuffle"]).ok();

    let answer = probe(out.path(), &[]);

    assert_eq!(answer["method"], serde_json::json!({ "split": "train" }));
    let manifest: Value =
        serde_json::from_slice(&fs::read(out.path().join("petrec-manifest.json")).expect("readable")).expect("JSON");
    let files = manifest["files"].as_array().expect("files").iter();
    let tested: u64 = files.filter(|file| file["split"] == "test").map(|file| file["records"].as_u64().unwrap()).sum();
    assert_eq!(answer["tested"], tested);
}

/// Gives the records of a conversion other labels.
fn relabel(path: &Path, label: impl Fn(usize) -> i64) {
    let mut writer = Writer::new(Vec::new());
    for (number, mut record) in records(path).into_iter().enumerate() {
        let features = record.features.as_mut().expect("features");
        let Some(Kind::Int64List(list)) = &mut features.feature.get_mut("Label").expect("a label").kind else {
            panic!("labels are integers")
        };
        list.value = vec![label(number)];
        writer.write(&record.encode_to_vec()).expect("a Vec takes everything");
    }
    fs::write(path, writer.finish().expect("a Vec takes everything")).expect("writable");
}

#[test]
fn a_wrong_label_is_found_and_printed_with_its_photo() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg"]).ok();
    let path = out.path().join("photos-00000-of-00001.tfrecord");
    // Six cats, then six cups; the second cat is said to be a cup.
    relabel(&path, |number| i64::from(number == 1 || number > 5));

    let run = petrec(["probe".as_ref(), "--folds".as_ref(), "2".as_ref(), out.path().as_os_str()]).ok();

    let worst = run.stdout.lines().skip_while(|line| !line.starts_with("most confidently wrong")).nth(1);
    let worst = worst.unwrap_or_else(|| panic!("{}", run.stdout));
    assert!(
        worst.contains("Coffee taken for Cat") && worst.ends_with("examples/photos/Cat/chelsea-eyes.jpg"),
        "{worst}"
    );
}

#[test]
fn what_cannot_be_probed_is_refused_in_one_line() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg"]).ok();
    let path = out.path().join("photos-00000-of-00001.tfrecord");
    let refused = |words: &[&str]| petrec(["probe".as_ref(), out.path().as_os_str()]).refused(1, words);

    relabel(&path, |_| 0);
    refused(&["fewer than two classes", "sub-folder per class"]);
    relabel(&path, |number| i64::from(number == 3));
    refused(&["class 'Coffee' has a single image"]);
    relabel(&path, |number| if number == 4 { 2 } else { 1 });
    refused(&["photos-00000-of-00001.tfrecord: record 4: no label of a class under 'Label'", "petrec verify"]);
    fs::write(&path, &fs::read(&path).expect("readable")[..9000]).expect("writable");
    refused(&["photos-00000-of-00001.tfrecord"]);
    let empty = temporary();
    petrec(["probe".as_ref(), empty.path().as_os_str()]).refused(1, &["petrec-manifest.json", "petrec convert"]);
    assert_eq!(petrec(["probe", "--folds", "1", "."]).code, Some(2));
}
