//! `petrec plan`, and the workers who follow it: together they write what one run writes, and nobody lists the data set.

use std::fs;
use std::path::{Path, PathBuf};

use super::resume::tree;
use super::workers::{EVERYTHING, GZIP, PER_IMAGE, SHARDS, finalize, nine_at_once, of_one_run};
use super::{Run, convert_photos, data_set, names, petrec, program, temporary};
use crate::places::repository;

pub(crate) const PLAN: &str = ".petrec-plan";

/// Those of the options of a conversion that a plan has.
fn planned(options: &[&str]) -> Vec<String> {
    options.iter().filter(|option| **option != "--verify").map(ToString::to_string).collect()
}

/// Plans to convert the example photos.
pub(crate) fn plan(out: &Path, options: &[&str]) -> Run {
    plan_of(Path::new("examples/photos"), out, options)
}

pub(crate) fn plan_of(data: &Path, out: &Path, options: &[&str]) -> Run {
    let fixed = ["plan".as_ref(), "--model=efficientnet-lite0".as_ref(), data.as_os_str(), out.as_os_str()];
    let options = planned(options);
    petrec(fixed.into_iter().chain(options.iter().map(AsRef::as_ref)))
}

/// Follows the plan in `out` to the end, in the folder where it was made: there the page finds the photos that the report names.
pub(crate) fn follow(out: &Path, more: &[&str]) -> Run {
    petrec(["convert".as_ref(), "--plan".as_ref(), out.as_os_str()].into_iter().chain(more.iter().map(AsRef::as_ref)))
}

/// Does a worker's share of it, in another folder.
pub(crate) fn worker(out: &Path, index: usize, count: usize) -> Run {
    let share = [format!("--shard-index={index}"), format!("--shard-count={count}")];
    let elsewhere = temporary();
    let mut command = program();
    command.args(["convert", "--plan"]).arg(out).args(share).arg("--threads=1");
    Run::of(command.current_dir(elsewhere.path()))
}

/// A folder with a plan and a data set of its own, which a test may change.
pub(crate) fn scene(options: &[&str]) -> (tempfile::TempDir, tempfile::TempDir) {
    let (data, out) = (temporary(), temporary());
    for class in ["Cat", "Coffee"] {
        fs::create_dir_all(data.path().join("photos").join(class)).expect("made");
        for name in names(&repository("examples/photos").join(class)) {
            let relative = Path::new(class).join(name);
            fs::copy(repository("examples/photos").join(&relative), data.path().join("photos").join(&relative))
                .expect("copied");
        }
    }
    plan_of(&data.path().join("photos"), out.path(), options).ok();
    (data, out)
}

#[test]
fn workers_who_follow_a_plan_write_what_one_run_writes() {
    const SHUFFLED: &[&str] = &["--pool=avg", "--shuffle", "--shards=4", "--with=path,class"];
    for options in [EVERYTHING, GZIP, PER_IMAGE, SHUFFLED] {
        let (out, of_one_run) = (temporary(), of_one_run(options));

        plan(out.path(), options).ok();
        assert_eq!(names(out.path()), [PLAN]);
        for index in [2, 0, 1] {
            worker(out.path(), index, 3).ok();
        }
        let run = finalize(out.path()).ok();

        assert!(run.stdout.starts_with("images    15, 3 rejected\nrecords   12 in "), "{}", run.stdout);
        assert!(tree(out.path()) == of_one_run, "{options:?}: {:?}", names(out.path()));
    }
}

#[test]
fn without_a_share_a_plan_is_followed_to_the_end() {
    for done in [0, 1, 2] {
        let out = temporary();
        plan(out.path(), EVERYTHING).ok();
        (0..done).for_each(|index| drop(worker(out.path(), index, 2).ok()));

        let run = follow(out.path(), &["--verify"]).ok();

        assert_eq!(run.stdout.contains("resumed "), done > 0, "{}", run.stdout);
        assert!(tree(out.path()) == of_one_run(EVERYTHING), "{done}: {:?}", names(out.path()));
    }
}

#[test]
fn planned_workers_at_the_same_time_write_what_one_run_writes() {
    let out = temporary();
    plan(out.path(), EVERYTHING).ok();

    nine_at_once(|index| worker(out.path(), index, 3));
    finalize(out.path()).ok();

    assert!(tree(out.path()) == of_one_run(EVERYTHING), "{:?}", names(out.path()));
}

#[test]
fn a_plan_tells_what_it_holds_and_stays_as_it_is() {
    let out = temporary();
    let folder = out.path().join("new/records");

    let run = plan(&folder, EVERYTHING).ok();
    let before = tree(&folder);
    let again = plan(&folder, &[EVERYTHING, &["--json"]].concat()).ok();

    let next = format!("\nnext      petrec convert --plan {}, by one or by several workers\n", folder.display());
    assert!(run.stdout.starts_with("images    15\nsplits    ") && run.stdout.ends_with(&next), "{}", run.stdout);
    assert!(tree(&folder) == before);
    let told: serde_json::Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!((&told["images"], &told["files"], &told["out_held"]), (&15.into(), &6.into(), &"plan".into()));
    assert_eq!(told["plan_bytes"], before[Path::new(PLAN)].len());
    let of = |list: &str| told[list].as_array().expect("a list").iter().map(|of| of["images"].as_u64()).sum();
    assert_eq!((of("classes"), of("splits")), (Some(15), Some(15)));
}

#[test]
fn a_plan_is_made_only_where_nothing_was_begun_without_one() {
    let out = temporary();
    super::resume::killed_conversion(Path::new("examples/photos"), out.path(), SHARDS, 25);
    let before = tree(out.path());

    plan(out.path(), SHARDS).refused(1, &["begun without a plan", "--restart"]);
    follow(out.path(), &[]).refused(1, &["begun without a plan"]);
    worker(out.path(), 0, 2).refused(1, &["begun without a plan"]);
    assert!(tree(out.path()) == before);
    plan(out.path(), &[SHARDS, &["--restart"]].concat()).ok();
    assert_eq!(names(out.path()), [PLAN]);

    let stranger = temporary();
    fs::write(stranger.path().join("thesis.txt"), "mine").expect("written");
    plan(stranger.path(), SHARDS).refused(1, &["is not empty (it holds thesis.txt)"]);
    follow(stranger.path(), &[]).refused(1, &["is not empty (it holds thesis.txt)"]);
    follow(temporary().path(), &[]).refused(1, &["there is no plan; make one", "petrec plan DATASET OUT"]);
    plan(&repository("examples/photos/Cat"), SHARDS).refused(1, &["lies inside the data set"]);
}

#[test]
fn what_is_finished_needs_no_plan_and_no_worker() {
    let out = temporary();
    plan(out.path(), SHARDS).ok();
    follow(out.path(), &[]).ok();
    // The page is made where the photos are found by the path that was typed.
    let but_for_page = || {
        let mut tree = tree(out.path());
        tree.remove(Path::new("report.html"));
        tree
    };
    let finished = but_for_page();

    assert!(plan(out.path(), SHARDS).ok().stdout.ends_with("finished  before: nothing is left to do\n"));
    plan(out.path(), PER_IMAGE).refused(1, &["a finished conversion of other input or options"]);
    for run in [follow(out.path(), &[]), worker(out.path(), 1, 3)] {
        assert!(run.ok().stdout.contains("nothing was left to do"));
    }
    assert!(finalize(out.path()).ok().stdout.contains("nothing was left to do"));
    assert!(but_for_page() == finished);

    fs::remove_file(out.path().join("photos-00001-of-00008.tfrecord")).expect("removed");
    worker(out.path(), 0, 3).ok();
    worker(out.path(), 1, 3).refused(1, &["missing or damaged", "once without a worker"]);
    follow(out.path(), &[]).refused(1, &["missing or damaged", "once without a worker"]);
    convert_photos(out.path(), SHARDS).ok();
    assert!(but_for_page() == finished);
}

#[test]
fn the_engine_is_that_of_the_plan_unless_another_is_typed() {
    let out = temporary();
    plan(out.path(), &[SHARDS, &["--backend=flex"]].concat()).ok();
    let run = |more: &[&str]| {
        Run::of(program().args(["convert", "--plan"]).arg(out.path()).args(more).env_remove("PETREC_BACKEND"))
    };

    let planned = run(&["--shard-index=0", "--shard-count=2"]);
    match cfg!(feature = "flex") {
        true => assert!(planned.ok().stdout.contains("engine    flex")),
        false => planned.refused(1, &["built without the engine 'flex'"]),
    }
    assert!(run(&["--backend=cpu", "--shard-index=1", "--shard-count=2"]).ok().stdout.contains("engine    cpu"));
}

#[test]
fn finalize_finds_what_is_missing_damaged_or_foreign() {
    let out = temporary();
    plan(out.path(), SHARDS).ok();
    finalize(out.path())
        .refused(1, &["8 of 8 record files missing or damaged: 8 files from photos-00000-of-00008.tfrecord"]);
    assert_eq!(names(out.path()), [PLAN]);

    worker(out.path(), 0, 3).ok();
    worker(out.path(), 2, 3).ok();
    let file = |name: &str| out.path().join(name);
    fs::remove_file(file("photos-00005-of-00008.tfrecord")).expect("removed");
    let mut damaged = fs::read(file("photos-00006-of-00008.tfrecord")).expect("readable");
    damaged[100] ^= 1;
    fs::write(file("photos-00006-of-00008.tfrecord"), damaged).expect("written");
    let before = tree(out.path());
    let lacks = "5 of 8 record files missing or damaged: worker 0 of 3 lacks photos-00006-of-00008.tfrecord, worker 1 of 3 lacks \
                 3 files from photos-00001-of-00008.tfrecord on, worker 2 of 3 lacks photos-00005-of-00008.tfrecord";
    finalize(out.path()).refused(1, &[lacks]);
    assert!(tree(out.path()) == before);
    (0..3).for_each(|index| drop(worker(out.path(), index, 3).ok()));

    let foreign = file("photos-00000-of-00003.tfrecord");
    fs::copy(file("photos-00001-of-00008.tfrecord"), &foreign).expect("copied");
    let before = tree(out.path());
    finalize(out.path()).refused(1, &["holds photos-00000-of-00003.tfrecord", "move it away"]);
    assert!(tree(out.path()) == before);
    let verified = petrec(["verify".as_ref(), out.path().as_os_str()]);
    assert!(verified.code == Some(4) && verified.stderr.contains("an unfinished conversion"), "{}", verified.stderr);

    fs::remove_file(foreign).expect("removed");
    finalize(out.path()).ok();
    assert!(tree(out.path()) == of_one_run(SHARDS));
}

#[test]
fn when_nothing_decodes_nothing_is_left_of_a_plan() {
    let data = data_set(&[("Cat/1.jpg", "Cat/666.jpg"), ("Dog/2.jpg", "Cat/666.jpg")]);
    for alone in [true, false] {
        let out = temporary();
        plan_of(data.path(), out.path(), &["--shards=2", "--index"]).ok();
        let end = match alone {
            true => follow(out.path(), &[]),
            false => {
                (0..2).for_each(|index| drop(worker(out.path(), index, 2).ok()));
                finalize(out.path())
            }
        };
        end.refused(1, &["none of the 2 images can be decoded"]);
        assert_eq!(names(out.path()), [""; 0]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf8_are_planned_and_found() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let (data, out, single) = (temporary(), temporary(), temporary());
    let root: PathBuf = data.path().join(OsStr::from_bytes(b"ph\xf6tos"));
    fs::create_dir_all(root.join("Cat")).expect("made");
    fs::copy(repository("examples/photos/Cat/chelsea.jpg"), root.join("Cat").join(OsStr::from_bytes(b"caf\xe9.jpg")))
        .expect("copied");
    let options = ["--pool=avg", "--with=path", "--classes=Cat"];
    plan_of(&root, out.path(), &options).ok();
    follow(out.path(), &[]).ok();

    let fixed =
        ["convert".as_ref(), "--model=efficientnet-lite0".as_ref(), root.as_os_str(), single.path().as_os_str()];
    petrec(fixed.into_iter().chain(options.iter().map(AsRef::as_ref))).ok();
    assert!(tree(out.path()) == tree(single.path()));
}
