//! One HTML file that shows what is in a data set: opens from disk, holds all that it shows, and asks for nothing else.
//!
//! The same conversion gives the same bytes, on any number of threads, as long as the photos are the same and can be found.

mod alike;
mod atypical;
mod chart;
mod error;
mod features;
mod files;
mod head;
mod histogram;
mod html;
mod photos;
mod projection;
mod thumbnail;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

pub use error::PageError;

use crate::features::{Sample, Table};
use crate::manifest::Manifest;
use crate::results::{FileReport, Report, Verdict};
use crate::storage;
use features::Features;
use photos::Photos;

/// The most records that a page is made from, unless all are wanted.
const MOST: usize = 2_000;
/// Records that a page is made from unless all are wanted.
pub const SAMPLE: Sample = Sample::AtMost(MOST);

/// Records that the page of a conversion of so many is made from at its end. To decode a photo again for its thumbnail takes an
/// eighth of the time that the smallest network took for it, and the page is to take 2 % of the conversion's time at most.
#[must_use]
pub fn brief(records: u64) -> Sample {
    let part = usize::try_from(records / 16).unwrap_or(usize::MAX);
    Sample::Brief(part.clamp(48, MOST))
}

/// Which photos of a report may be fetched from object stores, where requests carry the user's credentials. A report that
/// somebody else wrote can name any object.
#[derive(Clone, Copy, Debug)]
pub enum PhotosAt<'a> {
    /// All: petrec wrote the report just now.
    Anywhere,
    /// Those below the folder of the records, and below the data set that was named, if one was.
    Named(Option<&'a Path>),
}

impl PhotosAt<'_> {
    /// Whether the photo may be opened. One on this machine may.
    fn has(self, file: &FileReport, out: &Path) -> bool {
        let path = Path::new(file.quarantined.as_ref().unwrap_or(&file.path));
        match self {
            _ if !storage::is_url(path) => true,
            Self::Anywhere => true,
            Self::Named(dataset) => path.starts_with(out) || dataset.is_some_and(|dataset| path.starts_with(dataset)),
        }
    }
}

/// A page, and what it was made from.
pub struct Page {
    /// The file's content.
    pub html: String,
    /// Records that were read, of how many.
    pub records: Option<(usize, u64)>,
    /// Photos that have a thumbnail.
    pub thumbnails: usize,
    /// Good photos that should have one and were not found, or do not decode any more.
    pub gone: usize,
}

impl Page {
    /// The page of the conversion in the folder `out`, of which `report` is the report, with the photos that may be fetched. After each record file, `watch` is told
    /// how many there are.
    ///
    /// # Errors
    /// The conversion is not finished, damaged, or its report is not there.
    pub fn of_conversion(
        out: &Path,
        report: &Path,
        photos_at: PhotosAt<'_>,
        sample: Sample,
        threads: usize,
        watch: &mut dyn FnMut(usize),
    ) -> Result<Self, PageError> {
        let manifest = Manifest::read(out).map_err(crate::features::TableError::from)?;
        let table = Table::of(&manifest, out, report, sample, threads, watch)?;
        let report = read_report(report)?;
        let features = Features::of(&table, files_of(&table, &report), threads);
        let shown = files::shown(&report);
        let wanted: Vec<usize> = shown.iter().copied().chain(features.files()).collect();
        let (wanted, elsewhere): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|file| photos_at.has(&report.files[*file], out));
        let elsewhere: BTreeSet<usize> = elsewhere.into_iter().collect();
        let photos = Photos::of(&report, wanted.into_iter(), threads);
        let main = [
            head::of_conversion(&manifest, &photos),
            files::sections(&photos, Some(&manifest), &shown),
            features.sections(&photos),
            head::end(&report),
        ];
        Ok(Self {
            html: html::page(&manifest.dataset, &main.concat(), &features.data(&photos)),
            records: Some((table.labels.len(), table.records)),
            thumbnails: photos.thumbnails.len(),
            gone: photos.thumbnails.gone + elsewhere.len(),
        })
    }

    /// The page of a validation of the data set called `name`, which has no features.
    #[must_use]
    pub fn of_validation(name: &str, report: &Report, threads: usize) -> Self {
        let shown = files::shown(report);
        let photos = Photos::of(report, shown.iter().copied(), threads);
        let main = [head::of_validation(name, &photos), files::sections(&photos, None, &shown), head::end(report)];
        Self {
            html: html::page(name, &main.concat(), &serde_json::json!({})),
            records: None,
            thumbnails: photos.thumbnails.len(),
            gone: photos.thumbnails.gone,
        }
    }
}

fn read_report(path: &Path) -> Result<Report, PageError> {
    let bytes = storage::read(path).map_err(|reason| PageError::Report { path: path.into(), reason })?;
    serde_json::from_slice(&bytes).map_err(|reason| PageError::Foreign { path: path.into(), reason })
}

/// Which file of the report each image of the table is; `None` where the records do not tell.
fn files_of(table: &Table, report: &Report) -> Vec<Option<usize>> {
    let accepted = || report.files.iter().enumerate().filter(|(_, file)| file.finding.verdict == Verdict::Accepted);
    let mut by_name: HashMap<String, usize> =
        accepted().map(|(number, file)| (below_root(&file.shown_path()), number)).collect();
    by_name.extend(accepted().map(|(number, file)| (file.shown_path().into_owned(), number)));
    table.names.iter().map(|name| by_name.get(name).copied()).collect()
}

/// What `--with path` stores: a report's path from the class's folder on, with forward slashes.
fn below_root(path: &str) -> String {
    let mut parts = Path::new(path).iter().rev().map(|part| part.to_string_lossy());
    let (name, class) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{class}/{name}")
}
