//! Class folders and the labels they give.

use petrec::dataset::{DatasetError, Options, discover};

use super::{folder, found, listed, noted, only_classes, refused};

#[test]
fn labels_are_the_class_names_in_byte_order() {
    let root = folder(&["dog/1.jpg", "Zebra/1.jpg", "Cat/1.jpg", "Äffchen/1.jpg", "Cat 2/1.jpg"]);

    let dataset = found(&root);

    assert_eq!(dataset.classes, ["Cat", "Cat 2", "Zebra", "dog", "Äffchen"]);
    let labels: Vec<_> = dataset.images.iter().map(|image| image.label).collect();
    assert_eq!(labels, [Some(0), Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(dataset.class_of(&dataset.images[3]), Some("dog"));
}

#[test]
fn images_come_by_class_and_then_by_the_bytes_of_their_names() {
    let root = folder(&["b/2.jpg", "b/10.jpg", "b/C.jpg", "b/a.jpg", "a/z.jpg", "a/ü.jpg", "a/y.jpg"]);

    let dataset = found(&root);

    let expected = ["0:a/y.jpg", "0:a/z.jpg", "0:a/ü.jpg", "1:b/10.jpg", "1:b/2.jpg", "1:b/C.jpg", "1:b/a.jpg"];
    assert_eq!(listed(&dataset), expected);
    assert_eq!(found(&root), dataset, "a second look finds the same");
    assert_eq!(noted(&dataset), [""; 0]);
}

#[test]
fn named_classes_give_the_names_and_the_order_of_the_labels() {
    let root = folder(&["Cat/1.jpg", "Dog/1.jpg", "Dog/2.jpg", "Bird/1.jpg"]);

    let dataset = discover(root.path(), &only_classes(&["Dog", "Cat"])).expect("a data set");

    assert_eq!(dataset.classes, ["Dog", "Cat"]);
    assert_eq!(listed(&dataset), ["0:Dog/1.jpg", "0:Dog/2.jpg", "1:Cat/1.jpg"]);
    assert_eq!(noted(&dataset), ["1 folder left out by --classes: Bird"]);
}

#[test]
fn a_named_class_without_a_folder_is_an_error_that_names_those_there_are() {
    let root = folder(&["Cat/1.jpg", "Dog/1.jpg"]);

    let text = refused(root.path(), &only_classes(&["Dog", "cat", "Bird\n"]));

    assert_eq!(text, "no folder for classes 'cat', 'Bird\\n' in ROOT: the class folders there are Cat, Dog");
}

#[test]
fn a_named_class_cannot_lead_out_of_the_data_set() {
    let root = folder(&["set/Cat/1.jpg", "other/1.jpg"]);

    for name in ["../other", "", ".", "..", "Cat/"] {
        let error = discover(&root.path().join("set"), &only_classes(&[name]));

        assert!(matches!(error, Err(DatasetError::MissingClasses { .. })), "{name}: {error:?}");
    }
}

#[test]
fn a_class_named_twice_is_refused() {
    let root = folder(&["Cat/1.jpg", "Dog/1.jpg"]);

    let text = refused(root.path(), &only_classes(&["Dog", "Cat", "Dog"]));

    assert_eq!(text, "--classes names Dog twice: name each class once");
}

#[test]
fn an_empty_class_keeps_its_label_and_is_noted() {
    let root = folder(&["Bird/", "Cat/1.jpg", "Dog/readme.txt"]);

    let dataset = found(&root);

    assert_eq!(dataset.classes, ["Bird", "Cat", "Dog"]);
    assert_eq!(listed(&dataset), ["1:Cat/1.jpg"]);
    let empty = "has no images: it keeps its label; remove its folder to drop it";
    assert_eq!(noted(&dataset)[..2], [format!("class Bird {empty}"), format!("class Dog {empty}")]);
}

#[test]
fn no_class_folder_at_all_is_an_error() {
    let root = folder(&["1.jpg", ".git/x.jpg"]);

    let expected = "no class folders in ROOT: put each class's photos into a sub-folder of its own, such as Cat/1.jpg";
    assert_eq!(refused(root.path(), &Options::default()), expected);
    assert_eq!(refused(root.path(), &only_classes(&["Cat"])), expected);
}

#[cfg(target_os = "linux")] // macOS and Windows let no such name exist
#[test]
fn a_class_name_that_is_not_utf_8_is_refused_unless_left_out() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let root = folder(&["Cat/1.jpg"]);
    std::fs::create_dir(root.path().join(OsStr::from_bytes(b"Caf\xe9"))).expect("a folder");

    let text = refused(root.path(), &Options::default());
    let dataset = discover(root.path(), &only_classes(&["Cat"])).expect("a data set");

    assert!(text.starts_with("ROOT/Caf\u{fffd}: the name of this class folder is not UTF-8; rename it"), "{text}");
    assert_eq!(noted(&dataset), ["1 folder left out by --classes: Caf\u{fffd}"]);
}

#[cfg(unix)]
#[test]
fn a_class_name_with_control_characters_is_refused_in_one_line() {
    let root = folder(&["Cat/1.jpg", "D\no\tg/1.jpg"]);

    let text = refused(root.path(), &Options::default());

    assert!(text.starts_with("ROOT/D\\no\\tg: the name of this class folder has control characters"), "{text}");
}
