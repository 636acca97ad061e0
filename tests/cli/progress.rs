//! What is told of a run's progress, and to whom: people at a terminal, people who read a log, programs.

use std::path::Path;

use serde_json::{Value, json};

use super::resume::killed_conversion;
use super::{Run, convert_photos, petrec, program, temporary};

/// The objects among the lines on standard error.
fn objects(run: &Run) -> Vec<Value> {
    let objects = run.stderr.lines().filter(|line| line.starts_with('{'));
    objects.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_short_run_into_a_file_or_a_pipe_tells_what_was_rejected_and_no_progress() {
    let out = temporary();

    let run = convert_photos(out.path(), &[]).ok();

    assert_eq!(run.stderr.lines().count(), 3, "{}", run.stderr);
    assert!(run.stderr.lines().all(|line| line.ends_with("left out of the records")), "{}", run.stderr);
}

#[test]
fn a_program_reads_objects_and_the_last_one_tells_all() {
    let out = temporary();

    let run = convert_photos(out.path(), &["--progress", "json"]).ok();

    let last = objects(&run).pop().expect("an object at the end at least");
    for (field, value) in [
        ("stage", json!("convert")),
        ("unit", json!("images")),
        ("done", json!(15)),
        ("total", json!(15)),
        ("rejected", json!(3)),
        ("seconds_left", json!(0.0)),
    ] {
        assert_eq!(last[field], value, "{field}");
    }
    assert!(last["per_second"].as_f64().expect("a rate") > 0.0);
    let words = run.stderr.lines().filter(|line| line.starts_with("petrec: ")).count();
    assert_eq!(words, 3, "{}", run.stderr);
}

#[test]
fn quiet_leaves_objects_only_and_never_leaves_words_only() {
    let (quiet, never) = (temporary(), temporary());

    let quiet = convert_photos(quiet.path(), &["--progress", "json", "--quiet"]).ok();
    let never = convert_photos(never.path(), &["--progress", "never"]).ok();

    assert_eq!(quiet.stderr.lines().count(), objects(&quiet).len());
    assert_eq!((never.stderr.lines().count(), objects(&never).len()), (3, 0));
}

#[test]
fn what_an_earlier_run_did_counts_as_done() {
    let out = temporary();
    let shards = ["--pool", "avg", "--shard-size", "11kB", "--threads", "1"];
    killed_conversion(Path::new("examples/photos"), out.path(), &shards, 25);

    let run = convert_photos(out.path(), &[&shards[..], &["--progress", "json"]].concat()).ok();

    let last = objects(&run).pop().expect("an object");
    assert_eq!([&last["done"], &last["total"]], [&json!(15); 2]);
    assert!(last["rejected"].as_u64() < Some(3), "those of the earlier run are not told again: {last}");
}

#[test]
fn validate_and_verify_have_progress_too() {
    let out = temporary();
    convert_photos(out.path(), &["--layout", "per-image"]).ok();

    let validate = petrec(["validate", "examples/photos", "--progress", "json"]).ok();
    let verify = petrec(["verify".as_ref(), out.path().as_os_str(), "--progress".as_ref(), "json".as_ref()]).ok();

    let last = |run| objects(run).pop().expect("an object");
    assert_eq!([&last(&validate)["stage"], &last(&validate)["done"]], [&json!("validate"), &json!(15)]);
    assert_eq!([&last(&verify)["unit"], &last(&verify)["done"]], [&json!("files"), &json!(12)]);
}

#[test]
fn whatever_reads_record_files_tells_how_many_it_has_read() {
    let (out, shared) = (temporary(), temporary());
    convert_photos(out.path(), &["--pool", "avg", "--shards", "3"]).ok();
    convert_photos(shared.path(), &["--pool", "avg", "--shards", "3", "--shard-index", "0", "--shard-count", "1"]).ok();

    for (command, folder) in [("finalize", &shared), ("probe", &out), ("report", &out)] {
        let path = folder.path().as_os_str();
        let run = petrec([command.as_ref(), path, "--progress".as_ref(), "json".as_ref()]).ok();

        let last = objects(&run).pop().expect("an object at the end at least");
        let told = ["stage", "unit", "done", "total"].map(|field| last[field].clone());
        assert_eq!(told, [json!(command), json!("files"), json!(3), json!(3)]);
    }
}

#[test]
fn no_color_is_heeded() {
    let help = |variables: &[(&str, &str)]| {
        let mut command = program();
        Run::of(command.arg("--help").env_remove("NO_COLOR").envs(variables.iter().copied())).ok().stdout
    };

    assert!(help(&[("CLICOLOR_FORCE", "1")]).contains("\u{1b}["), "without it there is colour");
    assert!(!help(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
}

/// `script` runs a program on a terminal of its own.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_a_line_moves_unless_nobody_wants_it() {
    use std::process::Command;

    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no script here");
        return;
    }
    let on_a_terminal = |options: &str, terminal: &str| {
        let petrec = format!("{} validate examples/photos {options}", env!("CARGO_BIN_EXE_petrec"));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &petrec, "/dev/null"]);
        Run::of(script.current_dir(super::places::repository("")).env("TERM", terminal)).ok().stdout
    };

    assert!(on_a_terminal("", "xterm").contains("/15 images"));
    for (options, terminal) in [("--progress never", "xterm"), ("--quiet", "xterm"), ("", "dumb")] {
        let shown = on_a_terminal(options, terminal);
        assert!(!shown.contains("/15 images"), "{options} {terminal}: {shown}");
        assert!(shown.contains("15 files: 12 accepted, 3 rejected"), "{shown}");
    }
}
