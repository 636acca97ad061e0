//! Photos in a store that change, vanish or have odd names, and the user's credentials.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use super::proxy::{Fate, Proxy};
use super::scene::{OUT_URL, PHOTOS, PHOTOS_URL, Scene, ok, records, refused, repository, same, tree};
use super::writing::LAYOUTS;

fn set_modified(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("set");
}

fn photo() -> Vec<u8> {
    fs::read(repository("examples/photos/Cat/chelsea.jpg")).expect("a photo")
}

#[test]
fn a_name_that_no_path_can_hold_costs_no_other_photo() {
    let Some(scene) = Scene::new() else { return };
    let local = scene.local_of_url(LAYOUTS[0]);
    // The server keeps objects in files: of such names it can have those with a control character.
    fs::write(scene.server.path("photos/Cat/two\nlines.jpg"), photo()).expect("written");

    ok(scene.convert(PHOTOS_URL, "out", LAYOUTS[0]));
    let output = scene.petrec(&["validate", PHOTOS_URL]).output().expect("petrec starts");

    // The report names what was skipped.
    same(&records(tree(&scene.path("out"))), &records(local), "beside an odd name");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let words = format!("1 object skipped ({PHOTOS_URL}/Cat/two\\nlines.jpg)");
    assert!(said.contains(&words) && said.contains("hint: copy it to another name"), "{said}");
}

#[test]
fn another_photo_than_was_planned_stops_the_run_whatever_it_is() {
    let Some(scene) = Scene::new() else { return };
    let path = scene.server.path("photos/Cat/chelsea.jpg");
    let then = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("there");
    let (longer, same_length) = ([&photo()[..], b"more"].concat(), photo());
    for content in [&b"no photo"[..], &longer, &same_length] {
        ok(scene.petrec(&["plan", "--quiet", "--model", "efficientnet-lite0", PHOTOS_URL, "out"]));
        fs::write(&path, content).expect("written");
        // A store may round a second away.
        set_modified(&path, then + Duration::from_secs(5));

        let line =
            refused(scene.petrec(&["convert", "--quiet", "--plan", "out"]), 1, &["was changed since it was planned"]);

        assert!(line.contains(&format!("{PHOTOS_URL}/Cat/chelsea.jpg")), "{line}");
        fs::remove_dir_all(scene.path("out")).expect("removed");
        fs::write(&path, photo()).expect("written");
        set_modified(&path, then);
    }
}

#[test]
fn a_photo_that_is_replaced_in_mid_run_stops_it() {
    let Some(scene) = Scene::new() else { return };
    let path = scene.server.path("photos/Coffee/coffee.jpg");
    let proxy = Proxy::start(scene.server.port(), move |request| {
        if request.target.contains("Coffee/coffee.jpg") {
            fs::write(&path, photo()).expect("written"); // after it was listed
        }
        Fate::Well
    });

    let command = scene.convert_by(proxy.port, PHOTOS_URL, "out", LAYOUTS[0]);

    refused(command, 1, &["Coffee/coffee.jpg", "the data set changed while it was read"]);
}

#[test]
fn credentials_that_end_in_mid_run_reject_no_photo() {
    let Some(scene) = Scene::new() else { return };
    let local = scene.local_of_url(LAYOUTS[0]);
    // The first requests list the data set.
    let proxy = Proxy::start(scene.server.port(), |request| match request.number < 12 {
        true => Fate::Well,
        false => Fate::Status(403),
    });

    refused(
        scene.convert_by(proxy.port, PHOTOS_URL, "out", LAYOUTS[0]),
        1,
        &["access denied (403", "can be listed any more", "hint: "],
    );

    ok(scene.convert(PHOTOS_URL, "out", LAYOUTS[0]));
    let mut ours = tree(&scene.path("out"));
    ours.remove(&PathBuf::from("report.html"));
    same(&ours, &local, "gone on with");
}

#[test]
fn a_bucket_that_is_emptied_in_mid_run_rejects_no_photo() {
    let Some(scene) = Scene::new() else { return };
    let path = scene.server.path(PHOTOS);
    let proxy = Proxy::start(scene.server.port(), move |request| {
        if request.number > 11 {
            let _ = fs::remove_dir_all(&path);
        }
        Fate::Well
    });

    refused(scene.convert_by(proxy.port, PHOTOS_URL, "out", LAYOUTS[0]), 1, &["can be listed any more", "hint: "]);
}

#[cfg(unix)]
#[test]
fn what_waits_for_its_upload_is_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt;

    let Some(scene) = Scene::new() else { return };
    let waiting_room = scene.path("waiting");
    fs::create_dir(&waiting_room).expect("made");
    let (seen, modes) = mpsc::channel();
    let room = waiting_room.clone();
    let proxy = Proxy::start(scene.server.port(), move |request| {
        if request.method == "PUT" {
            for file in fs::read_dir(&room).into_iter().flatten().flatten() {
                let _ = file.metadata().map(|metadata| seen.send(metadata.permissions().mode() & 0o777));
            }
        }
        Fate::Well
    });

    let mut command = scene.convert_by(proxy.port, PHOTOS, OUT_URL, LAYOUTS[0]);
    command.env("TMPDIR", &waiting_room);
    ok(command);

    let modes: Vec<_> = modes.try_iter().collect();
    assert!(!modes.is_empty() && modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
}

#[test]
fn a_report_of_somebody_else_has_nothing_fetched_with_our_credentials() {
    let Some(scene) = Scene::new() else { return };
    ok(scene.convert(PHOTOS_URL, "out", &[]));
    let path = scene.path("out/petrec-report.json");
    let report = fs::read_to_string(&path).expect("a report");
    fs::create_dir_all(scene.server.path("secret")).expect("made");
    fs::write(scene.server.path("secret/chelsea.jpg"), photo()).expect("written");
    let theirs = format!("{PHOTOS_URL}/Cat/chelsea.jpg");
    assert!(report.contains(&theirs));
    fs::write(&path, report.replace(&theirs, "s3://bucket/secret/chelsea.jpg")).expect("written");
    let (asked, is_asked) = mpsc::channel();
    let proxy = Proxy::start(scene.server.port(), move |request| {
        let _ = asked.send(request.target.clone());
        Fate::Well
    });

    let output =
        scene.petrec_by(proxy.port, &["report", "out", "--photos", PHOTOS_URL]).output().expect("petrec starts");

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asked: Vec<_> = is_asked.try_iter().collect();
    assert!(asked.iter().any(|target| target.contains("photos/Coffee/")), "{asked:?}");
    assert!(!asked.iter().any(|target| target.contains("secret")), "{asked:?}");
}
