//! What lies around a conversion: long names, another file system, few processors, photos that vanish.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::resume::tree;
use super::{convert_photos, data_set, json, names, petrec, temporary};

const PHOTO: &str = "Cat/chelsea-eyes.jpg";

fn convert(dataset: &Path, out: &Path, more: &[&str]) -> super::Run {
    let fixed =
        ["convert", "--model", "efficientnet-lite0", "--pool", "avg", "--quiet", "--classes=A"].map(str::as_ref);
    let paths = [dataset.as_os_str(), out.as_os_str()];
    petrec(fixed.into_iter().chain(paths).chain(more.iter().map(AsRef::as_ref)))
}

#[test]
fn the_longest_name_that_a_record_file_can_have_is_written_and_a_longer_one_refused_at_once() {
    let ending = ".tfrecord".len();
    let (longest, longer) = ("n".repeat(255 - ending), "n".repeat(256 - ending));
    let [fits, fits_not] = [longest, longer].map(|stem| format!("A/{stem}.jpg"));
    let (out, other) = (temporary(), temporary());

    convert(data_set(&[(&fits, PHOTO)]).path(), out.path(), &["--layout", "per-image", "--index"]).ok();
    let both = data_set(&[("A/short.jpg", PHOTO), (&fits_not, PHOTO)]);
    convert(both.path(), other.path(), &["--layout", "per-image"]).refused(1, &["255 bytes", "would have 256"]);

    assert_eq!(names(&out.path().join("A/TFRecord")).len(), 2);
    assert_eq!(names(other.path()), [""; 0]);
    convert(both.path(), other.path(), &[]).ok();
    let folder = other.path().join("d".repeat(240));
    fs::rename(both.path(), &folder).expect("renamed");
    convert(&folder, &other.path().join("out"), &[]).refused(1, &["255 bytes", "shorten"]);
    // The guard of the temporary folder finds one to remove.
    fs::rename(folder, both.path()).expect("renamed");
}

#[test]
fn a_photo_that_vanishes_in_mid_run_is_told_and_costs_no_other() {
    let photos: Vec<_> = (0..60).map(|number| format!("A/{number:03}.jpg")).collect();
    let dataset = data_set(&photos.iter().map(|photo| (&**photo, PHOTO)).collect::<Vec<_>>());
    let out = temporary();

    let mut child = start("petrec", dataset.path(), out.path(), &["--threads", "1"]);
    until_listed(&mut child, out.path());
    fs::remove_file(dataset.path().join("A/059.jpg")).expect("not read yet");
    let status = child.wait().expect("ended");

    assert!(status.success());
    let report = json(&out.path().join("petrec-report.json"));
    assert_eq!(report["counts"], serde_json::json!({ "files": 60, "accepted": 59, "rejected": 1 }));
    assert_eq!(report["files"][59]["reason"], "E_UNREADABLE");
    assert_eq!(json(&out.path().join("petrec-manifest.json"))["files"][0]["records"], 59);
}

/// Starts a conversion; `program` is `petrec`, or what runs it.
fn start(program: &str, dataset: &Path, out: &Path, more: &[&str]) -> Child {
    let petrec = env!("CARGO_BIN_EXE_petrec");
    let mut command = match program.split_once(' ') {
        Some((runner, args)) => {
            let mut command = Command::new(runner);
            command.args(args.split(' ')).arg(petrec);
            command
        }
        None => Command::new(petrec),
    };
    command.env("PETREC_BACKEND", "cpu");
    command.args(["convert", "--model", "efficientnet-lite0", "--pool", "avg", "--quiet", "--classes=A"]);
    command.arg(dataset).arg(out).args(more).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}

/// Waits until the data set has been listed: the journal is there.
fn until_listed(child: &mut Child, out: &Path) {
    while !out.join(".petrec-journal").exists() {
        assert!(child.try_wait().expect("a child").is_none(), "it ended before it began");
        sleep(Duration::from_millis(1));
    }
}

/// A container's quota and a set of processors are both told by `std::thread::available_parallelism`; a set of one can be
/// had without a container.
#[cfg(target_os = "linux")]
#[test]
fn there_are_no_more_workers_than_processors_allowed_and_the_bytes_are_the_same() {
    const TASKSET: &str = "taskset --cpu-list 0";
    if Command::new("taskset").arg("--version").output().is_err() {
        eprintln!("skipped: there is no taskset here");
        return;
    }
    let photos: Vec<_> = (0..40).map(|number| format!("A/{number:03}.jpg")).collect();
    let dataset = data_set(&photos.iter().map(|photo| (&**photo, PHOTO)).collect::<Vec<_>>());
    let run = |program: &str, more: &[&str]| {
        let out = temporary();
        let mut child = start(program, dataset.path(), out.path(), more);
        until_listed(&mut child, out.path());
        // What is seen most often: a file that is put on disk has a thread of its own for a moment.
        let mut seen = BTreeMap::<_, usize>::new();
        while child.try_wait().expect("a child").is_none() {
            let threads = fs::read_dir(format!("/proc/{}/task", child.id())).map_or(0, Iterator::count);
            *seen.entry(threads).or_default() += 1;
            sleep(Duration::from_millis(1));
        }
        let usual = seen.into_iter().max_by_key(|&(_, times)| times).map_or(0, |(threads, _)| threads);
        (usual, tree(out.path()))
    };

    let (allowed_one, allowed_one_tree) = run(TASKSET, &[]);
    let (told_one, _) = run("petrec", &["--threads", "1"]);
    let (told_three, told_three_tree) = run("petrec", &["--threads", "3"]);

    assert_eq!(allowed_one, told_one);
    assert_eq!(told_three, told_one + 2);
    assert!(allowed_one_tree == told_three_tree);
}

#[cfg(target_os = "linux")]
#[test]
fn records_go_to_another_file_system_than_the_photos_are_on() {
    use std::os::unix::fs::MetadataExt;

    let (out, memory) = (temporary(), Path::new("/dev/shm"));
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
    let Ok(elsewhere) = tempfile::tempdir_in(memory) else {
        eprintln!("skipped: nothing can be written to {}", memory.display());
        return;
    };
    let here = device(out.path()).expect("a folder");
    if device(elsewhere.path()).is_ok_and(|device| device == here) {
        eprintln!("skipped: {} is no other file system", memory.display());
        return;
    }

    convert_photos(out.path(), &["--pool", "avg", "--layout", "per-image"]).ok();
    convert_photos(elsewhere.path(), &["--pool", "avg", "--layout", "per-image"]).ok();

    assert!(tree(out.path()) == tree(elsewhere.path()));
}
