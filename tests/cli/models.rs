//! `petrec models`: every network in numbers, and the weights that `--model` would take.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use petrec::model::{Architecture, Weights, seeded};
use serde_json::Value;
use tempfile::TempDir;

use super::places::repository;
use super::{Run, temporary};

/// A user with an empty home, in an empty folder.
struct User {
    home: TempDir,
    folder: TempDir,
}

impl User {
    fn new() -> Self {
        Self { home: temporary(), folder: temporary() }
    }

    fn petrec<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_petrec"));
        let homes = ["HOME", "USERPROFILE", "XDG_DATA_HOME", "APPDATA"].map(|name| (name, self.home.path()));
        Run::of(command.args(args).envs(homes).current_dir(self.folder.path()))
    }

    fn listed(&self, more: &[&OsStr]) -> Value {
        let run = self.petrec(["models".as_ref(), "--json".as_ref()].iter().chain(more)).ok();
        serde_json::from_str(&run.stdout).expect("JSON")
    }

    /// Puts a weight file where the working folder or the user's own has them.
    fn has(&self, folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join("model-weights").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, bytes).expect("written");
        path
    }
}

fn bytes_of(weights: &Weights) -> Vec<u8> {
    weights.to_bytes().expect("serialises")
}

#[test]
fn every_network_is_listed_with_what_it_costs() {
    let user = User::new();

    let list = user.listed(&[]);
    let text = user.petrec(["models"]).ok().stdout;

    let names: Vec<_> = list["models"].as_array().expect("a list").iter().map(|model| &model["name"]).collect();
    assert_eq!(names, Architecture::ALL.map(Architecture::name));
    let b0 = &list["models"][0];
    assert_eq!((&b0["side"], &b0["feature_shape"]), (&224.into(), &serde_json::json!([7, 7, 1280])));
    assert_eq!((&b0["parameters"], &b0["multiply_adds"]), (&3_986_540.into(), &384_534_752.into()));
    let rows: Vec<&str> = text.lines().take(14).collect();
    assert!(rows[1].starts_with("efficientnet-b0     224x224  7x7x1280"), "{text}");
    assert!(rows[1].ends_with("none") && rows[9].ends_with("built in"), "{text}");
    assert!(rows.iter().all(|row| row.len() < 100), "{text}");
}

#[test]
fn weights_are_listed_in_the_order_in_which_they_are_taken() {
    let user = User::new();
    let lite1 = bytes_of(&seeded(Architecture::EfficientNetLite1));
    let data = user.home.path().join("petrec");
    user.has(&data, "efficientnet-lite1.safetensors", &lite1);
    user.has(user.folder.path(), "efficientnet-lite1.safetensors", &lite1[..lite1.len() - 1]);
    user.has(user.folder.path(), "efficientnet-b7.safetensors", &lite1);
    let named = user.has(user.folder.path(), "mine.safetensors", &lite1);

    let list = user.listed(&["--weights".as_ref(), named.as_os_str()]);
    let text = user.petrec(["models"]).ok().stdout;

    let weights = list["weights"].as_array().expect("a list");
    let shown = |file: &Value| {
        let problem = file["problem"].as_str().map(|problem| problem.split(':').next().unwrap_or(problem).to_owned());
        (file["architecture"].to_string(), file["place"].to_string(), file["used"] == true, problem)
    };
    let [b7, lite0, cut, whole, named] = &weights[..] else { panic!("{list:#}") };
    assert_eq!(shown(b7).3.as_deref(), Some("holds efficientnet-lite1, not efficientnet-b7"));
    assert_eq!(shown(lite0), ("\"efficientnet-lite0\"".into(), "\"built-in\"".into(), true, None));
    assert!(shown(cut).2 && shown(cut).3.is_some(), "{cut:#}");
    assert_eq!(shown(whole), ("\"efficientnet-lite1\"".into(), "\"user-folder\"".into(), false, None));
    assert_eq!(shown(named), ("\"efficientnet-lite1\"".into(), "\"named\"".into(), false, None));
    assert_eq!(named["metadata"]["source"]["exporter"], "petrec's seeded recipe");
    assert!(text.contains("model-weights/ (unusable), user's folder"), "{text}");
    assert!(text.contains("  input     tf-bilinear, (x * 1 - 127) / 128 * 1\n  padding   same\n"), "{text}");
}

#[test]
fn a_file_that_is_no_weight_file_is_no_failure() {
    let user = User::new();
    let readme = repository("README.md");

    let run = user.petrec(["models".as_ref(), "--weights".as_ref(), readme.as_os_str()]).ok();

    assert!(run.stdout.contains("README.md, ") && run.stdout.contains("  unusable  "), "{}", run.stdout);
    let gone = user.petrec(["models", "--weights", "gone.safetensors"]).ok();
    assert!(gone.stdout.contains("gone.safetensors\n  unusable  "), "{}", gone.stdout);
}

#[test]
fn weights_in_the_users_folder_are_found_from_every_folder() {
    let user = User::new();
    let photo = repository("examples/photos/Cat/chelsea.jpg");
    let dump = ["dump", "--stage", "input", "--model", "efficientnet-lite1"].map(OsStr::new);
    let dump = || user.petrec(dump.into_iter().chain([photo.as_os_str()]));

    dump().refused(1, &["no weights for efficientnet-lite1", "petrec", "model-weights"]);
    let lite1 = bytes_of(&seeded(Architecture::EfficientNetLite1));
    user.has(&user.home.path().join("petrec"), "efficientnet-lite1.safetensors", &lite1);

    assert!(dump().ok().stdout.contains(" 240x240x3 "));
}

#[cfg(not(feature = "fetch"))]
#[test]
fn without_the_download_one_line_tells_how_to_get_the_weights() {
    let user = User::new();

    for args in [&["models", "fetch", "efficientnet-b0"][..], &["models", "fetch", "efficientnet-b0", "--url", "x"]] {
        user.petrec(args)
            .refused(1, &["cannot download efficientnet-b0", "cargo xtask import-weights", "--features fetch"]);
    }
}

#[test]
fn the_built_in_weights_are_in_the_program_once() {
    let program = fs::read(env!("CARGO_BIN_EXE_petrec")).expect("the program");
    let weights = fs::read(repository("model-weights/efficientnet-lite0.safetensors")).expect("the weights");
    let piece = &weights[weights.len() / 2..][..64];

    let found = program.windows(piece.len()).filter(|window| window == &piece).count();

    assert_eq!(found, 1);
}
