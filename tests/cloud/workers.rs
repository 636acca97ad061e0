//! Workers that share a conversion whose records go to a store.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use super::proxy::{Fate, Proxy};
use super::scene::{OUT_URL, Scene, ok, refused};
use super::writing::LAYOUTS;

fn finalize(scene: &Scene) {
    ok(scene.petrec(&["finalize", OUT_URL]));
}

#[test]
fn workers_write_what_one_run_writes_even_two_on_the_same_share_at_once() {
    let Some(scene) = Scene::new() else { return };
    for options in LAYOUTS.into_iter().chain([&["--tfds", "photos:1.0.0", "--shards", "5"][..]]) {
        let local = scene.local(options);
        let work = |index| scene.work_by(scene.server.port(), index, OUT_URL, options);

        let workers: Vec<_> = [0, 1, 0, 1].map(|index| work(index).spawn().expect("petrec starts")).into();
        for mut worker in workers {
            assert!(worker.wait().expect("it ends").success());
        }
        finalize(&scene);
        scene.compare(&local, &format!("{options:?}"));
        // Both find their share done.
        ok(work(1));
        finalize(&scene);
        scene.compare_and_remove(&local, &format!("{options:?}, again"));
    }
}

#[test]
fn a_worker_or_finalize_that_dies_at_any_step_is_started_again() {
    let Some(scene) = Scene::new() else { return };
    for options in LAYOUTS {
        let work = |index| scene.work_by(scene.server.port(), index, OUT_URL, options);
        scene.die_at_each_step(("a worker", options), 5, &|| {}, &|| work(0), &|_| {
            for index in [1, 0] {
                ok(work(index));
            }
            finalize(&scene);
        });
        let worked = || drop([0, 1].map(|index| ok(work(index))));
        let finalized = || scene.petrec(&["finalize", OUT_URL]);
        scene.die_at_each_step(("finalize", options), 5, &worked, &finalized, &|step| {
            if step % 2 == 0 {
                ok(work(1));
            }
            finalize(&scene);
        });
    }
}

#[test]
fn finalize_says_what_is_missing_damaged_or_foreign() {
    let Some(scene) = Scene::new() else { return };
    let options = LAYOUTS[0];
    let local = scene.local(options);
    let work = |index| scene.work_by(scene.server.port(), index, OUT_URL, options);
    let path = |file: &str| scene.server.path("out").join(file);

    refused(scene.petrec(&["finalize", OUT_URL]), 1, &[OUT_URL, "no conversion was begun"]);
    ok(work(1));
    refused(
        scene.petrec(&["finalize", OUT_URL]),
        1,
        &["worker 0 of 2 lacks 2 files from photos-00000-of-00004.tfrecord on"],
    );
    ok(work(0));
    fs::write(path("photos-00003-of-00004.tfrecord"), b"something else").expect("written");
    refused(scene.petrec(&["finalize", OUT_URL]), 1, &["worker 1 of 2 lacks photos-00003-of-00004.tfrecord"]);
    ok(work(1));
    fs::write(path("more.tfrecord"), b"").expect("written");
    refused(scene.petrec(&["finalize", OUT_URL]), 1, &["holds more.tfrecord"]);
    fs::remove_file(path("more.tfrecord")).expect("removed");
    finalize(&scene);
    scene.compare_and_remove(&local, "in the end");
}

#[test]
fn a_second_worker_that_comes_to_its_end_after_finalize_leaves_nothing() {
    let Some(scene) = Scene::new() else { return };
    let options = LAYOUTS[0];
    let local = scene.local(options);
    let (waiting, is_waiting) = mpsc::channel();
    let go = Arc::new(AtomicBool::new(false));
    let released = Arc::clone(&go);
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
    let mut late = scene.work_by(proxy.port, 0, OUT_URL, options).spawn().expect("petrec starts");
    is_waiting.recv().expect("it writes");

    for index in [0, 1] {
        ok(scene.work_by(scene.server.port(), index, OUT_URL, options));
    }
    finalize(&scene);
    go.store(true, Ordering::SeqCst);

    assert!(late.wait().expect("it ends").success());
    scene.compare_and_remove(&local, "after both");
}
