//! The folder that was named.

use std::path::{Path, PathBuf};

use petrec::dataset::{DatasetError, Options, Recursion, discover};

use super::{checked, extensions, folder, refused};

#[test]
fn a_data_set_has_its_folders_own_name_however_it_is_typed() {
    let root = folder(&["my pets/Cat/1.jpg", "my pets/Cat/in/", "my pets/Dog/1.jpg"]);
    let pets = root.path().join("my pets");
    let name = |path: PathBuf| discover(&path, &Options::default()).expect("a data set").name;

    assert_eq!(name(pets.clone()), "my pets");
    assert_eq!(name(pets.join("")), "my pets");
    assert_eq!(name(pets.join(".")), "my pets");
    assert_eq!(name(pets.join("Cat").join("..")), "my pets");
}

#[test]
fn the_name_of_the_present_folder_is_found_for_a_dot() {
    let here = std::env::current_dir().expect("a present folder");
    let expected = here.file_name().expect("a name").to_string_lossy();

    let dataset = checked(&[Path::new(".")], &extensions("any"), Recursion::Flat).expect("the package's folder");

    assert_eq!(dataset.name, expected);
    assert!(dataset.images.iter().all(|image| image.path.starts_with(".")));
}

#[test]
fn a_root_that_is_missing_or_a_file_is_refused_each_in_its_own_words() {
    let root = folder(&["photo.jpg"]);

    let text = refused(&root.path().join("nothing"), &Options::default());
    assert_eq!(text, "ROOT: no such file or folder; check the path");
    let text = refused(&root.path().join("photo.jpg"), &Options::default());
    assert_eq!(text, "ROOT: a file, not a folder; name the folder that holds the class folders");
    let nothing = root.path().join("nothing");
    let missing = checked(&[root.path(), &nothing], &Options::default(), Recursion::Tree);
    assert!(matches!(missing, Err(DatasetError::Missing { path }) if path == nothing));
}

#[test]
fn records_of_a_hidden_folder_get_a_name_that_is_not_hidden() {
    let root = folder(&[".hid/Cat/1.jpg", ".hid/Dog/1.jpg", ".../Cat/1.jpg", ".../Dog/1.jpg"]);
    let name = |folder: &str| discover(&root.path().join(folder), &Options::default()).expect("a data set").name;

    assert_eq!(name(".hid"), "hid");
    assert_eq!(name("..."), "dataset");
}

#[test]
fn an_archive_is_not_taken_for_a_photo() {
    let root = folder(&["photos.zip", "photos.TAR"]);

    for archive in ["photos.zip", "photos.TAR"] {
        let path = root.path().join(archive);
        let error = checked(&[&path], &Options::default(), Recursion::Flat).expect_err("an archive");

        assert!(matches!(error, DatasetError::Archive { .. }), "{error:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_unreadable_folder_inside_is_noted_and_one_that_was_named_is_an_error() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{found, listed, noted};

    let root = folder(&["Cat/1.jpg", "Dog/1.jpg", "Eel/1.jpg"]);
    let dog = root.path().join("Dog");
    let set_mode = |mode| fs::set_permissions(&dog, fs::Permissions::from_mode(mode)).expect("a mode");
    set_mode(0);
    if fs::read_dir(&dog).is_ok() {
        eprintln!("skipped: this user may read every folder");
        return;
    }

    let dataset = found(&root);
    let tree = checked(&[root.path()], &Options::default(), Recursion::Tree).expect("a tree");
    let own = checked(&[&dog], &Options::default(), Recursion::Flat);
    set_mode(0o755); // so that the temporary folder can be removed

    assert_eq!(listed(&dataset), ["0:Cat/1.jpg", "2:Eel/1.jpg"]);
    assert!(noted(&dataset)[0].starts_with("1 folder skipped (ROOT/Dog): cannot be listed: "), "{:?}", dataset.notes);
    assert_eq!(listed(&tree), ["-:Cat/1.jpg", "-:Eel/1.jpg"]);
    assert!(noted(&tree)[0].starts_with("1 folder skipped (ROOT/Dog)"), "{:?}", tree.notes);
    assert!(matches!(own, Err(DatasetError::Unreadable { path, .. }) if path == dog));
}

#[cfg(unix)]
#[test]
fn a_path_that_is_too_long_costs_what_is_below_it_and_not_the_run() {
    use std::process::Command;

    use super::{listed, noted};

    // Deeper than a path can be named (4,096 bytes on Linux, 1,024 on macOS): only relative steps make it.
    let root = folder(&["top.jpg", "deep/1.jpg"]);
    let script =
        "n=$(printf '%0200d' 0); cd deep && for i in $(seq 24); do mkdir $n && cd -P $n || exit 1; done; : > far.jpg";
    let made = Command::new("sh").arg("-c").arg(script).current_dir(root.path()).status().expect("sh runs");
    if !made.success() {
        eprintln!("skipped: this shell makes no folder so deep");
        return;
    }

    let tree = checked(&[root.path()], &Options::default(), Recursion::Tree).expect("a tree");
    let removed = Command::new("rm").arg("-rf").arg(root.path().join("deep")).status().expect("rm runs");

    assert!(removed.success());
    assert_eq!(listed(&tree), ["-:deep/1.jpg", "-:top.jpg"]);
    assert!(noted(&tree)[0].starts_with("1 folder skipped (ROOT/deep/"), "{:?}", tree.notes);
}
