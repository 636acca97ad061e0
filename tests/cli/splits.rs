//! `petrec convert --shuffle` and `--split`: which record goes where, the same every time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::resume::{killed_conversion, tree};
use super::{convert_photos, json, names, petrec, photos, records, temporary};

const SMALL: &[&str] = &["--pool", "avg", "--with", "path"];
const SPLIT: &[&str] = &["--split", "train=0.6,test=0.4", "--seed", "3"];

/// The photos in each record file, in the order of their records.
fn contents(out: &Path) -> BTreeMap<String, Vec<String>> {
    let files = names(out).into_iter().filter(|name| name.ends_with(".tfrecord"));
    files.map(|name| (name.clone(), paths(&out.join(name)))).collect()
}

fn paths(file: &Path) -> Vec<String> {
    let path = |example: &petrec::tfrecord::Example| example.bytes("path").expect("a path")[0].clone();
    records(file).iter().map(|example| String::from_utf8(path(example)).expect("UTF-8")).collect()
}

#[test]
fn a_shuffle_mixes_the_classes_and_loses_nothing() {
    let (out, again, other) = (temporary(), temporary(), temporary());

    convert_photos(out.path(), &[SMALL, &["--shards", "2", "--shuffle"]].concat()).ok();
    convert_photos(again.path(), &[SMALL, &["--shards", "2", "--shuffle", "--threads", "1"]].concat()).ok();
    convert_photos(other.path(), &[SMALL, &["--shards", "2", "--shuffle", "--seed", "1"]].concat()).ok();

    for (name, photos) in contents(out.path()) {
        let classes: BTreeSet<_> = photos.iter().filter_map(|photo| photo.split('/').next()).collect();
        assert_eq!(classes.len(), 2, "{name}: {photos:?}");
    }
    let mut all: Vec<_> = contents(out.path()).into_values().flatten().collect();
    assert_ne!(all, photos());
    all.sort();
    let mut expected = photos();
    expected.sort();
    assert_eq!(all, expected);
    assert!(tree(out.path()) == tree(again.path()));
    assert_ne!(contents(out.path()), contents(other.path()));
    // The report keeps the order of the data set.
    let report = |folder: &Path| fs::read(folder.join("petrec-report.json")).expect("readable");
    assert!(report(out.path()) == report(other.path()));
    petrec(["verify".as_ref(), out.path().as_os_str()]).ok();
}

#[test]
fn a_shuffled_run_that_was_killed_resumes_to_the_same_bytes() {
    let options = [SMALL, SPLIT, &["--shuffle", "--shards", "4", "--threads", "1"]].concat();
    let (whole, out) = (temporary(), temporary());
    convert_photos(whole.path(), &options).ok();

    killed_conversion(Path::new("examples/photos"), out.path(), &options, 25);
    convert_photos(out.path(), &options).ok();

    assert!(tree(out.path()) == tree(whole.path()), "{:?}", names(out.path()));
    for other in [&["--shuffle", "--seed", "4"][..], &["--split", "train=0.6,test=0.4"]] {
        convert_photos(out.path(), &[SMALL, other].concat()).refused(1, &["order was shuffled by seed 3", "and is"]);
    }
}

#[test]
fn each_split_has_its_record_files_and_every_report_tells_it() {
    let out = temporary();

    convert_photos(out.path(), &[SMALL, SPLIT, &["--shards", "2"]].concat()).ok();

    let files = contents(out.path());
    let expected = ["test", "train"].map(|split| [0, 1].map(|n| format!("photos-{split}-{n:05}-of-00002.tfrecord")));
    assert_eq!(files.keys().collect::<Vec<_>>(), expected.iter().flatten().collect::<Vec<_>>());
    let manifest = json(&out.path().join("petrec-manifest.json"));
    assert_eq!(manifest["division"]["seed"], 3);
    assert_eq!(manifest["division"]["splits"][0], serde_json::json!({ "name": "train", "share": 0.6 }));
    let mut split_of = BTreeMap::new();
    for file in manifest["files"].as_array().expect("a list") {
        let (name, split) = (file["path"].as_str().expect("a path"), file["split"].as_str().expect("a split"));
        assert_eq!(name.split('-').nth(1), Some(split));
        split_of.extend(files[name].iter().map(|photo| (format!("examples/photos/{photo}"), split)));
    }
    assert_eq!(split_of.len(), 12);
    let report = json(&out.path().join("petrec-report.json"));
    for file in report["files"].as_array().expect("a list") {
        let split = split_of.get(file["path"].as_str().expect("a path"));
        assert!(split.is_none_or(|split| file["split"] == *split), "{file}");
    }
    let count = |index: usize, what: &str| report["splits"][index][what].as_u64().expect("a number");
    assert_eq!((&report["splits"][0]["name"], &report["splits"][1]["name"]), (&"train".into(), &"test".into()));
    assert_eq!((count(0, "files") + count(1, "files"), count(0, "rejected") + count(1, "rejected")), (15, 3));
    petrec(["verify".as_ref(), out.path().as_os_str()]).ok();

    // A report that is made again, without converting, says the same.
    let path = out.path().join("petrec-report.json");
    let before = fs::read(&path).expect("readable");
    fs::remove_file(&path).expect("removed");
    convert_photos(out.path(), &[SMALL, SPLIT, &["--shards", "2"]].concat()).ok();
    assert!(fs::read(&path).expect("readable") == before);
}

#[test]
fn a_file_for_each_image_lies_in_the_folder_of_its_split() {
    let (whole, out) = (temporary(), temporary());
    convert_photos(whole.path(), &[SMALL, &["--layout", "per-image"]].concat()).ok();

    convert_photos(out.path(), &[SMALL, SPLIT, &["--layout", "per-image"]].concat()).ok();

    let mut found = Vec::new();
    for (name, bytes) in tree(out.path()).into_iter().filter(|(name, _)| name.extension() == Some("tfrecord".as_ref()))
    {
        let split = name.iter().next().expect("a folder");
        assert!(split == "train" || split == "test", "{}", name.display());
        let inside = name.strip_prefix(split).expect("its first part").to_path_buf();
        assert!(fs::read(whole.path().join(&inside)).expect("the same without splits") == bytes);
        found.push(inside);
    }
    assert_eq!(found.len(), 12);
    petrec(["verify".as_ref(), out.path().as_os_str()]).ok();
}

#[test]
fn records_of_another_split_are_found_by_verify() {
    let out = temporary();
    convert_photos(out.path(), &[SMALL, SPLIT, &["--shards", "1"]].concat()).ok();
    let manifest = out.path().join("petrec-manifest.json");
    let text = fs::read_to_string(&manifest).expect("readable");
    let verify = || petrec(["verify".as_ref(), out.path().as_os_str()]);

    fs::write(&manifest, text.replace("\"seed\": 3", "\"seed\": 4")).expect("written");
    let moved = verify();
    fs::write(&manifest, text.replace("\"split\": \"test\"", "\"split\": \"exam\"")).expect("written");
    let unknown = verify();

    assert!(moved.code == Some(4) && moved.stderr.contains("its path belongs into another split"), "{}", moved.stderr);
    assert!(unknown.code == Some(4) && unknown.stderr.contains("which of its splits"), "{}", unknown.stderr);
}

#[test]
fn what_cannot_be_divided_or_shuffled_is_refused() {
    let out = temporary();
    let usage = |more: &[&str], words: &str| {
        let run = convert_photos(out.path(), more);
        assert!(run.code == Some(2) && run.stderr.contains(words), "{more:?}: {}", run.stderr);
    };

    usage(&["--split", "train=0.8,val=0.1"], "the shares add up to 0.9, not to 1");
    usage(&["--split", "train=0.5,train=0.5"], "'train' is there twice");
    usage(&["--split", "train"], "write a list such as train=0.8,val=0.1,test=0.1");
    usage(&["--seed", "1"], "--shuffle");
    usage(&["--layout", "per-image", "--shuffle"], "--shuffle does not go with --layout per-image");
    let empty = convert_photos(out.path(), &["--split", "train=0.9999,val=0.0001"]);
    empty.refused(1, &["none of the 15 images falls into the split 'val' with --seed 0", "another seed"]);
    assert_eq!(names(out.path()), [""; 0]);
}
