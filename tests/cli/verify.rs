//! `petrec verify`: no damage goes unseen, and what is not damaged is saved.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use petrec::tfrecord::proto::{Feature, Features, FloatList, Int64List, Kind};
use petrec::tfrecord::{Example, Message, Reader, Writer};

use super::{Run, convert_photos, names, petrec, records, temporary};

fn verify(path: &Path, more: &[&str]) -> Run {
    let fixed = ["verify".as_ref(), path.as_os_str()];
    petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

fn found(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).expect("JSON")
}

/// The records' bytes.
fn raw_records(path: &Path) -> Vec<Vec<u8>> {
    Reader::new(File::open(path).expect("there")).map(|record| record.expect("intact")).collect()
}

fn write_records(path: &Path, records: &[Vec<u8>]) {
    let mut writer = Writer::new(Vec::new());
    for record in records {
        writer.write(record).expect("a Vec takes everything");
    }
    fs::write(path, writer.finish().expect("a Vec takes everything")).expect("written");
}

/// Converted photos in one shard of small records.
fn converted(out: &Path) -> PathBuf {
    convert_photos(out, &["--pool", "avg", "--quiet"]).ok();
    out.join("photos-00000-of-00001.tfrecord")
}

/// Numbers below `below`, the same on every run (xorshift).
fn random(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % below as u64).expect("below a usize")
}

#[test]
fn what_convert_wrote_has_no_problems() {
    let (shards, single) = (temporary(), temporary());
    convert_photos(shards.path(), &["--shard-size", "700kB", "--with", "path,class,image"]).ok();
    convert_photos(single.path(), &["--layout", "per-image"]).ok();

    let run = petrec(["verify".as_ref(), shards.path().as_os_str(), single.path().as_os_str()]).ok();

    assert!(run.stdout.starts_with("files     18, 0 with problems\nrecords   24 intact\n"), "{}", run.stdout);
    assert_eq!(run.stderr, "");
}

#[test]
fn a_thousand_flipped_bits_are_all_found_and_cost_their_own_record_only() {
    const FLIPS: usize = 1000;
    let (out, damaged, salvage) = (temporary(), temporary(), temporary());
    let shard = converted(out.path());
    let (bytes, records) = (fs::read(&shard).expect("readable"), raw_records(&shard));
    let record_len = bytes.len() / records.len();
    assert!(records.iter().all(|record| record.len() + 16 == record_len));
    let mut state = 0x5eed;
    let bits: Vec<usize> = (0..FLIPS).map(|_| random(&mut state, bytes.len() * 8)).collect();
    let name = |flip: usize| format!("{flip:04}.tfrecord");
    for (flip, bit) in bits.iter().enumerate() {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(damaged.path().join(name(flip)), bytes).expect("written");
    }

    let run = verify(damaged.path(), &["--json", "--salvage", salvage.path().to_str().expect("UTF-8")]);

    assert_eq!(run.code, Some(4));
    let found = found(&run);
    assert_eq!((&found["files"], &found["bad_files"]), (&FLIPS.into(), &FLIPS.into()));
    assert_eq!(found["records"], FLIPS * (records.len() - 1));
    assert_eq!(found["lost_bytes"], FLIPS * record_len);
    for (flip, bit) in bits.iter().enumerate() {
        let mut kept = records.clone();
        kept.remove(bit / 8 / record_len);
        assert!(raw_records(&salvage.path().join(name(flip))) == kept, "flip {flip}, bit {bit}");
    }
}

#[test]
fn a_flipped_bit_is_seen_by_checksum_hash_and_count() {
    let out = temporary();
    let shard = converted(out.path());
    let mut bytes = fs::read(&shard).expect("readable");
    bytes[1000] ^= 4;
    fs::write(&shard, bytes).expect("written");

    let run = verify(out.path(), &[]);

    assert_eq!(run.code, Some(4));
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{}", run.stderr);
    for (line, words) in lines.iter().zip(["data's checksum", "SHA-256", "11 intact records, the manifest says 12"]) {
        assert!(line.starts_with("petrec: ") && line.contains("photos-00000") && line.contains(words), "{line}");
    }
}

#[test]
fn files_that_are_missing_added_cut_or_exchanged_are_named() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg", "--shard-size", "11kB"]).ok();
    let shard = |index: u32| out.path().join(format!("photos-{index:05}-of-00008.tfrecord"));
    fs::remove_file(shard(0)).expect("removed");
    fs::copy(shard(1), shard(2)).expect("copied");
    File::options().write(true).open(shard(3)).expect("there").set_len(100).expect("cut");
    fs::copy(shard(4), out.path().join("more.tfrecord")).expect("copied");

    let run = verify(out.path(), &[]);

    assert_eq!(run.code, Some(4));
    let has = |file: &str, words: &str| {
        assert!(run.stderr.lines().any(|line| line.contains(file) && line.contains(words)), "{file}: {}", run.stderr);
    };
    has("photos-00000", "named in the manifest and missing");
    has("photos-00002", "SHA-256 is not the manifest's");
    has("photos-00003", "the file ends after");
    has("photos-00003", "is 100 bytes long, the manifest says");
    has("more.tfrecord", "not named in the manifest");
    assert!(!run.stderr.contains("photos-00004"), "{}", run.stderr);
}

#[test]
fn a_damaged_manifest_is_found_and_the_records_are_checked_without_it() {
    let out = temporary();
    let shard = converted(out.path());
    let manifest = out.path().join("petrec-manifest.json");
    let whole = fs::read(&manifest).expect("readable");
    for damaged in [&whole[..whole.len() / 2], b"", b"{}", b"\xff\xfe"] {
        fs::write(&manifest, damaged).expect("written");

        let run = verify(out.path(), &["--json"]);

        assert_eq!(run.code, Some(4), "{}", run.stderr);
        assert!(run.stderr.lines().all(|line| line.contains("petrec-manifest.json: not a manifest")), "{}", run.stderr);
        assert_eq!((&found(&run)["records"], &found(&run)["bad_files"]), (&12.into(), &1.into()));
    }
    let mut bytes = fs::read(&shard).expect("readable");
    bytes[1000] ^= 4;
    fs::write(&shard, bytes).expect("written");

    let run = verify(out.path(), &["--json"]);

    assert_eq!((run.code, &found(&run)["records"]), (Some(4), &11.into()), "{}", run.stderr);
}

/// An `Example` with these floats and this label.
fn example(features: &[f32], label: i64) -> Vec<u8> {
    let feature = |kind| Feature { kind: Some(kind) };
    let floats = feature(Kind::FloatList(FloatList { value: features.to_vec() }));
    let label = feature(Kind::Int64List(Int64List { value: vec![label] }));
    let feature = [("Feature".to_owned(), floats), ("Label".to_owned(), label)].into();
    Example { features: Some(Features { feature }) }.encode_to_vec()
}

#[test]
fn content_that_no_checksum_sees_is_found() {
    let out = temporary();
    let shard = converted(out.path());
    let good = vec![0.5; 1280];
    let not_finite: Vec<f32> = good.iter().copied().take(1279).chain([f32::NAN]).collect();

    write_records(
        &shard,
        &[
            example(&good, 1),
            b"\x0a\xff no message".to_vec(),
            example(&good[1..], 0),
            example(&good, 2),
            example(&not_finite, 0),
            example(&not_finite, 1),
        ],
    );
    let run = verify(out.path(), &[]);

    assert_eq!(run.code, Some(4));
    for words in [
        "record 1: not a tf.train.Example",
        "record 2: its features are not of the shape",
        "record 3: its label is none of the manifest's classes",
        "record 4: holds a value that is not finite (and 1 record more)",
        "holds 6 intact records, the manifest says 12",
    ] {
        assert!(run.stderr.contains(words), "'{words}' is missing in: {}", run.stderr);
    }
}

#[test]
fn single_files_need_no_manifest() {
    let out = temporary();
    let shard = converted(out.path());
    let (good, bad) = (out.path().join("good"), out.path().join("bad"));
    write_records(&good, &raw_records(&shard)[..2]);
    write_records(&bad, &[example(&[1.0, f32::INFINITY], 7)]);

    verify(&good, &[]).ok();
    let run = verify(&bad, &[]);

    assert_eq!(run.code, Some(4));
    assert!(run.stderr.contains("bad: record 0: holds a value that is not finite\n"), "{}", run.stderr);
}

#[test]
fn compressed_files_are_read_as_far_as_they_go() {
    let (out, salvage) = (temporary(), temporary());
    let shard = converted(out.path());
    let gzip = out.path().join("photos.tfrecord.gz");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&fs::read(&shard).expect("readable")).expect("a Vec takes everything");
    let bytes = encoder.finish().expect("a Vec takes everything");

    fs::write(&gzip, &bytes).expect("written");
    let whole = verify(&gzip, &["--json"]).ok();
    fs::write(&gzip, &bytes[..bytes.len() / 2]).expect("written");
    let cut = verify(&gzip, &["--json", "--salvage", salvage.path().to_str().expect("UTF-8")]);

    assert_eq!(found(&whole)["records"], 12);
    assert_eq!(cut.code, Some(4));
    assert!(cut.stderr.contains("what follows is lost: the file is compressed"), "{}", cut.stderr);
    let kept = raw_records(&salvage.path().join("photos.tfrecord.gz"));
    assert_eq!(found(&cut)["records"], kept.len());
    assert!(!kept.is_empty() && kept == raw_records(&shard)[..kept.len()]);
}

#[test]
fn a_compressed_file_that_promises_a_huge_record_is_read_up_to_it() {
    let (out, salvage) = (temporary(), temporary());
    let shard = converted(out.path());
    let gzip = out.path().join("photos.tfrecord.gz");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let promise = petrec::tfrecord::framing::header(3 << 30);
    for part in [&fs::read(&shard).expect("readable")[..], &promise, &[0; 1000]] {
        encoder.write_all(part).expect("a Vec takes everything");
    }
    fs::write(&gzip, encoder.finish().expect("a Vec takes everything")).expect("written");

    let run = verify(&gzip, &["--salvage", salvage.path().to_str().expect("UTF-8")]);

    assert_eq!(run.code, Some(4), "{}", run.stderr);
    assert!(run.stderr.contains("record 12 (from byte 62112)"), "{}", run.stderr);
    assert!(run.stderr.contains("a record of 3221225472 bytes, and no tf.train.Example has more"), "{}", run.stderr);
    assert!(raw_records(&salvage.path().join("photos.tfrecord.gz")) == raw_records(&shard));
}

#[test]
fn salvage_replaces_nothing_and_a_sound_folder_has_nothing_to_salvage() {
    let (out, salvage) = (temporary(), temporary());
    let shard = converted(out.path());
    let to = salvage.path().to_str().expect("UTF-8").to_owned();

    verify(out.path(), &["--salvage", &to]).ok();
    assert_eq!(names(salvage.path()), [""; 0]);
    File::options().write(true).open(&shard).expect("there").set_len(20_000).expect("cut");
    assert_eq!(verify(out.path(), &["--salvage", &to]).code, Some(4));
    let again = verify(out.path(), &["--salvage", &to]);
    assert!(again.code == Some(4) && again.stderr.contains("is there already"), "{}", again.stderr);
    assert!(again.stdout.contains("problems"), "the rest is verified all the same: {}", again.stdout);

    assert_eq!(names(salvage.path()), ["photos-00000-of-00001.tfrecord"]);
    assert_eq!(records(&salvage.path().join("photos-00000-of-00001.tfrecord")).len(), 3);
}

#[test]
fn a_folder_without_records_and_a_path_that_is_not_there_are_refused() {
    let out = temporary();

    verify(out.path(), &[]).refused(1, &["no record files in this folder"]);
    verify(&out.path().join("missing"), &[]).refused(1, &["missing: cannot be read", "check the path"]);
}
