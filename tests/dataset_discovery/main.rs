//! What counts as a class, an image and a label: one test for each promise about folders, good and odd ones.

mod checking;
mod classes;
mod files;
#[cfg(unix)]
mod links;
mod roots;

use std::fs;
use std::path::{Path, PathBuf};

use petrec::dataset::{Dataset, DatasetError, Note, Options, Recursion, discover, discover_files};
use petrec::text::display_path;
use tempfile::TempDir;

/// A temporary folder with these files, each holding its own name; a path that ends in `/` is an empty folder.
fn folder(paths: &[&str]) -> TempDir {
    let root = tempfile::tempdir().expect("a temporary folder");
    for path in paths {
        let full = root.path().join(path);
        if path.ends_with('/') {
            fs::create_dir_all(full).expect("a folder");
        } else {
            fs::create_dir_all(full.parent().expect("a parent")).expect("a folder");
            fs::write(full, path).expect("a file");
        }
    }
    root
}

fn only_classes(names: &[&str]) -> Options {
    Options { classes: Some(names.iter().map(|&name| name.to_owned()).collect()), ..Options::default() }
}

fn extensions(list: &str) -> Options {
    Options { extensions: list.parse().expect("a list of extensions"), ..Options::default() }
}

fn found(root: &TempDir) -> Dataset {
    discover(root.path(), &Options::default()).expect("a data set")
}

/// A data set of one class, which has to be named.
fn found_class(root: &TempDir, class: &str) -> Dataset {
    discover(root.path(), &only_classes(&[class])).expect("a data set")
}

fn refused(root: &Path, options: &Options) -> String {
    let error = discover(root, options).expect_err("no data set");
    let text = error.to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    text.replace(&display_path(root).to_string(), "ROOT")
}

fn checked(roots: &[&Path], options: &Options, recursion: Recursion) -> Result<Dataset, DatasetError> {
    let roots: Vec<PathBuf> = roots.iter().map(|&root| root.to_owned()).collect();
    discover_files(&roots, options, recursion)
}

/// `label:relative/path` for each image; `-` stands for no label.
fn listed(dataset: &Dataset) -> Vec<String> {
    let line = |label: Option<usize>, path: &Path| {
        let label = label.map_or("-".to_owned(), |label| label.to_string());
        format!("{label}:{}", display_path(path))
    };
    dataset.images.iter().map(|image| line(image.label, &image.relative)).collect()
}

/// The notes' texts, the root's path shortened.
fn noted(dataset: &Dataset) -> Vec<String> {
    let root = display_path(&dataset.root).to_string();
    let text = |note: &Note| note.to_string().replace(&root, "ROOT").replace('\\', "/");
    dataset.notes.iter().map(text).collect()
}
