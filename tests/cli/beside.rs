//! What `petrec convert` writes beside the records: indexes, and the files of TensorFlow Datasets; and `--verify`.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use petrec::tfrecord::{Reader, framing};

use super::resume::{killed_conversion, tree};
use super::{OF_ONE_SHARD, convert_photos, json, names, petrec, program, records, temporary};

const SMALL: &[&str] = &["--pool", "avg", "--threads", "1"];

fn verify(out: &Path) -> super::Run {
    petrec(["verify".as_ref(), out.as_os_str()])
}

/// Offset and size of each record, as an index file tells them.
fn index(path: &Path) -> Vec<(u64, u64)> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let number = |word: &str| word.parse().expect("a number");
    text.lines()
        .map(|line| line.split_once(' ').expect("two words"))
        .map(|(at, size)| (number(at), number(size)))
        .collect()
}

#[test]
fn an_index_tells_where_each_record_is() {
    let layouts: [&[&str]; 3] =
        [&["--shards", "2"], &["--layout", "per-image"], &["--tfds", "pets:1.0.0", "--shards", "2"]];
    for layout in layouts {
        let out = temporary();

        convert_photos(out.path(), &[SMALL, &["--index", "--verify", "--with", "path"], layout].concat()).ok();

        let manifest = json(&out.path().join("petrec-manifest.json"));
        for file in manifest["files"].as_array().expect("a list") {
            let path = |value: &serde_json::Value| out.path().join(value.as_str().expect("a path"));
            let (records, index_file) = (path(&file["path"]), path(&file["index"]["path"]));
            let mut reader = Reader::new(File::open(&records).expect("there"));
            let mut file = File::open(&records).expect("there");
            for (offset, size) in index(&index_file) {
                let start = reader.bytes();
                let data = reader.next().expect("a record").expect("an intact one");
                let mut framed = vec![0; usize::try_from(size).expect("small")];
                file.seek(SeekFrom::Start(offset))
                    .and_then(|_| file.read_exact(&mut framed))
                    .expect("that much is there");
                assert_eq!((offset, offset + size), (start, reader.bytes()), "{}", index_file.display());
                assert!(framed[framing::HEADER_LEN..][..data.len()] == data);
            }
            assert!(reader.next().is_none(), "the index has a line for each record");
        }
        verify(out.path()).ok();
    }
}

#[test]
fn an_index_that_is_gone_or_of_another_file_is_found_and_made_again() {
    let options = [SMALL, &["--index", "--shards", "2"]].concat();
    let out = temporary();
    convert_photos(out.path(), &options).ok();
    let before = tree(out.path());
    let path = |index: u32| out.path().join(format!("photos-{index:05}-of-00002.idx"));

    fs::remove_file(path(0)).expect("removed");
    fs::write(path(1), "0 17\n").expect("written");
    let run = verify(out.path());

    assert_eq!(
        (run.code, run.stderr.matches("its index is missing or not that").count()),
        (Some(4), 2),
        "{}",
        run.stderr
    );
    convert_photos(out.path(), &options).ok();
    assert!(tree(out.path()) == before);
}

#[test]
fn a_killed_run_with_all_that_lies_beside_resumes_to_the_same_bytes() {
    let options =
        [SMALL, &["--index", "--tfds", "pets:1.0.0", "--split", "train=0.6,test=0.4", "--shards", "3"]].concat();
    let (whole, out) = (temporary(), temporary());
    convert_photos(whole.path(), &options).ok();

    for steps in [15, 30, 45] {
        killed_conversion(Path::new("examples/photos"), out.path(), &options, steps);
    }
    convert_photos(out.path(), &options).ok();

    assert!(tree(out.path()) == tree(whole.path()), "{:?}", names(out.path()));
    fs::remove_file(out.path().join("Label.labels.txt")).expect("removed");
    convert_photos(out.path(), &options).ok();
    assert!(tree(out.path()) == tree(whole.path()), "{:?}", names(out.path()));

    convert_photos(out.path(), &["--restart", "--pool", "avg"]).ok();
    assert_eq!(names(out.path()), OF_ONE_SHARD);
}

#[test]
fn a_tfds_folder_has_the_names_counts_and_classes_that_tfds_reads() {
    let out = temporary();

    convert_photos(out.path(), &[SMALL, &["--tfds", "pets:1.2.0", "--shards", "2", "--with", "path,image"]].concat())
        .ok();

    let info = json(&out.path().join("dataset_info.json"));
    assert_eq!(
        (&info["name"], &info["version"], &info["fileFormat"]),
        (&"pets".into(), &"1.2.0".into(), &"tfrecord".into())
    );
    assert_eq!(info["splits"][0]["name"], "train");
    let shards = [0, 1].map(|n| out.path().join(format!("pets-train.tfrecord-{n:05}-of-00002")));
    let lengths: Vec<_> = shards.iter().map(|shard| records(shard).len().to_string()).collect();
    assert_eq!(info["splits"][0]["shardLengths"], serde_json::json!(lengths));
    let features = &json(&out.path().join("features.json"))["featuresDict"]["features"];
    assert_eq!(features["Feature"]["tensor"]["shape"]["dimensions"], serde_json::json!(["1280"]));
    assert_eq!(features["Label"]["classLabel"]["numClasses"], "2");
    assert_eq!(fs::read_to_string(out.path().join("Label.labels.txt")).expect("readable"), "Cat\nCoffee\n");
    verify(out.path()).ok();
}

#[test]
fn a_file_of_tfds_that_is_gone_or_altered_is_found_and_made_again() {
    let options = [SMALL, &["--tfds", "pets:1.0.0", "--shards", "2"]].concat();
    let out = temporary();
    convert_photos(out.path(), &options).ok();
    let before = tree(out.path());
    let info = String::from_utf8(before[Path::new("dataset_info.json")].clone()).expect("text");
    assert!(info.contains("\"shardLengths\""));

    fs::remove_file(out.path().join("features.json")).expect("removed");
    fs::write(out.path().join("Label.labels.txt"), "Coffee\nCat\n").expect("written");
    fs::write(out.path().join("dataset_info.json"), info.replace("1.0.0", "1.0.1")).expect("written");
    let run = verify(out.path());

    assert_eq!(run.code, Some(4), "{}", run.stderr);
    for name in ["dataset_info.json", "features.json", "Label.labels.txt"] {
        let line = format!("{name}: missing, or not what TFDS must read of these records");
        assert!(run.stderr.contains(&line), "{}", run.stderr);
    }
    assert!(run.stdout.starts_with("files     5, 3 with problems\nrecords   12 intact\n"), "{}", run.stdout);
    convert_photos(out.path(), &options).ok();
    assert!(tree(out.path()) == before);
}

#[test]
fn what_neither_tfds_nor_dali_could_read_is_refused() {
    let out = temporary();
    let usage = |more: &[&str], words: &str| {
        let run = convert_photos(out.path(), more);
        assert!(run.code == Some(2) && run.stderr.contains(words), "{more:?}: {}", run.stderr);
    };

    usage(&["--tfds", "pets"], "write NAME:VERSION such as pets:1.0.0");
    usage(&["--tfds", "pets:1.0.0", "--layout", "per-image"], "--tfds does not go with --layout per-image");
    usage(&["--tfds", "pets:1.0.0", "--compression", "gzip"], "--tfds does not go with --compression");
    usage(&["--tfds", "pets:1.0.0", "--label-key", "a/b"], "'a/b' cannot be a key with --tfds");
    usage(&["--index", "--compression", "zlib"], "--index does not go with --compression");
    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn a_file_that_changed_on_its_way_to_the_disk_does_not_get_its_name() {
    use std::io::Write;
    use std::process::Stdio;

    let out = temporary();
    // Slow instructions, so that there is time; four whole features are on disk before the last are written.
    let child = program()
        .args(["convert", "--model=efficientnet-lite0", "--threads=1", "--verify", "--quiet", "examples/photos"])
        .arg(out.path())
        .env("PETREC_ISA", "portable")
        .current_dir(super::places::repository(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("petrec starts");
    let begun = std::time::Instant::now();
    let half_written = loop {
        assert!(begun.elapsed().as_secs() < 60);
        if !out.path().join(".petrec-journal").exists() {
            continue; // the journal is a file without its name first, too
        }
        let files = names(out.path()).into_iter().map(|name| out.path().join(name));
        let mut partial = files.filter(|path| path.extension() == Some("partial".as_ref()));
        match partial.find(|path| fs::metadata(path).is_ok_and(|file| file.len() > 1000)) {
            Some(path) => break path,
            None => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    };
    let mut file = File::options().write(true).open(half_written).expect("there");
    file.seek(SeekFrom::Start(500)).and_then(|_| file.write_all(b"\xff\xff\xff\xff")).expect("written");

    let ended = child.wait_with_output().expect("it ends");

    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(4), "{said}");
    for words in
        ["photos-00000-of-00001.tfrecord: read back", "it is not what was written: record 0", "same command again"]
    {
        assert!(said.contains(words), "'{words}' is missing in: {said}");
    }
    assert_eq!(names(out.path()), [""; 0]);
    convert_photos(out.path(), &["--verify"]).ok();
    verify(out.path()).ok();
}
