//! What a second run says and does of photos that were replaced, added or removed since the first.

use std::fs::{self, File};
use std::path::Path;

use super::plans::plan_of;
use super::resume::{killed_conversion, tree};
use super::{Run, data_set, names, petrec, temporary};

fn convert(data: &Path, out: &Path, more: &[&str]) -> Run {
    let fixed = ["convert".as_ref(), "--model=efficientnet-lite0".as_ref(), data.as_os_str(), out.as_os_str()];
    petrec(fixed.into_iter().chain(more.iter().map(AsRef::as_ref)))
}

const THREE: [(&str, &str); 3] =
    [("Cat/1.jpg", "Cat/chelsea.jpg"), ("Cat/2.jpg", "Cat/chelsea-eyes.jpg"), ("Dog/3.jpg", "Coffee/coffee.jpg")];
const EACH: &[&str] = &["--shard-size=1", "--pool=avg", "--threads=1"];

/// Puts another photo of the same length and time of change in the place of one: the same with a few other pixels.
fn replace(photo: &Path) {
    let mut bytes = fs::read(photo).expect("readable");
    let time = fs::metadata(photo).and_then(|found| found.modified()).expect("a time");
    // A step of a quantisation table changes every pixel, and the file decodes as before.
    let table = bytes.windows(2).position(|marker| marker == [0xff, 0xdb]).expect("a table");
    bytes[table + 6] ^= 3;
    let new = photo.with_extension("new");
    fs::write(&new, bytes).expect("written");
    File::options().write(true).open(&new).and_then(|file| file.set_modified(time)).expect("set");
    fs::rename(new, photo).expect("renamed");
}

#[test]
fn another_photo_of_the_same_length_and_time_does_not_pass_as_done() {
    let (data, out, fresh) = (data_set(&THREE), temporary(), temporary());
    convert(data.path(), out.path(), EACH).ok();
    let before = tree(out.path());
    assert!(convert(data.path(), out.path(), EACH).ok().stdout.contains("nothing was left to do"));

    replace(&data.path().join("Cat/2.jpg"));
    let share = [EACH, &["--shard-index=0", "--shard-count=2"]].concat();
    for more in [EACH, &share, &[EACH, &["--dry-run"]].concat()] {
        convert(data.path(), out.path(), more).refused(1, &["Cat/2.jpg was changed since", "--restart", "touch"]);
    }
    assert!(tree(out.path()) == before);

    convert(data.path(), out.path(), &[EACH, &["--restart"]].concat()).ok();
    convert(data.path(), fresh.path(), EACH).ok();
    let records = |out: &Path| tree(out).into_iter().filter(|(name, _)| name.extension() == Some("tfrecord".as_ref()));
    assert!(records(out.path()).eq(records(fresh.path())) && tree(out.path()) != before);
}

#[test]
fn a_data_set_whose_times_changed_alone_is_taken_when_it_is_said_to_be_the_same() {
    let (data, out) = (data_set(&THREE), temporary());
    convert(data.path(), out.path(), EACH).ok();
    for name in ["Cat/1.jpg", "Cat/2.jpg", "Dog/3.jpg"] {
        let (photo, copy) = (data.path().join(name), data.path().join("copy"));
        fs::copy(&photo, &copy).expect("copied");
        fs::rename(copy, photo).expect("renamed");
    }

    convert(data.path(), out.path(), EACH).refused(1, &["Cat/1.jpg was changed (and 2 images more)", "touch"]);
    let manifest = File::options().append(true).open(out.path().join("petrec-manifest.json")).expect("there");
    manifest.set_modified(std::time::SystemTime::now()).expect("set");

    assert!(convert(data.path(), out.path(), EACH).ok().stdout.contains("nothing was left to do"));
}

#[test]
fn an_unfinished_conversion_makes_the_records_of_replaced_photos_again() {
    let (data, out, fresh) = (data_set(&THREE), temporary(), temporary());
    killed_conversion(data.path(), out.path(), EACH, 30);
    assert!(names(out.path()).iter().any(|name| name.contains("-00000-of-00003.tfrecord")), "{:?}", names(out.path()));

    replace(&data.path().join("Cat/1.jpg"));
    convert(data.path(), out.path(), EACH).ok();
    convert(data.path(), fresh.path(), EACH).ok();

    assert!(tree(out.path()) == tree(fresh.path()), "{:?}", names(out.path()));
}

#[test]
fn a_photo_that_was_replaced_since_it_was_planned_stops_the_run_by_name() {
    let (data, out) = (data_set(&THREE), temporary());
    plan_of(data.path(), out.path(), EACH).ok();
    let photo = data.path().join("Dog/3.jpg");
    let bytes = fs::read(&photo).expect("readable");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(100);
    fs::write(&photo, &bytes).expect("written");
    File::options().append(true).open(&photo).and_then(|file| file.set_modified(old)).expect("set");

    let follow = || petrec(["convert".as_ref(), "--plan".as_ref(), out.path().as_os_str()]);
    follow().refused(1, &["3.jpg", "was changed since it was planned", "2 of 3 record files are done"]);
    let again = plan_of(data.path(), out.path(), EACH);
    again.refused(1, &["a plan of other input", "Dog/3.jpg was changed", "--restart"]);

    plan_of(data.path(), out.path(), &[EACH, &["--restart"]].concat()).ok();
    follow().ok();
}

#[test]
fn other_images_of_a_finished_conversion_are_counted_and_the_first_is_named() {
    let (data, out) = (data_set(&THREE), temporary());
    convert(data.path(), out.path(), EACH).ok();
    let path = |name: &str| data.path().join("Cat").join(name);
    let refused = |words: &[&str]| convert(data.path(), out.path(), EACH).refused(1, &[words, &["--restart"]].concat());

    fs::copy(path("1.jpg"), path("4.jpg")).expect("copied");
    fs::copy(path("1.jpg"), path("5.jpg")).expect("copied");
    refused(&["the images were 3 of ", "and are 5 of ", "Cat/4.jpg was added (and 1 image more)"]);
    fs::remove_file(path("4.jpg")).expect("removed");
    fs::remove_file(path("5.jpg")).expect("removed");
    let taken = fs::read(path("2.jpg")).expect("readable");
    fs::remove_file(path("2.jpg")).expect("removed");
    refused(&["the images were 3 of ", "and are 2 of ", "Cat/2.jpg was removed"]);
    fs::write(path("2.jpg"), &taken[..taken.len() - 1]).expect("written");
    refused(&["the images were 3 of ", "Cat/2.jpg was changed"]);
}
