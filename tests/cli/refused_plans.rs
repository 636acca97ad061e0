//! Plans that are damaged, of something else, or do not fit what is there any more.

use std::fs;

use petrec::model::Weights;

use super::plans::{PLAN, follow, plan, plan_of, scene, worker};
use super::resume::tree;
use super::workers::{EVERYTHING, PER_IMAGE, SHARDS, finalize, of_one_run};
use super::{convert_photos, json, names, petrec, temporary};
use crate::places::repository;

#[test]
fn another_plan_is_refused_by_what_differs_and_replaced_by_restart() {
    let out = temporary();
    plan(out.path(), SHARDS).ok();
    worker(out.path(), 0, 2).ok();
    let before = tree(out.path());

    let more = |more: &[&'static str]| [SHARDS, more].concat();
    plan(out.path(), PER_IMAGE).refused(1, &["a plan of other input or options", "layout was shards and is per-image"]);
    plan(out.path(), &more(&["--shuffle"])).refused(1, &["order was sorted and is shuffled by seed 0"]);
    plan(out.path(), &more(&["--backend=wgpu"])).refused(1, &["the engine was cpu and is wgpu"]);
    plan_of(&repository("examples/photos"), out.path(), SHARDS).refused(1, &["the folder was examples/photos"]);
    convert_photos(out.path(), SHARDS).refused(1, &["holds a plan", "petrec convert --plan", "--restart"]);
    convert_photos(out.path(), &more(&["--shard-index=0", "--shard-count=2"])).refused(1, &["holds a plan"]);
    convert_photos(out.path(), &more(&["--dry-run"])).refused(1, &["holds a plan"]);
    assert!(tree(out.path()) == before);

    plan(out.path(), &[PER_IMAGE, &["--restart"]].concat()).ok();
    assert_eq!(names(out.path()), [PLAN]);
    worker(out.path(), 1, 2).ok();
    convert_photos(out.path(), &more(&["--restart"])).ok();
    assert!(tree(out.path()) == of_one_run(SHARDS), "{:?}", names(out.path()));
}

#[test]
fn a_damaged_or_cut_plan_is_refused_and_written_anew() {
    let out = temporary();
    plan(out.path(), EVERYTHING).ok();
    worker(out.path(), 0, 2).ok();
    let path = out.path().join(PLAN);
    let (whole, before) = (fs::read(&path).expect("readable"), tree(out.path()));

    let places = (0..9).map(|step| step * (whole.len() - 1) / 8);
    let flipped = places.map(|place| {
        let mut damaged = whole.clone();
        damaged[place] ^= 4;
        damaged
    });
    let cut = [0, 1, whole.len() / 2, whole.len() - 1].map(|length| whole[..length].to_vec());
    for damaged in flipped.chain(cut) {
        fs::write(&path, &damaged).expect("written");
        let refused = ["the plan is damaged or cut off", "the same 'petrec plan' writes it anew"];

        finalize(out.path()).refused(1, &refused);
        follow(out.path(), &[]).refused(1, &refused);
        plan(out.path(), EVERYTHING).ok();

        assert!(tree(out.path()) == before, "{:?}", names(out.path()));
    }
    follow(out.path(), &[]).ok();
    assert!(tree(out.path()) == of_one_run(EVERYTHING));
}

#[test]
fn a_plan_of_another_conversion_or_version_is_refused() {
    let (out, other) = (temporary(), temporary());
    plan(out.path(), SHARDS).ok();
    worker(out.path(), 0, 2).ok();
    plan(other.path(), EVERYTHING).ok();
    let path = out.path().join(PLAN);

    fs::copy(other.path().join(PLAN), &path).expect("copied");
    worker(out.path(), 0, 2).refused(1, &[".petrec-journal-0-of-2", "of another plan"]);
    finalize(out.path()).refused(1, &[".petrec-journal-0-of-2", "of another plan"]);
    follow(out.path(), &[]).refused(1, &[".petrec-journal-0-of-2", "of another plan"]);

    // A tail whose checksum is right, of another format.
    let mut foreign = fs::read(other.path().join(PLAN)).expect("readable");
    let tail = foreign.len() - 72;
    foreign[tail + 12 + 8] = 99;
    let footer = petrec::tfrecord::framing::footer(&foreign[tail + 12..foreign.len() - 4]);
    let end = foreign.len() - 4;
    foreign[end..].copy_from_slice(&footer);
    fs::write(&path, foreign).expect("written");
    worker(out.path(), 0, 2).refused(1, &["not a plan of this version of petrec"]);
}

#[test]
fn what_a_plan_says_is_not_typed_again() {
    let out = temporary();
    plan(out.path(), SHARDS).ok();

    for typed in [
        "--pool=avg",
        "--layout=shards",
        "--shard-size=11kB",
        "--shards=2",
        "--shuffle",
        "--split=a=1",
        "--model=efficientnet-b0",
        "--weights=w",
        "--classes=Cat",
        "--ext=png",
        "--accept=strict",
        "--max-side=9",
        "--compression=gzip",
        "--index",
        "--tfds=a:1.0.0",
        "--feature-key=f",
        "--label-key=l",
        "--with=path",
        "--report=r.json",
        "--dry-run",
        "--restart",
        "photos",
    ] {
        let run = follow(out.path(), &[typed]);
        assert!(run.code == Some(2) && run.stderr.contains("cannot be used with"), "{typed}: {}", run.stderr);
    }
    for typed in [&["--shard-index=0"][..], &["--shard-count=2"], &["--worker-env=slurm"]] {
        assert_eq!(follow(out.path(), typed).code, Some(2), "{typed:?}");
    }
    assert_eq!(names(out.path()), [PLAN]);
    let fine =
        ["--threads=1", "--backend=cpu", "--verify", "--json", "--quiet", "--progress=never", "--fail-on-reject"];
    assert_eq!(follow(out.path(), &fine).code, Some(3));
}

#[test]
fn a_photo_that_changed_since_stops_the_run_and_one_that_vanished_is_rejected_by_name() {
    let (data, out) = scene(&["--pool=avg", "--shards=3"]);
    let photo = |name: &str| data.path().join("photos").join(name);
    let time = fs::metadata(photo("Cat/chelsea-eyes.jpg")).and_then(|found| found.modified()).expect("a time");
    fs::copy(photo("Cat/chelsea.jpg"), photo("Cat/chelsea-eyes.jpg")).expect("copied");
    fs::remove_file(photo("Coffee/coffee.jpg")).expect("removed");

    follow(out.path(), &[]).refused(1, &["Cat/chelsea-eyes.jpg", "was changed since it was planned", "petrec plan"]);
    let original = repository("examples/photos/Cat/chelsea-eyes.jpg");
    fs::copy(original, photo("Cat/chelsea-eyes.jpg")).expect("copied");
    let back = fs::File::options().write(true).open(photo("Cat/chelsea-eyes.jpg"));
    back.and_then(|file| file.set_modified(time)).expect("set");
    let run = follow(out.path(), &[]).ok();

    assert!(run.stdout.starts_with("images    15, 4 rejected\n"), "{}", run.stdout);
    let lines: Vec<_> = run.stderr.lines().collect();
    let told = |name: &str, words: &str| lines.iter().any(|line| line.contains(name) && line.contains(words));
    assert!(told("Coffee/coffee.jpg", "E_UNREADABLE"), "{lines:?}");
    let report = json(&out.path().join("petrec-report.json"));
    assert_eq!(report["reasons"]["E_UNREADABLE"], 1);
}

#[test]
fn a_data_set_that_is_gone_stops_who_needs_it_and_nobody_else() {
    let (data, out) = scene(&["--pool=avg", "--shards=4"]);
    worker(out.path(), 0, 2).ok();
    let (photos, moved) = (data.path().join("photos"), data.path().join("moved"));
    fs::rename(&photos, &moved).expect("moved");

    assert!(worker(out.path(), 0, 2).ok().stdout.contains("nothing was left to do"));
    worker(out.path(), 1, 2).refused(1, &["photos", "the data set's folder is not there"]);
    fs::rename(&moved, &photos).expect("moved");
    worker(out.path(), 1, 2).ok();
    fs::rename(&photos, &moved).expect("moved");

    finalize(out.path()).ok();
    petrec(["verify".as_ref(), out.path().as_os_str()]).ok();
}

#[test]
fn other_weights_than_the_planned_ones_are_refused() {
    let out = temporary();
    let (records, weights) = (out.path().join("records"), out.path().join("weights.safetensors"));
    let built_in = repository("model-weights/efficientnet-lite0.safetensors");
    fs::copy(&built_in, &weights).expect("copied");
    let typed = ["plan".as_ref(), "--pool=avg".as_ref(), "--weights".as_ref(), weights.as_os_str()];
    petrec(typed.into_iter().chain(["examples/photos".as_ref(), records.as_os_str()])).ok();

    let other = petrec::model::seeded(petrec::model::Architecture::EfficientNetLite0);
    other.save(&weights).expect("written");
    let other = Weights::load(&weights).expect("readable").metadata().sha256.clone();
    follow(&records, &[]).refused(1, &["planned with other weights (efficientnet-lite0 ", &other]);
    fs::remove_file(&weights).expect("removed");
    follow(&records, &[]).refused(1, &["weights.safetensors"]);
    assert_eq!(names(&records), [PLAN]);

    Weights::load(&built_in).expect("readable").save(&weights).expect("written");
    follow(&records, &[]).ok();
}
