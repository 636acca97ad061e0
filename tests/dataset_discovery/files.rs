//! The files in class folders and beside them.

use std::fs;

use petrec::dataset::{Options, Recursion, discover};

use super::{checked, extensions, folder, found, found_class, listed, noted, only_classes, refused};

#[test]
fn the_usual_jpeg_names_are_taken_and_the_others_counted() {
    let root = folder(&["c/1.jpg", "c/2.JPEG", "c/3.Jpe", "c/4.JFIF", "c/5.png", "c/6.PNG", "c/7", "c/8.txt"]);

    let dataset = found_class(&root, "c");

    assert_eq!(listed(&dataset), ["0:c/1.jpg", "0:c/2.JPEG", "0:c/3.Jpe", "0:c/4.JFIF"]);
    let note = "4 files skipped for the extension (1 without one, 2 .png, 1 .txt): \
                --ext takes others, --ext any takes all";
    assert_eq!(noted(&dataset), [note]);
}

#[test]
fn ext_chooses_the_files() {
    let root = folder(&["c/1.jpg", "c/2.png", "c/3"]);
    let with = |list| {
        discover(root.path(), &Options { extensions: extensions(list).extensions, ..only_classes(&["c"]) })
            .expect("a data set")
    };

    assert_eq!(listed(&with("png")), ["0:c/2.png"]);
    assert_eq!(listed(&with(".JPG,.png")), ["0:c/1.jpg", "0:c/2.png"]);
    assert_eq!(listed(&with("any")), ["0:c/1.jpg", "0:c/2.png", "0:c/3"]);
    assert_eq!(noted(&with("any")), [""; 0]);
}

#[test]
fn hidden_files_and_folders_are_passed_over_in_silence() {
    let root = folder(&["c/1.jpg", "c/.2.jpg", "c/._1.jpg", "c/.thumbs/1.jpg", ".trash/1.jpg", ".loose.jpg"]);

    let dataset = found_class(&root, "c");
    let tree = checked(&[root.path()], &extensions("any"), Recursion::Tree).expect("a tree");

    assert_eq!((listed(&dataset), noted(&dataset)), (vec!["0:c/1.jpg".to_owned()], vec![]));
    assert_eq!((listed(&tree), noted(&tree)), (vec!["-:c/1.jpg".to_owned()], vec![]));
}

#[test]
fn a_folder_inside_a_class_is_noted_and_not_read() {
    let root = folder(&["c/1.jpg", "c/old/2.jpg", "c/x.jpg/3.jpg", "d/4.jpg"]);

    let dataset = found(&root);

    assert_eq!(listed(&dataset), ["0:c/1.jpg", "1:d/4.jpg"]);
    let note = "2 folders inside class folders not read (such as ROOT/c/old): \
                move the photos up into the class folder, or check them with 'petrec validate --recursive'";
    assert_eq!(noted(&dataset), [note]);
}

#[test]
fn files_beside_the_class_folders_are_noted_and_not_read() {
    let root = folder(&["c/1.jpg", "LICENSE", "loose.jpg"]);
    let only_text = folder(&["c/1.jpg", "LICENSE"]);

    assert_eq!(listed(&found_class(&root, "c")), ["0:c/1.jpg"]);
    let note = "1 photo and 1 other file beside the class folders not read (such as ROOT/loose.jpg): \
                move photos into a class folder, or check them with 'petrec validate --recursive'";
    assert_eq!(noted(&found_class(&root, "c")), [note]);
    assert_eq!(noted(&found_class(&only_text, "c")), ["1 file beside the class folders not read (ROOT/LICENSE)"]);
}

#[test]
fn no_image_at_all_is_an_error_that_says_what_was_looked_for_and_seen() {
    let empty = folder(&["Cat/", "Dog/"]);
    let other = folder(&["Cat/1.png", "Dog/2.png"]);
    let deeper = folder(&["pets/Cat/1.jpg", "pets/Dog/1.jpg"]);

    let looked = "no photos in ROOT (looked for .jpg, .jpeg, .jpe, .jfif)";
    let text = refused(empty.path(), &Options::default());
    assert_eq!(text, format!("{looked}: put some there, or name another folder"));
    let text = refused(other.path(), &Options::default());
    assert!(text.starts_with(&format!("{looked}: 2 files skipped for the extension (2 .png): --ext")), "{text}");
    let text = refused(deeper.path(), &Options::default()).replace('\\', "/");
    assert_eq!(text, format!("{looked}: there are folders further down; name ROOT/pets if they are the classes"));
}

#[test]
fn paths_open_as_typed_and_sizes_are_the_files() {
    let root = folder(&["Cat/1.jpg"]);

    let dataset = found_class(&root, "Cat");

    let image = &dataset.images[0];
    assert_eq!(image.path, root.path().join("Cat").join("1.jpg"));
    assert_eq!(fs::read(&image.path).expect("the file opens"), b"Cat/1.jpg");
    assert_eq!(image.size, 9);
    assert_eq!(dataset.root, root.path());
}

#[cfg(target_os = "linux")] // macOS and Windows let no such name exist
#[test]
fn a_file_name_that_is_not_utf_8_is_fine() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let root = folder(&["Cat/b.jpg"]);
    let odd = root.path().join("Cat").join(OsStr::from_bytes(b"caf\xe9\n.jpg"));
    fs::write(&odd, "here").expect("a file");

    let dataset = found_class(&root, "Cat");

    assert_eq!(listed(&dataset), ["0:Cat/b.jpg", "0:Cat/caf\u{fffd}\\n.jpg"]);
    assert_eq!(fs::read(&dataset.images[1].path).expect("the file opens"), b"here");
}
