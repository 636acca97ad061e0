//! The end of a conversion, once every record file is there: the report, what lies beside the records, and the manifest.

use std::io::Write;
use std::path::Path;

use super::ConvertError;
use super::earlier::Entries;
use super::head::Head;
use super::output::Output;
use super::output_error::OutputError;
use crate::manifest::{JOURNAL_NAME, MANIFEST_NAME, Manifest, REPORT_NAME};
use crate::results::{ReportFile, ReportFileError};
use crate::storage;
use crate::storage::atomic_file::AtomicFile;

/// Writes what comes after the record files, and removes the journal, as the last step of all.
pub(super) fn conclude(
    output: Output,
    head: Head,
    entries: Entries,
    report: Option<ReportFile>,
) -> Result<Manifest, ConvertError> {
    // Only a journal that somebody else wrote can tell of other images than the data set's.
    let outcomes = head.report(&entries).ok_or_else(|| OutputError::Foreign(output.path(JOURNAL_NAME.as_ref())))?;
    let begun = entries.values().map(|entry| entry.begun).min().unwrap_or_default();
    let files: Vec<_> = entries.into_values().filter_map(|entry| entry.file).collect();
    if outcomes.counts.accepted == 0 {
        let paths = files.iter().flat_map(|file| [file.relative(), file.relative_index()]);
        output.take_back(paths.flatten())?;
        return Err(ConvertError::NothingDecoded { images: outcomes.counts.files });
    }
    let manifest = Manifest { files, ..head.manifest };
    write_companions(output.root(), &manifest)?;
    match report {
        Some(report) => report.finish(&outcomes)?,
        None => output.write_json(REPORT_NAME, &outcomes)?,
    }
    output.write_manifest(&manifest, begun)?;
    output.finish()?;
    Ok(manifest)
}

/// Writes what lies beside the records and the manifest, where it is not there yet.
pub(super) fn write_companions(out: &Path, manifest: &Manifest) -> Result<(), OutputError> {
    for (name, content) in manifest.companions() {
        let path = out.join(name);
        if storage::read(&path).is_ok_and(|found| found == content) {
            continue;
        }
        AtomicFile::write(&path, |file| file.write_all(&content)).map_err(OutputError::write(&path))?;
    }
    Ok(())
}

/// The file that a report beside or outside the records goes to.
pub(super) fn report_file(
    path: &Path,
    out: &Path,
    manifest: &Manifest,
    root: &Path,
) -> Result<ReportFile, ReportFileError> {
    let companions = manifest.companions();
    let reserved: Vec<_> = companions.iter().map(|(name, _)| name.as_str()).chain([MANIFEST_NAME]).collect();
    ReportFile::begin_beside(path, out, &reserved, root)
}
