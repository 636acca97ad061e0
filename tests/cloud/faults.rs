//! A store that fails, and a network that does.

use std::fs;
use std::process::Stdio;
use std::sync::mpsc;

use super::proxy::{Fate, Proxy};
use super::scene::{OUT_URL, PHOTOS, PHOTOS_URL, Scene, ok, records, refused, repository, same, tree};
use super::writing::LAYOUTS;

/// What it is called, and what becomes of a request of this number.
type Failure = (&'static str, fn(usize) -> Fate);

pub(crate) const FATES: [Failure; 6] = [
    ("500", |_| Fate::Status(500)),
    ("503", |_| Fate::Status(503)),
    ("reset", |_| Fate::Reset),
    ("answer lost", |_| Fate::Lost),
    ("answer cut short", |number| Fate::CutAfter(if number % 2 == 0 { 3_000 } else { 40 })),
    ("30 % late", |_| Fate::Late(80)),
];

/// Whether the request of this number is one of so many in a hundred, the same in each run.
pub(crate) fn is_one_of(percent: usize, number: usize) -> bool {
    (number.wrapping_mul(0x9e37_79b9) >> 7) % 100 < percent
}

#[test]
fn whatever_fails_now_and_then_the_objects_are_those_of_a_local_run() {
    let Some(scene) = Scene::new() else { return };
    for (what, fate) in FATES {
        let proxy = Proxy::start(scene.server.port(), move |request| match is_one_of(30, request.number) {
            true => fate(request.number),
            false => Fate::Well,
        });

        for index in [0, 1] {
            ok(scene.work_by(proxy.port, index, OUT_URL, LAYOUTS[0]));
        }
        ok(scene.petrec_by(proxy.port, &["finalize", OUT_URL]));
        scene.compare_and_remove(&scene.local(LAYOUTS[0]), &format!("{what}, workers"));
        ok(scene.convert_by(proxy.port, PHOTOS, OUT_URL, LAYOUTS[1]));
        scene.compare_and_remove(&scene.local(LAYOUTS[1]), &format!("{what}, a file for each image"));
        ok(scene.petrec_by(proxy.port, &["validate", "--quiet", PHOTOS_URL]));
        assert!(proxy.requests() > 100, "{}", proxy.requests());
    }
}

#[test]
fn no_photo_is_lost_to_a_body_that_is_cut_short() {
    let Some(scene) = Scene::new() else { return };
    let proxy =
        Proxy::start(scene.server.port(), |request| match request.target.contains(".jpg") && request.number % 3 == 0 {
            true => Fate::CutAfter(5_000),
            false => Fate::Well,
        });
    let local = records(scene.local(LAYOUTS[0]));

    ok(scene.convert_by(proxy.port, PHOTOS_URL, "out", LAYOUTS[0]));

    same(&records(tree(&scene.path("out"))), &local, "cut short");
}

/// So many photos that their records are uploaded in parts.
fn many(scene: &Scene) {
    let photo = fs::read(repository("examples/photos/Cat/chelsea.jpg")).expect("a photo");
    for number in 0..40 {
        scene.add(&format!("Cat/many-{number}.jpg"), &photo);
    }
}

#[test]
fn an_upload_that_fails_half_way_is_given_up_and_its_parts_with_it() {
    let Some(scene) = Scene::new() else { return };
    many(&scene);
    let local = scene.local(&[]);
    let (given_up, is_given_up) = mpsc::channel();
    let proxy = Proxy::start(scene.server.port(), move |request| {
        if request.method == "DELETE" && request.target.contains("uploadId=") {
            let _ = given_up.send(());
        }
        if request.target.contains("partNumber=2") { Fate::Status(503) } else { Fate::Well }
    });
    let mut command = scene.convert_by(proxy.port, PHOTOS, OUT_URL, &[]);
    command.env("PETREC_STORE_PATIENCE", "1");

    refused(command, 1, &["photos-00000-of-00001.tfrecord: cannot be written", "does not answer"]);

    assert!(is_given_up.try_recv().is_ok() && !scene.server.path("out/photos-00000-of-00001.tfrecord").exists());
    ok(scene.convert(PHOTOS, OUT_URL, &[]));
    scene.compare_and_remove(&local, "after the failure");
}

#[test]
fn a_run_killed_between_the_last_part_and_the_end_of_an_upload_leaves_no_record_file() {
    let Some(scene) = Scene::new() else { return };
    many(&scene);
    let local = scene.local(&[]);
    let (waiting, is_waiting) = mpsc::channel();
    let proxy = Proxy::start(scene.server.port(), move |request| {
        match request.method == "POST" && request.target.contains("uploadId=") {
            true => {
                let _ = waiting.send(());
                Fate::Silence
            }
            false => Fate::Well,
        }
    });
    let mut killed =
        scene.convert_by(proxy.port, PHOTOS, OUT_URL, &[]).stderr(Stdio::null()).spawn().expect("petrec starts");
    is_waiting.recv().expect("it comes to the end of an upload");
    killed.kill().expect("killed");
    killed.wait().expect("it ends");
    assert!(!scene.server.path("out/photos-00000-of-00001.tfrecord").exists());

    ok(scene.convert(PHOTOS, OUT_URL, &[]));

    scene.compare_and_remove(&local, "after the kill");
}

#[test]
fn a_photo_that_is_gone_or_forbidden_is_rejected_by_name_and_no_other() {
    let Some(scene) = Scene::new() else { return };
    let path = scene.server.path("photos/Cat/chelsea.jpg");
    let proxy = Proxy::start(scene.server.port(), move |request| {
        if request.target.contains("chelsea.jpg") {
            let _ = fs::remove_file(&path); // after it was listed
        }
        if request.target.contains("chelsea-eyes.jpg") { Fate::Status(403) } else { Fate::Well }
    });

    let mut command = scene.petrec_by(proxy.port, &["convert", "--model", "efficientnet-lite0", PHOTOS_URL, "out"]);
    let output = command.output().expect("petrec starts");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();

    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("Cat/chelsea.jpg: the file cannot be read: there is no such object (E_UNREADABLE)"),
        "{told}"
    );
    assert!(told.contains("Cat/chelsea-eyes.jpg: the file cannot be read: access denied (403"), "{told}");
    assert_eq!(told.matches("E_UNREADABLE").count(), 2, "{told}");
}

#[test]
fn a_store_that_goes_away_stops_the_run_which_is_gone_on_with() {
    let Some(scene) = Scene::new() else { return };
    let options = LAYOUTS[0];
    let local = scene.local(options);
    for (fate, after) in [(Fate::Status(503), 12), (Fate::Silence, 14), (Fate::Reset, 9)] {
        let proxy = Proxy::start(scene.server.port(), move |request| match request.number < after {
            true => Fate::Well,
            false => fate,
        });
        let mut command = scene.convert_by(proxy.port, PHOTOS, OUT_URL, options);
        command.env("PETREC_STORE_PATIENCE", "1");

        refused(command, 1, &["does not answer"]);

        ok(scene.convert(PHOTOS, OUT_URL, options));
        scene.compare_and_remove(&local, &format!("{fate:?}"));
    }
}

#[test]
fn photos_of_a_store_that_goes_away_are_not_left_out() {
    let Some(scene) = Scene::new() else { return };
    let proxy = Proxy::start(scene.server.port(), |request| match request.target.contains("Coffee/") {
        true => Fate::Status(503),
        false => Fate::Well,
    });
    let mut command = scene.convert_by(proxy.port, PHOTOS_URL, "out", LAYOUTS[0]);
    command.env("PETREC_STORE_PATIENCE", "1");

    refused(command, 1, &[&format!("{PHOTOS_URL}/Coffee/"), "does not answer"]);

    let mut validate = scene.petrec_by(proxy.port, &["validate", PHOTOS_URL]);
    let output = validate.env("PETREC_STORE_PATIENCE", "1").output().expect("petrec starts");
    assert!(String::from_utf8_lossy(&output.stdout).contains("E_UNREACHABLE         8"), "{output:?}");
}
