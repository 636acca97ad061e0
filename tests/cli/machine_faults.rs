//! Faults of the machine: never a verdict on a photo, never a panic, and one line that says what failed.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use petrec::model::{Architecture, Tensor, Weights, seeded};
use tempfile::TempDir;

use super::{Run, convert_photos, data_set, json, names, petrec, program, temporary};

const PHOTO: &str = "Cat/chelsea-eyes.jpg";
const CONVERT: [&str; 7] = [
    "convert",
    "--quiet",
    "--model=efficientnet-lite0",
    "--backend=cpu",
    "--pool=avg",
    "--layout=shards",
    "--progress=never",
];

/// Sixty copies of a small photo in two classes.
fn sixty_photos() -> TempDir {
    let photos: Vec<_> = (0..60).map(|number| format!("{}/{number:03}.jpg", ["A", "B"][number / 30])).collect();
    data_set(&photos.iter().map(|photo| (&**photo, PHOTO)).collect::<Vec<_>>())
}

fn convert(data: &Path, out: &Path, more: &[&str]) -> Run {
    petrec(
        CONVERT
            .map(OsStr::new)
            .into_iter()
            .chain([data.as_os_str(), out.as_os_str()])
            .chain(more.iter().map(OsStr::new)),
    )
}

/// Records of the finished conversion in `out`.
fn records_in(out: &Path) -> u64 {
    let manifest = json(&out.join("petrec-manifest.json"));
    manifest["files"].as_array().expect("a list").iter().filter_map(|file| file["records"].as_u64()).sum()
}

/// Starts a conversion on one thread, and waits until the data set is listed.
fn begun(data: &Path, out: &Path) -> Child {
    let mut command = program();
    command.args(CONVERT).arg(data).arg(out).args(["--threads=1", "--shards=4"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("petrec starts");
    while !out.join(".petrec-journal").exists() {
        assert!(child.try_wait().expect("a child").is_none(), "it ended before it began");
        sleep(Duration::from_millis(1));
    }
    child
}

/// Waits for a conversion that has to fail, and returns its last line.
#[track_caller]
fn failed(child: Child) -> String {
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said.lines().last().unwrap_or_default().to_owned()
}

#[cfg(unix)]
#[test]
fn a_failed_read_is_not_called_a_failed_write() {
    let out = temporary();
    // A folder can be opened for reading and not be read.
    fs::create_dir(out.path().join(".petrec-journal")).expect("made");
    let too_long = out.path().join("n".repeat(300));

    let journal = convert_photos(out.path(), &["--dry-run"]);
    let folder = convert_photos(&too_long, &["--dry-run"]);

    for run in [journal, folder] {
        assert!(!run.stderr.contains("half-written"), "{}", run.stderr);
        run.refused(1, &["cannot be read: ", "(os error ", "hint: "]);
    }
}

/// Runs petrec with a limit that a shell sets for it.
#[cfg(target_os = "linux")]
fn limited<'a>(limit: &str, args: impl IntoIterator<Item = &'a OsStr>) -> Run {
    let mut command = Command::new("timeout");
    command.args(["120", "sh", "-c", &format!("ulimit {limit} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_petrec")]);
    Run::of(command.args(args).env("PETREC_BACKEND", "cpu"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_open_files_rejects_no_photo() {
    let data = sixty_photos();
    let more = ["--threads=64", "--shards=2"].map(OsStr::new);

    for limit in ["-n 7", "-n 8", "-n 9", "-n 12", "-n 64"] {
        let out = temporary();
        let paths = [data.path().as_os_str(), out.path().as_os_str()];
        let args = CONVERT.map(OsStr::new).into_iter().chain(paths).chain(more);

        let run = limited(limit, args);

        if run.code != Some(0) {
            assert!(
                run.code == Some(1) && run.stderr.contains("os error 24"),
                "{limit}: {:?} {}",
                run.code,
                run.stderr
            );
            convert(data.path(), out.path(), &["--shards=2"]).ok();
        }
        assert_eq!(records_in(out.path()), 60, "{limit}: {}", run.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_open_files_moves_no_photo_to_quarantine() {
    let (data, aside) = (sixty_photos(), temporary());
    let quarantine = aside.path().join("q");
    let args = ["validate", "--threads=64", "--quarantine"].map(OsStr::new);

    limited("-n 6", args.into_iter().chain([quarantine.as_os_str(), data.path().as_os_str()]));

    assert!(!quarantine.exists(), "{:?}", names(&quarantine));
    assert_eq!(names(&data.path().join("A")).len() + names(&data.path().join("B")).len(), 60);
}

#[cfg(target_os = "linux")]
#[test]
fn a_journal_that_cannot_be_opened_again_ends_the_run() {
    let (data, out) = (sixty_photos(), temporary());
    let paths = [data.path().as_os_str(), out.path().as_os_str()];

    // Standard streams, and one or two more: the lock, the journal and a photo together take more.
    for limit in ["-n 4", "-n 5"] {
        let run = limited(limit, CONVERT.map(OsStr::new).into_iter().chain(paths));

        run.refused(1, &["(os error 24)"]);
    }
}

/// The memory of a process is a file that opens and whose first byte cannot be read, as on a disk that fails.
#[cfg(target_os = "linux")]
#[test]
fn a_failing_disk_is_no_verdict_on_a_photo() {
    let (data, out, aside) = (data_set(&[("A/1.jpg", PHOTO), ("A/3.jpg", "Cat/666.jpg")]), temporary(), temporary());
    std::os::unix::fs::symlink("/proc/self/mem", data.path().join("A/2.jpg")).expect("linked");
    let quarantine = aside.path().join("q");
    let args = ["validate", "--quiet", "--json", "--quarantine"].map(OsStr::new);

    let validated = petrec(args.into_iter().chain([quarantine.as_os_str(), data.path().as_os_str()]));
    let converted = convert(data.path(), out.path(), &["--classes=A"]);

    assert_eq!(validated.code, Some(1), "{}", validated.stderr);
    let report: serde_json::Value = serde_json::from_str(&validated.stdout).expect("JSON");
    let counts = serde_json::json!({ "files": 3, "accepted": 1, "rejected": 1, "unreachable": 1 });
    assert_eq!(report["counts"], counts);
    let file = &report["files"][1];
    assert_eq!((&file["verdict"], &file["reason"]), (&"unreachable".into(), &"E_UNREACHABLE".into()));
    assert!(file["detail"].as_str().is_some_and(|detail| detail.contains("os error 5")), "{file}");
    assert_eq!(names(&quarantine.join("A")), ["3.jpg"]);
    converted.refused(1, &["A/2.jpg: ", "hint: "]);
    assert_eq!(names(out.path()), [""; 0]);
}

/// As above.
#[cfg(target_os = "linux")]
#[test]
fn a_failing_disk_is_no_damage_of_a_record_file() {
    let folder = temporary();
    std::os::unix::fs::symlink("/proc/self/mem", folder.path().join("a.tfrecord")).expect("linked");
    let verify = || petrec([OsStr::new("verify"), folder.path().as_os_str()]);

    let unread = verify();
    fs::write(folder.path().join("b.tfrecord"), b"no record").expect("written");
    let damaged = verify();
    std::os::unix::fs::symlink("/proc/self/mem", folder.path().join("petrec-manifest.json")).expect("linked");
    let without_manifest = verify();

    assert_eq!((unread.code, damaged.code, without_manifest.code), (Some(1), Some(4), Some(1)));
    assert!(
        unread.stderr.contains("a.tfrecord: cannot be read, and may be whole: ") && unread.stderr.contains("hint: ")
    );
    without_manifest.refused(1, &["petrec-manifest.json: cannot be read: ", "os error 5"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_open_files_finds_no_damage() {
    let (data, out) = (sixty_photos(), temporary());
    convert(data.path(), out.path(), &["--shards=30", "--index"]).ok();
    let args = ["verify", "--threads=64"].map(OsStr::new).into_iter().chain([out.path().as_os_str()]);

    let run = limited("-n 8", args);

    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    assert!(run.stdout.contains("60 intact"), "{}", run.stdout);
}

#[test]
fn a_class_folder_that_vanishes_in_mid_run_stops_it() {
    let (data, out, aside) = (sixty_photos(), temporary(), temporary());
    let (folder, elsewhere) = (data.path().join("B"), aside.path().join("B"));

    let child = begun(data.path(), out.path());
    fs::rename(&folder, &elsewhere).expect("not read yet");
    let said = failed(child);
    fs::rename(&elsewhere, &folder).expect("moved back");

    assert!(said.contains("B/0") && said.contains("is gone") && said.contains("hint: "), "{said}");
    convert(data.path(), out.path(), &["--shards=4"]).ok();
    assert_eq!(records_in(out.path()), 60);
}

#[test]
fn a_data_set_that_is_unmounted_in_mid_run_stops_it() {
    let (parent, out) = (temporary(), temporary());
    let (data, elsewhere) = (parent.path().join("photos"), parent.path().join("away"));
    fs::rename(sixty_photos().keep(), &data).expect("the same file system");

    let child = begun(&data, out.path());
    fs::rename(&data, &elsewhere).expect("moved");
    fs::create_dir_all(data.join("B")).expect("empty, as a place for a disk is");
    let said = failed(child);
    fs::remove_dir_all(&data).expect("removed");
    fs::rename(&elsewhere, &data).expect("moved back");

    assert!(said.contains("is gone"), "{said}");
    convert(&data, out.path(), &["--shards=4"]).ok();
    assert_eq!(records_in(out.path()), 60);
}

#[test]
fn a_photo_that_is_swapped_in_mid_run_stops_it() {
    let (data, out) = (sixty_photos(), temporary());
    let photo = data.path().join("B/059.jpg");
    let bytes = fs::read(&photo).expect("readable");

    let child = begun(data.path(), out.path());
    fs::write(&photo, &bytes).expect("not read yet");
    let said = failed(child);

    assert!(said.contains("B/059.jpg: the data set changed while it was read") && said.contains("--restart"), "{said}");
    assert!(!out.path().join("petrec-manifest.json").exists());
    convert(data.path(), out.path(), &["--shards=4", "--restart"]).ok();
    assert_eq!(records_in(out.path()), 60);
}

#[test]
fn features_that_are_not_finite_are_not_written() {
    let (data, out, weights) = (data_set(&[("A/1.jpg", PHOTO)]), temporary(), temporary());
    let file = weights.path().join("huge.safetensors");
    // Each value is finite, and what the network makes of them is not.
    let good = seeded(Architecture::EfficientNetB0);
    let huge =
        |tensor: &Tensor| Tensor::new(tensor.shape.clone(), tensor.values.iter().map(|value| value * 1e30).collect());
    let network = good.network();
    let tensors = network.convolutions().flat_map(|conv| {
        let (weight, bias) = good.of(conv);
        [(conv.weight_name(), huge(weight)), (conv.bias_name(), huge(bias))]
    });
    let tensors = tensors.collect();
    Weights::new(good.metadata().clone(), tensors).and_then(|weights| weights.save(&file)).expect("written");
    let args = ["convert", "--quiet", "--classes=A", "--weights"].map(OsStr::new);

    let run = petrec(args.into_iter().chain([file.as_os_str(), data.path().as_os_str(), out.path().as_os_str()]));

    run.refused(1, &["A/1.jpg: ", "not finite", "weights", "hint: "]);
    assert_eq!(names(out.path()), [""; 0]);
}

/// Only somebody who is not root has such a limit: root becomes nobody for it.
#[cfg(target_os = "linux")]
#[test]
fn without_a_thread_the_work_is_done_all_the_same() {
    use std::os::unix::fs::PermissionsExt;

    let (scene, out) = (temporary(), temporary());
    let for_all = |path: &Path| fs::set_permissions(path, PermissionsExt::from_mode(0o777)).expect("ours");
    for_all(scene.path());
    for_all(out.path());
    let petrec = scene.path().join("petrec");
    fs::copy(env!("CARGO_BIN_EXE_petrec"), &petrec).expect("copied");
    let photos = scene.path().join("photos/A");
    fs::create_dir_all(&photos).expect("made");
    for number in 0..12 {
        fs::copy(super::repository("examples/photos").join(PHOTO), photos.join(format!("{number}.jpg")))
            .expect("copied");
    }
    let program = |args: &[&str]| {
        let is_root = fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let mut command = Command::new("prlimit");
        command.arg("--nproc=1").args(if is_root { &nobody[..] } else { &[] }).arg(&petrec).args(args);
        command.current_dir(scene.path()).env("PETREC_BACKEND", "cpu");
        command
    };
    let probe = program(&["--version"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: nobody else can be had here");
        return;
    }
    let out = out.path().join("out");

    let validated = Run::of(&mut program(&["validate", "photos"])).ok();
    let converted =
        CONVERT.into_iter().chain(["photos", out.to_str().expect("UTF-8"), "--classes=A", "--threads=4", "--shards=3"]);
    Run::of(&mut program(&converted.collect::<Vec<_>>())).ok();

    assert!(validated.stdout.starts_with("12 files: 12 accepted"), "{}", validated.stdout);
    assert_eq!(records_in(&out), 12);
}

#[test]
fn an_empty_name_is_refused() {
    let (data, aside) = (data_set(&[("A/1.jpg", "Cat/666.jpg")]), temporary());
    let refused = |option: &str| {
        let mut command = program();
        command.args(["validate", option, ""]).arg(data.path()).current_dir(aside.path());
        Run::of(&mut command)
    };

    for option in ["--quarantine", "--report"] {
        let run = refused(option);
        assert!(run.code == Some(2) && run.stderr.contains(option), "{}", run.stderr);
    }

    assert_eq!(names(aside.path()), [""; 0]);
    assert_eq!(names(&data.path().join("A")), ["1.jpg"]);
}
