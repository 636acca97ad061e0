//! `petrec inspect`: what is in a record file, whoever wrote it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use petrec::tfrecord::proto::{BytesList, Feature, Features, FloatList, Int64List, Kind};
use petrec::tfrecord::{Example, Message, Writer};

use super::{Run, convert_photos, petrec, records, temporary};

fn inspect(path: &Path, more: &[&str]) -> Run {
    let fixed = ["inspect".as_ref(), path.as_os_str()];
    petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

fn answer(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).expect("JSON")
}

/// A record file of somebody else's: other keys, lists of any length, a record that is no `Example`.
fn foreign_file() -> Vec<u8> {
    let feature = |kind| Feature { kind: Some(kind) };
    let example = |caption: &[u8], boxes: &[f32], ids: &[i64]| {
        let entries = [
            ("caption".to_owned(), feature(Kind::BytesList(BytesList { value: vec![caption.to_vec()] }))),
            ("boxes".to_owned(), feature(Kind::FloatList(FloatList { value: boxes.to_vec() }))),
            ("ids".to_owned(), feature(Kind::Int64List(Int64List { value: ids.to_vec() }))),
            ("empty".to_owned(), Feature { kind: None }),
        ];
        Example { features: Some(Features { feature: entries.into() }) }.encode_to_vec()
    };
    let mut writer = Writer::new(Vec::new());
    for record in [
        example(b"a cat", &[0.0, 0.5, 1.0, f32::NAN], &[7, 7, 9]),
        b"\xff".to_vec(),
        example(b"\xff\xd8\xff", &[], &[]),
    ] {
        writer.write(&record).expect("a Vec takes everything");
    }
    writer.finish().expect("a Vec takes everything")
}

#[test]
fn our_records_are_shown_with_shapes_classes_and_values() {
    let out = temporary();
    convert_photos(out.path(), &["--shard-size", "700kB", "--with", "path"]).ok();

    let run = inspect(out.path(), &[]).ok();

    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines[0], "files     6, 3.0 MB, uncompressed");
    assert_eq!(lines[1], "records   12");
    assert!(lines[3].starts_with("Feature  float  7x7x1280  min 0  max "), "{}", lines[3]);
    assert_eq!(lines[4], "Label    int64  1         0 Cat: 6, 1 Coffee: 6");
    assert_eq!(lines[5], "path     bytes  1         15 to 27 bytes each");
    assert_eq!(lines[7], format!("record 0, in {}", out.path().join("photos-00000-of-00006.tfrecord").display()));
    assert!(lines[8].starts_with("Feature  ") && lines[8].ends_with(" ... (62,720 values)"), "{}", lines[8]);
    assert_eq!(lines[10], "path     Cat/IMG_0042.JPG");
}

#[test]
fn statistics_are_those_of_the_values() {
    let out = temporary();
    convert_photos(out.path(), &["--shard-size", "700kB"]).ok();
    let shard = |index: usize| out.path().join(format!("photos-{index:05}-of-00006.tfrecord"));
    let values: Vec<f32> = (0..6)
        .flat_map(|index| records(&shard(index)))
        .flat_map(|example| example.floats("Feature").expect("features").to_vec())
        .collect();

    let answer = answer(&inspect(out.path(), &["--json"]).ok());

    let feature = &answer["features"]["Feature"][0];
    let zeros = values.iter().filter(|value| **value == 0.0).count();
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
    assert_eq!(
        (&feature["kind"], &feature["records"], &feature["most"]),
        (&"float".into(), &12.into(), &62_720.into())
    );
    assert_eq!(feature["zeros"], zeros);
    assert_eq!(feature["count"], values.len());
    let number = |name: &str| feature[name].as_f64().expect("a number");
    assert!((number("mean") - mean).abs() <= 1e-12, "{mean}"); // the order of the sum differs
    assert_eq!(number("max") as f32, values.iter().copied().fold(0.0, f32::max));
    assert_eq!(number("min") as f32, 0.0);
}

#[test]
fn any_record_can_be_shown() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg", "--shard-size", "11kB"]).ok();

    let last = answer(&inspect(out.path(), &["--json", "--record", "11"]).ok());

    let expected = records(&out.path().join("photos-00007-of-00008.tfrecord"));
    let expected = expected.last().expect("a record").floats("Feature").expect("features");
    let shown = last["record"]["features"]["Feature"].as_array().expect("values");
    let shown: Vec<f32> = shown.iter().map(|value| value.as_f64().expect("a number") as f32).collect();
    assert_eq!(shown, expected);
    assert_eq!(last["record"]["number"], 11);
    inspect(out.path(), &["--record", "12"]).refused(1, &["--record 12", "there are 12 records, numbered from 0"]);
}

#[test]
fn files_of_others_are_read_however_they_are_compressed() {
    let out = temporary();
    let plain = foreign_file();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&plain).expect("a Vec takes everything");
    zlib.write_all(&plain).expect("a Vec takes everything");
    let files = [
        ("uncompressed", plain),
        ("gzip", gzip.finish().expect("a Vec takes everything")),
        ("zlib", zlib.finish().expect("a Vec takes everything")),
    ];

    for (compression, bytes) in files {
        let path = out.path().join(compression);
        fs::write(&path, bytes).expect("written");
        let run = inspect(&path, &[]).ok();

        let (first, rest) = run.stdout.split_once('\n').expect("lines");
        assert!(first.starts_with("files     1, ") && first.ends_with(compression), "{first}");
        let expected = format!(
            "records   3
foreign   1 of them are no tf.train.Example

boxes    float  0 to 4  min 0  max 1  mean 0.500000  zeros 25.0 %  not finite 1  in 2 records
caption  bytes  1       3 to 5 bytes each  in 2 records
empty    none   0       no kind: neither floats nor integers nor bytes  in 2 records
ids      int64  0 to 3  7: 2, 9: 1  in 2 records

record 0, in {}
boxes    0 0.5 1 NaN
caption  a cat
empty    (no kind)
ids      7 7 9
",
            path.display()
        );
        assert_eq!(rest, expected);
    }
}

#[test]
fn damage_is_told_beside_what_came_before_it() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg"]).ok();
    let shard = out.path().join("photos-00000-of-00001.tfrecord");
    File::options().write(true).open(&shard).expect("there").set_len(20_000).expect("cut");

    let run = inspect(&shard, &[]);

    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("record 3 (from byte ") && run.stderr.contains("'petrec verify'"), "{}", run.stderr);
    assert!(run.stdout.contains("records   3\n"), "{}", run.stdout);
}
