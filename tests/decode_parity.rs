//! Accepting, rejecting, pixels and resizing against recorded decisions of TensorFlow 2.21.
//!
//! `tests/fixtures/decoder` has small files of every kind and damage, which are always tried. The larger suites lie in
//! `../shared`, which is not part of the project: without it their tests say so and pass. Each of them
//! states the exact number of files that agree and names every exception, so that a step back and a step forward both
//! show. What counts as agreement: the same verdict and, where both accept, the same SHA-256 of the pixels and of the
//! 224 x 224 picture that `tf.image.resize` makes of them. [`check`] has to decide as [`decode`] does, to the last word.

#[path = "common/shared.rs"]
mod shared;

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use petrec::image::{Accept, Picture, check, decode, resize};
use petrec::util::parallel::{self, available_threads};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::shared;

/// The side that the decisions were made with.
const SIDE: usize = 224;

/// Files and TensorFlow's decisions about them: the keys of `decisions`, below `folder`, with `suffix` added.
fn cases(decisions: &Path, folder: &Path, suffix: &str) -> Vec<(String, PathBuf, Value)> {
    let text = fs::read(decisions).unwrap_or_else(|error| panic!("{}: {error}", decisions.display()));
    let Value::Object(records) = serde_json::from_slice(&text).expect("decisions are JSON") else {
        panic!("{}: not an object", decisions.display());
    };
    let files = records.into_iter().filter(|(key, _)| !key.starts_with('_'));
    files.map(|(key, record)| (key.clone(), folder.join(format!("{key}{suffix}")), record)).collect()
}

/// Decodes every file, on all cores, and returns how many agree and what differs in the others.
fn compare(cases: &[(String, PathBuf, Value)]) -> (usize, Vec<String>) {
    let check = |(): &mut (), index: usize| {
        let (key, path, record) = &cases[index];
        let data = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        difference(&data, record).map(|what| format!("{key}: {what}"))
    };
    let mut differing = Vec::new();
    let done = parallel::ordered(cases.len(), vec![(); available_threads().get()], check, |difference| {
        differing.extend(difference);
        Ok::<_, Infallible>(())
    });
    done.expect("nothing fails");
    (cases.len() - differing.len(), differing)
}

/// What differs between our decision about `data` and the recorded one.
fn difference(data: &[u8], record: &Value) -> Option<String> {
    for accept in [Accept::TensorFlow, Accept::Strict] {
        if check(data, accept) != decode(data, accept).map(|picture| picture.outline()) {
            return Some(format!("check and decode disagree ({accept:?})"));
        }
    }
    match (decode(data, Accept::TensorFlow), record["status"] == "ok") {
        (Err(_), false) => None,
        (Err(rejection), true) => Some(format!("rejected, but TensorFlow accepts it: {rejection}")),
        (Ok(_), false) => Some(format!("accepted, but TensorFlow rejects it: {}", record["error"])),
        (Ok(picture), true) => pixel_difference(&picture, record).map(str::to_owned),
    }
}

fn pixel_difference(picture: &Picture, record: &Value) -> Option<&'static str> {
    let shape = serde_json::json!([picture.height, picture.width, 3]);
    let batch_of_one = serde_json::json!([1, picture.height, picture.width, 3]); // TensorFlow's form of a WebP
    if record["shape"] != shape && record["shape"] != batch_of_one {
        return Some("another size");
    }
    if record["px_sha256"] != sha256(&picture.rgb) {
        return Some("other pixels");
    }
    let mut resized = Vec::new();
    resize::tf_bilinear(&picture.rgb, picture.width, picture.height, SIDE, &mut resized);
    let bytes: Vec<u8> = resized.iter().flat_map(|value| value.to_le_bytes()).collect();
    (record["resized_f32_sha256"] != sha256(&bytes)).then_some("the same pixels, but resized differently")
}

fn sha256(bytes: &[u8]) -> String {
    petrec::text::hex(&Sha256::digest(bytes))
}

/// Asserts the exact number of files that agree and the exact list of those that do not.
fn assert_parity(cases: &[(String, PathBuf, Value)], agreeing: usize, exceptions: &[&str]) {
    let (agree, differing) = compare(cases);

    assert_eq!(differing, exceptions, "{agree} of {} agree", cases.len());
    assert_eq!(agree, agreeing);
}

/// Formats that must be there, and how many files at least: with fewer a clone would prove nothing.
const FIXTURES: [(&str, usize); 5] = [("gif", 30), ("jpeg", 100), ("other", 15), ("png", 100), ("webp", 50)];

#[test]
fn all_files_of_the_decoder_fixtures_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoder");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let formats: Vec<String> =
        names.filter_map(|name| Some(name.strip_prefix("decisions-")?.strip_suffix(".json")?.to_owned())).collect();

    for (format, least) in FIXTURES {
        assert!(formats.iter().any(|found| found == format), "no decisions for {format}: {formats:?}");
        let there = fs::read_dir(folder.join(format)).expect("a folder of files").count();
        assert!(there >= least, "{there} files in {format}; {least} at least");
    }
    for format in formats {
        let cases = cases(&folder.join(format!("decisions-{format}.json")), &folder, "");
        let there = fs::read_dir(folder.join(&format)).expect("a folder of files").count();
        assert_eq!(cases.len(), there, "{format}: decisions and files");
        assert_parity(&cases, there, &[]);
    }
}

#[test]
fn all_151_files_of_the_tensorflow_suite_agree() {
    let Some(folder) = shared("data/jpeg/tf-suite") else { return };
    let cases = cases(&folder.join("tf-decisions.json"), &folder, ".jpg");

    assert_parity(&cases, 151, &[]);
}

#[test]
fn all_293_files_of_other_decoders_test_suites_agree() {
    let Some(folder) = shared("data/jpeg") else { return };
    let cases = cases(&folder.join("corpora-tf-decisions.json"), &folder, "");

    assert_parity(&cases, 293, &[]);
}

#[test]
fn all_600_photos_of_pets_agree() {
    let Some(folder) = shared("data") else { return };
    let cases = cases(&folder.join("pets-tf-decisions.json"), &folder, "");

    assert_parity(&cases, 600, &[]);
}

#[test]
fn all_386_files_of_the_field_agree() {
    let Some(folder) = shared("data") else { return };
    let cases = cases(&folder.join("field-tf-decisions.json"), &folder, "");

    assert_parity(&cases, 386, &[]);
}
