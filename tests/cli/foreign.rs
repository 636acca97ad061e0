//! Records of other programs: every key is shown, what is not understood is said, and no file is passed over in silence.

use std::fs;
use std::path::Path;

use petrec::tfrecord::proto::{BytesList, Feature, Features, FloatList, Int64List, Kind};
use petrec::tfrecord::{Example, Message, Writer};
use serde_json::{Value, json};

use super::{Run, convert_photos, petrec, temporary};

fn run(command: &str, path: &Path, more: &[&str]) -> Run {
    let fixed = [command.as_ref(), path.as_os_str()];
    petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

fn answer(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).expect("JSON")
}

fn file_of(records: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for record in records {
        writer.write(record).expect("a Vec takes everything");
    }
    writer.finish().expect("a Vec takes everything")
}

fn feature(kind: Kind) -> Feature {
    Feature { kind: Some(kind) }
}

fn example(entries: &[(&str, Feature)]) -> Vec<u8> {
    let feature = entries.iter().map(|(key, feature)| ((*key).to_owned(), feature.clone())).collect();
    Example { features: Some(Features { feature }) }.encode_to_vec()
}

fn numbers(values: &[i64]) -> Feature {
    feature(Kind::Int64List(Int64List { value: values.to_vec() }))
}

/// A field of a message, or an entry of a map: a tag, a length, and these bytes.
fn delimited(tag: u8, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    petrec_varint(inner.len(), &mut bytes);
    [&bytes[..], inner].concat()
}

fn petrec_varint(mut number: usize, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// A `tf.train.SequenceExample` with a context of `id` and a list `rgb` of these steps.
fn sequence(steps: &[Feature]) -> Vec<u8> {
    let id = feature(Kind::BytesList(BytesList { value: vec![b"v1".to_vec()] }));
    let context = example(&[("id", id), ("label", numbers(&[3]))]);
    let list: Vec<u8> = steps.iter().flat_map(|step| delimited(0x0a, &step.encode_to_vec())).collect();
    let entry = [delimited(0x0a, b"rgb"), delimited(0x12, &list)].concat();
    [context, delimited(0x12, &delimited(0x0a, &entry))].concat()
}

fn floats(values: &[f32]) -> Feature {
    feature(Kind::FloatList(FloatList { value: values.to_vec() }))
}

#[test]
fn a_key_whose_feature_has_no_kind_is_shown() {
    let out = temporary();
    let path = out.path().join("a.tfrecord");
    fs::write(&path, file_of(&[example(&[("a", Feature::default()), ("b", numbers(&[1]))])])).expect("written");

    let shown = run("inspect", &path, &[]).ok();
    let object = answer(&run("inspect", &path, &["--json"]).ok());

    let row = shown.stdout.lines().find(|line| line.starts_with("a ")).expect("a row");
    assert!(row.contains("none") && row.contains("no kind"), "{row}");
    assert_eq!(object["features"]["a"], json!([{ "kind": "none", "records": 1, "fewest": 0, "most": 0 }]));
    assert_eq!(object["record"]["features"]["a"], Value::Null);
}

#[test]
fn a_sequence_example_is_shown_with_its_context_and_its_feature_lists() {
    let out = temporary();
    let path = out.path().join("a.tfrecord");
    let records = [sequence(&[floats(&[0.5, 1.0]), floats(&[2.0])]), sequence(&[])];
    fs::write(&path, file_of(&records)).expect("written");

    let shown = run("inspect", &path, &[]).ok();
    let object = answer(&run("inspect", &path, &["--json"]).ok());
    let verified = run("verify", &path, &[]).ok();

    for words in
        ["sequence  2 of them", "rgb    float list  0 to 2 steps of 1 to 2", "rgb    0.5 1 | 2\n", "label  3\n"]
    {
        assert!(shown.stdout.contains(words), "'{words}' is missing in: {}", shown.stdout);
    }
    let list = &object["feature_lists"]["rgb"];
    assert_eq!((&object["sequence_examples"], &object["unknown_fields"]), (&json!(2), &json!(0)));
    assert_eq!((&list["records"], &list["fewest"], &list["most"]), (&json!(2), &json!(0), &json!(2)));
    assert_eq!((&list["steps"][0]["kind"], &list["steps"][0]["records"]), (&json!("float"), &json!(2)));
    assert_eq!(object["record"]["feature_lists"]["rgb"], json!([[0.5, 1.0], [2.0]]));
    assert!(verified.stdout.contains("sequence  2 of them are tf.train.SequenceExample"), "{}", verified.stdout);
}

#[test]
fn values_in_a_feature_list_are_checked_too() {
    let out = temporary();
    let path = out.path().join("a.tfrecord");
    fs::write(&path, file_of(&[sequence(&[floats(&[0.5]), floats(&[f32::NAN])])])).expect("written");

    let verified = run("verify", &path, &[]);

    assert_eq!(verified.code, Some(4));
    assert!(verified.stderr.contains("record 0: holds a value that is not finite"), "{}", verified.stderr);
}

#[test]
fn fields_that_no_example_has_are_counted_and_said() {
    let out = temporary();
    let path = out.path().join("a.tfrecord");
    let record = [example(&[("k", numbers(&[1]))]), b"\x38\x01".to_vec(), delimited(0x4a, b"more")].concat();
    fs::write(&path, file_of(&[record])).expect("written");

    for command in ["inspect", "verify"] {
        let shown = run(command, &path, &[]).ok();
        assert!(shown.stdout.contains("unknown   2 fields"), "{command}: {}", shown.stdout);
        assert_eq!(answer(&run(command, &path, &["--json"]).ok())["unknown_fields"], 2, "{command}");
    }
}

#[test]
fn messages_of_another_type_are_refused_and_their_framing_can_be_checked_alone() {
    let out = temporary();
    let path = out.path().join("scenario.tfrecord");
    // A Waymo Scenario begins so: timestamps as packed doubles, then a number and a text.
    let scenario = [delimited(0x0a, &[0x3f; 24]), b"\x50\x0a".to_vec(), delimited(0x2a, b"637f20cafde22ff8")].concat();
    fs::write(&path, file_of(&[scenario.clone(), scenario])).expect("written");

    let verified = run("verify", &path, &[]);
    let framing = run("verify", &path, &["--framing"]).ok();
    let mut damaged = fs::read(&path).expect("there");
    damaged[20] ^= 1;
    fs::write(&path, damaged).expect("written");
    let found = run("verify", &path, &["--framing"]);

    assert_eq!(verified.code, Some(4));
    assert!(verified.stderr.contains("not a tf.train.Example (and 1 record more); hint: "), "{}", verified.stderr);
    assert!(verified.stderr.contains("'petrec verify --framing'"), "{}", verified.stderr);
    assert!(framing.stdout.contains("records   2 intact\n") && framing.stderr.is_empty(), "{}", framing.stdout);
    assert_eq!(found.code, Some(4));
    assert!(found.stderr.contains("record 0 (from byte 0): the data's checksum"), "{}", found.stderr);
}

#[test]
fn framing_alone_asks_no_manifest() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg", "--quiet"]).ok();
    let manifest = out.path().join("petrec-manifest.json");
    fs::write(&manifest, "{}").expect("written");

    assert_eq!(run("verify", out.path(), &[]).code, Some(4));
    run("verify", out.path(), &["--framing"]).ok();
}

#[test]
fn record_files_are_found_under_the_names_that_people_give_them_and_no_other_file_is_passed_over_in_silence() {
    let out = temporary();
    let file = file_of(&[example(&[("k", numbers(&[1]))])]);
    let names = [
        "train00-1338.tfrec",
        "coco.record",
        "train-00000-of-01024",
        "A.TFRECORD",
        "a.tfrecords",
        "b.record-00000-of-00002",
        "sub/only-by-its-content.bin",
        "only-by-its-content",
    ];
    fs::create_dir(out.path().join("sub")).expect("made");
    for name in names {
        fs::write(out.path().join(name), &file).expect("written");
    }
    for name in ["README.md", "labels.csv", "sub/notes.txt"] {
        fs::write(out.path().join(name), "no records").expect("written");
    }

    for command in ["inspect", "verify"] {
        let shown = run(command, out.path(), &[]).ok();
        let object = answer(&run(command, out.path(), &["--json"]).ok());

        assert_eq!((&object["files"], &object["records"]), (&json!(8), &json!(8)), "{command}");
        let line = shown.stderr.lines().next().expect("a note");
        assert!(line.contains("3 files are skipped") && line.contains("README.md"), "{command}: {line}");
        assert_eq!(object["skipped"].as_array().map(Vec::len), Some(3), "{command}");
        assert_eq!(run(command, out.path(), &["--quiet"]).stderr, "", "{command}");
    }
    let empty = temporary();
    fs::write(empty.path().join("a.txt"), "x").expect("written");
    run("verify", empty.path(), &[]).refused(1, &["no record files in this folder, but 1 other file"]);
}

#[test]
fn what_a_conversion_leaves_beside_its_records_is_not_said_to_be_skipped() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg", "--quiet", "--tfds", "pets:1.0.0", "--index"]).ok();

    for command in ["inspect", "verify"] {
        let shown = run(command, out.path(), &["--json"]).ok();
        assert_eq!(answer(&shown)["skipped"], json!([]), "{command}");
    }
}

#[test]
fn a_folder_that_no_conversion_finished_is_refused_once_and_in_words_that_fit() {
    let out = temporary();
    fs::write(out.path().join("a.tfrecord"), file_of(&[example(&[("k", floats(&[1.0]))])])).expect("written");

    for command in ["probe", "report"] {
        let refused = run(command, out.path(), &[]);

        let line = refused.stderr.clone();
        assert_eq!(line.matches("petrec-manifest.json").count(), 1, "{command}: {line}");
        assert!(!line.contains("permissions"), "{command}: {line}");
        refused.refused(1, &["petrec convert", "petrec inspect"]);
    }
}
