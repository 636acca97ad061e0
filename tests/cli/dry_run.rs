//! `petrec convert --dry-run`: the plan is the one that is then followed, and nothing is written.

use std::path::Path;

use serde_json::{Value, json};

use super::resume::{killed_conversion, tree};
use super::{convert_photos, data_set, json, names, petrec, temporary};

/// Four photos that decode, in two classes.
const GOOD: &[(&str, &str)] = &[
    ("Cat/1.jpg", "Cat/chelsea.jpg"),
    ("Cat/2.jpg", "Cat/chelsea-eyes.jpg"),
    ("Cat/3.jpg", "Cat/chelsea-gray.jpg"),
    ("Coffee/1.jpg", "Coffee/coffee.jpg"),
];

fn convert(data: &Path, out: &Path, more: &[&str]) -> super::Run {
    let fixed = ["convert".as_ref(), "--model=efficientnet-lite0".as_ref(), data.as_os_str(), out.as_os_str()];
    petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

fn plan(data: &Path, out: &Path, more: &[&str]) -> Value {
    let run = convert(data, out, &[more, &["--dry-run", "--json"]].concat()).ok();
    serde_json::from_str(&run.stdout).expect("JSON")
}

#[test]
fn the_files_are_those_of_the_conversion_to_the_byte_where_no_image_is_rejected() {
    let (data, out) = (data_set(GOOD), temporary());
    for (number, options) in [
        &["--shards", "3"][..],
        &["--layout", "per-image", "--with", "path,class,image"],
        &["--split", "train=0.5,test=0.5", "--seed", "1", "--pool", "avg"],
    ]
    .iter()
    .enumerate()
    {
        let out = out.path().join(number.to_string());

        let plan = plan(data.path(), &out, options);

        assert!(!out.exists(), "a dry run writes nothing");
        convert(data.path(), &out, options).ok();
        let manifest = json(&out.join("petrec-manifest.json"));
        let of = |files: &Value, count: &str| -> Vec<_> {
            let files = files.as_array().expect("a list").iter();
            files.map(|file| [&file["path"], &file["split"], &file["bytes"], &file[count]].map(Clone::clone)).collect()
        };
        assert_eq!(of(&plan["files"], "images"), of(&manifest["files"], "records"), "{options:?}");
        assert_eq!(plan["record"], manifest["record"]);
        let bytes: u64 = manifest["files"].as_array().expect("a list").iter().filter_map(|f| f["bytes"].as_u64()).sum();
        assert_eq!([&plan["bytes"], &plan["estimate"]["bytes"]], [&json!(bytes); 2]);
        assert_eq!([&plan["estimate"]["tried"], &plan["estimate"]["rejected"]], [&json!(4), &json!(0)]);
    }
}

#[test]
fn classes_and_splits_are_told_with_their_images() {
    let (data, out) = (data_set(GOOD), temporary());

    let plan = plan(data.path(), out.path(), &["--split", "train=0.5,test=0.5", "--seed", "1"]);

    let classes = json!([{ "name": "Cat", "label": 0, "images": 3 }, { "name": "Coffee", "label": 1, "images": 1 }]);
    assert_eq!(plan["classes"], classes);
    let splits = plan["splits"].as_array().expect("a list");
    let images: u64 = splits.iter().filter_map(|split| split["images"].as_u64()).sum();
    assert_eq!((splits.len(), &splits[0]["name"], images), (2, &json!("train"), 4));
    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn a_worker_is_told_its_own_share() {
    let (data, out) = (data_set(GOOD), temporary());

    let plan = plan(data.path(), out.path(), &["--shards", "4", "--shard-index", "1", "--shard-count", "2"]);

    assert_eq!((&plan["images"], &plan["worker"]), (&json!(2), &json!({ "index": 1, "count": 2 })));
    assert_eq!(plan["files"].as_array().expect("a list").len(), 2);
    assert_eq!(plan["classes"][0]["images"], 1);
}

#[test]
fn compressed_files_are_estimated_from_compressed_records() {
    let (data, out) = (data_set(GOOD), temporary());
    let size = |folder: &Path| -> u64 {
        let manifest = json(&folder.join("petrec-manifest.json"));
        manifest["files"].as_array().expect("a list").iter().filter_map(|file| file["bytes"].as_u64()).sum()
    };

    let plan = plan(data.path(), out.path(), &["--compression", "gzip"]);
    convert(data.path(), out.path(), &["--compression", "gzip"]).ok();

    // All four images were tried, so that only the order of the records differs.
    let (estimate, real) = (plan["estimate"]["bytes"].as_u64().expect("a number"), size(out.path()));
    assert!(estimate.abs_diff(real) < real / 100, "{estimate} estimated, {real} written");
    assert!(plan["bytes"].as_u64().expect("a number") > 2 * estimate);
}

#[test]
fn a_person_reads_the_plan_and_that_nothing_was_written() {
    let out = temporary();

    let run = convert_photos(out.path(), &["--dry-run", "--layout", "per-image"]).ok();

    for line in [
        "images    15",
        "records   15 in 15 files, 3.8 MB, if no image is rejected",
        "features  7x7x1280 float32 as 'Feature'",
        "(3 rejected)",
        "Cat         0         7",
        "Cat/TFRecord/666.tfrecord",
        "nothing was written: leave out --dry-run to convert",
    ] {
        assert!(run.stdout.contains(line), "'{line}' is missing in:\n{}", run.stdout);
    }
    assert_eq!((run.stderr, names(out.path())), (String::new(), Vec::new()));
}

#[test]
fn what_lies_in_the_output_folder_is_looked_at_and_left_as_it_is() {
    const SHARDS: &[&str] = &["--pool", "avg", "--shard-size", "11kB", "--threads", "1"];
    let photos = Path::new("examples/photos");
    let (finished, unfinished) = (temporary(), temporary());
    convert_photos(finished.path(), SHARDS).ok();
    killed_conversion(photos, unfinished.path(), SHARDS, 25);
    let before = [tree(finished.path()), tree(unfinished.path())];

    assert_eq!(plan(photos, finished.path(), SHARDS)["out_holds"], "manifest");
    assert_eq!(plan(photos, unfinished.path(), SHARDS)["out_holds"], "journal");
    for folder in [finished.path(), unfinished.path()] {
        convert_photos(folder, &["--dry-run"]).refused(1, &["of other input or options", "--restart"]);
        let run = convert_photos(folder, &["--dry-run", "--restart"]).ok();
        assert!(run.stdout.contains("from which --restart removes"), "{}", run.stdout);
    }
    convert_photos(data_set(GOOD).path(), &["--dry-run"]).refused(1, &["is not empty"]);
    convert_photos(photos, &["--dry-run"]).refused(1, &["lies inside the data set"]);

    assert!([tree(finished.path()), tree(unfinished.path())] == before);
}
