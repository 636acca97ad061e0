//! What a run does that is told to end, or meets another one.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::places::repository;
use super::resume::{JOURNAL, tree};
use super::{OF_ONE_SHARD, convert_photos, names, program, temporary};

/// `convert` of the example photos, under way.
fn running_conversion(out: &Path, more: &[&str]) -> Child {
    program()
        .args(["convert", "--model", "efficientnet-lite0", "examples/photos"])
        .arg(out)
        .args(more)
        .current_dir(repository(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("petrec starts")
}

/// The same on the slowest instructions, so that there is time.
#[cfg(unix)]
pub(crate) fn slow_conversion(out: &Path, more: &[&str]) -> Child {
    program()
        .args(["convert", "--model=efficientnet-lite0", "examples/photos"])
        .arg(out)
        .args(more)
        .env("PETREC_ISA", "portable")
        .current_dir(repository(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("petrec starts")
}

/// A run that was stopped as soon as there was a file in `out` whose name holds `part`; it holds what locks it has.
#[cfg(unix)]
pub(crate) fn stopped(out: &Path, options: &[&str], part: &str) -> Child {
    let mut child = slow_conversion(out, options);
    let begun = Instant::now();
    while names(out).iter().all(|name| !name.contains(part)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", names(out));
        std::thread::sleep(Duration::from_millis(1));
    }
    send(&child, "-STOP");
    assert!(child.try_wait().expect("it is ours").is_none(), "it was still at work");
    child
}

#[cfg(unix)]
pub(crate) fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success(), "{signal}");
}

#[cfg(unix)]
#[test]
fn a_second_run_on_one_folder_stops_while_the_first_goes_on() {
    let out = temporary();
    let mut first = stopped(out.path(), &["--shard-size", "1", "--threads", "1"], JOURNAL);

    let second = convert_photos(out.path(), &["--shard-size", "1"]);

    second.refused(1, &["another petrec is converting into this folder"]);
    send(&first, "-CONT");
    assert!(first.wait().expect("it ends").success());
    assert!(!out.path().join(JOURNAL).exists());
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_run_after_the_file_in_hand_and_a_second_run_goes_on() {
    for signal in ["-INT", "-TERM"] {
        let (whole, out) = (temporary(), temporary());
        let options = ["--shard-size", "500kB", "--threads", "1"];
        let child = running_conversion(out.path(), &options);
        let begun = Instant::now();
        while names(out.path()).iter().all(|name| !name.ends_with(".tfrecord")) {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(1));
        }

        send(&child, signal);
        let ended = child.wait_with_output().expect("it ends");

        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(130), "{said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("petrec: interrupted; ") && last.ends_with("goes on from there"), "{said}");
        assert!(names(out.path()).iter().all(|name| !name.ends_with(".partial")), "{:?}", names(out.path()));

        convert_photos(out.path(), &options).ok();
        convert_photos(whole.path(), &options).ok();
        assert!(tree(out.path()) == tree(whole.path()));
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_the_run_at_once() {
    let out = temporary();
    // One shard, on the slowest instructions: it would take some seconds to finish it.
    let mut child = slow_conversion(out.path(), &["--threads=1"]);
    let begun = Instant::now();
    // The journal is a file without its name first, too.
    let is_writing = |names: Vec<String>| {
        names.contains(&".petrec-journal".to_owned()) && names.iter().any(|name| name.ends_with(".partial"))
    };
    while !is_writing(names(out.path())) {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }

    let status = loop {
        send(&child, "-INT");
        std::thread::sleep(Duration::from_millis(5)); // or the system makes one of two
        if let Some(status) = child.try_wait().expect("it is ours") {
            break status;
        }
    };

    assert_eq!(status.code(), Some(130));
    assert!(names(out.path()).iter().any(|name| name.ends_with(".partial")), "it tidied up: {:?}", names(out.path()));
    convert_photos(out.path(), &[]).ok();
    assert_eq!(names(out.path()), OF_ONE_SHARD);
}

/// Whether the process has the file open.
#[cfg(target_os = "linux")]
fn has_open(child: &Child, path: &Path) -> bool {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten().flatten();
    descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok()).any(|open| open == path)
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_the_run_while_finished_files_are_read_back() {
    const LONG: u64 = 2 << 30;
    let out = temporary();
    let options = ["--shards=3", "--threads=1", "--pool=avg"];
    convert_photos(out.path(), &options).ok();
    // The first file takes a while to read, and is then not what it was: the run would go on to make it again.
    let (path, manifest) = (out.path().join("photos-00000-of-00003.tfrecord"), out.path().join("petrec-manifest.json"));
    let file = std::fs::File::options().write(true).open(&path).expect("there");
    let bytes = file.metadata().expect("there").len();
    file.set_len(LONG).expect("sparse");
    let text = std::fs::read_to_string(&manifest).expect("readable");
    let (then, now) = (format!("\"bytes\": {bytes}"), format!("\"bytes\": {LONG}"));
    assert!(text.contains(&then), "{text}");
    std::fs::write(&manifest, text.replacen(&then, &now, 1)).expect("written");
    let before = names(out.path());

    let mut child = running_conversion(out.path(), &options);
    while !has_open(&child, &path) {
        assert!(child.try_wait().expect("a child").is_none(), "it ended before it began");
        std::thread::sleep(Duration::from_millis(1));
    }
    send(&child, "-TERM");
    let ended = child.wait_with_output().expect("it ends");

    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(130), "{:?} {said}", ended.status);
    assert!(said.ends_with("petrec: interrupted\n"), "{said}");
    assert_eq!(names(out.path()), before, "it went on to make the file again");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_run_while_the_page_is_made() {
    let out = temporary();
    let mut child = running_conversion(out.path(), &["--pool=avg"]);
    while !out.path().join("petrec-manifest.json").exists() {
        assert!(child.try_wait().expect("a child").is_none(), "it ended without records");
        std::thread::sleep(Duration::from_millis(1));
    }

    send(&child, "-TERM");
    let ended = child.wait_with_output().expect("it ends");

    // It may have been faster than the signal.
    let has_page = out.path().join("report.html").exists();
    assert!(ended.status.code() == Some(130) || has_page, "{:?}", ended.status);
    convert_photos(out.path(), &["--pool=avg"]).ok();
    assert_eq!(names(out.path()), OF_ONE_SHARD);
}
