//! `petrec convert` as one of several workers, and `petrec finalize`: together they write what one run writes.

use std::fs;
use std::path::{Path, PathBuf};

use super::resume::{killed_conversion, tree};
#[cfg(unix)]
use super::signals::stopped;
use super::{Run, convert_photos, json, names, petrec, temporary};

/// Many small files: eight of the example photos' records.
pub(crate) const SHARDS: &[&str] = &["--pool", "avg", "--shard-size", "11kB", "--threads", "1"];
/// All that a conversion can write beside the records.
pub(crate) const EVERYTHING: &[&str] = &[
    "--pool=avg",
    "--threads=1",
    "--split=train=0.6,test=0.4",
    "--shuffle",
    "--seed=1",
    "--tfds=pets:1.0.0",
    "--index",
    "--shards=3",
];
pub(crate) const GZIP: &[&str] = &["--pool=avg", "--compression=gzip", "--shards=4", "--verify"];
pub(crate) const PER_IMAGE: &[&str] = &["--pool=avg", "--layout=per-image"];

/// The options of a worker behind those of the conversion.
fn of_worker(options: &[&str], index: usize, count: usize) -> Vec<String> {
    let worker = [format!("--shard-index={index}"), format!("--shard-count={count}")];
    options.iter().map(ToString::to_string).chain(worker).collect()
}

fn texts(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

fn worker(out: &Path, options: &[&str], index: usize, count: usize) -> Run {
    convert_photos(out, &texts(&of_worker(options, index, count)))
}

pub(crate) fn finalize(out: &Path) -> Run {
    petrec(["finalize".as_ref(), out.as_os_str()])
}

/// A folder that one run converted with these options.
pub(crate) fn of_one_run(options: &[&str]) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let out = temporary();
    convert_photos(out.path(), options).ok();
    tree(out.path())
}

#[test]
fn workers_one_after_another_write_what_one_run_writes() {
    for options in [EVERYTHING, GZIP, PER_IMAGE] {
        let (out, of_one_run) = (temporary(), of_one_run(options));

        for index in [2, 0, 1] {
            worker(out.path(), options, index, 3).ok();
        }
        let run = finalize(out.path()).ok();

        assert!(run.stdout.starts_with("images    15, 3 rejected\nrecords   12 in "), "{}", run.stdout);
        assert!(tree(out.path()) == of_one_run, "{options:?}: {:?}", names(out.path()));
        // What lies beside the records depends on the manifest only.
        let _ = fs::remove_file(out.path().join("features.json"));
        finalize(out.path()).ok();
        assert!(tree(out.path()) == of_one_run, "{options:?}: {:?}", names(out.path()));
    }
}

/// Starts three workers three times each, all at the same time: of those of one number, one works at a time.
pub(crate) fn nine_at_once(work: impl Fn(usize) -> Run + Sync) {
    let work = &work;
    let mut told = 0;
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..9).map(|run| run % 3).map(|index| (index, scope.spawn(move || work(index)))).collect();
        for (index, run) in runs {
            let run = run.join().expect("no panic");
            if run.code != Some(0) {
                told += 1;
                run.refused(1, &[&format!("worker {index} of 3 is running already")]);
            }
        }
    });
    assert!(told <= 6, "of each number one got through");
}

#[test]
fn workers_at_the_same_time_write_what_one_run_writes() {
    let out = temporary();
    let folder = out.path().join("new/records");

    nine_at_once(|index| worker(&folder, EVERYTHING, index, 3));
    finalize(&folder).ok();

    assert!(tree(&folder) == of_one_run(EVERYTHING), "{:?}", names(&folder));
}

#[test]
fn a_worker_tells_what_it_did_and_what_is_next() {
    let out = temporary();

    let run = worker(out.path(), SHARDS, 1, 3).ok();
    let again = worker(out.path(), &[SHARDS, &["--json"]].concat(), 1, 3).ok();

    assert!(run.stdout.contains("\nrecords   4 in 3 files, "), "{}", run.stdout);
    let next = format!("\nshare     worker 1 of 3; when all have ended: petrec finalize {}\n", out.path().display());
    assert!(run.stdout.ends_with(&next), "{}", run.stdout);
    let summary: serde_json::Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!((&summary["images"], &summary["resumed"], &summary["files"]), (&6.into(), &6.into(), &3.into()));
    assert_eq!((&summary["worker"]["index"], &summary["report"]), (&1.into(), &serde_json::Value::Null));
}

#[test]
fn a_killed_worker_is_started_again_and_leaves_the_others_files_alone() {
    let out = temporary();
    worker(out.path(), SHARDS, 0, 2).ok();
    let of_another = out.path().join(".petrec-0-of-2-abcdef.partial");
    fs::write(&of_another, "half a shard of a worker that may be running").expect("written");

    killed_conversion(Path::new("examples/photos"), out.path(), &texts(&of_worker(SHARDS, 1, 2)), 18);
    let partial = |name: &String| name.ends_with(".partial");
    assert!(names(out.path()).iter().filter(|name| partial(name)).count() > 1, "{:?}", names(out.path()));
    let run = worker(out.path(), SHARDS, 1, 2).ok();

    assert!(run.stderr.contains("were converted by an earlier run"), "{}", run.stderr);
    assert!(names(out.path()).iter().filter(|name| partial(name)).eq([".petrec-0-of-2-abcdef.partial"]));
    finalize(out.path()).ok();
    assert!(tree(out.path()) == of_one_run(SHARDS), "{:?}", names(out.path()));
}

#[cfg(unix)]
#[test]
fn who_comes_in_the_way_of_another_process_is_told_so() {
    let out = temporary();
    let mut first = stopped(out.path(), &texts(&of_worker(SHARDS, 0, 2)), "photos-00000");

    worker(out.path(), SHARDS, 0, 2).refused(1, &["worker 0 of 2 is running already", "wait for it"]);
    convert_photos(out.path(), SHARDS).refused(1, &["workers are converting into this folder"]);
    convert_photos(out.path(), &["--restart"]).refused(1, &["workers are converting into this folder"]);
    finalize(out.path()).refused(1, &["workers are converting into this folder"]);
    worker(out.path(), SHARDS, 1, 2).ok();
    first.kill().and_then(|()| first.wait()).expect("it ends");

    let mut alone = stopped(out.path(), SHARDS, ".partial");
    worker(out.path(), SHARDS, 1, 2).refused(1, &["another petrec is converting into this folder"]);
    finalize(out.path()).refused(1, &["another petrec is converting into this folder"]);
    alone.kill().and_then(|()| alone.wait()).expect("it ends");

    // What was made on the slow instructions stays so, and has other bytes.
    convert_photos(out.path(), SHARDS).ok();
    petrec(["verify".as_ref(), out.path().as_os_str()]).ok();
    assert_eq!(names(out.path()).len(), 11, "{:?}", names(out.path()));
}

#[test]
fn a_run_alone_goes_on_where_workers_stopped_and_workers_where_it_stopped() {
    let out = temporary();
    worker(out.path(), SHARDS, 1, 3).ok();

    killed_conversion(Path::new("examples/photos"), out.path(), SHARDS, 25);
    assert!(!names(out.path()).contains(&".petrec-journal-1-of-3".to_owned()), "{:?}", names(out.path()));
    let run = worker(out.path(), SHARDS, 1, 2).ok();
    assert!(run.stdout.contains("resumed "), "{}", run.stdout);
    let run = convert_photos(out.path(), SHARDS).ok();

    assert!(run.stdout.contains("resumed "), "{}", run.stdout);
    assert!(tree(out.path()) == of_one_run(SHARDS), "{:?}", names(out.path()));
}

#[test]
fn finalize_says_which_worker_lacks_what_and_changes_nothing() {
    let out = temporary();
    finalize(out.path()).refused(1, &["no conversion was begun there"]);
    finalize(&out.path().join("nowhere")).refused(1, &["no conversion was begun there"]);
    assert_eq!(names(out.path()), [""; 0]);

    worker(out.path(), SHARDS, 0, 3).ok();
    worker(out.path(), SHARDS, 2, 3).ok();
    fs::remove_file(out.path().join("photos-00005-of-00008.tfrecord")).expect("removed");
    let before = tree(out.path());
    let lacks = [
        "4 of 8 record files missing or damaged: worker 1 of 3 lacks 3 files from photos-00001-of-00008.tfrecord on, \
                  worker 2 of 3 lacks photos-00005-of-00008.tfrecord; run the same 'petrec convert' again for these",
    ];
    finalize(out.path()).refused(1, &lacks);
    finalize(out.path()).refused(1, &lacks);
    assert!(tree(out.path()) == before);

    worker(out.path(), SHARDS, 1, 3).ok();
    worker(out.path(), SHARDS, 2, 3).ok();
    finalize(out.path()).ok();
    let (finished, again) = (tree(out.path()), finalize(out.path()).ok());
    assert!(again.stdout.contains("nothing was left to do"), "{}", again.stdout);
    assert!(worker(out.path(), SHARDS, 1, 3).ok().stdout.contains("nothing was left to do"));
    assert!(convert_photos(out.path(), SHARDS).ok().stdout.contains("nothing was left to do"));
    assert!(tree(out.path()) == finished && finished == of_one_run(SHARDS));

    fs::remove_file(out.path().join("photos-00001-of-00008.tfrecord")).expect("removed");
    worker(out.path(), SHARDS, 0, 3).ok();
    worker(out.path(), SHARDS, 1, 3).refused(1, &["missing or damaged", "once without a worker"]);
    finalize(out.path()).refused(1, &["missing or damaged", "once without a worker"]);
    convert_photos(out.path(), SHARDS).ok();
    assert!(tree(out.path()) == finished);
}

#[test]
fn finalize_leaves_no_foreign_record_file_among_ours() {
    let out = temporary();
    for index in 0..3 {
        worker(out.path(), SHARDS, index, 3).ok();
    }
    let foreign = out.path().join("photos-00000-of-00003.tfrecord");
    fs::copy(out.path().join("photos-00001-of-00008.tfrecord"), &foreign).expect("copied");
    fs::write(out.path().join("slurm-7.out"), "what the scheduler caught").expect("written");
    let before = tree(out.path());

    finalize(out.path()).refused(1, &["holds photos-00000-of-00003.tfrecord", "move it away"]);
    assert!(tree(out.path()) == before);

    fs::remove_file(foreign).expect("removed");
    finalize(out.path()).ok();
    fs::remove_file(out.path().join("slurm-7.out")).expect("removed");
    assert!(tree(out.path()) == of_one_run(SHARDS));
}

#[test]
fn a_worker_of_another_plan_or_another_number_is_refused_by_what_differs() {
    let out = temporary();
    worker(out.path(), SHARDS, 0, 2).ok();
    let before = tree(out.path());

    let refused = |options: &[&str], words: &[&str]| {
        worker(out.path(), options, 1, 2).refused(1, &[&["an unfinished conversion"], words].concat());
    };
    refused(&["--shard-size", "11kB"], &["pool was avg and is none"]);
    refused(&[SHARDS, &["--shuffle"]].concat(), &["order was sorted and is shuffled by seed 0"]);
    refused(&[SHARDS, &["--classes", "Cat"]].concat(), &["classes was Cat,Coffee and is Cat"]);
    worker(out.path(), SHARDS, 1, 3).refused(1, &["shared by 2 workers", "worker 1 of 3 is none of them"]);
    assert!(tree(out.path()) == before);

    convert_photos(out.path(), &[SHARDS, &["--restart"]].concat()).ok();
    assert!(tree(out.path()) == of_one_run(SHARDS), "{:?}", names(out.path()));
}

#[test]
fn a_plan_of_which_nothing_is_done_is_in_nobodys_way() {
    // Killed at each step of the beginning: the folder, the journal that is shared, the worker's own.
    for steps in 1..=9 {
        let out = temporary();
        let folder = out.path().join("records");
        killed_conversion(Path::new("examples/photos"), &folder, &texts(&of_worker(SHARDS, 0, 2)), steps);
        let before = folder.exists().then(|| names(&folder));

        let said = finalize(&folder).stderr;
        assert!(said.contains("8 of 8 record files missing") || said.contains("no conversion was begun"), "{said}");
        convert_photos(&folder, PER_IMAGE).ok();

        assert!(tree(&folder) == of_one_run(PER_IMAGE), "{steps}: {before:?}, {:?}", names(&folder));
    }
}

#[test]
fn a_damaged_journal_costs_what_it_told_and_is_never_believed() {
    let (worked, of_one_run) = (temporary(), of_one_run(SHARDS));
    (0..2).for_each(|index| drop(worker(worked.path(), SHARDS, index, 2).ok()));
    let files = tree(worked.path());

    for (name, places) in [(".petrec-journal-1-of-2", 9), (".petrec-journal", 3)] {
        let (name, bytes) = (Path::new(name), &files[Path::new(name)]);
        for place in (0..places).map(|step| step * (bytes.len() - 1) / (places - 1)) {
            let out = temporary();
            files.iter().for_each(|(name, bytes)| fs::write(out.path().join(name), bytes).expect("written"));
            let mut damaged = bytes.clone();
            damaged[place] ^= 4;
            fs::write(out.path().join(name), damaged).expect("written");

            let lacks = finalize(out.path());
            if name == Path::new(".petrec-journal") {
                lacks.refused(1, &["not a journal of this version of petrec"]);
                worker(out.path(), SHARDS, 1, 2).refused(1, &["not a journal of this version of petrec"]);
                continue;
            }
            lacks.refused(1, &["worker 1 of 2 lacks"]);
            worker(out.path(), SHARDS, 1, 2).ok();
            finalize(out.path()).ok();
            assert!(tree(out.path()) == of_one_run, "{}, byte {place}", name.display());
        }
    }
}

#[test]
fn a_worker_without_record_files_is_content_and_leaves_nothing() {
    let out = temporary();
    let folder = out.path().join("records");

    let run = worker(&folder, SHARDS, 10, 11).ok();

    assert!(run.stdout.starts_with("images    0, 0 rejected\nrecords   0 in 0 files, 0 B\n"), "{}", run.stdout);
    assert!(!folder.exists());
}

#[test]
fn when_nothing_decodes_finalize_takes_everything_back() {
    let (data, out) = (super::data_set(&[("Cat/1.jpg", "Cat/666.jpg"), ("Dog/2.jpg", "Cat/666.jpg")]), temporary());
    let convert = |more: &[&str]| {
        let fixed = [
            "convert".as_ref(),
            "--model=efficientnet-lite0".as_ref(),
            data.path().as_os_str(),
            out.path().as_os_str(),
        ];
        petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
    };
    let options = ["--shards=2", "--index"];
    convert(&options).refused(1, &["none of the 2 images can be decoded"]);
    assert_eq!(names(out.path()), [""; 0]);

    for index in 0..2 {
        convert(&texts(&of_worker(&options, index, 2))).ok();
    }
    finalize(out.path()).refused(1, &["none of the 2 images can be decoded"]);

    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn finalize_as_json_and_with_an_exit_code_for_rejected_images() {
    let out = temporary();
    worker(out.path(), SHARDS, 0, 1).ok();

    let run = petrec(["finalize".as_ref(), "--json".as_ref(), "--fail-on-reject".as_ref(), out.path().as_os_str()]);

    assert_eq!(run.code, Some(3), "{}", run.stderr);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!((&summary["rejected"], &summary["was_finished"]), (&3.into(), &false.into()));
    assert_eq!(json(&out.path().join("petrec-manifest.json"))["images"], 15);
}
