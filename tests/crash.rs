//! Nothing is lost: `convert`, killed at any moment and started again, ends with the bytes of a run that nobody disturbed.

#[path = "common/places.rs"]
mod places;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use places::repository;

/// What is converted: small records, so that the time goes into many files.
const LAYOUTS: [&[&str]; 2] = [&["--pool", "avg", "--shard-size", "11kB"], &["--pool", "avg", "--layout", "per-image"]];
/// How often each layout's run is killed by the clock.
const KILLS: u64 = 25;

fn convert(out: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_petrec"));
    command.args(["convert", "--quiet", "--model", "efficientnet-lite0", "examples/photos"]).arg(out).args(options);
    command.current_dir(repository("")).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs to the end, and must succeed.
#[track_caller]
fn finish(out: &Path, options: &[&str], when: &str) {
    let output = convert(out, options).stderr(Stdio::piped()).output().expect("petrec starts");
    assert!(output.status.success(), "{when}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Every file and folder below a folder, the files with their bytes.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("readable") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(folder).expect("below the folder").to_path_buf();
            found.insert(name, path.is_file().then(|| fs::read(&path).expect("readable")));
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

#[track_caller]
fn assert_same(ours: &Path, undisturbed: &Path, when: &str) {
    let (ours, undisturbed) = (tree(ours), tree(undisturbed));
    assert_eq!(ours.keys().collect::<Vec<_>>(), undisturbed.keys().collect::<Vec<_>>(), "{when}");
    for (name, bytes) in &ours {
        assert!(*bytes == undisturbed[name], "{when}: {} differs", name.display());
    }
}

/// Uniform in 0..1, the same on every run (splitmix64).
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[test]
fn a_run_that_is_killed_at_any_moment_resumes_to_the_same_bytes() {
    let mut state = 6;
    let (mut killed, mut finished) = (0, 0);
    for options in LAYOUTS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (undisturbed, out) = (folder.path().join("undisturbed"), folder.path().join("out"));
        let begun = Instant::now();
        finish(&undisturbed, options, "undisturbed");
        let length = begun.elapsed();

        for kill in 0..KILLS {
            let mut child = convert(&out, options).spawn().expect("petrec starts");
            sleep(length.mul_f64(random(&mut state)));
            child.kill().expect("it is there, or has ended");
            let status = child.wait().expect("it ends");
            killed += u64::from(!status.success());
            // Every third time from where it was killed once more, so that a resumed run is killed, too.
            if kill % 3 != 0 {
                finish(&out, options, "after a kill");
                assert_same(&out, &undisturbed, "after a kill");
                fs::remove_dir_all(&out).expect("removed");
                finished += 1;
            }
        }
    }
    eprintln!("killed {killed} times, {finished} conversions compared");
    assert!(killed >= KILLS, "only {killed} of {} runs were still going when they were killed", 2 * KILLS);
}

#[test]
fn a_run_that_dies_at_any_step_on_the_way_to_the_disk_resumes_to_the_same_bytes() {
    for options in LAYOUTS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (undisturbed, out) = (folder.path().join("undisturbed"), folder.path().join("out"));
        finish(&undisturbed, options, "undisturbed");

        let mut step = 1;
        loop {
            let status = convert(&out, options).env("PETREC_CRASH_AT", step.to_string()).status();
            let has_crashed = !status.expect("petrec starts").success();
            let when = format!("step {step} of {}", options.join(" "));
            if has_crashed {
                finish(&out, options, &when);
            }
            assert_same(&out, &undisturbed, &when);
            fs::remove_dir_all(&out).expect("removed");
            if !has_crashed {
                break;
            }
            step += 1;
        }
        eprintln!("{}: died at each of {} steps", options.join(" "), step - 1);
        assert!(step > 50, "a run has more than {step} steps");
    }
}

#[test]
fn a_resumed_run_that_dies_at_any_step_resumes_too() {
    let options = LAYOUTS[0];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (undisturbed, out) = (folder.path().join("undisturbed"), folder.path().join("out"));
    finish(&undisturbed, options, "undisturbed");

    for step in 1.. {
        // A finished conversion with a file gone, so that the way back from the manifest to a journal is walked, too.
        finish(&out, options, "the first time");
        fs::remove_file(out.join("photos-00002-of-00008.tfrecord")).expect("removed");
        let status = convert(&out, options).env("PETREC_CRASH_AT", step.to_string()).status();
        let has_crashed = !status.expect("petrec starts").success();
        finish(&out, options, "after dying");
        assert_same(&out, &undisturbed, &format!("step {step}"));
        if !has_crashed {
            assert!(step > 10, "a repair has more than {step} steps");
            break;
        }
    }
}
