//! The first five minutes: petrec alone, and the mistakes that a newcomer makes.

use std::fs;

use super::places::repository;
use super::{convert_photos, data_set, names, petrec, temporary};

#[test]
fn petrec_alone_tells_what_to_type_next_and_what_it_tells_works() {
    let folder = temporary();
    let records = folder.path().join("records");

    let run = petrec([""; 0]);

    assert_eq!((run.code, &*run.stdout), (Some(2), ""));
    assert!(run.stderr.lines().count() < 20, "{}", run.stderr);
    let lines = run.stderr.lines().filter_map(|line| line.strip_prefix("  petrec "));
    let commands: Vec<Vec<_>> = lines.map(|line| line.split(' ').collect()).collect();
    assert_eq!(commands.iter().map(|words| words[0]).collect::<Vec<_>>(), ["validate", "convert", "probe"]);
    for words in commands {
        let words = words.iter().map(|word| match *word {
            "PHOTOS" => "examples/photos".as_ref(),
            "RECORDS" => records.as_os_str(),
            word => word.as_ref(),
        });
        petrec(words).ok();
    }
}

#[test]
fn an_archive_is_to_be_unpacked() {
    let folder = temporary();
    for name in ["photos.zip", "photos.tar.gz", "PHOTOS.TGZ"] {
        let archive = folder.path().join(name);
        fs::write(&archive, "PK").expect("written");

        let run = petrec(
            ["convert", "--model=efficientnet-lite0"]
                .map(AsRef::as_ref)
                .into_iter()
                .chain([archive.as_os_str(), folder.path().join("records").as_os_str()]),
        );

        run.refused(1, &[name, "an archive", "unpack it"]);
    }
    assert_eq!(names(folder.path()).len(), 3);
}

#[test]
fn photos_without_class_folders_are_told_where_to_go() {
    let (data, out) = (temporary(), temporary());
    fs::copy(repository("examples/photos/Cat/chelsea.jpg"), data.path().join("mine.jpg")).expect("copied");

    let run = petrec([
        "convert".as_ref(),
        "--model=efficientnet-lite0".as_ref(),
        data.path().as_os_str(),
        out.path().join("records").as_os_str(),
    ]);

    run.refused(1, &["no class folders", "such as Cat/mine.jpg"]);
}

#[test]
fn a_folder_above_the_data_set_is_told_to_be_one() {
    let (data, out) = (data_set(&[("PetImages/Cat/1.jpg", "Cat/chelsea.jpg")]), temporary());

    let run = petrec([
        "convert".as_ref(),
        "--model=efficientnet-lite0".as_ref(),
        data.path().as_os_str(),
        out.path().join("records").as_os_str(),
    ]);

    let named = data.path().join("PetImages").display().to_string();
    run.refused(1, &["no photos", &format!("name {named} if they are the classes")]);
}

#[test]
fn a_finished_conversion_is_not_written_over() {
    let out = temporary();
    convert_photos(out.path(), &[]).ok();

    let again = convert_photos(out.path(), &[]).ok();

    assert!(again.stdout.contains("nothing was left to do"), "{}", again.stdout);
    convert_photos(out.path(), &["--pool", "avg"])
        .refused(1, &["a finished conversion", "name another folder", "--restart"]);
}
