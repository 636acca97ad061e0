//! Plans in a store, and the workers who follow them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use super::faults::{FATES, is_one_of};
use super::proxy::{Fate, Proxy};
use super::scene::{OUT_URL, PHOTOS, PHOTOS_URL, Scene, Tree, ok, records, refused, same, tree};
use super::writing::LAYOUTS;

const PLAN: &str = "out/.petrec-plan";

/// `plan` with the built-in weights.
fn plan_by(scene: &Scene, port: u16, from: &str, to: &str, options: &[&str]) -> Command {
    let mut command = scene.petrec_by(port, &["plan", "--quiet", "--model", "efficientnet-lite0", from, to]);
    command.args(options);
    command
}

fn plan(scene: &Scene, options: &[&str]) -> Command {
    plan_by(scene, scene.server.port(), PHOTOS, OUT_URL, options)
}

/// Worker `index` of two who follow the plan in `out`.
fn worker_by(scene: &Scene, port: u16, out: &str, index: u32) -> Command {
    let mut command = scene.petrec_by(port, &["convert", "--quiet", "--plan", out, "--shard-count", "2"]);
    command.args(["--shard-index", &index.to_string()]);
    command
}

fn worker(scene: &Scene, index: u32) -> Command {
    worker_by(scene, scene.server.port(), OUT_URL, index)
}

/// All that is left, and the end.
fn follow(scene: &Scene) -> Command {
    scene.petrec(&["convert", "--quiet", "--plan", OUT_URL])
}

/// Both workers, one after the other.
fn work(scene: &Scene) {
    for index in [0, 1] {
        ok(worker(scene, index));
    }
}

fn finalize(scene: &Scene) {
    ok(scene.petrec(&["finalize", OUT_URL]));
}

#[test]
fn photos_plan_and_records_lie_where_they_like() {
    let Some(scene) = Scene::new() else { return };
    let options = LAYOUTS[0];
    for (from, to) in [(PHOTOS_URL, "out"), (PHOTOS_URL, OUT_URL), (PHOTOS, OUT_URL)] {
        let local = if from == PHOTOS { scene.local(options) } else { scene.local_of_url(options) };
        ok(plan_by(&scene, scene.server.port(), from, to, options));
        // The same again, and by way of a proxy that sees that no worker lists the photos.
        ok(plan_by(&scene, scene.server.port(), from, to, options));
        let (listed, is_listed) = mpsc::channel();
        let proxy = Proxy::start(scene.server.port(), move |request| {
            if request.target.contains("list-type=2") && request.target.contains("prefix=photos") {
                let _ = listed.send(());
            }
            Fate::Well
        });
        for index in [1, 0] {
            ok(worker_by(&scene, proxy.port, to, index));
        }
        ok(scene.petrec(&["finalize", to]));

        let mut ours = if to == OUT_URL { tree(&scene.server.path("out")) } else { tree(&scene.path("out")) };
        ours.remove(Path::new("report.html"));
        same(&ours, &local, &format!("{from} to {to}"));
        // Of a data set's folder it is asked whether it is there, and no more.
        assert!(is_listed.try_iter().count() <= 2);
        ok(scene.petrec(&["verify", to]));
        let _ = fs::remove_dir_all(scene.server.path("out"));
    }
}

#[test]
fn workers_who_follow_a_plan_write_what_one_run_writes_even_two_on_the_same_share_at_once() {
    let Some(scene) = Scene::new() else { return };
    for options in
        LAYOUTS.into_iter().chain([&["--tfds", "photos:1.0.0", "--shards", "5", "--split", "train=0.6,test=0.4"][..]])
    {
        let local = scene.local(options);
        ok(plan(&scene, options));

        let workers: Vec<_> = [0, 1, 0, 1].map(|index| worker(&scene, index).spawn().expect("petrec starts")).into();
        for mut worker in workers {
            assert!(worker.wait().expect("it ends").success());
        }
        finalize(&scene);
        scene.compare(&local, &format!("{options:?}"));
        // All of them find it done.
        ok(worker(&scene, 1));
        ok(follow(&scene));
        finalize(&scene);
        ok(plan(&scene, options));
        scene.compare_and_remove(&local, &format!("{options:?}, again"));
    }
}

#[test]
fn whoever_dies_at_any_step_is_started_again() {
    let Some(scene) = Scene::new() else { return };
    let options = LAYOUTS[0];
    let planned = || drop(ok(plan(&scene, options)));
    let end = || {
        work(&scene);
        finalize(&scene);
    };
    scene.die_at_each_step(("a plan", options), 1, &|| {}, &|| plan(&scene, options), &|_| {
        planned();
        end();
    });
    // Now and then somebody comes in between who is alone.
    let alone = |step: u32| {
        if step.is_multiple_of(3) {
            ok(follow(&scene));
        }
    };
    let dies: [(_, &dyn Fn() -> Command); 2] = [("a worker", &|| worker(&scene, 0)), ("a run", &|| follow(&scene))];
    for (who, dies) in dies {
        scene.die_at_each_step((who, options), 5, &planned, dies, &|step| {
            alone(step);
            end();
        });
    }
    let worked = || {
        planned();
        work(&scene);
    };
    let finalized = || scene.petrec(&["finalize", OUT_URL]);
    scene.die_at_each_step(("finalize", options), 5, &worked, &finalized, &|step| {
        alone(step);
        if step % 3 == 1 {
            ok(worker(&scene, 1));
        }
        finalize(&scene);
    });
}

#[test]
fn a_plan_comes_through_whatever_fails_now_and_then() {
    let Some(scene) = Scene::new() else { return };
    let options = LAYOUTS[0];
    let local = scene.local_of_url(options);
    for (what, fate) in FATES {
        let proxy = Proxy::start(scene.server.port(), move |request| match is_one_of(30, request.number) {
            true => fate(request.number),
            false => Fate::Well,
        });

        ok(plan_by(&scene, proxy.port, PHOTOS_URL, OUT_URL, options));
        for index in [0, 1] {
            ok(worker_by(&scene, proxy.port, OUT_URL, index));
        }
        ok(scene.petrec_by(proxy.port, &["finalize", OUT_URL]));

        scene.compare_and_remove(&local, what);
    }
}

#[test]
fn a_second_worker_of_a_plan_that_comes_to_its_end_after_finalize_leaves_nothing_or_tells_what_it_did() {
    let Some(scene) = Scene::new() else { return };
    let options = LAYOUTS[0];
    let local = scene.local(options);
    for isa in [None, Some("portable")] {
        let (waiting, is_waiting) = mpsc::channel();
        let go = Arc::new(AtomicBool::new(false));
        let released = Arc::clone(&go);
        ok(plan(&scene, options));
        let proxy = Proxy::start(scene.server.port(), move |request| {
            // From its first write on.
            if request.method == "PUT" && !released.load(Ordering::SeqCst) {
                let _ = waiting.send(());
                while !released.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            }
            Fate::Well
        });
        let mut late = worker_by(&scene, proxy.port, OUT_URL, 0);
        late.envs(isa.map(|isa| ("PETREC_ISA", isa))).stderr(Stdio::piped());
        let late = late.spawn().expect("petrec starts");
        is_waiting.recv().expect("it writes");

        work(&scene);
        finalize(&scene);
        go.store(true, Ordering::SeqCst);
        let late = late.wait_with_output().expect("it ends");

        if isa.is_some() {
            let told = String::from_utf8_lossy(&late.stderr);
            assert!(late.status.code() == Some(1) && told.contains("run 'petrec convert' with the data set"), "{told}");
            ok(scene.convert(PHOTOS, OUT_URL, options));
        } else {
            assert!(late.status.success(), "{late:?}");
        }
        scene.compare_and_remove(&local, &format!("after both, {isa:?}"));
    }
}

/// Two processes were the same worker, and came to different ends: by other instructions, or because one was forbidden a photo. Both
/// wrote down what they did, and the record files of one of them are there.
#[test]
fn of_two_entries_for_one_record_file_that_counts_which_the_file_fits() {
    let Some(scene) = Scene::new() else { return };
    let forbidding = Proxy::start(scene.server.port(), |request| match request.target.contains("chelsea.jpg") {
        true => Fate::Status(403),
        false => Fate::Well,
    });
    let by_isa = |isa: &'static str| {
        let scene = &scene;
        move |index| {
            let mut worker = worker(scene, index);
            worker.env("PETREC_ISA", isa);
            worker
        }
    };
    let forbidden = |index| worker_by(&scene, forbidding.port, OUT_URL, index);
    let allowed = |index| worker(&scene, index);
    type Work<'a> = &'a dyn Fn(u32) -> Command;
    let mut cases: Vec<(_, [Work; 2])> = vec![(LAYOUTS[1], [&allowed, &forbidden])];
    let (portable, avx2) = (by_isa("portable"), by_isa("avx2"));
    if cfg!(target_arch = "x86_64") {
        cases.push((LAYOUTS[0], [&portable, &avx2]));
    }
    for (options, ways) in cases {
        let out = scene.server.path("out");
        let [ours, theirs] = ways.map(|work| {
            ok(plan_by(&scene, scene.server.port(), PHOTOS_URL, OUT_URL, options));
            for index in [0, 1] {
                ok(work(index));
            }
            let written = tree(&out);
            fs::remove_dir_all(&out).expect("removed");
            written
        });
        let is_entry = |name: &&PathBuf| name.starts_with(".petrec-journal-0-of-2");
        let entries = |tree: &Tree| tree.keys().filter(is_entry).cloned().collect::<Vec<_>>();
        assert_ne!(entries(&ours), entries(&theirs), "{options:?}: the two came to the same");

        for (there, other) in [(&ours, &theirs), (&theirs, &ours)] {
            let others = other.iter().filter(|(name, _)| is_entry(name));
            for (name, content) in there.iter().chain(others) {
                fs::create_dir_all(out.join(name).parent().expect("a folder")).expect("made");
                fs::write(out.join(name), content).expect("written");
            }

            finalize(&scene);

            same(&records(tree(&out)), &records(there.clone()), &format!("{options:?}"));
            ok(scene.petrec(&["verify", OUT_URL]));
            fs::remove_dir_all(&out).expect("removed");
        }
    }
}

#[test]
fn a_plan_is_uploaded_in_parts_and_read_in_pieces() {
    let Some(scene) = Scene::new() else { return };
    // Names that have nothing in common, and as long as a name can be: the plan has more than 8 MiB.
    let mut state = 1_u64;
    for number in 0..44_000 {
        let mut name = format!("{number}-");
        while name.len() < 200 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            name += &format!("{state:016x}");
        }
        fs::write(scene.path(PHOTOS).join("Cat").join(name + ".jpg"), "").expect("written");
    }
    let options: &[&str] = &["--pool", "avg", "--shards", "300"];
    let (asked, requests) = mpsc::channel();
    let proxy = Proxy::start(scene.server.port(), move |request| {
        if request.target.contains(".petrec-plan") {
            let _ = asked.send(request.method.clone());
        }
        Fate::Well
    });
    let count = |method: &str| requests.try_iter().filter(|asked| asked == method).count();

    ok(plan_by(&scene, proxy.port, PHOTOS, OUT_URL, options));
    let puts = count("PUT");
    for index in [0, 1] {
        ok(worker_by(&scene, proxy.port, OUT_URL, index));
    }
    let gets = count("GET");
    finalize(&scene);

    assert!(fs::metadata(scene.server.path("out/.petrec-plan")).is_err() && puts == 2, "{puts} parts");
    assert!((2 * 11..150).contains(&gets), "{gets} reads of two workers with 150 parts each in 9 MiB");
    scene.compare_and_remove(&scene.local(options), "a large plan");
}

#[test]
fn what_does_not_fit_a_plan_is_refused_in_one_line() {
    let Some(scene) = Scene::new() else { return };
    let options = LAYOUTS[0];
    let local = scene.local(options);
    let other: &[&str] = &["--pool", "avg", "--shards", "2"];
    refused(worker(&scene, 0), 1, &[OUT_URL, "there is no plan"]);
    ok(plan(&scene, options));

    refused(plan(&scene, other), 1, &[OUT_URL, "a plan", "record-files was 4 and is 2"]);
    refused(scene.convert(PHOTOS, OUT_URL, options), 1, &[OUT_URL, "--plan"]);
    refused(scene.petrec(&["finalize", OUT_URL]), 1, &["4 of 4 record files missing"]);
    ok(worker(&scene, 1));
    let mut third = scene.petrec(&["convert", "--quiet", "--plan", OUT_URL, "--shard-count", "3"]);
    third.args(["--shard-index", "0"]);
    refused(third, 1, &[OUT_URL, "worker 0 of 3"]);
    refused(
        scene.petrec(&["finalize", OUT_URL]),
        1,
        &["worker 0 of 2 lacks 2 files from photos-00000-of-00004.tfrecord on"],
    );
    ok(worker(&scene, 0));
    let path = |file: &str| scene.server.path("out").join(file);
    fs::write(path("photos-00003-of-00004.tfrecord"), b"something else").expect("written");
    refused(scene.petrec(&["finalize", OUT_URL]), 1, &["worker 1 of 2 lacks photos-00003-of-00004.tfrecord"]);
    ok(worker(&scene, 1));
    fs::write(path("more.tfrecord"), b"").expect("written");
    refused(scene.petrec(&["finalize", OUT_URL]), 1, &["holds more.tfrecord"]);
    fs::remove_file(path("more.tfrecord")).expect("removed");
    finalize(&scene);
    scene.compare(&local, "in the end");

    // Lost since.
    fs::remove_file(path("photos-00001-of-00004.tfrecord")).expect("there");
    refused(worker(&scene, 1), 1, &[OUT_URL, "missing or damaged"]);
    ok(scene.convert(PHOTOS, OUT_URL, options));
    scene.compare_and_remove(&local, "repaired");
}

#[test]
fn a_damaged_plan_is_written_anew_and_another_is_removed_when_that_is_wanted() {
    let Some(scene) = Scene::new() else { return };
    let (options, other): (_, &[&str]) = (LAYOUTS[0], &["--pool", "avg", "--shards", "2"]);
    ok(plan(&scene, options));
    ok(worker(&scene, 0));
    let whole = fs::read(scene.server.path(PLAN)).expect("a plan");
    for at in [0, 20, 500, whole.len() / 2, whole.len() - 60, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(scene.server.path(PLAN), bytes).expect("written");

        refused(scene.petrec(&["finalize", OUT_URL]), 1, &[OUT_URL, "the plan is damaged"]);
        ok(plan(&scene, options));
        assert!(fs::read(scene.server.path(PLAN)).expect("a plan") == whole, "at {at}");
    }
    fs::write(scene.server.path(PLAN), &whole[..whole.len() - 3]).expect("written");
    refused(worker(&scene, 1), 1, &[OUT_URL, "the plan is damaged"]);

    ok(plan(&scene, &[other, &["--restart"]].concat()));
    ok(follow(&scene));
    scene.compare(&scene.local(other), "planned anew");
    ok(plan(&scene, &[options, &["--restart"]].concat()));
    ok(worker(&scene, 0));
    ok(scene.convert(PHOTOS, OUT_URL, &[other, &["--restart"]].concat()));
    scene.compare_and_remove(&scene.local(other), "converted anew");
}
