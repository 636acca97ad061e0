//! Nothing is lost: `convert`, killed at any moment and started again, ends with the bytes of a run that nobody disturbed.

#[path = "common/program.rs"]
mod program;
#[path = "common/steps.rs"]
mod steps;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use program::program;
use steps::Steps;
use tempfile::TempDir;

/// What is converted: small records, so that the time goes into many files.
const LAYOUTS: [&[&str]; 2] = [&["--pool", "avg", "--shard-size", "11kB"], &["--pool", "avg", "--layout", "per-image"]];
/// Good photos, an empty file, and one that is cut short.
const PHOTOS: [&str; 7] = [
    "Cat/666.jpg",
    "Cat/chelsea.jpg",
    "Cat/chelsea-eyes.jpg",
    "Cat/chelsea-face.jpg",
    "Cat/chelsea-gray.jpg",
    "Coffee/11702.jpg",
    "Coffee/coffee.jpg",
];
/// How often each layout's run is killed by the clock.
const KILLS: u64 = 25;
/// How often workers are.
const WORKER_KILLS: u64 = 12;

/// A data set of a few of the example photos, and where conversions of it go.
struct Scene {
    folder: TempDir,
    options: &'static [&'static str],
}

impl Scene {
    /// Copies the photos and converts them once without any disturbance.
    fn new(options: &'static [&'static str]) -> Self {
        let scene = Self { folder: tempfile::tempdir().expect("a temporary folder"), options };
        let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/photos");
        for name in PHOTOS {
            let target = scene.folder.path().join("photos").join(name);
            fs::create_dir_all(target.parent().expect("a class")).expect("made");
            fs::copy(photos.join(name), target).expect("copied");
        }
        scene.finish("undisturbed", "undisturbed");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn petrec(&self, args: &[&str]) -> Command {
        let mut command = program();
        command.args(args).current_dir(self.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn convert(&self, out: &str) -> Command {
        let mut command = self.petrec(&["convert", "--quiet", "--model", "efficientnet-lite0", "photos", out]);
        command.args(self.options);
        command
    }

    /// The same as one of two workers.
    fn work(&self, out: &str, worker: u32) -> Command {
        let mut command = self.convert(out);
        command.args(["--shard-count", "2", "--shard-index", &worker.to_string()]);
        command
    }

    /// Writes down what `convert` would do.
    fn plan(&self, out: &str) -> Command {
        let mut command = self.petrec(&["plan", "--quiet", "--model", "efficientnet-lite0", "photos", out]);
        command.args(self.options);
        command
    }

    /// Follows that, as one of two workers or alone.
    fn follow(&self, out: &str, worker: Option<u32>) -> Command {
        let mut command = self.petrec(&["convert", "--quiet", "--plan", out]);
        if let Some(worker) = worker {
            command.args(["--shard-count", "2", "--shard-index", &worker.to_string()]);
        }
        command
    }

    fn finalize(&self, out: &str) -> Command {
        self.petrec(&["finalize", "--quiet", out])
    }

    /// Runs to the end, and must succeed.
    #[track_caller]
    fn finish(&self, out: &str, when: &str) {
        succeed(self.convert(out), when);
    }

    /// Has a program die at each of its steps: what comes `after` has to bring `out` to what the undisturbed run wrote.
    fn die_at_each_step(
        &self,
        what: &str,
        least: u32,
        before: &dyn Fn(),
        dies: &dyn Fn() -> Command,
        after: &dyn Fn(u32, &str),
    ) {
        let what = &format!("{what}, {}", self.options.join(" "));
        let after = &|step: u32, when: &str| {
            after(step, when);
            self.compare_and_remove(when);
        };
        Steps { what, least, before, dies, after }.die_at_each();
        fs::remove_dir_all(self.path("out")).expect("it came through");
    }

    /// `out` must hold exactly what the undisturbed run wrote; then it is removed.
    #[track_caller]
    fn compare_and_remove(&self, when: &str) {
        let [ours, undisturbed] = ["out", "undisturbed"].map(|name| tree(&self.path(name)));
        assert_eq!(ours.keys().collect::<Vec<_>>(), undisturbed.keys().collect::<Vec<_>>(), "{when}");
        for (name, bytes) in &ours {
            assert!(*bytes == undisturbed[name], "{when}: {} differs", name.display());
        }
        fs::remove_dir_all(self.path("out")).expect("removed");
    }
}

/// Runs to the end, and must succeed.
#[track_caller]
fn succeed(mut command: Command, when: &str) {
    let output = command.stderr(Stdio::piped()).output().expect("petrec starts");
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
    let (mut killed, mut compared) = (0, 0);
    for options in LAYOUTS {
        let scene = Scene::new(options);
        let begun = Instant::now();
        scene.finish("out", "undisturbed again");
        let length = begun.elapsed();
        scene.compare_and_remove("undisturbed again");

        for kill in 0..KILLS {
            let mut child = scene.convert("out").spawn().expect("petrec starts");
            sleep(length.mul_f64(random(&mut state)));
            child.kill().expect("it is there, or has ended");
            killed += u64::from(!child.wait().expect("it ends").success());
            // Now and then it is killed again where it went on.
            if kill % 3 != 0 {
                scene.finish("out", "after a kill");
                scene.compare_and_remove("after a kill");
                compared += 1;
            }
        }
    }
    eprintln!("killed {killed} times, {compared} conversions compared");
    assert!(killed >= KILLS, "only {killed} of {} runs were still going when they were killed", 2 * KILLS);
}

#[test]
fn a_run_that_dies_at_any_step_on_the_way_to_the_disk_resumes_to_the_same_bytes() {
    for options in LAYOUTS {
        let scene = Scene::new(options);
        scene.die_at_each_step("a run", 30, &|| {}, &|| scene.convert("out"), &|_, when| {
            scene.finish("out", when);
        });
    }
}

#[test]
fn a_repair_that_dies_at_any_step_is_finished_too() {
    let scene = Scene::new(LAYOUTS[0]);
    // A finished conversion with a file gone: the way back from the manifest to a journal is walked, too.
    let damage = || {
        scene.finish("out", "the first time");
        fs::remove_file(scene.path("out/photos-00002-of-00004.tfrecord")).expect("removed");
    };
    scene.die_at_each_step("a repair", 10, &damage, &|| scene.convert("out"), &|_, when| scene.finish("out", when));
}

#[test]
fn a_worker_that_dies_at_any_step_is_started_again_beside_another() {
    for options in LAYOUTS {
        let scene = Scene::new(options);
        scene.die_at_each_step("a worker", 15, &|| {}, &|| scene.work("out", 0), &|_, when| {
            // The other one comes first and finds what the dead one left.
            [1, 0].into_iter().for_each(|worker| succeed(scene.work("out", worker), when));
            succeed(scene.finalize("out"), when);
        });
    }
}

#[test]
fn a_finalize_that_dies_at_any_step_is_finished_by_another() {
    for options in LAYOUTS {
        let scene = Scene::new(options);
        (0..2).for_each(|worker| succeed(scene.work("worked", worker), "of two workers"));
        let worked = tree(&scene.path("worked"));
        let restored = || restore(&worked, &scene.path("out"));
        scene.die_at_each_step("finalize", 10, &restored, &|| scene.finalize("out"), &|step, when| {
            // Now and then a worker comes in between, or a run without workers.
            match step % 3 {
                0 => succeed(scene.work("out", 1), when),
                1 => succeed(scene.convert("out"), when),
                _ => {}
            }
            succeed(scene.finalize("out"), when);
        });
    }
}

#[test]
fn a_plan_that_dies_at_any_step_is_there_or_not_and_is_made_again() {
    let scene = Scene::new(LAYOUTS[0]);
    scene.die_at_each_step("a plan", 4, &|| {}, &|| scene.plan("out"), &|_, when| {
        succeed(scene.plan("out"), when);
        succeed(scene.follow("out", None), when);
    });
}

#[test]
fn who_follows_a_plan_and_dies_at_any_step_is_started_again() {
    for options in LAYOUTS {
        let scene = Scene::new(options);
        let planned = || succeed(scene.plan("out"), "a plan");
        for (who, name) in [(Some(0), "a worker by a plan"), (None, "a run by a plan")] {
            scene.die_at_each_step(name, 15, &planned, &|| scene.follow("out", who), &|step, when| {
                // The other worker comes first and finds what the dead one left; now and then somebody comes who is alone.
                match step % 3 {
                    0 => succeed(scene.follow("out", None), when),
                    _ => [1, 0].into_iter().for_each(|worker| succeed(scene.follow("out", Some(worker)), when)),
                }
                succeed(scene.finalize("out"), when);
            });
        }
    }
}

#[test]
fn a_finalize_of_a_plan_that_dies_at_any_step_is_finished_by_another() {
    for options in LAYOUTS {
        let scene = Scene::new(options);
        succeed(scene.plan("worked"), "a plan");
        (0..2).for_each(|worker| succeed(scene.follow("worked", Some(worker)), "of two workers"));
        let worked = tree(&scene.path("worked"));
        let restored = || restore(&worked, &scene.path("out"));
        scene.die_at_each_step("finalize of a plan", 10, &restored, &|| scene.finalize("out"), &|step, when| {
            // Now and then a worker comes in between, or somebody who is alone, or the plan is made once more.
            match step % 4 {
                0 => succeed(scene.follow("out", Some(1)), when),
                1 => succeed(scene.follow("out", None), when),
                2 => succeed(scene.plan("out"), when),
                _ => {}
            }
            succeed(scene.finalize("out"), when);
        });
    }
}

#[test]
fn workers_that_are_killed_at_any_moment_are_started_again() {
    let scene = Scene::new(LAYOUTS[0]);
    let mut state = 7;
    let mut killed = 0;
    for kill in 0..WORKER_KILLS {
        // Both at once, and each of them twice: which of the two gets to work is all the same.
        let begun = Instant::now();
        let mut workers: Vec<_> =
            (0..4).map(|run| scene.work("out", run % 2).spawn().expect("petrec starts")).collect();
        for worker in &mut workers {
            sleep(Duration::from_millis(15).mul_f64(random(&mut state)));
            worker.kill().expect("it is there, or has ended");
        }
        for mut worker in workers {
            killed += u64::from(worker.wait().expect("it ends").code().is_none());
        }
        let when = format!("kill {kill} after {:?}", begun.elapsed());
        (0..2).for_each(|worker| succeed(scene.work("out", worker), &when));
        succeed(scene.finalize("out"), &when);
        scene.compare_and_remove(&when);
    }
    eprintln!("{killed} workers killed");
    assert!(killed >= WORKER_KILLS, "only {killed} workers were still at work when they were killed");
}

/// Puts a tree where there is nothing.
fn restore(tree: &BTreeMap<PathBuf, Option<Vec<u8>>>, folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder).expect("made");
    for (name, bytes) in tree {
        match bytes {
            None => fs::create_dir(folder.join(name)).expect("made"),
            Some(bytes) => fs::write(folder.join(name), bytes).expect("written"),
        }
    }
}

/// In a mount namespace of its own, so that it needs no rights and leaves no mount behind. 77 says that there can be none.
#[cfg(target_os = "linux")]
const ON_A_FULL_DISK: &str = r#"
    mkdir full && mount -t tmpfs -o size=24k tmpfs full || exit 77
    "$0" "$@" full/out && exit 1
    ls -A full/out | grep partial && exit 2
    mount -o remount,size=10m full && "$0" "$@" full/out && cp -R full/out out
"#;

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_run_and_with_more_room_it_goes_on() {
    let scene = Scene::new(LAYOUTS[0]);
    let mut command = Command::new("unshare");
    command.env("PETREC_BACKEND", "cpu");
    command.args(["--map-root-user", "--mount", "sh", "-c", ON_A_FULL_DISK, env!("CARGO_BIN_EXE_petrec")]);
    command.args(["convert", "--quiet", "--model", "efficientnet-lite0"]).args(scene.options).arg("photos");

    let output = command.current_dir(scene.folder.path()).output();

    let Some(output) = output.ok().filter(|output| !matches!(output.status.code(), Some(77 | 126 | 127))) else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.starts_with("unshare: ") {
        eprintln!("skipped: {}", said.trim());
        return;
    }
    assert!(output.status.success(), "{said}");
    assert!(said.contains("No space left on device") && said.contains("the same command goes on from there"), "{said}");
    scene.compare_and_remove("after a full disk");
}

/// Every file of two folders by its name and its bytes; temporary ones apart.
#[cfg(target_os = "linux")]
fn whole_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = files.map(|file| (file.file_name().to_string_lossy().into_owned(), file.path()));
    let files = names.filter(|(name, _)| !name.ends_with(".partial"));
    files.map(|(name, path)| (name, fs::read(path).expect("readable"))).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_quarantine_that_dies_at_any_step_leaves_every_file_whole() {
    let scene = tempfile::tempdir().expect("a folder");
    let bad: Vec<_> = (0..3).map(|number| vec![b'a' + number; 5_000]).collect();
    let cat = scene.path().join("photos/Cat");
    let there = |quarantine: &Path| {
        let files = [whole_files(&cat), whole_files(&quarantine.join("Cat"))].concat();
        files.into_iter().map(|(_, bytes)| bytes).collect::<std::collections::BTreeSet<_>>()
    };
    let here = tempfile::tempdir().expect("a folder");
    let elsewhere = tempfile::tempdir_in("/dev/shm").ok(); // another file system, nearly everywhere

    for quarantine in [Some(here), elsewhere].into_iter().flatten() {
        let to = quarantine.path().join("q");
        let validate = || {
            let mut command = program();
            command
                .args(["validate", "--quiet", "--threads=1", "--quarantine"])
                .arg(&to)
                .arg(scene.path().join("photos"));
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        Steps {
            what: "validate --quarantine",
            least: 3,
            before: &|| {
                let _ = (fs::remove_dir_all(&cat), fs::remove_dir_all(&to));
                fs::create_dir_all(&cat).expect("made");
                for (number, bytes) in bad.iter().enumerate() {
                    fs::write(cat.join(format!("{number}.jpg")), bytes).expect("written");
                }
            },
            dies: &validate,
            after: &|_, when| {
                assert_eq!(there(&to), bad.iter().cloned().collect(), "{when}: lost, or half of it under a name");
                succeed(validate(), when);
                assert_eq!(there(&to), bad.iter().cloned().collect(), "{when}");
                assert_eq!(fs::read_dir(&cat).expect("there").count(), 0, "{when}: not moved");
                let left = fs::read_dir(to.join("Cat")).expect("there").flatten();
                assert!(left.map(|it| it.file_name()).all(|it| !it.to_string_lossy().ends_with(".partial")), "{when}");
            },
        }
        .die_at_each();
    }
}
