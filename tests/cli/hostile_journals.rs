//! Journals that were altered, their checksums with them.

use std::fs;
use std::path::{Path, PathBuf};

use petrec::tfrecord::{Reader, Writer};
use serde_json::{Value, json};

use super::hostile_records::collect;
use super::resume::tree;
use super::workers::finalize;
use super::{Run, convert_photos, temporary};

const OPTIONS: &[&str] =
    &["--pool=avg", "--quiet", "--shards=2", "--index", "--with=path", "--split=train=0.5,test=0.5", "--threads=1"];

fn worker(out: &Path, index: &str) -> Run {
    convert_photos(out, &[OPTIONS, &["--shard-count=2", "--shard-index", index]].concat())
}

/// The journal's records: its head, and an entry for each record file.
fn records(path: &Path) -> Vec<Value> {
    let bytes = fs::read(path).expect("a journal");
    Reader::new(&bytes[..]).map(|record| serde_json::from_slice(&record.expect("intact")).expect("JSON")).collect()
}

fn write(path: &Path, records: &[Value]) {
    let mut writer = Writer::new(Vec::new());
    for record in records {
        writer.write(record.to_string().as_bytes()).expect("a Vec takes everything");
    }
    fs::write(path, writer.finish().expect("a Vec takes everything")).expect("written");
}

#[test]
fn no_value_of_an_altered_journal_makes_a_command_panic_or_removes_a_file_elsewhere() {
    let (out, elsewhere) = (temporary(), temporary());
    let canary = elsewhere.path().join("canary");
    fs::write(&canary, "mine").expect("written");
    for index in ["0", "1"] {
        worker(out.path(), index).ok();
    }
    let before = tree(out.path());
    let is_journal = |path: &&PathBuf| path.to_string_lossy().starts_with(".petrec-journal");
    let journals = before.keys().filter(is_journal).map(|name| out.path().join(name));
    let (journal, whole) = journals
        .map(|path| (path.clone(), records(&path)))
        .max_by_key(|(_, records)| records.len())
        .expect("a journal");
    assert!(whole.len() > 1, "{whole:?}");
    let upwards = canary.to_string_lossy().into_owned();
    let values =
        [json!([]), json!(""), json!(-1), json!(u64::MAX), json!("\u{1b}[31m\n"), json!([u64::MAX]), json!(upwards)];
    let mut tried = 0;

    for number in [0, 1] {
        let mut places = Vec::new();
        collect(&whole[number], String::new(), &mut places);
        for (place, value) in places.iter().flat_map(|place| values.iter().map(move |value| (place, value))) {
            let mut altered = whole.clone();
            *altered[number].pointer_mut(place).expect("a place") = value.clone();
            write(&journal, &altered);

            // Refused or, where it says nothing that matters, taken: but never a panic or an abort.
            for run in [finalize(out.path()), worker(out.path(), "0")] {
                let said = &run.stderr;
                assert!(matches!(run.code, Some(0 | 1)), "{place}: {value}: {:?}: {said}", run.code);
                assert!(!said.contains('\u{1b}') && !said.contains("panicked"), "{place}: {value}: {said}");
            }
            tried += 1;
            assert_eq!(fs::read_to_string(&canary).expect("there"), "mine");
            fs::remove_dir_all(out.path()).expect("removed");
            for (name, bytes) in &before {
                let path = out.path().join(name);
                fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                fs::write(path, bytes).expect("written");
            }
        }
    }

    assert!(tried > 200, "{tried}");
    finalize(out.path()).ok();
}
