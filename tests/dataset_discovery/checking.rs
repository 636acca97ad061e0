//! What `validate` takes: single files, flat folders, class folders, whole trees.

use std::fs;

use petrec::dataset::{DatasetError, Extensions, Note, Options, Recursion, discover, discover_files};

use super::{checked, extensions, folder, found, listed, only_classes};

#[test]
fn a_single_file_is_taken_whatever_its_extension() {
    let root = folder(&["a/picture", "a/notes.txt", "a/.hidden.gif"]);
    let paths = ["a/picture", "a/notes.txt", "a/.hidden.gif"].map(|path| root.path().join(path));

    for recursion in [Recursion::Flat, Recursion::Tree] {
        let dataset = discover_files(&paths, &Options::default(), recursion).expect("three files");

        assert_eq!(listed(&dataset), ["-:picture", "-:notes.txt", "-:.hidden.gif"]);
        assert_eq!(dataset.images[0].path, paths[0]);
        assert_eq!((dataset.name.as_str(), dataset.root), ("a", root.path().join("a")));
        assert!(dataset.classes.is_empty());
    }
}

#[test]
fn a_flat_folder_lists_its_files_without_labels() {
    let root = folder(&["b.jpg", "a.jpg", "c.txt"]);

    let dataset = checked(&[root.path()], &Options::default(), Recursion::Flat).expect("two photos");

    assert_eq!(listed(&dataset), ["-:a.jpg", "-:b.jpg"]);
    assert!(dataset.classes.is_empty());
    assert!(matches!(&dataset.notes[..], [Note::OtherExtensions { counts }] if counts["txt"] == 1));
}

#[test]
fn a_folder_with_class_folders_is_checked_as_convert_would_see_it() {
    let root = folder(&["Cat/1.jpg", "Dog/in/1.jpg", "Dog/2.jpg", "loose.jpg"]);

    let dataset = checked(&[root.path()], &Options::default(), Recursion::Flat).expect("a data set");

    assert_eq!(dataset, found(&root));
    assert!(matches!(dataset.notes[0], Note::BesideClasses { photos: 1, others: 0, .. }), "{:?}", dataset.notes);
}

#[test]
fn a_tree_lists_every_file_below_without_labels_by_the_parts_of_its_path() {
    let root = folder(&["z.jpg", "b/2.jpg", "b.jpg", "b/a/1.jpg", "b/a.jpg", "C/1.JPG", "a b/x/y/1.jpg", "n.txt"]);

    let tree = checked(&[root.path()], &Options::default(), Recursion::Tree).expect("a tree");

    let expected = ["-:C/1.JPG", "-:a b/x/y/1.jpg", "-:b/2.jpg", "-:b/a/1.jpg", "-:b/a.jpg", "-:b.jpg", "-:z.jpg"];
    assert_eq!(listed(&tree), expected);
    assert!(tree.classes.is_empty());
    assert!(matches!(&tree.notes[..], [Note::OtherExtensions { .. }]));
}

#[test]
fn several_roots_come_one_after_the_other_and_share_their_classes() {
    let one = folder(&["Dog/1.jpg", "Cat/1.jpg"]);
    let two = folder(&["Bird/1.jpg", "Dog/2.jpg"]);
    let flat = folder(&["0.jpg"]);
    let again = one.path().join("Cat/1.jpg");

    let roots = [one.path(), two.path(), flat.path(), &again];
    let dataset = checked(&roots, &Options::default(), Recursion::Flat).expect("photos");

    assert_eq!(dataset.classes, ["Bird", "Cat", "Dog"]);
    assert_eq!(listed(&dataset), ["1:Cat/1.jpg", "2:Dog/1.jpg", "0:Bird/1.jpg", "2:Dog/2.jpg", "-:0.jpg"]);
}

#[test]
fn classes_cannot_be_named_for_a_tree_and_something_must_be_named() {
    let root = folder(&["Cat/1.jpg"]);

    let tree = checked(&[root.path()], &only_classes(&["Cat"]), Recursion::Tree);
    let nothing = checked(&[], &Options::default(), Recursion::Flat);

    assert!(matches!(tree, Err(DatasetError::ClassesOfTree)));
    assert!(matches!(nothing, Err(DatasetError::NoRoots)));
}

#[test]
fn an_empty_folder_to_check_is_an_error_that_says_what_was_looked_for() {
    let root = folder(&[]);

    for recursion in [Recursion::Flat, Recursion::Tree] {
        let error = checked(&[root.path()], &extensions("png,gif"), recursion).expect_err("nothing to check");

        assert!(error.to_string().contains("(looked for .png, .gif): put some there"), "{error}");
    }
}

#[test]
fn ten_thousand_photos_are_listed_in_order() {
    let root = folder(&["Cat/"]);
    for number in 0..10_000 {
        fs::write(root.path().join("Cat").join(format!("{number:05}.jpg")), "").expect("a file");
    }

    let dataset = discover(root.path(), &Options { extensions: Extensions::Any, ..only_classes(&["Cat"]) });

    let images = dataset.expect("a data set").images;
    assert_eq!(images.len(), 10_000);
    assert!(images.is_sorted_by(|a, b| a.relative < b.relative));
}
