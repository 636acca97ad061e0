//! What petrec prints cannot act on a terminal, whatever names are in it.
#![cfg(unix)] // Windows lets no such name exist

use std::fs;

use super::{data_set, petrec, temporary};

/// Turns the text red, and ends the line: what a name can do to a terminal.
const HOSTILE: &str = "a\u{1b}[31m\nQ\u{9b}31m";

#[track_caller]
fn is_harmless(run: super::Run) {
    for text in [&run.stdout, &run.stderr] {
        let acts = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(acts), "{text:?}");
        assert!(text.lines().all(|line| !line.starts_with('Q')), "a name breaks the line: {text:?}");
    }
}

#[test]
fn names_with_escape_sequences_reach_no_terminal() {
    let photos = ["Cat", "Dog"].map(|class| (format!("{class}/{HOSTILE}.jpg"), "Cat/chelsea.jpg"));
    let broken = format!("Cat/{HOSTILE}2.jpg");
    let files = photos.iter().map(|(name, source)| (&**name, *source)).chain([(&*broken, "Cat/666.jpg")]);
    let data = data_set(&files.collect::<Vec<_>>());
    let folder = temporary();
    let out = folder.path().join(HOSTILE);
    let (data, out) = (data.path().to_str().expect("UTF-8"), out.to_str().expect("UTF-8"));
    let photo = format!("{data}/Cat/{HOSTILE}.jpg");
    let missing = format!("{out}/missing");
    let convert = ["convert", "--model", "efficientnet-lite0", "--backend", "cpu", "--pool", "avg", "--with", "path"];

    let run = petrec(convert.iter().chain(&[data, out]));
    assert_eq!((run.code, run.stdout.contains("\\u{1b}[31m\\nQ")), (Some(0), true), "{}", run.stderr);
    is_harmless(run);
    is_harmless(petrec(convert.iter().chain(&["--dry-run", data, &missing])));
    is_harmless(petrec(convert.iter().chain(&["--weights", &missing, data, &missing])));
    is_harmless(petrec(["finalize", &missing]));
    is_harmless(petrec(["plan", "--model", "efficientnet-lite0", data, &missing]));
    for command in ["inspect", "verify", "probe", "report"] {
        is_harmless(petrec([command, out]));
    }
    is_harmless(petrec(["dump", "--stage", "pixels", &photo]));
    is_harmless(petrec(["validate", "-vv", data]));
    is_harmless(petrec(["validate", "--report", &missing, data]));

    let manifest = format!("{out}/petrec-manifest.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let altered = text.replace("\"Feature\"", "\"\\u001b[31m\\nQ\"").replace("\"Cat\"", "\"\\u009b31m\\nQ\"");
    assert_ne!(altered, text);
    fs::write(&manifest, altered).expect("written");
    for command in ["inspect", "verify", "probe", "report"] {
        is_harmless(petrec([command, out]));
    }
    is_harmless(petrec(convert.iter().chain(&[data, out])));
}
