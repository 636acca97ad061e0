//! The folder that was named.

use std::path::{Path, PathBuf};

use petrec::dataset::{DatasetError, Options, Recursion, discover};

use super::{checked, extensions, folder, refused};

#[test]
fn a_data_set_has_its_folders_own_name_however_it_is_typed() {
    let root = folder(&["my pets/Cat/1.jpg", "my pets/Cat/in/"]);
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

#[cfg(unix)]
#[test]
fn an_unreadable_folder_is_an_error_that_names_it() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{listed, only_classes};

    let root = folder(&["Cat/1.jpg", "Dog/1.jpg"]);
    let dog = root.path().join("Dog");
    let set_mode = |mode| fs::set_permissions(&dog, fs::Permissions::from_mode(mode)).expect("a mode");
    set_mode(0);
    if fs::read_dir(&dog).is_ok() {
        eprintln!("skipped: this user may read every folder");
        return;
    }

    let text = refused(root.path(), &Options::default());
    let tree = checked(&[root.path()], &Options::default(), Recursion::Tree);
    let own = checked(&[&dog], &Options::default(), Recursion::Flat);
    let without = discover(root.path(), &only_classes(&["Cat"]));
    set_mode(0o755); // so that the temporary folder can be removed

    assert!(text.starts_with("ROOT/Dog: cannot be read ("), "{text}");
    assert!(text.ends_with("; make it readable or move it out of the data set"), "{text}");
    assert!(matches!(tree, Err(DatasetError::Unreadable { path, .. }) if path == dog));
    assert!(matches!(own, Err(DatasetError::Unreadable { path, .. }) if path == dog));
    assert_eq!(listed(&without.expect("a data set")), ["0:Cat/1.jpg"]);
}
