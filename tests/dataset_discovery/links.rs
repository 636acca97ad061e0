//! Links, good and broken, and other things that are neither file nor folder.

use std::fs;
use std::os::unix::fs::symlink;

use petrec::dataset::{Options, Recursion};

use super::{checked, folder, found, found_class, listed, noted};

#[test]
fn links_to_files_and_to_class_folders_are_followed() {
    let elsewhere = folder(&["Dogs/1.jpg", "photo"]);
    let root = folder(&["Cat/1.jpg"]);
    symlink(elsewhere.path().join("Dogs"), root.path().join("Dog")).expect("a link");
    symlink(elsewhere.path().join("photo"), root.path().join("Cat/2.jpg")).expect("a link");

    let dataset = found(&root);

    assert_eq!(listed(&dataset), ["0:Cat/1.jpg", "0:Cat/2.jpg", "1:Dog/1.jpg"]);
    assert_eq!(dataset.images[1].size, 5);
    assert_eq!(noted(&dataset), [""; 0]);
}

#[test]
fn a_broken_link_stays_in_the_list_to_be_rejected_by_name() {
    let root = folder(&["Cat/1.jpg"]);
    symlink("nowhere.jpg", root.path().join("Cat/0.jpg")).expect("a link");
    symlink("2.jpg", root.path().join("Cat/2.jpg")).expect("a link to itself");

    let dataset = found_class(&root, "Cat");
    let tree = checked(&[root.path()], &Options::default(), Recursion::Tree).expect("a tree");

    assert_eq!(listed(&dataset), ["0:Cat/0.jpg", "0:Cat/1.jpg", "0:Cat/2.jpg"]);
    assert_eq!(listed(&tree), ["-:Cat/0.jpg", "-:Cat/1.jpg", "-:Cat/2.jpg"]);
    assert_eq!(dataset.images[0].size, 0);
    assert!(fs::read(&dataset.images[0].path).is_err());
}

#[test]
fn a_class_link_that_leads_nowhere_keeps_its_label_and_does_not_end_the_run() {
    let root = folder(&["Bird/1.jpg", "Dog/1.jpg"]);
    symlink("/unmounted/Cat", root.path().join("Cat")).expect("a link");
    symlink("Eel", root.path().join("Eel")).expect("a link to itself");

    let dataset = found(&root);

    assert_eq!(dataset.classes, ["Bird", "Cat", "Dog", "Eel"]);
    assert_eq!(listed(&dataset), ["0:Bird/1.jpg", "2:Dog/1.jpg"]);
    let note = &noted(&dataset)[0];
    assert!(note.starts_with("2 folders skipped (such as ROOT/Cat): cannot be listed: "), "{note}");
    assert!(note.ends_with("; labels stay as they are; hint: make it readable"), "{note}");
    assert_eq!(dataset.notes.len(), 1);
}

#[test]
fn a_loop_of_links_in_a_tree_ends_and_each_folder_is_read_once() {
    let names: Vec<String> = (0..12).map(|i| format!("d{i:02}")).collect();
    let files: Vec<String> = names.iter().map(|name| format!("{name}/1.jpg")).collect();
    let root = folder(&files.iter().map(String::as_str).collect::<Vec<_>>());
    // Each folder links to each other one and to the root: followed blindly, more than 12! paths.
    for from in &names {
        for to in &names {
            symlink(root.path().join(to), root.path().join(from).join(format!("to-{to}"))).expect("a link");
        }
        symlink(root.path(), root.path().join(from).join("up")).expect("a link");
    }

    let tree = checked(&[root.path()], &Options::default(), Recursion::Tree).expect("a tree");

    let expected: Vec<String> = files.iter().map(|file| format!("-:{file}")).collect();
    assert_eq!(listed(&tree), expected);
    let note = "156 links to folders that are read already (such as ROOT/";
    assert!(noted(&tree)[0].starts_with(note), "{:?}", tree.notes);
}

#[test]
fn a_link_in_a_tree_to_a_folder_elsewhere_is_followed() {
    let elsewhere = folder(&["in/1.jpg"]);
    let root = folder(&["b.jpg"]);
    symlink(elsewhere.path(), root.path().join("a")).expect("a link");
    symlink(elsewhere.path(), root.path().join("c")).expect("a link");

    let tree = checked(&[root.path()], &Options::default(), Recursion::Tree).expect("a tree");

    assert_eq!(listed(&tree), ["-:a/in/1.jpg", "-:b.jpg"]);
    let note = "1 link to folders that are read already (ROOT/c): each folder is read once";
    assert_eq!(noted(&tree), [note]);
}

#[test]
fn a_socket_is_noted_and_never_opened() {
    use std::os::unix::net::UnixListener;
    let root = folder(&["Cat/1.jpg"]);
    let _socket = UnixListener::bind(root.path().join("Cat/0.jpg")).expect("a socket");

    let dataset = found_class(&root, "Cat");

    assert_eq!(listed(&dataset), ["0:Cat/1.jpg"]);
    let note = "1 special file skipped (ROOT/Cat/0.jpg): a pipe, socket or device cannot hold a photo";
    assert_eq!(noted(&dataset), [note]);
}
