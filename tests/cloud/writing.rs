//! Records that go to a store.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::proxy::{Fate, Proxy};
use super::scene::{OUT_URL, PHOTOS, PHOTOS_URL, Scene, ok, refused, repository};

/// Small records in files, and a file for each image.
pub(crate) const LAYOUTS: [&[&str]; 2] =
    [&["--pool", "avg", "--shards", "4", "--index"], &["--pool", "avg", "--layout", "per-image"]];

#[test]
fn objects_are_the_files_of_a_local_run() {
    let Some(scene) = Scene::new() else { return };
    for options in [
        &["--shards", "3", "--index", "--with", "path,class,image", "--verify"][..],
        &["--split", "train=0.7,test=0.3", "--shuffle", "--tfds", "photos:1.0.0"],
        &["--compression", "gzip"],
        &["--layout", "per-image"],
    ] {
        let local = scene.local(options);
        ok(scene.convert(PHOTOS, OUT_URL, options));
        scene.compare(&local, &format!("{options:?}"));

        ok(scene.convert(PHOTOS, OUT_URL, options));
        scene.compare_and_remove(&local, &format!("{options:?}, once more"));
    }
}

#[test]
fn a_large_record_file_is_uploaded_in_parts() {
    let Some(scene) = Scene::new() else { return };
    let photo = fs::read(repository("examples/photos/Cat/chelsea.jpg")).expect("a photo");
    for number in 0..60 {
        scene.add(&format!("Cat/many-{number}.jpg"), &photo);
    }
    let parts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&parts);
    let proxy = Proxy::start(scene.server.port(), move |request| {
        counter.fetch_add(usize::from(request.target.contains("partNumber=")), Ordering::SeqCst);
        Fate::Well
    });
    let local = scene.local(&[]);

    ok(scene.convert_by(proxy.port, PHOTOS_URL, "kept", &[]));
    ok(scene.convert_by(proxy.port, PHOTOS, OUT_URL, &[]));

    assert!(parts.load(Ordering::SeqCst) >= 2, "{} parts", parts.load(Ordering::SeqCst));
    scene.compare_and_remove(&local, "in parts");
}

#[test]
fn a_run_that_dies_at_any_step_is_gone_on_with() {
    let Some(scene) = Scene::new() else { return };
    for options in LAYOUTS {
        let convert = || scene.convert(PHOTOS, OUT_URL, options);
        scene.die_at_each_step(("a run", options), 10, &|| {}, &convert, &|_| drop(ok(convert())));
        ok(convert());
        scene.compare_and_remove(&scene.local(options), "undisturbed");
    }
}

#[test]
fn a_repair_that_dies_at_any_step_is_gone_on_with() {
    let Some(scene) = Scene::new() else { return };
    let options = LAYOUTS[0];
    let convert = || scene.convert(PHOTOS, OUT_URL, options);
    let damage = || {
        ok(convert());
        fs::remove_file(scene.server.path("out/photos-00001-of-00004.tfrecord")).expect("there");
    };
    scene.die_at_each_step(("a repair", options), 5, &damage, &convert, &|_| drop(ok(convert())));
}

#[test]
fn another_conversion_is_refused_and_removed_when_that_is_wanted() {
    let Some(scene) = Scene::new() else { return };
    let other: &[&str] = &["--pool", "avg", "--shards", "2"];
    let (ours, theirs) = (scene.local(LAYOUTS[0]), scene.local(other));
    ok(scene.work_by(scene.server.port(), 0, OUT_URL, LAYOUTS[0]));

    refused(
        scene.convert(PHOTOS, OUT_URL, other),
        1,
        &[OUT_URL, "an unfinished conversion", "record-files was 4 and is 2"],
    );
    refused(scene.petrec(&["finalize", OUT_URL]), 1, &[OUT_URL, "missing or damaged"]);
    ok(scene.convert(PHOTOS, OUT_URL, LAYOUTS[0]));
    scene.compare(&ours, "gone on with");
    refused(scene.convert(PHOTOS, OUT_URL, other), 1, &[OUT_URL, "a finished conversion"]);
    ok(scene.convert(PHOTOS, OUT_URL, &[other, &["--restart"]].concat()));
    scene.compare_and_remove(&theirs, "started anew");

    let stranger = scene.server.path("out/holiday.txt");
    fs::create_dir_all(stranger.parent().expect("a folder")).expect("made");
    fs::write(&stranger, "mine").expect("written");
    refused(scene.convert(PHOTOS, OUT_URL, &[]), 1, &[OUT_URL, "is not empty", "holiday.txt"]);
    assert_eq!(fs::read(&stranger).expect("there"), b"mine");
    refused(scene.convert(PHOTOS_URL, "s3://bucket/photos/Cat/out", &[]), 1, &["inside the data set"]);
    refused(scene.convert(PHOTOS, "https://127.0.0.1:9/out", &[]), 1, &["https://127.0.0.1:9/out"]);
}

#[test]
fn records_in_a_store_are_read_as_those_in_a_folder_are() {
    let Some(scene) = Scene::new() else { return };
    let options: &[&str] = &["--shards", "3", "--with", "path", "--compression", "gzip"];
    ok(scene.convert(PHOTOS, OUT_URL, options));
    ok(scene.convert(PHOTOS, "out", options));

    for command in [&["inspect", "--record", "7"][..], &["verify"]] {
        let of = |out: &str| ok(scene.petrec(&[command, &[out]].concat())).replace(OUT_URL, "out");
        assert_eq!(of(OUT_URL), of("out"), "{command:?}");
    }
    fs::remove_file(scene.path("out/report.html")).expect("a page");
    let lines = |out: &str| ok(scene.petrec(&["probe", out])).lines().filter(|line| !line.contains(" s")).count();
    assert_eq!(lines(OUT_URL), lines("out"));
    ok(scene.petrec(&["report", OUT_URL]));
    ok(scene.petrec(&["report", "out"]));
    let pages = [scene.server.path("out/report.html"), scene.path("out/report.html")]
        .map(|page| fs::read(page).expect("a page"));
    assert!(pages[0] == pages[1]);
}

#[test]
fn damage_in_a_store_is_found_salvaged_and_repaired() {
    let Some(scene) = Scene::new() else { return };
    let local = scene.local(LAYOUTS[0]);
    ok(scene.convert(PHOTOS, OUT_URL, LAYOUTS[0]));
    let name = "photos-00002-of-00004.tfrecord";
    let path = scene.server.path("out").join(name);
    let mut bytes = fs::read(&path).expect("there");
    bytes[100] ^= 4;
    fs::write(&path, bytes).expect("written");

    let mut verify = scene.petrec(&["verify", OUT_URL, "--salvage", "s3://bucket/saved"]);
    let output = verify.output().expect("petrec starts");
    let told = String::from_utf8_lossy(&output.stderr);

    assert_eq!(output.status.code(), Some(4));
    assert!(told.contains(&format!("{OUT_URL}/{name}: record 0 (from byte 0)")), "{told}");
    ok(scene.petrec(&["verify", "s3://bucket/saved"]));
    refused(scene.petrec(&["finalize", OUT_URL]), 1, &[OUT_URL, "missing or damaged"]);
    ok(scene.convert(PHOTOS, OUT_URL, LAYOUTS[0]));
    scene.compare(&local, "repaired");
    assert!(scene.server.path("saved").join(name).exists() && !Path::new("s3:").exists());
}
