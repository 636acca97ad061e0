//! Photos in a folder and in a store, conversions of them, and how they compare.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::program::program;
use super::server::{KEY, SECRET, Server};
use super::steps::Steps;

/// Where the data set lies, in the folder of a scene and in the bucket.
pub(crate) const PHOTOS: &str = "photos";
pub(crate) const PHOTOS_URL: &str = "s3://bucket/photos";
/// Where records go.
pub(crate) const OUT_URL: &str = "s3://bucket/out";

/// Files by their names below a folder.
pub(crate) type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A data set, twice.
pub(crate) struct Scene {
    pub(crate) server: Server,
    folder: TempDir,
}

impl Scene {
    /// The example photos in both places; `None` where there is no server.
    pub(crate) fn new() -> Option<Self> {
        let scene = Self { server: Server::start()?, folder: tempfile::tempdir().expect("a temporary folder") };
        for class in fs::read_dir(repository("examples/photos")).expect("the example photos") {
            let class = class.expect("a class");
            for photo in fs::read_dir(class.path()).expect("a folder") {
                let photo = photo.expect("a photo");
                let name = Path::new(&class.file_name()).join(photo.file_name());
                scene.add(name.to_str().expect("UTF-8"), &fs::read(photo.path()).expect("readable"));
            }
        }
        Some(scene)
    }

    /// Puts a file into the data set, in both places.
    pub(crate) fn add(&self, name: &str, content: &[u8]) {
        for root in [self.path(PHOTOS), self.server.path(PHOTOS)] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a class")).expect("made");
            fs::write(path, content).expect("written");
        }
    }

    /// A path in the scene's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// petrec in the scene's folder, which knows the server.
    pub(crate) fn petrec(&self, args: &[&str]) -> Command {
        self.petrec_by(self.server.port(), args)
    }

    /// The same by way of a proxy.
    pub(crate) fn petrec_by(&self, port: u16, args: &[&str]) -> Command {
        let mut command = program();
        command.args(args).current_dir(self.folder.path());
        command.env("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")).env("AWS_ALLOW_HTTP", "true");
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
        command
    }

    /// `convert` with the built-in weights.
    pub(crate) fn convert(&self, from: &str, to: &str, options: &[&str]) -> Command {
        self.convert_by(self.server.port(), from, to, options)
    }

    pub(crate) fn convert_by(&self, port: u16, from: &str, to: &str, options: &[&str]) -> Command {
        let mut command = self.petrec_by(port, &["convert", "--quiet", "--model", "efficientnet-lite0", from, to]);
        command.args(options);
        command
    }

    /// The same as worker `index` of two.
    pub(crate) fn work_by(&self, port: u16, index: u32, to: &str, options: &[&str]) -> Command {
        let mut command = self.convert_by(port, PHOTOS, to, options);
        command.args(["--shard-count", "2", "--shard-index", &index.to_string()]);
        command
    }

    /// What a local run writes, by name, but for its page.
    pub(crate) fn local(&self, options: &[&str]) -> Tree {
        ok(self.convert(PHOTOS, "local", options));
        let mut tree = tree(&self.path("local"));
        tree.retain(|name, _| name != Path::new("report.html"));
        fs::remove_dir_all(self.path("local")).expect("removed");
        tree
    }

    /// What a local run would write of the data set in the store: its report, too, tells where the photos are.
    pub(crate) fn local_of_url(&self, options: &[&str]) -> Tree {
        let mut tree = self.local(options);
        let report = tree.get_mut(Path::new("petrec-report.json")).expect("a report");
        let text = String::from_utf8(std::mem::take(report)).expect("UTF-8");
        *report = text.replace(&format!("\"{PHOTOS}/"), &format!("\"{PHOTOS_URL}/")).into_bytes();
        tree
    }

    /// Has a program die at each of its steps: what comes `after` has to bring the objects below [`OUT_URL`] to what `options`
    /// make of the data set here.
    pub(crate) fn die_at_each_step(
        &self,
        (what, options): (&str, &[&str]),
        least: u32,
        before: &dyn Fn(),
        dies: &dyn Fn() -> Command,
        after: &dyn Fn(u32),
    ) {
        let (local, what) = (self.local(options), &format!("{what}, {options:?}"));
        let after = &|step: u32, when: &str| {
            after(step);
            self.compare_and_remove(&local, when);
        };
        Steps { what, least, before, dies, after }.die_at_each();
        let _ = fs::remove_dir_all(self.server.path("out"));
    }

    /// The objects below [`OUT_URL`] must be these files, and no others.
    #[track_caller]
    pub(crate) fn compare(&self, local: &Tree, when: &str) {
        same(&tree(&self.server.path("out")), local, when);
    }

    /// The same, and then they are removed.
    #[track_caller]
    pub(crate) fn compare_and_remove(&self, local: &Tree, when: &str) {
        self.compare(local, when);
        ok(self.petrec(&["verify", OUT_URL]));
        fs::remove_dir_all(self.server.path("out")).expect("removed");
    }
}

#[track_caller]
pub(crate) fn same(ours: &Tree, local: &Tree, when: &str) {
    assert_eq!(ours.keys().collect::<Vec<_>>(), local.keys().collect::<Vec<_>>(), "{when}");
    for (name, bytes) in ours {
        assert!(*bytes == local[name], "{when}: {} differs", name.display());
    }
}

/// The record files alone.
pub(crate) fn records(mut tree: Tree) -> Tree {
    tree.retain(|name, _| name.extension().is_some_and(|ending| ending == "tfrecord"));
    tree
}

/// Every file below a folder with its bytes. Folders that the server leaves behind are nothing to a client.
pub(crate) fn tree(folder: &Path) -> Tree {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("readable");
                found.insert(path.strip_prefix(folder).expect("below").to_owned(), bytes);
            }
        }
    }
    found
}

/// Runs to the end, and must succeed.
#[track_caller]
pub(crate) fn ok(mut command: Command) -> String {
    let output = command.output().expect("petrec starts");
    assert!(output.status.success(), "{command:?}: {}", words(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Must end with this exit code, and with a line that holds all of `parts`; tells the line.
#[track_caller]
pub(crate) fn refused(mut command: Command, code: i32, parts: &[&str]) -> String {
    let output = command.output().expect("petrec starts");
    assert_eq!(output.status.code(), Some(code), "{}", words(&output));
    let words = words(&output);
    let last = words.lines().last().unwrap_or_default();
    assert!(last.starts_with("petrec: "), "{words}");
    for part in parts {
        assert!(last.contains(part), "'{part}' is missing in: {last}");
    }
    last.to_owned()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
