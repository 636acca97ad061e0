//! Bad input gets one clear line and a documented exit code, and nothing half-written is left.

use std::fs;
use std::path::Path;

use super::places::repository;
use super::{convert_photos, data_set, names, petrec, program, temporary};

/// `convert` of a folder with the built-in weights.
fn convert(data: &Path, out: &Path, more: &[&str]) -> super::Run {
    let fixed = ["convert".as_ref(), "--model=efficientnet-lite0".as_ref(), data.as_os_str(), out.as_os_str()];
    petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

#[test]
fn without_weights_the_message_names_both_ways_on() {
    let out = temporary();
    let target = out.path().join("records");

    let run = petrec(["convert".as_ref(), "examples/photos".as_ref(), target.as_os_str()]);

    // Somebody's own weights would lie there; the message is about a tree as it is cloned.
    let folders = [Some(repository("model-weights")), petrec::model::user_folder()];
    if !folders.iter().flatten().any(|folder| folder.join("efficientnet-b0.safetensors").exists()) {
        run.refused(1, &["no weights for efficientnet-b0", "cargo xtask import-weights", "--model efficientnet-lite0"]);
        assert!(!target.exists());
    }
}

#[test]
fn a_folder_that_holds_something_else_is_refused_and_left_as_it_was() {
    let out = temporary();
    fs::write(out.path().join("thesis.txt"), "years of work").expect("written");

    convert_photos(out.path(), &[]).refused(1, &["is not empty", "thesis.txt", "new or empty folder"]);

    assert_eq!(names(out.path()), ["thesis.txt"]);
}

#[test]
fn an_output_that_is_a_file_or_lies_in_the_data_set_is_refused() {
    let data = data_set(&[("Cat/1.jpg", "Cat/chelsea.jpg"), ("Dog/1.jpg", "Cat/chelsea.jpg")]);
    let file = temporary();
    let file = file.path().join("records");
    fs::write(&file, "").expect("written");

    convert(data.path(), &file, &[]).refused(1, &["is a file"]);
    convert(data.path(), &data.path().join("records"), &[]).refused(1, &["lies inside the data set"]);

    assert_eq!(names(data.path()), ["Cat", "Dog"]);
}

#[test]
fn a_data_set_that_is_none_is_refused_for_what_it_is() {
    let (flat, empty, out) = (temporary(), data_set(&[]), temporary());
    fs::copy(repository("examples/photos/Cat/chelsea.jpg"), flat.path().join("1.jpg")).expect("copied");
    fs::write(out.path().join("photos.jpg"), "PK").expect("written");
    fs::create_dir(empty.path().join("Cat")).expect("made");
    let records = out.path().join("records");

    convert(flat.path(), &records, &[]).refused(1, &["no class folders", "sub-folder"]);
    convert(empty.path(), &records, &[]).refused(1, &["no photos", ".jpg"]);
    convert(&out.path().join("photos.jpg"), &records, &[]).refused(1, &["a file, not a folder"]);
    convert(&out.path().join("missing"), &records, &[]).refused(1, &["no such file or folder"]);
    let classes = ["--classes", "Cat,Bird"];
    convert(&repository("examples/photos"), &records, &classes).refused(1, &["Bird", "Cat, Coffee"]);

    assert!(!records.exists());
}

#[test]
fn when_nothing_decodes_nothing_is_left() {
    let data = data_set(&[("Cat/666.jpg", "Cat/666.jpg"), ("Dog/page.jpg", "Coffee/download (1).jpg")]);
    let out = temporary();
    let records = out.path().join("deep/records");

    convert(data.path(), &records, &[]).refused(1, &["none of the 2 images can be decoded", "petrec validate"]);

    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_work() {
    let out = temporary();
    let records = out.path().join("records");
    let refused = |report: &Path, words: &[&str]| {
        let run = convert_photos(&records, &["--report", report.to_str().expect("UTF-8")]);
        assert!(!run.stderr.contains("E_EMPTY"), "{}", run.stderr);
        run.refused(1, words);
        assert!(!records.exists());
    };

    refused(&out.path().join("missing/report.json"), &["report.json", "there is no folder", "name a file"]);
    refused(&records.join("photos-00000-of-00001.tfrecord"), &["not a .json file"]);
    refused(&records.join("petrec-manifest.json"), &["petrec-manifest.json"]);
    refused(&repository("examples/photos/Cat/chelsea.jpg"), &["lies inside the data set"]);

    assert_eq!(names(out.path()), [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_report_to_a_link_or_a_pipe_goes_where_it_leads() {
    let out = temporary();
    let (link, target) = (out.path().join("link.json"), out.path().join("target.json"));
    fs::write(&target, "old").expect("written");
    std::os::unix::fs::symlink(&target, &link).expect("linked");
    let report =
        |path: &Path| petrec(["validate", "examples/photos", "-q", "--report", path.to_str().expect("UTF-8")]).ok();

    report(&link);
    let pipe = out.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).expect("readable")
    });
    report(&pipe);

    assert!(link.is_symlink());
    assert_eq!(super::json(&target)["counts"]["files"], 15);
    assert_eq!(reader.join().expect("read to the end"), fs::read(&target).expect("readable"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_error_does_not_hang_the_run() {
    let full = fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut child = program();
    let child = child.args(["validate", "examples/photos"]).current_dir(repository("")).stderr(full);

    let output = child.output().expect("petrec ends");

    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"15 files"));
}

#[test]
fn two_images_that_would_share_a_record_file_are_refused_before_the_first_byte() {
    let data = data_set(&[
        ("Cat/1.jpg", "Cat/chelsea.jpg"),
        ("Cat/1.jpeg", "Cat/chelsea-eyes.jpg"),
        ("Dog/1.jpg", "Cat/chelsea.jpg"),
    ]);
    let out = temporary();
    let records = out.path().join("records");

    convert(data.path(), &records, &["--layout", "per-image"]).refused(1, &["Cat/1.jpeg and Cat/1.jpg", "rename"]);

    assert!(!records.exists());
}

/// On other systems such a data set cannot lie on the disk.
#[cfg(target_os = "linux")]
#[test]
fn record_files_whose_names_differ_in_case_only_are_refused_as_one() {
    for (one, other) in [("Cat/A.jpg", "Cat/a.jpg"), ("Cat/\u{c4}.jpg", "Cat/\u{e4}.jpg"), ("CAT/1.jpg", "Cat/1.jpeg")]
    {
        let data =
            data_set(&[(one, "Cat/chelsea.jpg"), (other, "Cat/chelsea-eyes.jpg"), ("Dog/1.jpg", "Cat/chelsea.jpg")]);
        let out = temporary();
        let records = out.path().join("records");

        convert(data.path(), &records, &["--layout", "per-image"]).refused(1, &[one, other, "rename"]);

        assert!(!records.exists());
        convert(data.path(), &records, &[]).ok();
    }
}

#[test]
fn two_features_of_one_key_are_refused() {
    let out = temporary();
    let records = out.path().join("records");

    convert_photos(&records, &["--feature-key", "Label"]).refused(2, &["Label"]);
    convert_photos(&records, &["--label-key", "path", "--with", "path"]).refused(2, &["path"]);

    assert!(!records.exists());
}

#[test]
fn a_damaged_weight_file_is_refused_by_name() {
    let out = temporary();
    let (records, weights) = (out.path().join("records"), out.path().join("weights.safetensors"));
    let mut bytes = fs::read(repository("model-weights/efficientnet-lite0.safetensors")).expect("the built-in weights");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, bytes).expect("written");

    let with_weights = |weights: &Path| {
        let args = ["convert".as_ref(), "--weights".as_ref(), weights.as_os_str(), "examples/photos".as_ref()];
        petrec(args.into_iter().chain([records.as_os_str()]))
    };
    with_weights(&weights).refused(1, &["weights.safetensors", "checksum", "cargo xtask import-weights"]);
    with_weights(&repository("README.md")).refused(1, &["README.md", "not a usable weight file"]);
    with_weights(Path::new("missing.safetensors")).refused(1, &["missing.safetensors"]);

    assert!(!records.exists());
}

#[test]
fn wrong_usage_ends_with_2() {
    for args in
        [&["convert"][..], &["convert", "a", "b", "--backend", "abacus"], &["paint"], &["validate", "a", "--threads=0"]]
    {
        assert_eq!(petrec(args).code, Some(2), "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn whoever_closes_the_pipe_has_enough() {
    use std::process::Stdio;
    let mut child = program()
        .args(["dump", "--stage", "pixels"])
        .args(vec!["examples/photos/Cat/chelsea.jpg"; 2000])
        .current_dir(repository(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("petrec starts");

    drop(child.stdout.take());

    assert_eq!(child.wait_with_output().expect("petrec ends").status.code(), Some(0));
}
