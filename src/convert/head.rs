//! What is being converted, as the journal has it: all that must be known once the record files are there, because whoever
//! concludes the work of several workers has neither the data set nor the options.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Options;
use super::earlier::Entries;
use super::fingerprint::{Fingerprint, Images};
use super::manifest::{Manifest, below};
use super::plan::{Plan, PlannedFile};
use crate::dataset::Dataset;
use crate::image::Accept;
use crate::paths::StoredPath;
use crate::report::{Finding, Report};

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
