//! What is being converted, as the journal has it: all that must be known once the record files are there, because whoever
//! concludes the work of several workers has neither the data set nor the options.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::changed::{changed_since, manifest_time};
use super::earlier::Entries;
use super::images::Images;
use super::output_error::OutputError;
use super::plan::{Plan, PlannedFile};
use crate::dataset::Dataset;
use crate::image::Accept;
use crate::manifest::{Fingerprint, Manifest, Options, REPORT_NAME, below};
use crate::results::{Finding, Report};
use crate::storage;
use crate::storage::dirs::StoredPath;
use crate::text::named;
use crate::text::one_line;

/// The head of a journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// The manifest without its files.
    pub(super) manifest: Manifest,
    pub(super) images: Images,
    /// The record files in the order of the plan, with forward slashes.
    files: Vec<String>,
    /// The data set's folder as it was typed.
    root: StoredPath,
    accept: Accept,
    notes: Vec<String>,
    /// The label of each image.
    labels: Vec<Option<usize>>,
}

impl Head {
    pub(super) fn new(dataset: &Dataset, options: &Options, plan: &Plan, manifest: Manifest) -> Self {
        Self {
            manifest,
            images: Images::of(dataset),
            files: plan.files.iter().map(PlannedFile::name).collect(),
            root: StoredPath::of(&dataset.root),
            accept: options.policy.accept,
            notes: dataset.notes.iter().map(ToString::to_string).collect(),
            labels: dataset.images.iter().map(|image| image.label).collect(),
        }
    }

    pub(super) fn plan(&self) -> &Fingerprint {
        &self.manifest.plan
    }

    /// Refuses the manifest of another conversion in `out` than that of `dataset`.
    pub(super) fn refuse_other_manifest(
        &self,
        manifest: &Manifest,
        out: &Path,
        dataset: &Dataset,
    ) -> Result<(), OutputError> {
        refuse_other_manifest(manifest, self.plan(), out, dataset)
    }

    /// The name of a record file, with forward slashes; `None` where there are not so many.
    pub(super) fn file(&self, index: usize) -> Option<&str> {
        self.files.get(index).map(String::as_str)
    }

    /// How many record files there will be in all.
    pub(super) fn planned(&self) -> usize {
        self.files.len()
    }

    /// The record files, relative to the output folder.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.files.iter().filter_map(|file| below(file))
    }

    /// The report on all images; `None` where `entries` are not those of all record files, each image in one.
    pub(super) fn report(&self, entries: &Entries) -> Option<Report> {
        let mut findings: Vec<Option<&Finding>> = vec![None; self.labels.len()];
        for entry in entries.values() {
            for (image, finding) in entry.images.iter().zip(&entry.findings) {
                findings.get_mut(*image)?.replace(finding);
            }
        }
        let root = self.root.to_path();
        let mut report = Report::new(&self.manifest.classes, self.notes.clone(), self.accept);
        for ((image, label), finding) in self.images.paths().zip(&self.labels).zip(findings) {
            report.push(&root.join(image.below()?), *label, finding?.clone());
        }
        if report.files.len() != self.labels.len() {
            return None;
        }
        divide(&mut report, &self.manifest, entries.values().map(|entry| (entry.split.as_deref(), &entry.images[..])));
        Some(report)
    }
}

/// Refuses the manifest of a conversion in `out` that is not `plan`, that of `dataset`. Images that came or went are named by the
/// report, if it is there.
pub(super) fn refuse_other_manifest(
    manifest: &Manifest,
    plan: &Fingerprint,
    out: &Path,
    dataset: &Dataset,
) -> Result<(), OutputError> {
    let images = |counts: String| match difference_by_report(out, dataset) {
        Some(named) => format!("{counts}: {named}"),
        None => counts,
    };
    match manifest.plan.difference(plan, images) {
        Some(difference) => Err(OutputError::Other { out: out.into(), what: "a finished conversion", difference }),
        None => Ok(()),
    }
}

/// The first image that the report in `out` does not name or that only it names, or that was changed since, and how many more.
fn difference_by_report(out: &Path, dataset: &Dataset) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        files: Vec<NamedFile>,
    }
    #[derive(Deserialize)]
    struct NamedFile {
        path: String,
    }
    // A class folder and a name: the folder of the data set may be typed in another way now.
    let name = |path: &str| {
        let mut parts = path.rsplit(['/', std::path::MAIN_SEPARATOR]);
        let (name, class) = (parts.next()?, parts.next()?);
        Some(format!("{class}/{name}"))
    };
    let report: Named = serde_json::from_slice(&storage::read(&out.join(REPORT_NAME)).ok()?).ok()?;
    let then: Vec<String> = report.files.iter().filter_map(|file| name(&file.path)).collect();
    let now: Vec<String> = dataset.images.iter().filter_map(|image| name(&image.relative.to_string_lossy())).collect();
    let [known, current] = [&then, &now].map(|names| names.iter().collect::<HashSet<_>>());
    let gone = then.iter().filter(|name| !current.contains(name)).map(|name| (name, "was removed"));
    let mut changes = gone.chain(now.iter().filter(|name| !known.contains(name)).map(|name| (name, "was added")));
    match changes.next() {
        Some((first, what)) => Some(named(&one_line(first).to_string(), what, changes.count())),
        None => changed_since(dataset, manifest_time(out)?),
    }
}

/// Tells the report in which split each image is.
pub(super) fn divide<'a>(
    report: &mut Report,
    manifest: &Manifest,
    files: impl Iterator<Item = (Option<&'a str>, &'a [usize])>,
) {
    if manifest.division.is_some() {
        let images = files.flat_map(|(split, images)| images.iter().filter_map(move |image| Some((*image, split?))));
        report.divide(manifest.splits(), images);
    }
}
