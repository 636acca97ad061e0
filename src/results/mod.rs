//! What happened to every file of a run, for people and for machines.
//!
//! The JSON object is documented in `docs/files.md`; `validate` and `convert` write the same one.

mod file;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use file::{ReportFile, ReportFileError};
use serde::{Deserialize, Serialize};

use crate::dataset::ImageFile;
use crate::image::{Accept, Format, Outline, Reason, Rejection};
use crate::storage::dirs::{bytes_of, path_of};
use crate::text::{display_path, text_of_bytes};

/// What was decided about one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It decodes as the policy demands.
    Accepted,
    /// It does not; the reason code says why.
    Rejected,
    /// Nothing is known of it: its store does not answer, or the machine fails to read it.
    Unreachable,
}

/// What was found out about one file, whatever it is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// Accepted, rejected or unreachable.
    pub verdict: Verdict,
    /// The reason code of a file that is not accepted.
    pub reason: Option<Reason>,
    /// The reason in words.
    pub detail: Option<String>,
    /// What the first bytes say it is, whatever its name.
    pub format: Format,
    /// Pixels across, where the header was readable.
    pub width: Option<usize>,
    /// Pixels down, where the header was readable.
    pub height: Option<usize>,
}

impl Finding {
    /// Writes down what came of looking at a file.
    #[must_use]
    pub fn new(outcome: Result<Outline, &Rejection>) -> Self {
        let (verdict, format, size) = match outcome {
            Ok(picture) => (Verdict::Accepted, picture.format, Some((picture.width, picture.height))),
            Err(rejection) if rejection.reason == Reason::Unreachable => (Verdict::Unreachable, rejection.format, None),
            Err(rejection) => (Verdict::Rejected, rejection.format, rejection.size),
        };
        let rejection = outcome.err();
        Self {
            verdict,
            reason: rejection.map(|rejection| rejection.reason),
            detail: rejection.map(|rejection| rejection.detail.clone()),
            format,
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
        }
    }
}

/// One file of a report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileReport {
    /// The path as it could be opened from the folder where petrec ran; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The path's bytes in hexadecimal, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// Name of its class, where the data set has classes.
    pub class: Option<String>,
    /// What was found out about it.
    #[serde(flatten)]
    pub finding: Finding,
    /// The split that its record is in, where the data set is divided.
    pub split: Option<String>,
    /// Where `--quarantine` moved it.
    pub quarantined: Option<String>,
}

impl FileReport {
    /// What was found out about the file at `path`, which is in no split.
    #[must_use]
    pub fn new(path: &Path, class: Option<String>, finding: Finding) -> Self {
        let bytes = match path.to_str() {
            Some(_) => None,
            None => bytes_of(path).map(|bytes| crate::text::hex(&bytes)),
        };
        let path = path.to_string_lossy().into_owned();
        Self { path, path_bytes: bytes, class, finding, split: None, quarantined: None }
    }

    /// The path for opening.
    #[must_use]
    pub fn to_path(&self) -> PathBuf {
        let bytes = self.path_bytes.as_deref().and_then(bytes_of_hex);
        bytes.and_then(|bytes| path_of(&bytes)).unwrap_or_else(|| PathBuf::from(&self.path))
    }

    /// The path as text, what is not UTF-8 in it as `\xE9`.
    #[must_use]
    pub fn shown_path(&self) -> Cow<'_, str> {
        shown_path(&self.path, self.path_bytes.as_deref())
    }
}

/// The text of a path that a report has, with its bytes where it is not UTF-8.
pub(crate) fn shown_path<'p>(path: &'p str, bytes: Option<&str>) -> Cow<'p, str> {
    match bytes.and_then(bytes_of_hex) {
        Some(bytes) => Cow::Owned(text_of_bytes(&bytes)),
        None => Cow::Borrowed(path),
    }
}

/// The bytes that hexadecimal digits stand for; `None` where they are none.
fn bytes_of_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

/// How many files of some kind were taken and how many were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Files looked at.
    pub files: usize,
    /// Files that decode.
    pub accepted: usize,
    /// Files that do not.
    pub rejected: usize,
    /// Files of which nothing is known, because the machine or the store failed.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unreachable: usize,
}

/// Whether a number is not worth a line: nearly always.
fn is_none(number: &usize) -> bool {
    *number == 0
}

impl Counts {
    fn add(&mut self, verdict: Verdict) {
        self.files += 1;
        match verdict {
            Verdict::Accepted => self.accepted += 1,
            Verdict::Rejected => self.rejected += 1,
            Verdict::Unreachable => self.unreachable += 1,
        }
    }
}

/// Counts of one class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClassReport {
    /// The class's name.
    pub name: String,
    /// Its label.
    pub label: usize,
    /// Its files.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Counts of one split.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SplitReport {
    /// The split's name.
    pub name: String,
    /// Its files.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What happened to every file of a run. `F` are the files, or what writes them as a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report<F = Vec<FileReport>> {
    /// Version of petrec that wrote this.
    pub petrec: Cow<'static, str>,
    /// The policy that was applied.
    pub accept: Accept,
    /// All files together.
    pub counts: Counts,
    /// The same by class, in label order; empty where the data set has no classes.
    pub classes: Vec<ClassReport>,
    /// The same by split; empty where the data set is not divided.
    pub splits: Vec<SplitReport>,
    /// Rejected files by reason code.
    pub reasons: BTreeMap<Cow<'static, str>, usize>,
    /// What was passed over while listing the data set, a line each.
    pub notes: Vec<String>,
    /// Every file, in the data set's order.
    pub files: F,
}

impl Report {
    /// A report without files yet, on a data set of these classes, with a line for each of the `notes`.
    #[must_use]
    pub fn new(classes: &[String], notes: Vec<String>, accept: Accept) -> Self {
        let class =
            |(label, name): (usize, &String)| ClassReport { name: name.clone(), label, counts: Counts::default() };
        Self {
            petrec: env!("CARGO_PKG_VERSION").into(),
            accept,
            counts: Counts::default(),
            classes: classes.iter().enumerate().map(class).collect(),
            splits: Vec::new(),
            reasons: BTreeMap::new(),
            notes,
            files: Vec::new(),
        }
    }

    /// Adds the next file of the data set's order.
    pub fn push(&mut self, path: &Path, label: Option<usize>, finding: Finding) {
        self.count(label, &finding);
        let class = label.and_then(|label| Some(self.classes.get(label)?.name.clone()));
        self.files.push(FileReport::new(path, class, finding));
    }

    /// Says in which of the splits each file is: `files` are their places in the report, with the name of the split.
    pub fn divide<'a>(&mut self, names: impl Iterator<Item = &'a str>, files: impl Iterator<Item = (usize, &'a str)>) {
        self.begin_splits(names);
        for (file, name) in files {
            if let Some(split) = self.splits.iter().position(|split| split.name == name) {
                self.count_in_split(split, self.files[file].finding.verdict);
            }
            self.files[file].split = Some(name.to_owned());
        }
    }
}

impl<F> Report<F> {
    /// Counts a file without adding it.
    pub(crate) fn count(&mut self, label: Option<usize>, finding: &Finding) {
        self.counts.add(finding.verdict);
        if let Some(class) = label.and_then(|label| self.classes.get_mut(label)) {
            class.counts.add(finding.verdict);
        }
        if let Some(reason) = finding.reason {
            *self.reasons.entry(reason.code().into()).or_default() += 1;
        }
    }

    /// The names of the splits, each without a file yet.
    pub(crate) fn begin_splits<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        self.splits = names.map(|name| SplitReport { name: name.to_owned(), counts: Counts::default() }).collect();
    }

    /// Counts a file of the split at that place.
    pub(crate) fn count_in_split(&mut self, split: usize, verdict: Verdict) {
        if let Some(split) = self.splits.get_mut(split) {
            split.counts.add(verdict);
        }
    }

    /// The same report with other files.
    pub(crate) fn with_files<G>(self, files: G) -> Report<G> {
        let Self { petrec, accept, counts, classes, splits, reasons, notes, .. } = self;
        Report { petrec, accept, counts, classes, splits, reasons, notes, files }
    }
}

/// The line that a person reads about a rejected file: `Dog/11702.jpg: the file is empty (E_EMPTY)`.
#[must_use]
pub fn rejection_line(file: &ImageFile, rejection: &Rejection) -> String {
    format!("{}: {rejection}", display_path(&file.relative))
}
