//! Class folders and the labels they give.

use petrec::dataset::{DatasetError, Options, Recursion, discover};

use super::{checked, folder, found, listed, noted, only_classes, refused};

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
    let one = folder(&["Bird/1.jpg", "Cat/"]);

    let dataset = found(&root);

    assert_eq!(dataset.classes, ["Bird", "Cat", "Dog"]);
    assert_eq!(listed(&dataset), ["1:Cat/1.jpg"]);
    let note = "2 classes have no images (Bird, Dog): they keep their labels; remove their folders to drop them";
    assert_eq!(noted(&dataset)[0], note);
    assert_eq!(noted(&found(&one)), ["class Cat has no images: it keeps its label; remove its folder to drop it"]);
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

#[test]
fn a_single_class_is_refused_unless_it_is_named() {
    let kaggle = folder(&["train/cat.1.jpg", "train/dog.1.jpg", "sample.csv"]);
    let packed = folder(&["photos/loose.jpg", "photos/Cat/1.jpg", "photos/Dog/1.jpg"]);

    let text = refused(kaggle.path(), &Options::default());
    let named = discover(kaggle.path(), &only_classes(&["train"])).expect("one class is meant");

    let expected = "ROOT: every label would be 0: 'train' is the only class folder; hint: give each class's photos a \
                    folder of their own, or type --classes 'train' if one class is meant";
    assert_eq!(text, expected);
    assert_eq!((named.classes.as_slice(), named.images.len()), (&["train".to_owned()][..], 2));
    let text = refused(packed.path(), &Options::default()).replace('\\', "/");
    assert!(text.ends_with("; hint: name ROOT/photos if its sub-folders are the classes"), "{text}");
    let files =
        checked(&[kaggle.path()], &Options::default(), Recursion::Flat).expect("photos without labels in records");
    assert_eq!(files.images.len(), 2);
}

#[test]
fn split_folders_are_not_classes_unless_they_are_named() {
    let splits = [
        &["train/Cat/1.jpg", "train/loose.jpg", "val/Cat/2.jpg", "test/Cat/3.jpg"][..],
        &["Train/1.jpg", "TEST/2.jpg"],
        &["training_images/1.jpg", "validation_images/2.jpg", "extra/3.jpg"],
        &["train2017/1.jpg", "val2017/2.jpg", "annotations/3.jpg"],
        &["train/1.jpg", "training/2.jpg"],
    ];
    // A train is also a vehicle.
    let vehicles = folder(&["bus/1.jpg", "car/1.jpg", "train/1.jpg"]);

    for paths in splits {
        let root = folder(paths);
        let error = discover(root.path(), &Options::default()).expect_err("splits");
        assert!(matches!(error, DatasetError::SplitFolders { .. }), "{error:?}");
    }
    let root = folder(splits[0]);
    let text = refused(root.path(), &Options::default()).replace('\\', "/");
    let named = discover(root.path(), &only_classes(&["train", "val", "test"])).expect("named");

    let expected = "ROOT: test, train, val are the names of splits, not of classes; hint: convert each by itself, \
                    such as ROOT/test, or name them with --classes if they are the classes";
    assert_eq!(text, expected);
    assert_eq!(named.classes, ["train", "val", "test"]);
    assert_eq!(found(&vehicles).classes, ["bus", "car", "train"]);
}

#[test]
fn a_class_whose_photos_are_all_further_down_is_refused_and_one_with_its_own_is_noted() {
    let folds = folder(&["fold1/Cat/1.jpg", "fold1/Dog/1.jpg", "fold2/Cat/2.jpg", "fold2/loose.jpg"]);
    let extra = folder(&["Cat/1.jpg", "Cat/old/2.jpg", "Dog/1.jpg", "Dog/notes/text.txt"]);

    let text = refused(folds.path(), &Options::default()).replace('\\', "/");

    assert!(
        text.starts_with("ROOT/fold1/Cat: not read: class 'fold1' has no photos but in such folders; hint: "),
        "{text}"
    );
    assert_eq!(discover(folds.path(), &only_classes(&["fold1", "fold2"])).expect("named").images.len(), 1);
    assert_eq!(listed(&found(&extra)), ["0:Cat/1.jpg", "1:Dog/1.jpg"]);
}

#[test]
fn what_systems_leave_in_folders_is_no_class() {
    let root = folder(&[
        "__MACOSX/Cat/._1.jpg",
        "__MACOSX/x.jpg",
        ".ipynb_checkpoints/1.jpg",
        "@eaDir/1.jpg",
        "lost+found/",
        "Cat/1.jpg",
        "Cat/@eaDir/1.jpg/thumb.jpg",
        "Dog/1.jpg",
        "System Volume Information/1.jpg",
    ]);
    let unpacked = folder(&["__MACOSX/photos/._Cat", "photos/Cat/1.jpg", "photos/Dog/1.jpg"]);

    let dataset = found(&root);
    let tree = checked(&[root.path()], &Options::default(), Recursion::Tree).expect("a tree");

    assert_eq!((dataset.classes.clone(), noted(&dataset)), (vec!["Cat".to_owned(), "Dog".to_owned()], vec![]));
    assert_eq!(listed(&tree), ["-:Cat/1.jpg", "-:Dog/1.jpg"]);
    let text = refused(unpacked.path(), &Options::default()).replace('\\', "/");
    assert!(text.ends_with("name ROOT/photos if they are the classes"), "{text}");
}

#[test]
fn numbers_out_of_order_are_noted_unless_the_order_was_chosen() {
    let numbers = folder(&["0/1.jpg", "1/1.jpg", "10/1.jpg", "2/1.jpg"]);
    let padded = folder(&["c00/1.jpg", "c01/1.jpg", "c10/1.jpg"]);
    let chosen = discover(numbers.path(), &only_classes(&["0", "1", "2", "10"])).expect("a data set");

    let note = "labels follow the byte order of the class names, not their numbers (0, 1, 10, 2); \
                hint: name them in another order with --classes, or pad the numbers with zeros";
    assert_eq!(noted(&found(&numbers)), [note]);
    assert_eq!(noted(&found(&padded)), [""; 0]);
    assert_eq!((chosen.classes.as_slice(), noted(&chosen).len()), (&["0", "1", "2", "10"].map(str::to_owned)[..], 0));
}

#[test]
fn classes_that_look_alike_are_noted_in_letters_that_tell_them_apart() {
    let root = folder(&["Cafe\u{301}/1.jpg", "Caf\u{e9}/1.jpg", "Tea/1.jpg"]);
    let case = folder(&["tea /1.jpg", "Milk/1.jpg", "TEA/1.jpg"]);
    if found(&root).classes.len() == 3 {
        let note = "classes 'Cafe\\u{301}', 'Caf\\u{e9}' look alike and get labels of their own; \
                    hint: merge the folders if they are one class";
        assert_eq!(found(&root).notes.iter().map(ToString::to_string).collect::<Vec<_>>(), [note]);
    }
    if found(&case).classes.len() == 3 && cfg!(unix) {
        assert!(noted(&found(&case))[0].starts_with("classes 'TEA', 'tea ' look alike"), "{:?}", noted(&found(&case)));
    }
}

#[test]
fn a_named_class_finds_its_folder_in_another_unicode_form() {
    let (composed, decomposed) = ("\u{c4}pfel", "A\u{308}pfel");
    let root = folder(&[&format!("{decomposed}/1.jpg"), "Birnen/1.jpg"]);

    for typed in [composed, decomposed] {
        let dataset = discover(root.path(), &only_classes(&["Birnen", typed])).expect("a data set");

        assert_eq!(dataset.classes, ["Birnen", typed]);
        assert_eq!(listed(&dataset), ["0:Birnen/1.jpg".to_owned(), format!("1:{decomposed}/1.jpg")]);
        assert_eq!(noted(&dataset), [""; 0]);
    }
    let twice = discover(root.path(), &only_classes(&[composed, decomposed]));
    assert!(matches!(twice, Err(DatasetError::DuplicateClass { .. })), "{twice:?}");
}
