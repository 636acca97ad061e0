//! What a user sees: the commands run as a program, on real photos and on everything that is not one.

#[cfg(target_os = "linux")]
mod attacks;
mod bad_input;
mod beside;
mod changed_photos;
mod completions;
mod contracts;
mod convert;
#[cfg(feature = "wgpu")]
#[path = "../common/device.rs"]
mod device;
mod devices;
mod dry_run;
mod dump;
mod first_steps;
mod foreign;
mod hostile_journals;
mod hostile_records;
mod inspect;
mod log;
mod machine_faults;
mod models;
mod output_folder;
#[path = "../common/places.rs"]
mod places;
mod plans;
mod probe;
#[path = "../common/program.rs"]
mod program;
mod progress;
mod refused_plans;
mod report;
mod resume;
mod schedulers;
#[path = "../common/shared.rs"]
mod shared;
mod signals;
mod splits;
mod surroundings;
mod terminal;
mod validate;
mod verify;
mod workers;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use petrec::tfrecord::{Example, Message, Reader};
use places::{photos, repository};
use program::program;
use tempfile::TempDir;

/// What a conversion of the example photos into one shard leaves.
const OF_ONE_SHARD: [&str; 4] =
    ["petrec-manifest.json", "petrec-report.json", "photos-00000-of-00001.tfrecord", "report.html"];

/// What a run of petrec said.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs petrec in the repository's root.
fn petrec<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Run {
    Run::of(program().args(args).current_dir(repository("")))
}

impl Run {
    fn of(command: &mut Command) -> Self {
        let output = command.output().expect("petrec starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("petrec writes UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The run must have succeeded.
    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// The run must have ended with this exit code and one line that holds all of `words`.
    #[track_caller]
    fn refused(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        let last = self.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("petrec: "), "{}", self.stderr);
        for word in words {
            assert!(last.contains(word), "'{word}' is missing in: {last}");
        }
        assert_eq!(self.stdout, "");
    }
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// `convert` of the example photos with the built-in weights, and whatever else is wanted.
fn convert_photos(out: &Path, more: &[&str]) -> Run {
    let fixed = ["convert", "--model", "efficientnet-lite0", "examples/photos"].map(OsStr::new);
    petrec(fixed.into_iter().chain([out.as_os_str()]).chain(more.iter().map(OsStr::new)))
}

/// All records of a file, parsed.
fn records(path: &Path) -> Vec<Example> {
    let reader = Reader::new(File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    reader.map(|record| Example::decode(&record.expect("an intact record")[..]).expect("an Example")).collect()
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).expect("the file")).expect("JSON")
}

/// A data set of copies of example photos under other names, each `("Class/name", "source in examples/photos")`.
fn data_set(files: &[(&str, &str)]) -> TempDir {
    let folder = temporary();
    for (name, source) in files {
        let target = folder.path().join(name);
        fs::create_dir_all(target.parent().expect("a folder")).expect("made");
        fs::copy(repository("examples/photos").join(source), target).expect("copied");
    }
    folder
}
