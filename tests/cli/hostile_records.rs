//! Record files and manifests that were made to do harm: each is refused in a line, at little cost, and none replaces anything.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::thread;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use petrec::tfrecord::proto::{Feature, Features, Int64List, Kind};
use petrec::tfrecord::{Example, Message, Reader, Writer, framing};
use serde_json::{Value, json};

use super::{Run, convert_photos, json as read_json, names, petrec, temporary};

fn run(command: &str, path: &Path, more: &[&str]) -> Run {
    let fixed = [command.as_ref(), path.as_os_str()];
    petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

fn file_of(records: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for record in records {
        writer.write(record).expect("a Vec takes everything");
    }
    writer.finish().expect("a Vec takes everything")
}

fn example(key: &str, number: i64) -> Vec<u8> {
    let feature = Feature { kind: Some(Kind::Int64List(Int64List { value: vec![number] })) };
    Example { features: Some(Features { feature: [(key.to_owned(), feature)].into() }) }.encode_to_vec()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

fn raw_records(path: &Path) -> Vec<Vec<u8>> {
    Reader::new(&fs::read(path).expect("there")[..]).map(|record| record.expect("intact")).collect()
}

#[test]
fn a_key_of_any_length_and_of_control_characters_is_shown_in_one_short_line() {
    let out = temporary();
    let path = out.path().join("a.tfrecord");
    let key = "k".repeat(65_536);
    fs::write(&path, file_of(&[example(&key, 1), example("\u{1b}[31mred\n", 2)])).expect("written");

    let shown = run("inspect", &path, &[]).ok();

    assert!(shown.stdout.contains("k... (65,536 characters)"), "{}", shown.stdout);
    assert!(shown.stdout.contains("\\u{1b}[31mred\\n") && !shown.stdout.contains('\u{1b}'), "{}", shown.stdout);
    assert!(shown.stdout.lines().all(|line| line.len() < 250), "{}", shown.stdout);
}

#[test]
fn a_compressed_file_cut_anywhere_keeps_what_came_before_and_says_that_it_is_cut() {
    let out = temporary();
    let records: Vec<_> = (0..40).map(|number| example("k", number * 1_000_003)).collect();
    let plain = file_of(&records);
    for (name, whole) in [("a.tfrecord.gz", gzip(&plain)), ("a.tfrecord.zlib", zlib(&plain))] {
        for cut in [whole.len() - 1, whole.len() - 9, whole.len() / 2, whole.len() / 3] {
            let (path, to) = (out.path().join(name), temporary());
            fs::write(&path, &whole[..cut]).expect("written");

            let found = run("verify", &path, &["--json", "--salvage", to.path().to_str().expect("UTF-8")]);

            assert_eq!(found.code, Some(4), "{name}, {cut}");
            assert!(found.stderr.contains("stream is cut short after "), "{name}, {cut}: {}", found.stderr);
            assert!(!found.stderr.contains("permissions"), "{name}, {cut}: {}", found.stderr);
            let object: Value = serde_json::from_str(&found.stdout).expect("JSON");
            assert_eq!(object["problems"][0]["rest_lost"], true, "{name}, {cut}");
            let intact = object["records"].as_u64().expect("a number") as usize;
            let record = plain.len() / 40;
            let came = intact * record + object["lost_bytes"].as_u64().expect("a number") as usize;
            assert!(came <= plain.len() && plain[..came].len() >= intact * record, "{name}, {cut}");
            let kept = raw_records(&to.path().join(name));
            assert!(kept == records[..intact] && intact > 0, "{name}, {cut}: {intact}");
        }
    }
}

#[test]
fn a_damaged_compressed_file_loses_what_cannot_be_read_and_keeps_the_rest() {
    let out = temporary();
    // Records that do not compress are stored byte by byte: a flipped bit is one of a record's data.
    let mut state = 7u64;
    let noise = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    let bytes: Vec<u8> = (0..60_000).map(noise).collect();
    let records: Vec<Vec<u8>> = bytes.chunks(1_000).map(<[u8]>::to_vec).collect();
    let whole = gzip(&file_of(&records));
    let (path, to) = (out.path().join("a.tfrecord.gz"), temporary());
    for (number, place) in [whole.len() / 3, whole.len() / 2, whole.len() - 3].into_iter().enumerate() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(&path, damaged).expect("written");
        let folder = to.path().join(number.to_string());

        let found = run("verify", &path, &["--framing", "--salvage", folder.to_str().expect("UTF-8")]);

        assert_eq!(found.code, Some(4), "{place}");
        assert!(found.stderr.contains("gzip stream") && !found.stderr.contains("permissions"), "{}", found.stderr);
        let kept = raw_records(&folder.join("a.tfrecord.gz"));
        assert!(kept.len() >= 15 && kept.iter().all(|record| records.contains(record)), "{place}: {}", kept.len());
        assert!(found.stdout.contains(&format!("records   {} intact", kept.len())), "{}", found.stdout);
    }
}

#[test]
fn nothing_is_written_where_nothing_is_intact() {
    let (out, to) = (temporary(), temporary());
    let path = out.path().join("a.tfrecord.gz");
    let whole = gzip(&file_of(&[vec![7; 100_000]]));
    fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    let folder = to.path().join("salvaged");

    let found = run("verify", &path, &["--salvage", folder.to_str().expect("UTF-8")]);

    assert_eq!(found.code, Some(4));
    assert!(found.stderr.contains("holds no intact record; nothing was written"), "{}", found.stderr);
    assert!(!folder.exists() && found.stdout.contains("in 1 compressed file"), "{}", found.stdout);
}

#[test]
fn of_several_salvages_to_one_name_one_writes_it_and_the_others_are_refused() {
    let (out, to) = (temporary(), temporary());
    let paths: Vec<_> = (0..4)
        .map(|number| {
            let folder = out.path().join(number.to_string());
            fs::create_dir(&folder).expect("made");
            let records: Vec<_> = (0..2_000).map(|_| example("k", number)).collect();
            fs::write(folder.join("x.tfrecord"), [file_of(&records), b"junk".to_vec()].concat()).expect("written");
            folder.join("x.tfrecord")
        })
        .collect();
    let to_name = to.path().to_str().expect("UTF-8").to_owned();

    let runs: Vec<Run> = thread::scope(|scope| {
        let salvage = |path: &std::path::PathBuf| {
            let to_name = &to_name;
            let path = path.clone();
            scope.spawn(move || run("verify", &path, &["--salvage", to_name]))
        };
        let all: Vec<_> = paths.iter().map(salvage).collect();
        all.into_iter().map(|run| run.join().expect("ended")).collect()
    });

    let wrote: Vec<_> = runs.iter().map(|run| run.stderr.contains("2,000 intact records salvaged to")).collect();
    assert_eq!(wrote.iter().filter(|wrote| **wrote).count(), 1, "{wrote:?}");
    for (run, wrote) in runs.iter().zip(&wrote) {
        assert!(*wrote || run.stderr.contains("is there already"), "{}", run.stderr);
    }
    let winner = wrote.iter().position(|wrote| *wrote).expect("one") as i64;
    assert!(raw_records(&to.path().join("x.tfrecord")).iter().all(|record| *record == example("k", winner)));
    assert_eq!(names(to.path()), ["x.tfrecord"], "nothing half-written is left");
}

/// How a run of petrec ended, the most memory that it was seen to have, in kB, and what it said.
#[cfg(target_os = "linux")]
fn peak(command: &str, path: &Path) -> (Option<i32>, u64, String) {
    use std::process::Stdio;
    use std::time::Duration;

    let said = temporary();
    let stderr = said.path().join("stderr");
    let mut child = super::program::program()
        .args([command.as_ref(), path.as_os_str()])
        .stdout(Stdio::null())
        .stderr(fs::File::create(&stderr).expect("created"))
        .spawn()
        .expect("petrec starts");
    let mut most = 0;
    let code = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        most = most.max(peak.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a child") {
            break status.code();
        }
        thread::sleep(Duration::from_millis(5));
    };
    (code, most, fs::read_to_string(stderr).expect("there"))
}

/// Writes content that is the same piece many times, as a small gzip file.
#[cfg(target_os = "linux")]
fn write_bomb(path: &Path, before: &[u8], piece: &[u8], times: usize, after: &[u8]) {
    let mut encoder = GzEncoder::new(fs::File::create(path).expect("created"), Compression::fast());
    encoder.write_all(before).expect("written");
    (0..times).for_each(|_| encoder.write_all(piece).expect("written"));
    encoder.write_all(after).expect("written");
    encoder.finish().expect("written");
}

#[cfg(target_os = "linux")]
#[test]
fn millions_of_records_and_of_values_take_no_more_memory_than_one_record() {
    let out = temporary();
    let records = out.path().join("records.tfrecord");
    write_bomb(&records, b"", &file_of(&vec![Vec::new(); 1 << 16]), 64, b"");
    // One record: 20 million empty byte strings under one key. Twenty-four bytes for each would be 480 MB.
    let values = out.path().join("values.tfrecord");
    let (piece, times) = (b"\x0a\x00".repeat(1 << 16), 305);
    let delimited = |tag: u8, inner: usize| {
        let mut bytes = vec![tag];
        let mut length = inner;
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes
    };
    let list = piece.len() * times;
    let feature = delimited(0x0a, list);
    let value = delimited(0x12, feature.len() + list);
    let key = b"\x0a\x01k".to_vec();
    let entry = key.len() + value.len() + feature.len() + list;
    let entry_head = delimited(0x0a, entry);
    let head = [delimited(0x0a, entry_head.len() + entry), entry_head, key, value, feature].concat();
    let mut crc = crc32c::crc32c(&head);
    (0..times).for_each(|_| crc = crc32c::crc32c_append(crc, &piece));
    let footer = crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let before = [&framing::header((head.len() + list) as u64)[..], &head].concat();
    write_bomb(&values, &before, &piece, times, &footer);

    for (path, most) in [(&records, 60_000), (&values, 160_000)] {
        for command in ["verify", "inspect"] {
            let (code, peak, stderr) = peak(command, path);

            let name = path.file_name();
            assert!(code == Some(0) && peak < most, "{command}, {name:?}: code {code:?}, {peak} kB, {stderr}");
        }
    }
}

#[test]
fn an_altered_manifest_is_refused_in_one_line_whatever_was_altered() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg", "--quiet", "--split", "train=0.5,test=0.5", "--with", "path"]).ok();
    let path = out.path().join("petrec-manifest.json");
    let whole = read_json(&path);
    let refused: [(&str, Value); 9] = [
        ("/division/splits", json!([])),
        ("/division/splits/0/name", json!("../up")),
        ("/division/splits/0/share", json!(0.9)),
        ("/record/shape", json!([])),
        ("/record/shape", json!([0])),
        ("/record/shape", json!([4, (1u64 << 62) + 320])),
        ("/record/shape", json!([u64::MAX])),
        ("/files/0/records", json!(u64::MAX)),
        ("/files/0/bytes", json!(u64::MAX)),
    ];

    for (place, value) in refused {
        let mut altered = whole.clone();
        *altered.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value.clone();
        fs::write(&path, altered.to_string()).expect("written");

        for command in ["probe", "report"] {
            run(command, out.path(), &[]).refused(1, &["petrec-manifest.json", "not a manifest"]);
        }
        let found = run("verify", out.path(), &[]);
        assert_eq!(found.code, Some(4), "{place}: {value}: {}", found.stderr);
        assert!(found.stderr.contains("not a manifest"), "{place}: {value}: {}", found.stderr);
    }
}

#[test]
fn no_value_of_an_altered_manifest_makes_a_command_panic() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg", "--quiet", "--split", "train=0.5,test=0.5", "--with", "path"]).ok();
    let path = out.path().join("petrec-manifest.json");
    let whole = read_json(&path);
    let values = [json!([]), json!(""), json!(0), json!(u64::MAX), json!("\u{1b}[31m\n"), json!([u64::MAX, u64::MAX])];
    let mut places = Vec::new();
    collect(&whole, String::new(), &mut places);
    assert!(places.len() > 40, "{places:?}");
    // What a classifier sees of a table but for the features; one that it has seen before need not be trained again.
    let mut seen = std::collections::HashSet::new();
    let mut is_new = |table: &petrec::features::Table| {
        let petrec::features::Table { classes, channels, labels, splits, .. } = table;
        seen.insert((classes.len(), *channels, labels.clone(), splits.clone()))
    };

    for place in places {
        for value in &values {
            let mut altered = whole.clone();
            *altered.pointer_mut(&place).expect("a place") = value.clone();
            fs::write(&path, altered.to_string()).expect("written");

            // In this process: a command for each would take minutes. A panic fails the test.
            let listing = petrec::verify::record_files(&[out.path().to_path_buf()]).expect("record files");
            for file in &listing.files {
                let told = petrec::verify::check(file).problems.iter().map(ToString::to_string).collect::<String>();
                assert!(!told.contains(['\u{1b}', '\n']), "{place}: {value}: {told}");
            }
            for sample in [petrec::features::Sample::All, petrec::features::Sample::Brief(3)] {
                let table = petrec::features::Table::read(out.path(), sample, 1, &mut |_| {});
                let told = match table {
                    Ok(table) if is_new(&table) => {
                        petrec::probe::Probe::run(&table, 2, 1).err().map(|error| error.to_string()).unwrap_or_default()
                    }
                    Ok(_) => String::new(),
                    Err(error) => error.to_string(),
                };
                assert!(!told.contains(['\u{1b}', '\n']), "{place}: {value}: {told}");
            }
        }
    }
}

/// The places of all values in `value`, as JSON pointers.
pub(crate) fn collect(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| collect(value, format!("{place}/{name}"), places));
        }
        Value::Array(items) => {
            let items = items.iter().take(2).enumerate();
            items.for_each(|(number, value)| collect(value, format!("{place}/{number}"), places));
        }
        _ => {}
    }
    if !place.is_empty() {
        places.push(place);
    }
}

#[test]
fn no_name_from_a_record_or_a_manifest_reaches_the_terminal_as_it_is() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg", "--quiet"]).ok();
    let path = out.path().join("petrec-manifest.json");
    let mut altered = read_json(&path);
    altered["classes"][0] = json!("\u{1b}]0;PWNED\u{7}Cat");
    fs::write(&path, altered.to_string()).expect("written");

    for command in ["probe", "inspect", "verify"] {
        let shown = run(command, out.path(), &[]);
        let text = format!("{}{}", shown.stdout, shown.stderr);
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{command}: {text}");
    }
    altered["record"]["feature_key"] = json!("\u{1b}[31m");
    fs::write(&path, altered.to_string()).expect("written");
    let refused = run("probe", out.path(), &[]);
    assert!(refused.stderr.contains("\\u{1b}[31m") && !refused.stderr.contains('\u{1b}'), "{}", refused.stderr);
}
