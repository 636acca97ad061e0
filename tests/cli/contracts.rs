//! What scripts and other programs rely on, whatever petrec looks like within: bytes and names of what it writes, keys of its JSON,
//! exit codes, reason codes.
//!
//! All of it is in `tests/fixtures/contracts.txt`. `PETREC_PIN=1 cargo test --test cli contracts` replaces that file; what differs then
//! belongs into the change log.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use petrec::image::Reason;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::resume::tree;
use super::workers::finalize;
use super::{Run, data_set, places::repository, program::program, temporary};

const PINNED: &str = "tests/fixtures/contracts.txt";
const LAYOUTS: [&[&str]; 4] = [
    &[],
    &["--shards=3", "--index", "--with=path,class,image"],
    &["--tfds=photos:1.0.0", "--split=train=0.7,test=0.3", "--shuffle", "--seed=1"],
    &["--layout=per-image", "--pool=avg", "--compression=gzip"],
];

/// petrec as it computes on any processor.
fn portable() -> Command {
    let mut command = program();
    command.env("PETREC_ISA", "portable").env("PETREC_BACKEND", "cpu").current_dir(repository(""));
    command
}

fn convert(out: &Path, more: &[&str]) -> Run {
    let mut command = portable();
    command.args(["convert", "--quiet", "--model=efficientnet-lite0", "examples/photos"]).arg(out).args(more);
    Run::of(&mut command)
}

/// Every file below `folder` with its hash; of the page its name alone, which is for people.
fn hashes(folder: &Path) -> String {
    let line = |(path, bytes): (std::path::PathBuf, Vec<u8>)| {
        let hash = match path.extension().is_some_and(|ending| ending == "html") {
            true => "a page".to_owned(),
            false => petrec::text::hex(&Sha256::digest(&bytes)),
        };
        format!("{}  {hash}\n", path.to_string_lossy().replace('\\', "/"))
    };
    tree(folder).into_iter().map(line).collect()
}

/// The keys in `value` as paths; all entries of a list are one, and so are those of an object whose keys are data.
fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_data = name.starts_with("E_") || name.starts_with(|first: char| first.is_ascii_digit());
                let path = format!("{path}.{}", if is_data { "*" } else { name });
                found.insert(path.clone());
                keys(value, &path, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, &format!("{path}[]"), found)),
        _ => {}
    }
}

fn keys_of(text: &str) -> String {
    let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut found = BTreeSet::new();
    keys(&value, "", &mut found);
    found.into_iter().map(|key| key + "\n").collect()
}

/// The keys of every command's JSON.
fn json_of_commands(out: &Path, photos: &Path) -> Vec<(&'static str, String)> {
    let out = out.to_str().expect("UTF-8");
    let page = photos.join("page.html");
    let (page, weights) = (page.to_str().expect("UTF-8"), "model-weights/efficientnet-lite0.safetensors");
    let commands: [(&str, &[&str]); 9] = [
        ("validate", &["examples/photos"]),
        ("inspect", &["--record=0", out]),
        ("verify", &[out]),
        ("probe", &["--folds=2", out]),
        ("report", &["--html", page, out]),
        ("dump", &["examples/photos/Cat/chelsea.jpg", "--stage=features", "--weights", weights]),
        ("models", &[]),
        ("finalize", &[out]),
        ("convert", &["--model=efficientnet-lite0", "examples/photos", out]),
    ];
    let tell = |(command, args): (&'static str, &[&str])| {
        let run = Run::of(portable().args([command, "--json", "--quiet"]).args(args));
        (command, keys_of(&run.ok().stdout))
    };
    commands.map(tell).into()
}

/// What is typed, and how it ends.
fn exit_codes(out: &Path) -> String {
    let empty = temporary();
    let [out, empty] = [out, empty.path()].map(|path| path.to_str().expect("UTF-8"));
    let damaged = data_set(&[("a.tfrecord", "Cat/666.jpg")]);
    fs::write(damaged.path().join("a.tfrecord"), "no record").expect("written");
    let ends: [(&str, &[&str]); 9] = [
        ("done", &["validate", "examples/photos"]),
        ("a finished conversion again", &["convert", "--model=efficientnet-lite0", "examples/photos", out]),
        ("nothing to convert", &["convert", "--model=efficientnet-lite0", empty, "nowhere"]),
        ("other options", &["convert", "--model=efficientnet-lite0", "--pool=avg", "examples/photos", out]),
        ("wrong usage", &["convert", "--no-such-option"]),
        ("a wrong value", &["convert", "--shards=0", "examples/photos", out]),
        ("rejects, and --fail-on-reject", &["validate", "--fail-on-reject", "examples/photos"]),
        ("damaged records", &["verify", damaged.path().to_str().expect("UTF-8")]),
        ("no such folder", &["verify", "no/such/folder"]),
    ];
    ends.map(|(what, args)| {
        let run = Run::of(portable().args(args));
        format!("{what}  {}\n", run.code.expect("it ends by itself"))
    })
    .concat()
}

#[test]
fn what_others_rely_on_is_as_it_was() {
    let mut text = String::new();
    let mut section = |title: &str, content: &str| text.push_str(&format!("## {title}\n\n{content}\n"));

    let first = temporary();
    for options in LAYOUTS {
        let out = temporary();
        let out = if options.is_empty() { &first } else { &out };
        convert(out.path(), options).ok();
        section(&format!("convert {}", options.join(" ")), &hashes(out.path()));
    }
    let unfinished = temporary();
    let names =
        |folder: &Path| tree(folder).into_keys().map(|path| format!("{}\n", path.display())).collect::<String>();
    convert(unfinished.path(), &["--shards=4", "--shard-index=0", "--shard-count=2"]).ok();
    section("a worker of two", &names(unfinished.path()));
    convert(unfinished.path(), &["--shards=4", "--shard-index=1", "--shard-count=2"]).ok();
    finalize(unfinished.path()).ok();
    section("both, finalized", &names(unfinished.path()));
    let planned = temporary();
    let plan = ["plan", "--quiet", "--model=efficientnet-lite0", "examples/photos"];
    Run::of(portable().args(plan).arg(planned.path())).ok();
    section("plan", &names(planned.path()));

    for name in ["petrec-manifest.json", "petrec-report.json"] {
        let content = fs::read_to_string(first.path().join(name)).expect("there");
        section(&format!("keys of {name}"), &keys_of(&content));
    }
    for (command, keys) in json_of_commands(first.path(), planned.path()) {
        section(&format!("keys of {command} --json"), &keys);
    }
    section("exit codes", &exit_codes(first.path()));
    section("reason codes", &Reason::ALL.map(|reason| format!("{}\n", reason.code())).concat());

    let path = repository(PINNED);
    if env::var_os("PETREC_PIN").is_some() {
        fs::write(&path, &text).expect("written");
    }
    let pinned = fs::read_to_string(&path).expect("what is pinned");
    let differs = pinned.lines().zip(text.lines()).find(|(pinned, now)| pinned != now);
    assert_eq!(differs, None, "the first line that was pinned, and what it is now");
    assert_eq!(pinned.lines().count(), text.lines().count());
}
