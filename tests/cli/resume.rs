//! `petrec convert` again on a folder that holds a conversion: it is finished, kept, refused or replaced.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::places::repository;
use super::{Run, convert_photos, data_set, json, names, petrec, program, temporary};

/// Many small files: eight of the example photos' records each.
const SHARDS: &[&str] = &["--pool", "avg", "--shard-size", "11kB", "--threads", "1"];
pub(crate) const JOURNAL: &str = ".petrec-journal";

/// Every file below a folder, with its bytes.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below the folder").to_path_buf();
                files.insert(name, fs::read(&path).expect("readable"));
            }
        }
    }
    files
}

/// A conversion that was killed after `steps` of its steps on the way to the disk.
pub(crate) fn killed_conversion(data: &Path, out: &Path, more: &[&str], steps: usize) {
    let fixed = ["convert".as_ref(), "--model=efficientnet-lite0".as_ref(), data.as_os_str(), out.as_os_str()];
    let status = program()
        .args(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
        .env("PETREC_CRASH_AT", steps.to_string())
        .current_dir(repository(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("petrec starts");
    assert!(!status.success(), "it dies before it is done");
}

/// The same on instructions that every machine has.
fn killed_portable_conversion(out: &Path) {
    let status = program()
        .args(["convert", "--model=efficientnet-lite0", "examples/photos"])
        .arg(out)
        .args(SHARDS)
        .envs([("PETREC_CRASH_AT", "25"), ("PETREC_ISA", "portable")])
        .current_dir(repository(""))
        .stderr(Stdio::null())
        .status()
        .expect("petrec starts");
    assert!(!status.success(), "it dies before it is done");
}

fn convert(data: &Path, out: &Path, more: &[&str]) -> Run {
    let fixed = ["convert".as_ref(), "--model=efficientnet-lite0".as_ref(), data.as_os_str(), out.as_os_str()];
    petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let (whole, out) = (temporary(), temporary());
    convert_photos(whole.path(), SHARDS).ok();

    killed_conversion(Path::new("examples/photos"), out.path(), SHARDS, 25);
    assert!(names(out.path()).contains(&JOURNAL.to_owned()), "{:?}", names(out.path()));
    let run = convert_photos(out.path(), SHARDS).ok();

    assert!(run.stderr.contains("were converted by an earlier run"), "{}", run.stderr);
    assert!(tree(out.path()) == tree(whole.path()), "{:?}", names(out.path()));
}

#[test]
fn the_layout_of_the_blog_resumes_too() {
    let options = ["--pool", "avg", "--layout", "per-image"];
    let (whole, out) = (temporary(), temporary());
    convert_photos(whole.path(), &options).ok();

    killed_conversion(Path::new("examples/photos"), out.path(), &options, 40);
    convert_photos(out.path(), &options).ok();

    assert!(tree(out.path()) == tree(whole.path()), "{:?}", names(out.path()));
}

#[cfg(feature = "cpu")]
#[test]
fn each_file_says_which_instructions_its_features_were_computed_with() {
    let (whole, out) = (temporary(), temporary());
    convert_photos(whole.path(), SHARDS).ok();

    killed_portable_conversion(out.path());
    convert_photos(out.path(), SHARDS).ok();

    let isa = |folder: &Path, file: usize| json(&folder.join("petrec-manifest.json"))["files"][file]["isa"].clone();
    assert_eq!(isa(out.path(), 0), "portable");
    assert_eq!(isa(out.path(), 7), isa(whole.path(), 7));
}

#[test]
fn a_finished_conversion_is_told_and_left_as_it_is() {
    let out = temporary();
    convert_photos(out.path(), SHARDS).ok();
    let before = tree(out.path());

    let run = convert_photos(out.path(), SHARDS).ok();
    let rejected = convert_photos(out.path(), &[SHARDS, &["--fail-on-reject"]].concat());

    assert!(run.stdout.contains("nothing was left to do"), "{}", run.stdout);
    assert_eq!(rejected.code, Some(3));
    assert!(tree(out.path()) == before);
}

#[test]
fn a_finished_conversion_gets_the_report_that_is_missing() {
    let (out, elsewhere) = (temporary(), temporary());
    convert_photos(out.path(), SHARDS).ok();
    let (before, elsewhere) = (tree(out.path()), elsewhere.path().join("report.json"));

    fs::remove_file(out.path().join("petrec-report.json")).expect("removed");
    convert_photos(out.path(), SHARDS).ok();
    convert_photos(out.path(), &[SHARDS, &["--report", elsewhere.to_str().expect("UTF-8")]].concat()).ok();

    assert!(tree(out.path()) == before);
    assert_eq!(fs::read(elsewhere).expect("written"), before[Path::new("petrec-report.json")]);
}

#[test]
fn a_damaged_file_of_a_finished_conversion_is_made_again() {
    let out = temporary();
    convert_photos(out.path(), SHARDS).ok();
    let before = tree(out.path());
    let (first, last) =
        (out.path().join("photos-00000-of-00008.tfrecord"), out.path().join("photos-00007-of-00008.tfrecord"));
    let mut bytes = fs::read(&last).expect("readable");
    bytes[100] ^= 1;

    fs::remove_file(first).expect("removed");
    fs::write(last, bytes).expect("written");
    let run = convert_photos(out.path(), SHARDS).ok();

    assert!(run.stdout.contains("resumed   12 images"), "{}", run.stdout);
    assert!(tree(out.path()) == before);
}

#[test]
fn a_damaged_file_of_an_unfinished_conversion_is_made_again() {
    let (whole, out) = (temporary(), temporary());
    convert_photos(whole.path(), SHARDS).ok();
    killed_conversion(Path::new("examples/photos"), out.path(), SHARDS, 30);
    let first = out.path().join("photos-00000-of-00008.tfrecord");

    File::options().write(true).open(first).expect("there").set_len(3).expect("cut");
    convert_photos(out.path(), SHARDS).ok();

    assert!(tree(out.path()) == tree(whole.path()));
}

#[test]
fn other_options_are_refused_by_name() {
    let (finished, unfinished) = (temporary(), temporary());
    convert_photos(finished.path(), SHARDS).ok();
    killed_conversion(Path::new("examples/photos"), unfinished.path(), SHARDS, 25);

    for (out, what) in [(&finished, "a finished conversion"), (&unfinished, "an unfinished conversion")] {
        let before = tree(out.path());
        let refused = |more: &[&str], words: &[&str]| {
            convert_photos(out.path(), more).refused(1, &[&[what, "--restart"], words].concat());
        };
        refused(&["--shard-size", "11kB"], &["pool was avg and is none"]);
        refused(&[SHARDS, &["--label-key", "y"]].concat(), &["label-key was Label and is y"]);
        refused(&[SHARDS, &["--with", "path"]].concat(), &["with was nothing and is path"]);
        refused(&[SHARDS, &["--classes", "Coffee,Cat"]].concat(), &["classes was Cat,Coffee and is Coffee,Cat"]);
        assert!(tree(out.path()) == before);
    }
}

#[test]
fn other_images_are_refused_by_name() {
    let files =
        [("Cat/1.jpg", "Cat/chelsea.jpg"), ("Cat/2.jpg", "Cat/chelsea-eyes.jpg"), ("Cat/3.jpg", "Cat/chelsea.jpg")];
    let options = ["--shard-size", "1", "--pool", "avg", "--threads", "1", "--classes=Cat"];
    let (data, out) = (data_set(&files), temporary());
    killed_conversion(data.path(), out.path(), &options, 20);
    let path = |name: &str| data.path().join("Cat").join(name);
    let refused = |what: &str| convert(data.path(), out.path(), &options).refused(1, &[what, "--restart"]);

    fs::copy(path("1.jpg"), path("4.jpg")).expect("copied");
    refused("Cat/4.jpg was added");
    fs::rename(path("4.jpg"), path("3.jpg")).expect("renamed"); // of the same length, and newer
    refused("Cat/3.jpg was changed");
    fs::remove_file(path("3.jpg")).expect("removed");
    refused("Cat/3.jpg was removed");

    convert(data.path(), out.path(), &[&options[..], &["--restart"]].concat()).ok();
}

#[test]
fn restart_replaces_what_is_there_and_leaves_nothing_of_it() {
    let (whole, out) = (temporary(), temporary());
    convert_photos(whole.path(), &["--pool", "avg"]).ok();

    convert_photos(out.path(), &["--restart", "--layout", "per-image", "--pool", "avg"]).ok();
    convert_photos(out.path(), &[SHARDS, &["--restart"]].concat()).ok();
    killed_conversion(Path::new("examples/photos"), out.path(), &[SHARDS, &["--restart", "--with=path"]].concat(), 40);
    convert_photos(out.path(), &["--restart", "--pool", "avg"]).ok();

    assert!(tree(out.path()) == tree(whole.path()), "{:?}", names(out.path()));
}

#[test]
fn restart_removes_nothing_that_is_not_ours() {
    let out = temporary();
    convert_photos(out.path(), SHARDS).ok();
    let manifest = out.path().join("petrec-manifest.json");
    let hostile = fs::read_to_string(&manifest).expect("readable").replace("photos-00000", "../photos-00000");
    let (outside, thesis) = (out.path().with_extension("txt"), out.path().join("thesis.txt"));

    fs::write(&manifest, hostile).expect("written");
    fs::write(&thesis, "years of work").expect("written");
    fs::write(&outside, "not ours").expect("written");
    let run = convert_photos(out.path(), &["--restart"]);
    run.refused(1, &["is not empty", "name a new or empty folder"]);

    assert_eq!(fs::read(&thesis).expect("still there"), b"years of work");
    fs::remove_file(outside).expect("still there");
}

#[test]
fn an_error_keeps_what_is_done_and_takes_back_what_is_not() {
    let (whole, out) = (temporary(), temporary());
    convert_photos(whole.path(), SHARDS).ok();
    killed_conversion(Path::new("examples/photos"), out.path(), SHARDS, 20);
    let in_the_way = out.path().join("photos-00007-of-00008.tfrecord");
    fs::create_dir(&in_the_way).expect("made"); // a file cannot take the name of a folder

    convert_photos(out.path(), SHARDS).refused(1, &["00007", "cannot be written", "7 of 8 record files are done"]);

    assert!(names(out.path()).iter().all(|name| !name.ends_with(".partial")), "{:?}", names(out.path()));
    fs::remove_dir(in_the_way).expect("empty");
    convert_photos(out.path(), SHARDS).ok();
    assert!(tree(out.path()) == tree(whole.path()));
}

#[test]
fn a_journal_of_another_version_is_refused_and_kept() {
    let (data, out) = (repository("examples/photos"), temporary());
    killed_conversion(&data, out.path(), SHARDS, 25);
    let mut journal = petrec::tfrecord::Writer::new(Vec::new());
    journal.write(br#"{"format":99,"plan":{},"images":[]}"#).expect("a Vec takes everything");
    fs::write(out.path().join(JOURNAL), journal.finish().expect("a Vec takes everything")).expect("writable");
    let before = tree(out.path());

    for more in [SHARDS, &[SHARDS, &["--restart"]].concat()] {
        let run = convert(&data, out.path(), more);

        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert_eq!(tree(out.path()), before, "nothing is removed");
    }
    let run = convert(&data, out.path(), SHARDS);
    assert!(run.stderr.contains("not a journal of this version"), "{}", run.stderr);
}

#[test]
fn restart_beside_what_cannot_be_told_to_be_ours_removes_nothing() {
    let (data, out) = (repository("examples/photos"), temporary());
    convert(&data, out.path(), SHARDS).ok();
    let manifest = out.path().join("petrec-manifest.json");
    let whole = fs::read(&manifest).expect("readable");
    fs::write(&manifest, "{}").expect("writable");
    let before = tree(out.path());

    let run = convert(&data, out.path(), &[SHARDS, &["--restart"]].concat());

    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(tree(out.path()), before);

    fs::write(&manifest, whole).expect("writable");
    fs::write(out.path().join("notes.txt"), "mine").expect("writable");
    let before = tree(out.path());
    let run = convert(&data, out.path(), &[SHARDS, &["--restart"]].concat());
    assert!(run.code == Some(1) && run.stderr.contains("notes.txt"), "{}", run.stderr);
    assert_eq!(tree(out.path()), before);
}

#[test]
fn a_repair_that_fails_without_the_old_report_can_be_taken_up_again() {
    let (data, out, elsewhere) = (repository("examples/photos"), temporary(), temporary());
    let report = elsewhere.path().join("r.json");
    let named = |report: &Path| [SHARDS, &["--report", report.to_str().expect("UTF-8")]].concat().join("\n");
    let run = |report: &Path| convert(&data, out.path(), &named(report).lines().collect::<Vec<_>>());
    run(&report).ok();
    let whole = tree(out.path());
    let shard = whole.keys().find(|name| name.to_string_lossy().contains("tfrecord")).expect("a shard");
    fs::remove_file(out.path().join(shard)).expect("removable");

    let failed = run(Path::new("/no/such/folder/r.json"));
    let repaired = run(&report);

    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    repaired.ok();
    assert_eq!(tree(out.path()), whole);
}
