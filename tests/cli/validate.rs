//! `petrec validate`: verdicts, the report, and a quarantine that loses nothing.

use std::fs;
use std::path::Path;

use super::places::repository;
use super::{Run, data_set, json, names, petrec, temporary};

fn validate(path: &Path, more: &[&str]) -> Run {
    let fixed = ["validate".as_ref(), path.as_os_str()];
    petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

/// Path, verdict and reason of every file in a report.
fn verdicts(report: &serde_json::Value) -> Vec<(String, String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let files = report["files"].as_array().expect("a list");
    files.iter().map(|file| (text(&file["path"]), text(&file["verdict"]), text(&file["reason"]))).collect()
}

#[test]
fn every_rejected_file_has_its_reason_and_every_class_its_counts() {
    let out = temporary();
    let path = out.path().join("report.json");

    let run = validate(Path::new("examples/photos"), &["--report", path.to_str().expect("UTF-8")]).ok();

    let report = json(&path);
    assert_eq!(report["counts"], serde_json::json!({"files": 15, "accepted": 12, "rejected": 3}));
    assert_eq!(report["classes"][1]["name"], "Coffee");
    assert_eq!(report["classes"][1]["rejected"], 2);
    assert_eq!(report["reasons"], serde_json::json!({"E_EMPTY": 1, "E_NOT_AN_IMAGE": 1, "E_TRUNCATED": 1}));
    assert_eq!(verdicts(&report).len(), 15);
    let first = &report["files"][0];
    assert_eq!(first["path"], "examples/photos/Cat/666.jpg");
    assert_eq!((&first["verdict"], &first["reason"]), (&"rejected".into(), &"E_EMPTY".into()));
    let second = &report["files"][1];
    assert_eq!((&second["verdict"], &second["reason"]), (&"accepted".into(), &serde_json::Value::Null));
    assert_eq!((&second["format"], &second["width"], &second["height"]), (&"jpeg".into(), &400.into(), &320.into()));
    assert!(run.stdout.starts_with("15 files: 12 accepted, 3 rejected\n"), "{}", run.stdout);
    assert_eq!(run.stderr.lines().count(), 3);
}

#[test]
fn every_reason_code_is_documented() {
    let documented = fs::read_to_string(repository("docs/files.md")).expect("the documentation");

    for reason in petrec::image::Reason::ALL {
        assert!(documented.contains(&format!("| `{}` |", reason.code())), "{}", reason.code());
    }
}

#[test]
fn each_limit_has_its_option_and_its_reason() {
    let limits = [
        ("--max-side", "400", "E_MAX_SIDE"),
        ("--max-pixels", "150000", "E_MAX_PIXELS"),
        ("--max-file-size", "10kB", "E_MAX_FILE_SIZE"),
        ("--time-limit", "0.000000001", "E_TIME_LIMIT"),
    ];

    for (option, limit, reason) in limits {
        let run = validate(Path::new("examples/photos"), &["--quiet", "--json", option, limit]).ok();
        let report: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        let refused = report["reasons"][reason].as_u64().unwrap_or_default();
        assert!(refused > 0, "{option}: {}", report["reasons"]);
        assert!(refused < 13 || option == "--time-limit", "{option}: {}", report["reasons"]);
    }
    for (option, wrong) in
        [("--max-side", "0"), ("--max-file-size", "no"), ("--time-limit", "-1"), ("--time-limit", "0")]
    {
        assert_eq!(validate(Path::new("examples/photos"), &[option, wrong]).code, Some(2), "{option} {wrong}");
    }
}

#[test]
fn quarantine_never_overwrites_and_never_collides() {
    let files = [("Cat/666.jpg", "Cat/666.jpg"), ("Dog/666.jpg", "Coffee/11702.jpg"), ("Dog/1.jpg", "Cat/chelsea.jpg")];
    let (data, again, aside) = (data_set(&files), data_set(&files[..2]), temporary());
    let quarantine = aside.path().join("rejected");
    let to = quarantine.to_str().expect("UTF-8");

    let run = validate(data.path(), &["--quarantine", to]).ok();
    validate(again.path(), &["--quarantine", to]).ok();

    assert!(run.stdout.contains("2 files moved to quarantine"), "{}", run.stdout);
    assert_eq!(names(&data.path().join("Cat")), [""; 0]);
    assert_eq!(names(&data.path().join("Dog")), ["1.jpg"]);
    assert_eq!(names(&quarantine.join("Cat")), ["666-2.jpg", "666.jpg"]);
    assert_eq!(names(&quarantine.join("Dog")), ["666-2.jpg", "666.jpg"]);
    let truncated = fs::read(repository("examples/photos/Coffee/11702.jpg")).expect("readable");
    assert_eq!(fs::read(quarantine.join("Dog/666.jpg")).expect("readable"), truncated);
    assert_eq!(fs::read(quarantine.join("Dog/666-2.jpg")).expect("readable"), truncated);
}

#[cfg(unix)]
#[test]
fn quarantine_leaves_links_in_place_and_says_so() {
    let (data, aside) = (data_set(&[("Cat/1.jpg", "Cat/chelsea.jpg")]), temporary());
    std::os::unix::fs::symlink("nowhere", data.path().join("Cat/2.jpg")).expect("linked");

    let run = validate(data.path(), &["--quarantine", aside.path().to_str().expect("UTF-8")]);

    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("is a link, not moved"), "{}", run.stderr);
    assert_eq!(names(&data.path().join("Cat")), ["1.jpg", "2.jpg"]);
    assert_eq!(names(aside.path()), [""; 0]);
}

#[test]
fn a_folder_named_in_two_ways_is_counted_once() {
    let data = data_set(&[("Cat/666.jpg", "Cat/666.jpg"), ("Cat/1.jpg", "Cat/chelsea.jpg")]);
    let again = data.path().join("Cat/..");

    let run = petrec(["validate".as_ref(), data.path().as_os_str(), again.as_os_str()]).ok();

    assert!(run.stdout.starts_with("2 files: 1 accepted, 1 rejected"), "{}", run.stdout);
}

#[test]
fn a_quarantine_inside_the_data_set_is_refused() {
    let data = data_set(&[("Cat/666.jpg", "Cat/666.jpg"), ("Cat/1.jpg", "Cat/chelsea.jpg")]);
    let inside = data.path().join("Error");

    let run = validate(data.path(), &["--quarantine", inside.to_str().expect("UTF-8")]);

    run.refused(1, &["lies inside the data set"]);
    assert_eq!(names(data.path()), ["Cat"]);
    assert_eq!(names(&data.path().join("Cat")), ["1.jpg", "666.jpg"]);
}

#[test]
fn flat_folders_trees_and_single_files_are_taken_too() {
    let data = data_set(&[("1.jpg", "Cat/chelsea.jpg"), ("notes.txt", "Coffee/download (1).jpg")]);
    let tree =
        data_set(&[("a/b/1.jpg", "Cat/chelsea.jpg"), ("a/2.jpg", "Cat/666.jpg"), ("3.bin", "Coffee/coffee.jpg")]);
    let report = |run: Run| -> serde_json::Value { serde_json::from_str(&run.ok().stdout).expect("JSON") };

    let flat = report(validate(data.path(), &["--json", "--quiet"]));
    let single = report(validate(&data.path().join("notes.txt"), &["--json", "--quiet"]));
    let tree = report(validate(tree.path(), &["--json", "--quiet", "--recursive", "--ext", "any"]));

    assert_eq!(flat["counts"]["files"], 1);
    assert_eq!(flat["classes"], serde_json::json!([]));
    assert_eq!(single["files"][0]["reason"], "E_NOT_AN_IMAGE");
    assert_eq!(tree["counts"], serde_json::json!({"files": 3, "accepted": 2, "rejected": 1}));
}

#[test]
fn strict_takes_flawless_jpegs_only() {
    let data = data_set(&[("Cat/good.jpg", "Cat/chelsea.jpg"), ("Cat/tail.jpg", "Cat/chelsea.jpg")]);
    let tail = data.path().join("Cat/tail.jpg");
    let mut bytes = fs::read(&tail).expect("readable");
    bytes.splice(2..2, [0x00, 0x00, 0x00]); // bytes that are no marker: libjpeg warns and goes on
    fs::write(&tail, bytes).expect("written");

    let as_tensorflow = validate(data.path(), &["--quiet"]).ok();
    let strict = validate(data.path(), &["--quiet", "--accept", "strict", "--fail-on-reject"]);

    let _ = as_tensorflow;
    assert_eq!(strict.code, Some(3));
    assert!(strict.stdout.contains("1 accepted, 1 rejected"), "{}", strict.stdout);
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read_is_one_rejected_file() {
    let data = data_set(&[("Cat/1.jpg", "Cat/chelsea.jpg")]);
    std::os::unix::fs::symlink("nowhere", data.path().join("Cat/2.jpg")).expect("linked");

    let run = validate(data.path(), &["--json", "--quiet"]).ok();

    let report: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(report["reasons"], serde_json::json!({"E_UNREADABLE": 1}));
    assert_eq!(report["counts"]["accepted"], 1);
}

#[cfg(unix)]
#[test]
fn a_pipe_named_like_a_photo_does_not_hang() {
    let data = data_set(&[("Cat/1.jpg", "Cat/chelsea.jpg")]);
    let pipe = data.path().join("Cat/2.jpg");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());

    let listed = validate(data.path(), &[]).ok();
    let named = validate(&pipe, &["--json"]).ok();

    assert!(listed.stdout.starts_with("1 file: 1 accepted"), "{}", listed.stdout);
    assert!(named.stdout.contains("E_UNREADABLE"), "{}", named.stdout);
}
