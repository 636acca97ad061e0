//! `petrec models fetch` as a user types it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::server::{Conduct, Server};
use super::shared::shared;

/// Of the seeded B0 as Keras saved it.
const MD5: &str = "e6c66e0c7269d450744bd9fc8958b1a7";
const FETCH: [&str; 3] = ["models", "fetch", "efficientnet-b0"];

/// The seeded B0 in the layout of Keras' own file.
fn seeded_file() -> Option<Vec<u8>> {
    shared("reference/h5/keras-b0-seeded-notop-legacy.h5").map(|path| fs::read(path).expect("readable"))
}

/// A user with a home, in an empty folder, without a proxy.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a folder") }
    }

    fn petrec<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>, variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_petrec"));
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        let homes = ["HOME", "USERPROFILE", "XDG_DATA_HOME", "APPDATA"].map(|name| (name, self.home.path()));
        let command = command.args(args).envs(homes).envs(variables.iter().copied()).current_dir(self.home.path());
        command.output().expect("petrec starts")
    }

    /// `models fetch efficientnet-b0` from `url`.
    fn fetch(&self, url: &str, variables: &[(&str, &str)]) -> Output {
        self.petrec(FETCH.into_iter().chain(["--url", url, "--md5", MD5, "--timeout", "5"]), variables)
    }

    fn has(&self, name: &str) -> bool {
        self.home.path().join("petrec/model-weights").join(name).exists()
    }
}

/// The run must have ended with 1, and its lines on standard error are these.
#[track_caller]
fn refused(run: &Output, lines: &[&[&str]]) {
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    let stderr = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(stderr.lines().count(), lines.len(), "{stderr}");
    for (line, words) in stderr.lines().zip(lines) {
        assert!(line.starts_with("petrec: "), "{line}");
        words.iter().for_each(|word| assert!(line.contains(word), "'{word}' is missing in: {line}"));
    }
    assert!(run.stdout.is_empty());
}

/// The three lines that tell of other ways.
const BY_HAND: &[&str] = &["by hand: ", "efficientnetb0_notop.h5 and give the same command again", "--h5 FILE"];
const BY_PYTHON: &[&str] = &["python -c", "EfficientNetB0(include_top=False, input_shape=(224, 224, 3))", ".export("];
const AND_THEN: &[&str] = &["cargo xtask import-weights --onnx efficientnet-b0.onnx"];

#[test]
fn what_was_fetched_is_what_the_default_model_runs_with() {
    let Some(file) = seeded_file() else { return };
    let user = User::new();
    let server = Server::start(&file, &[Conduct::CutAfter(9_000_000), Conduct::Well]);

    let cut = user.fetch(&server.url(), &[]);
    refused(&cut, &[&["cut off", "9.0 MB of 16.7 MB are here", "the same command goes on"]]);
    assert!(user.has("efficientnetb0_notop.h5.part") && !user.has("efficientnet-b0.safetensors"));
    let run = user.fetch(&server.url(), &[]);
    let again = user.fetch(&server.url(), &[]);

    assert!(run.status.success() && run.stderr.is_empty(), "{run:?}");
    let stdout = String::from_utf8_lossy(&run.stdout);
    assert!(
        stdout.contains("feature   7x7x1280, mean ") && stdout.contains("efficientnet-b0.safetensors ("),
        "{stdout}"
    );
    assert_eq!(again.stdout, run.stdout);
    let told = user.petrec(FETCH.into_iter().chain(["--url", &server.url(), "--md5", MD5, "--json"]), &[]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!((&told["model"], &told["exporter"].is_string()), (&"efficientnet-b0".into(), &true));
    let weights = Path::new(told["weights"].as_str().expect("a path"));
    assert_eq!(told["bytes"], fs::metadata(weights).expect("there").len());
    assert_eq!(server.requests().len(), 2);
    assert!(server.requests()[1].contains("range: bytes=9000000-"), "{:?}", server.requests());

    let list = user.petrec(["models", "--json"], &[]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).expect("JSON");
    let b0 = &list["weights"][0];
    assert_eq!((&b0["place"], &b0["used"], &b0["problem"]), (&"user-folder".into(), &true.into(), &().into()));
    assert_eq!(b0["metadata"]["source"]["file"], "efficientnetb0_notop.h5");
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/photos/Cat/chelsea.jpg");
    let dump = user.petrec(["dump".as_ref(), photo.as_os_str()], &[]);
    assert!(String::from_utf8_lossy(&dump.stdout).contains(" 7x7x1280 "), "{dump:?}");
}

#[test]
fn a_server_without_the_file_leaves_three_other_ways() {
    let user = User::new();
    let server = Server::start(b"", &[Conduct::Refuse]);

    let run = user.fetch(&server.url(), &[]);

    refused(&run, &[&[&server.url(), "404 Not Found"], BY_HAND, BY_PYTHON, AND_THEN]);
    assert!(!user.has("efficientnet-b0.safetensors"));
}

#[test]
fn a_file_that_is_not_the_pinned_one_is_refused() {
    let user = User::new();
    let server = Server::start(b"a page that asks for a password", &[Conduct::Well]);

    // Without --md5 a mirror must have what Keras has.
    let run = user.petrec(FETCH.into_iter().chain(["--url", &server.url()]), &[]);

    refused(&run, &[&["expected 50bc09e76180e00e4465e1a485ddc09d", "efficientnetb0_notop.h5.part"]]);
    assert!(user.has("efficientnetb0_notop.h5.part") && !user.has("efficientnetb0_notop.h5"));
}

#[test]
fn a_proxy_is_used_for_what_it_is_set_for() {
    let Some(file) = seeded_file() else { return };
    let user = User::new();
    let proxy = Server::start(&file, &[Conduct::Well]);
    let address = proxy.proxy();

    // A name that no resolver knows: only the proxy can have got there.
    let run = user.fetch("http://weights.invalid/b0.h5", &[("HTTP_PROXY", &address)]);

    assert!(run.status.success(), "{run:?}");
    let requests = proxy.requests();
    assert!(requests[0].starts_with("connect weights.invalid:80 "), "{requests:?}");
    assert!(requests[1].starts_with("get /b0.h5 "), "{requests:?}");
}

#[test]
fn keras_own_address_is_asked_through_the_proxy_for_https() {
    let user = User::new();
    let proxy = Server::start(b"", &[Conduct::Refuse]);
    let address = proxy.proxy();

    let run = user.petrec(FETCH, &[("HTTPS_PROXY", &address), ("HTTP_PROXY", "http://127.0.0.1:1")]);

    let url = "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5";
    refused(&run, &[&[url, "cannot be reached", "403"], BY_HAND, BY_PYTHON, AND_THEN]);
    assert!(proxy.requests()[0].starts_with("connect storage.googleapis.com:443 "), "{:?}", proxy.requests());
}

#[test]
fn a_host_without_a_proxy_and_a_proxy_without_sense_are_told_apart() {
    let user = User::new();
    let server = Server::start(b"", &[Conduct::Refuse]);
    let nowhere = ("http_proxy", "http://127.0.0.1:1");

    // The server is on this machine, for which no proxy is asked; nor is one for what NO_PROXY lists.
    refused(&user.fetch(&server.url(), &[nowhere]), &[&["404"], BY_HAND, BY_PYTHON, AND_THEN]);
    let listed = user.fetch("http://weights.invalid/b0.h5", &[nowhere, ("NO_PROXY", "other.test, invalid")]);
    assert!(!String::from_utf8_lossy(&listed.stderr).contains("127.0.0.1:1"), "{listed:?}");

    let senseless = user.fetch(&server.url(), &[("http_proxy", "what proxy")]);
    refused(&senseless, &[&["http_proxy: not the address of an HTTP proxy"], BY_HAND, BY_PYTHON, AND_THEN]);
}

#[test]
fn wrong_usage_ends_with_2() {
    let user = User::new();

    for args in [
        &["models", "fetch"][..],
        &["models", "fetch", "efficientnet-lite0"],
        &["models", "fetch", "efficientnet-b0", "--md5", MD5],
        &["models", "fetch", "efficientnet-b0", "--url", "http://127.0.0.1/", "--md5", "50bc"],
        &["models", "fetch", "efficientnet-b0", "--timeout", "0"],
        &["models", "--json", "fetch", "efficientnet-b0"],
    ] {
        assert_eq!(user.petrec(args, &[]).status.code(), Some(2), "{args:?}");
    }
}
