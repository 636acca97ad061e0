//! `petrec report`, and the page that `validate --report FILE.html` writes: what is in the file. How it behaves in a browser is
//! looked at by tests/reference/check_page.py.

use std::fs;
use std::path::Path;

use petrec::features::{Sample, Table};
use serde_json::Value;

use super::{convert_photos, data_set, names, petrec, repository, temporary};

fn report(out: &Path, more: &[&str]) -> super::Run {
    let fixed = ["report".as_ref(), out.as_os_str()];
    petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

fn page(out: &Path) -> String {
    fs::read_to_string(out.join("report.html")).expect("a page")
}

/// What the page's script reads.
fn data(page: &str) -> Value {
    let data = page.split_once("type=\"application/json\">").and_then(|(_, rest)| rest.split_once("</script>"));
    serde_json::from_str(data.expect("data").0).expect("JSON")
}

/// Nothing in a page may be a script but its own, and nothing may lead out of it.
#[track_caller]
fn assert_closed(page: &str) {
    let lower = page.to_lowercase();
    assert_eq!((lower.matches("<script").count(), lower.matches("</script").count()), (2, 2));
    assert_eq!((lower.matches("<style").count(), lower.matches("</style").count()), (1, 1));
    assert!(!lower.contains("http:") && !lower.contains("https:") && !lower.contains("url("));
    assert!(page.contains("default-src 'none'; img-src data:; style-src 'sha256-"));
}

#[test]
fn a_page_shows_the_example_photos() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg"]).ok();

    let run = report(out.path(), &[]).ok();

    let page = page(out.path());
    assert_closed(&page);
    assert!(run.stdout.starts_with("records   12 of 12\n"), "{}", run.stdout);
    assert!(run.stdout.contains("report.html"), "{}", run.stdout);
    let object: Value = serde_json::from_str(&report(out.path(), &["--json"]).ok().stdout).expect("JSON");
    assert_eq!((&object["records"], &object["read"], &object["thumbnails"]), (&12.into(), &12.into(), &12.into()));
    assert_eq!(object["bytes"], page.len());
    for words in ["<h1>photos</h1>", "efficientnet-lite0", "E_TRUNCATED", "Cat/666.jpg", "Near-duplicates", "Coffee"] {
        assert!(page.contains(words), "{words}");
    }
    let data = data(&page);
    let points = data["points"].as_array().expect("points");
    assert_eq!((points.len(), &data["classes"]), (12, &serde_json::json!(["Cat", "Coffee"])));
    for point in points {
        assert!(repository(point["p"].as_str().expect("a path")).is_file(), "{point}");
        assert!(point["t"].as_str().is_some_and(|jpeg| jpeg.starts_with("/9j/")), "{point}");
        assert!((0.0..=800.0).contains(&point["x"].as_f64().expect("a place")), "{point}");
    }
}

#[test]
fn the_page_depends_neither_on_threads_nor_on_compression() {
    let pages = [&["--pool", "avg"][..], &["--pool", "avg", "--compression", "gzip", "--shards", "3"]].map(|options| {
        let out = temporary();
        convert_photos(out.path(), options).ok();
        report(out.path(), &["--threads", "1"]).ok();
        let single = page(out.path());
        report(out.path(), &["--threads", "5", "--all"]).ok();
        assert!(single == page(out.path()), "{options:?}");
        single
    });

    let [plain, gzip] = pages.map(|page| data(&page));
    assert_eq!(plain, gzip);
}

#[test]
fn a_page_in_the_folder_is_in_nobody_s_way() {
    let out = temporary();
    let convert = |more: &[&str]| convert_photos(out.path(), &[&["--shards", "2", "--pool", "avg"], more].concat());
    convert(&[]).ok();
    report(out.path(), &[]).ok();
    let shard = out.path().join("photos-00001-of-00002.tfrecord");
    let written = fs::read(&shard).expect("a shard");

    petrec(["verify".as_ref(), out.path().as_os_str()]).ok();
    assert!(convert(&[]).ok().stdout.contains("nothing was left to do"));
    petrec(["finalize".as_ref(), out.path().as_os_str()]).ok();
    fs::remove_file(&shard).expect("removed");
    convert(&[]).ok();
    assert_eq!(fs::read(&shard).expect("made again"), written);
    assert!(out.path().join("report.html").exists());

    let page = out.path().join("report.html");
    let other = fs::read_to_string(&page).expect("a page") + "<!-- of another conversion -->";
    fs::write(&page, other).expect("written");
    convert(&["--restart"]).ok();
    assert!(!fs::read_to_string(&page).expect("a page").contains("of another conversion"));
}

#[test]
fn convert_makes_a_page_and_so_does_finalize_and_a_fuller_one_stays() {
    let (out, shared) = (temporary(), temporary());
    let options = ["--pool", "avg", "--shards", "2", "--json"];
    let path = out.path().join("report.html");

    let run = convert_photos(out.path(), &options).ok();
    convert_photos(shared.path(), &[&options[..], &["--shard-index", "0", "--shard-count", "1"]].concat()).ok();
    assert!(!names(shared.path()).contains(&"report.html".to_owned()), "a worker has no page");
    petrec(["finalize".as_ref(), shared.path().as_os_str()]).ok();

    let summary: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(summary["page"], path.to_str().expect("UTF-8"));
    let made = page(out.path());
    assert_closed(&made);
    assert!(made.contains("all 12 records"));
    assert!(page(shared.path()) == made);

    fs::write(&path, "a fuller one").expect("written");
    convert_photos(out.path(), &options).ok();
    assert_eq!(page(out.path()), "a fuller one");
    fs::remove_file(&path).expect("removed");
    convert_photos(out.path(), &options).ok();
    assert!(page(out.path()) == made);
}

#[test]
fn a_conversion_whose_page_cannot_be_made_says_so_and_is_a_conversion_all_the_same() {
    let out = temporary();
    convert_photos(out.path(), &["--pool", "avg"]).ok();
    fs::remove_file(out.path().join("report.html")).expect("removed");
    fs::create_dir(out.path().join("report.html")).expect("made");

    let run = convert_photos(out.path(), &["--pool", "avg"]).ok();

    assert!(run.stderr.contains("there is no page, because "), "{}", run.stderr);
    assert!(!run.stdout.contains("\npage "), "{}", run.stdout);
    petrec(["verify".as_ref(), out.path().as_os_str()]).ok();
}

/// A name that leads out of HTML, JSON or an attribute wherever it is not escaped.
#[cfg(unix)]
#[test]
fn hostile_names_stay_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    // With the slash of the path the first class and its file spell the end of a script.
    let data_set = data_set(&[
        ("</script><script>alert(1)<.jpg", "Cat/chelsea.jpg"),
        ("</script><img src=x onerror=alert(1)>.jpg", "Cat/666.jpg"),
        ("a\"b'c&amp;/new\nline\u{202e}.jpg", "Coffee/coffee.jpg"),
        ("a\"b'c&amp;/{{data}}<!--.jpg", "Cat/chelsea-face.jpg"),
    ]);
    let odd = data_set.path().join("<").join(OsStr::from_bytes(b"caf\xe9.jpg"));
    fs::copy(repository("examples/photos/Cat/chelsea-eyes.jpg"), odd).expect("copied");
    let out = temporary();
    let model = ["convert", "--quiet", "--model", "efficientnet-lite0", "--pool", "avg"].map(OsStr::new);
    petrec(model.into_iter().chain([data_set.path().as_os_str(), out.path().as_os_str()])).ok();

    let run = report(out.path(), &[]).ok();

    let page = page(out.path());
    assert_closed(&page);
    assert!(!page.contains("<img src=x") && !page.contains("<!--"), "a name became HTML");
    assert!(page.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;.jpg"), "the rejected file");
    assert!(page.contains("a&quot;b&#39;c&amp;amp;"), "the class");
    assert!(!run.stderr.contains("not found"), "the name that is not UTF-8 is found: {}", run.stderr);
    let data = data(&page);
    assert_eq!(data["classes"], serde_json::json!(["<", "a\"b'c&amp;"]));
    let shown: Vec<&str> = data["points"].as_array().expect("points").iter().filter_map(|p| p["p"].as_str()).collect();
    assert!(shown.iter().any(|path| path.ends_with("</script><script>alert(1)<.jpg")), "{shown:?}");
    assert!(shown.iter().any(|path| path.ends_with("new\\nline\\u{202e}.jpg")), "{shown:?}");
}

#[test]
fn photos_that_are_gone_are_told_and_shown_by_their_path() {
    let photos = data_set(&[
        ("Cat/one.jpg", "Cat/chelsea.jpg"),
        ("Cat/two.jpg", "Cat/chelsea.jpg"),
        ("Cup/three.jpg", "Coffee/coffee.jpg"),
    ]);
    let out = temporary();
    let model = ["convert", "--quiet", "--model", "efficientnet-lite0", "--pool", "avg", "--with", "path", "--shuffle"];
    let paths = [photos.path().as_os_str(), out.path().as_os_str()];
    petrec(model.map(AsRef::as_ref).into_iter().chain(paths)).ok();
    report(out.path(), &[]).ok();
    let before = data(&page(out.path()));

    photos.close().expect("removed");
    let run = report(out.path(), &[]).ok();

    assert!(run.stderr.contains("3 photos not found"), "{}", run.stderr);
    let page = page(out.path());
    assert!(page.contains("3 photos not found"), "and the page says so");
    assert!(page.contains("2 images, cosine 1.000"), "the twins are twins all the same");
    let after = data(&page);
    for (before, after) in before["points"].as_array().expect("points").iter().zip(after["points"].as_array().unwrap())
    {
        assert!(before["t"].is_string() && after["t"].is_null());
        assert_eq!((&before["p"], &before["x"], &before["c"]), (&after["p"], &after["x"], &after["c"]));
    }
}

#[test]
fn twins_across_classes_and_splits_are_found() {
    let photos = data_set(&[
        ("Cat/a.jpg", "Cat/chelsea.jpg"),
        ("Cat/b.jpg", "Cat/chelsea-face.jpg"),
        ("Cup/c.jpg", "Cat/chelsea.jpg"),
        ("Cup/d.jpg", "Coffee/coffee.jpg"),
    ]);
    let out = temporary();
    let model =
        ["convert", "--quiet", "--model", "efficientnet-lite0", "--pool", "avg", "--split", "train=0.5,test=0.5"];
    let paths = [photos.path().as_os_str(), out.path().as_os_str()];
    petrec(model.map(AsRef::as_ref).into_iter().chain(paths)).ok();

    report(out.path(), &[]).ok();

    let page = page(out.path());
    let group = page.split_once("<h3>Group 1:").and_then(|(_, rest)| rest.split_once("</ul>")).expect("a group").0;
    assert!(group.contains("across classes") && group.contains("across splits"), "{group}");
    assert!(group.contains("a.jpg") && group.contains("c.jpg") && !group.contains("d.jpg"), "{group}");
}

#[test]
fn a_sample_is_rows_of_the_whole_table() {
    for options in [&["--compression", "zlib", "--shards", "2"][..], &["--split", "train=0.5,test=0.5"]] {
        let out = temporary();
        convert_photos(out.path(), options).ok();

        let all = Table::read(out.path(), Sample::All, 2, &mut |_| {}).expect("readable");
        let some = Table::read(out.path(), Sample::AtMost(5), 2, &mut |_| {}).expect("readable");

        assert_eq!((all.labels.len(), some.labels.len(), some.records), (12, 5, 12));
        for (row, name) in some.names.iter().enumerate() {
            let same = all.names.iter().position(|other| other == name).unwrap_or_else(|| panic!("{name}"));
            assert!(repository(name).is_file(), "{name}");
            assert_eq!(some.feature(row), all.feature(same));
            assert_eq!((some.labels[row], &some.splits[row]), (all.labels[same], &all.splits[same]));
        }
    }
}

#[test]
fn validate_writes_a_page_without_features() {
    let out = temporary();
    let path = out.path().join("page.HTML");
    let run = petrec(["validate", "-q", "examples/photos", "--report", path.to_str().expect("UTF-8")]).ok();

    let page = fs::read_to_string(&path).expect("a page");
    assert!(run.stdout.contains("page.HTML"), "{}", run.stdout);
    assert_closed(&page);
    for words in ["<h1>photos</h1>", "E_EMPTY", "Coffee/download (1).jpg", "Longer side of 12 accepted images"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("id=\"map\"") && !page.contains("#map"), "there are no features");
}

#[test]
fn a_quarantined_file_is_shown_with_its_new_place() {
    let photos = data_set(&[("Cat/good.jpg", "Cat/chelsea.jpg"), ("Cat/small.jpg", "Cat/chelsea-face.jpg")]);
    let out = temporary();
    let (path, away) = (out.path().join("page.html"), out.path().join("away"));
    let limit = ["validate", "-q", "--max-side", "350", "--report"].map(AsRef::as_ref);
    let more = [path.as_os_str(), "--quarantine".as_ref(), away.as_os_str(), photos.path().as_os_str()];

    petrec(limit.into_iter().chain(more)).ok();

    let page = fs::read_to_string(&path).expect("a page");
    let item = page.split_once("data-reason=\"E_MAX_SIDE\"").and_then(|(_, rest)| rest.split_once("</li>"));
    let item = item.expect("a rejected file").0;
    assert!(item.contains("data:image/jpeg;base64,/9j/"), "it was moved, and is still a picture: {item}");
    assert!(item.contains("good.jpg") && item.contains("moved to"), "{item}");
}

#[test]
fn what_cannot_become_a_page_is_refused_in_one_line() {
    let out = temporary();
    report(out.path(), &[]).refused(1, &["petrec-manifest.json", "petrec convert"]);
    convert_photos(out.path(), &["--pool", "avg"]).ok();
    fs::remove_file(out.path().join("report.html")).expect("removed");
    let records = out.path().join("photos-00000-of-00001.tfrecord");
    let before = fs::read(&records).expect("records");

    report(out.path(), &["--html", records.to_str().expect("UTF-8")]).refused(2, &["is not a .html file"]);
    report(out.path(), &["--html", "no/such/folder/page.html"]).refused(1, &["page.html", "there is no folder"]);
    convert_photos(&out.path().join("other"), &["--report", "page.html"]).refused(2, &["JSON", "petrec report OUT"]);
    assert_eq!(fs::read(&records).expect("records"), before);

    fs::write(&records, &before[..before.len() / 2]).expect("written");
    report(out.path(), &[]).refused(1, &["6 records, and the manifest says 12", "petrec verify"]);
    fs::write(&records, &before[..before.len() / 2 - 1]).expect("written");
    report(out.path(), &[]).refused(1, &["photos-00000-of-00001.tfrecord", "cut short"]);
    fs::write(&records, &before).expect("written");
    let json = out.path().join("petrec-report.json");
    fs::write(&json, "{}").expect("written");
    report(out.path(), &[]).refused(1, &["petrec-report.json", "petrec did not make this file"]);
    fs::remove_file(&json).expect("removed");
    report(out.path(), &[]).refused(1, &["petrec-report.json", "petrec convert", "writes it again"]);
    assert!(!out.path().join("report.html").exists());

    convert_photos(out.path(), &["--pool", "avg"]).ok();
    report(out.path(), &[]).ok();
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_costs_neither_its_picture_nor_the_page() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    for more in [&[][..], &["--shuffle", "--with", "path"]] {
        let photos = data_set(&[("Cat/one.jpg", "Cat/chelsea.jpg"), ("Cup/two.jpg", "Coffee/coffee.jpg")]);
        let cat = photos.path().join("Cat");
        for name in [&b"caf\xe9.jpg"[..], b"caf\xe8.jpg"] {
            fs::copy(repository("examples/photos/Cat/chelsea-face.jpg"), cat.join(OsStr::from_bytes(name)))
                .expect("copied");
        }
        let out = temporary();
        let model =
            ["convert", "--model", "efficientnet-lite0", "--pool", "avg"].into_iter().chain(more.iter().copied());
        let paths = [photos.path().as_os_str(), out.path().as_os_str()];

        let run = petrec(model.map(AsRef::as_ref).chain(paths)).ok();

        assert!(run.stdout.contains("\npage "), "{}{}", run.stdout, run.stderr);
        let data = data(&page(out.path()));
        let points = data["points"].as_array().expect("points");
        for name in ["caf\\xE9.jpg", "caf\\xE8.jpg"] {
            let point = points.iter().find(|point| point["p"].as_str().is_some_and(|path| path.ends_with(name)));
            assert!(point.is_some_and(|point| point["t"].is_string()), "{name}: {points:?}");
        }
        let report = super::json(&out.path().join("petrec-report.json"));
        let bytes = report["files"].as_array().expect("files").iter().filter(|file| file["path_bytes"].is_string());
        assert_eq!(bytes.count(), 2);
    }
}

#[cfg(unix)]
#[test]
fn a_page_that_is_a_link_is_refused_and_what_it_leads_to_stays() {
    let (out, elsewhere) = (temporary(), temporary());
    convert_photos(out.path(), &["--pool", "avg"]).ok();
    let (target, link) = (elsewhere.path().join("mine.html"), out.path().join("report.html"));
    fs::write(&target, "mine").expect("written");
    fs::remove_file(&link).expect("removed");
    std::os::unix::fs::symlink(&target, &link).expect("linked");

    report(out.path(), &[]).refused(1, &["report.html", "link"]);

    assert_eq!(fs::read_to_string(&target).expect("there"), "mine");
}
