//! Data sets in a store.

use std::fs;
use std::path::Path;

use super::proxy::{Fate, Proxy};
use super::scene::{OUT_URL, PHOTOS, PHOTOS_URL, Scene, ok, refused, repository, same, tree};

/// What is said of a data set, without the name of the folder that it lies in.
fn validated(scene: &Scene, root: &str, options: &[&str]) -> String {
    let json = ok({
        let mut command = scene.petrec(&["validate", "--json", "--quiet", root]);
        command.args(options);
        command
    });
    json.replace(&format!("{root}/"), "ROOT/").replace(&format!("{root}\""), "ROOT\"")
}

#[test]
fn a_data_set_in_a_store_is_judged_as_the_folder_is() {
    let Some(scene) = Scene::new() else { return };
    let photo = fs::read(repository("examples/photos/Cat/chelsea.jpg")).expect("a photo");
    for name in ["Cat/a b#?%20+&é.jpg", "Cat/UPPER.JPG", "Coffee/.hidden.jpg", ".secret/1.jpg", "Cat/notes.txt"] {
        scene.add(name, &photo);
    }
    for name in ["beside.jpg", "readme.md", "Cat/further/down.jpg", "Cat/further/more/down.jpg"] {
        scene.add(name, &photo);
    }
    fs::write(scene.server.path("photos/Cat/last.jpg"), b"").expect("written");
    fs::write(scene.path("photos/Cat/last.jpg"), b"").expect("written");

    for options in [&[][..], &["--classes", "Coffee,Cat"], &["--ext", "any"], &["--recursive"], &["--classes", "Cat"]] {
        assert_eq!(validated(&scene, PHOTOS_URL, options), validated(&scene, PHOTOS, options), "{options:?}");
    }
    let (url, path) = (format!("{PHOTOS_URL}/Cat"), format!("{PHOTOS}/Cat/chelsea.jpg"));
    assert!(ok(scene.petrec(&["validate", &url])).contains("accepted"));
    assert!(ok(scene.petrec(&["validate", &format!("s3://bucket/{path}")])).contains("1 file: 1 accepted"));
}

#[test]
fn a_class_of_several_pages_is_read_in_order() {
    let Some(scene) = Scene::new() else { return };
    for number in 0..2_500 {
        scene.add(&format!("Cat/{number}.jpg"), b"no photo");
    }

    assert_eq!(validated(&scene, PHOTOS_URL, &[]), validated(&scene, PHOTOS, &[]));
}

#[test]
fn records_of_a_data_set_in_a_store_are_those_of_the_folder() {
    let Some(scene) = Scene::new() else { return };
    for options in [
        &["--shards", "3", "--index", "--with", "path,class,image"][..],
        &["--split", "train=0.7,test=0.3", "--shuffle", "--tfds", "photos:1.0.0"],
        &["--layout", "per-image", "--pool", "avg"],
    ] {
        let local = scene.local_of_url(options);

        ok(scene.convert(PHOTOS_URL, "out", options));

        let mut ours = tree(&scene.path("out"));
        assert!(ours.remove(Path::new("report.html")).is_some(), "no page");
        same(&ours, &local, &format!("{options:?}"));
        fs::remove_dir_all(scene.path("out")).expect("removed");
    }
}

#[test]
fn what_cannot_be_listed_is_told_in_one_line() {
    let Some(scene) = Scene::new() else { return };
    let convert = |from: &str| scene.convert(from, "out", &[]);

    refused(convert("s3://bucket/phtoos"), 1, &["s3://bucket/phtoos: no such file or folder"]);
    refused(convert("s3://phtoos/photos"), 1, &["s3://phtoos/photos: no such file or folder"]);
    refused(convert("s3://bucket"), 1, &["no photos in s3://bucket", "name s3://bucket/photos"]);
    let mut stranger = convert(PHOTOS_URL);
    stranger.env("AWS_SECRET_ACCESS_KEY", "another");
    refused(stranger, 1, &[PHOTOS_URL, "access denied", "403", "check the credentials"]);
    // No WebDAV.
    let http = format!("http://127.0.0.1:{}/photos", scene.server.port());
    let mut listed = convert(&http);
    listed.env("PETREC_STORE_PATIENCE", "1");
    refused(listed, 1, &[&http]);
    // Nobody listens there.
    let mut nobody = scene.convert_by(9, PHOTOS_URL, "out", &[]);
    nobody.env("PETREC_STORE_PATIENCE", "1");
    refused(nobody, 1, &[PHOTOS_URL, "does not answer", "check the endpoint"]);
    let moved = scene.petrec(&["validate", PHOTOS_URL, "--quarantine", "bad"]);
    refused(moved, 1, &["--quarantine", PHOTOS_URL]);
    assert!(!scene.path("out").exists() && !scene.path("bad").exists());
}

#[test]
fn nothing_is_written_by_a_dry_run_and_little_is_read() {
    let Some(scene) = Scene::new() else { return };
    let proxy = Proxy::start(scene.server.port(), |request| match request.method.as_str() {
        "GET" | "HEAD" => Fate::Well,
        _ => Fate::Status(403),
    });

    let told = ok(scene.convert_by(proxy.port, PHOTOS_URL, OUT_URL, &["--dry-run", "--shards", "3"]));

    assert!(told.contains("photos-00002-of-00003.tfrecord") && told.contains("nothing was written"), "{told}");
}
