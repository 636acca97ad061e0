//! `petrec report`.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use tracing::info;

use super::args::{Global, Report};
use super::progress::FileProgress;
use super::stdout::stdout;
use super::{Outcome, UsageError, say_note};
use crate::convert::{PageDir, Totals};
use crate::features::Sample;
use crate::html_report::{Page, PhotosAt, SAMPLE, brief};
use crate::manifest::{PAGE_NAME, REPORT_NAME};
use crate::results::{ReportFile, ReportFileError};
use crate::storage;
use crate::storage::dirs;
use crate::text::{bytes, counted, display_path, thousands};

pub(super) fn run(command: &Report, global: &Global) -> anyhow::Result<Outcome> {
    let path = command.html.clone().unwrap_or_else(|| command.out.join(PAGE_NAME));
    if !is_page(&path) {
        let path = display_path(&path);
        return Err(UsageError(format!("--html {path}: is not a .html file; only such a name is safe")).into());
    }
    // Held to the end, so that no other process starts a conversion there.
    let is_inside = command.html.is_none() || dirs::contains(&command.out, &path);
    let is_inside = is_inside && !storage::is_url(&command.out);
    let dir = if is_inside { PageDir::open(&command.out)? } else { None };
    let sample = if command.all { Sample::All } else { SAMPLE };
    let mut progress = FileProgress::new("report", global);
    let (report, threads) = (command.out.join(REPORT_NAME), global.threads().get());
    let photos = PhotosAt::Named(command.photos.as_deref());
    let page = Page::of_conversion(&command.out, &report, photos, sample, threads, &mut |files| progress.step(files))?;
    drop(progress);
    match (&command.html, dir) {
        (None, Some(dir)) => {
            dir.put(&page.html).map_err(|reason| ReportFileError::Write { path: path.clone(), reason })?;
        }
        _ => ReportFile::begin(&path, &[])?.finish_page(&page.html)?,
    }
    if let Some(gone) = gone(&page) {
        say_note(&gone, global);
    }

    let (read, all) = page.records.unwrap_or_default();
    let mut out = stdout();
    if command.json {
        let Page { thumbnails, gone, .. } = page;
        let (page, bytes) = (path.to_string_lossy(), page.html.len());
        let object = json!({
            "records": all, "read": read, "thumbnails": thumbnails, "gone": gone, "page": page, "bytes": bytes,
        });
        out.json(&object)?;
        return Ok(Outcome::Done);
    }
    writeln!(out, "records   {} of {}", thousands(read), thousands(usize::try_from(all).unwrap_or(usize::MAX)))?;
    writeln!(out, "pictures  {}", counted(page.thumbnails, "thumbnail"))?;
    writeln!(out, "page      {}, {}", display_path(&path), bytes(page.html.len() as u64))?;
    Ok(Outcome::Done)
}

/// Images of which `petrec report` alone makes a page: a report of more takes gigabytes of memory, which the rest does not.
const MOST_IMAGES: usize = 1_000_000;

/// Makes the page of a conversion that has just ended, and tells where it is. One that is there already stays, unless something
/// `is_new`. That none can be made is no failure of the conversion.
pub(super) fn page_of_conversion(
    out: &Path,
    report: &Path,
    dataset: Option<&Path>,
    totals: &Totals,
    is_new: bool,
    global: &Global,
) -> Option<PathBuf> {
    let path = out.join(PAGE_NAME);
    if storage::is_url(out) {
        // To make it here, all records would have to come back.
        say_note(&format!("to make a page of the conversion: petrec report {}", display_path(out)), global);
        return None;
    }
    let no_page = |error: &dyn Display| say_note(&format!("there is no page, because {error:#}"), global);
    let dir = PageDir::open(out).inspect_err(|error| no_page(error)).ok()??;
    if !is_new && path.is_file() {
        return Some(path);
    }
    if totals.images > MOST_IMAGES {
        say_note(
            &format!("there is no page of so many images; to make it: petrec report {}", display_path(out)),
            global,
        );
        return None;
    }
    let write = || -> anyhow::Result<()> {
        let photos = if is_new { PhotosAt::Anywhere } else { PhotosAt::Named(dataset) };
        let (sample, threads) = (brief(totals.records), global.threads().get());
        let page = Page::of_conversion(out, report, photos, sample, threads, &mut |_| {})?;
        // It would be another one than where the photos are.
        gone(&page).map_or(Ok(()), |gone| Err(anyhow::Error::msg(gone)))?;
        Ok(dir.put(&page.html)?)
    };
    let start = Instant::now();
    write().inspect_err(|error| no_page(error)).ok()?;
    info!(path = %path.display(), taken = ?start.elapsed(), "made the page");
    Some(path)
}

/// Whether a report of this name is to be a page.
pub(super) fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("html"))
}

/// That the page has to do without some photos, and what to do; `None` where it has all.
fn gone(page: &Page) -> Option<String> {
    let gone = counted(page.gone, "photo");
    let words = format!(
        "{gone} not found under the path in petrec-report.json, and without a thumbnail: run 'petrec report' in the folder where \
         convert ran, and name the data set with --photos if it is at a URL"
    );
    (page.gone > 0).then_some(words)
}
