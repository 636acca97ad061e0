//! The end of a planned conversion: every record file of the plan is there, and the rest is written as a single run does.

use std::cell::RefCell;
use std::collections::HashSet;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use serde::ser::{Error, SerializeSeq};
use serde::{Serialize, Serializer};

use super::codec::PlannedImage;
use super::done::{Done, FindingId, Findings};
use super::file::PlanFile;
use super::header::Header;
use crate::convert::conclude::write_companions;
use crate::convert::content::refuse_foreign_files;
use crate::convert::earlier::{Watching, are_whole, sweep};
use crate::convert::finalize::{Lacks, finished, refuse_foreign_records};
use crate::convert::folder::remove_if_there;
use crate::convert::output::{Output, has_manifest};
use crate::convert::output_dir::OutputDir;
use crate::convert::{ConvertError, OutputError};
use crate::manifest::{MANIFEST_NAME, Manifest, REPORT_NAME, WrittenFile};
use crate::results::{FileReport, Report};
use crate::storage;
use crate::storage::atomic_file::{is_temporary, sync_folder};
use crate::storage::dirs::StoredPath;

/// What was told of no image yet.
const NOTHING: FindingId = FindingId::MAX;

/// Completes what workers did by the plan in a folder; tells the manifest, and whether it was complete before.
pub(in crate::convert) fn put_together(
    dir: Arc<OutputDir>,
    threads: NonZero<usize>,
    watch: &mut Watching<'_>,
) -> Result<(Manifest, bool), ConvertError> {
    let out = &dir.root().to_path_buf();
    refuse_foreign_files(out)?;
    let Some(mut plan) = PlanFile::open_and_check(Arc::clone(&dir))? else {
        return Ok((finished(out, threads, watch)?, true));
    };
    if let Some(manifest) = concluded_before(&plan, threads, watch)? {
        let output = Output::by_plan(dir, None, &plan.digest, |_| {})?;
        return Ok((leave(plan, output, manifest)?, false));
    }
    let mut done = Done::default();
    let output = Output::by_plan(dir, None, &plan.digest, |entry| done.add(entry))?;
    done.retain_whole(&mut plan, out, threads, watch)?;
    Ok((conclude(plan, output, done)?, false))
}

/// The manifest, if somebody who died has written it and nothing was lost since; one of whose files some were lost is removed.
///
/// # Errors
/// There is the manifest of another conversion. None of ours writes it where a plan is, but for two that share a store at the same
/// moment; it stays, because it alone knows that conversion's files.
pub(super) fn concluded_before(
    plan: &PlanFile,
    threads: NonZero<usize>,
    watch: &mut Watching<'_>,
) -> Result<Option<Manifest>, ConvertError> {
    let out = plan.dir.root();
    if !has_manifest(out)? {
        return Ok(None);
    }
    let manifest = Manifest::read(out).map_err(OutputError::from)?;
    if let Some(difference) = manifest.plan.difference(&plan.header.manifest.plan, |counts| counts) {
        return Err(OutputError::Other { out: out.into(), what: "a finished conversion", difference }.into());
    }
    let report = out.join(REPORT_NAME);
    let is_whole = are_whole(&manifest.files, out, threads, watch)?
        && storage::is_there(&report).map_err(OutputError::unreachable(&report))?;
    if is_whole {
        return Ok(Some(manifest));
    }
    remove_if_there(&out.join(MANIFEST_NAME))?;
    Ok(None)
}

/// Writes what comes after the record files, if all are there, and removes journals and plan.
pub(super) fn conclude(mut plan: PlanFile, output: Output, done: Done) -> Result<Manifest, ConvertError> {
    let manifest = plan.header.manifest.clone();
    let mut report = Report::new(&manifest.classes, plan.header.notes.clone(), plan.header.policy.accept);
    report.begin_splits(manifest.splits());
    let mut told = Told::new(plan.images(), manifest.division.is_some());
    let mut lacks = Lacks::new(output.root(), plan.files())?;
    for number in 0..plan.files() {
        let part = plan.part(number)?;
        let Some(file) = done.files.get(&number) else {
            lacks.add(number, &part.name);
            continue;
        };
        for (image, id) in part.images.iter().zip(&file.findings) {
            let finding = done.findings.get(*id).ok_or_else(|| plan.damaged())?;
            report.count(Some(image.label), finding);
            if let Some(split) = part.split {
                report.count_in_split(split, finding.verdict);
            }
            told.tell(image.number, *id, part.split);
        }
    }
    lacks.refuse(output.root())?;
    if told.findings.contains(&NOTHING) {
        return Err(plan.damaged().into());
    }
    let paths: HashSet<PathBuf> = done.written().filter_map(WrittenFile::relative).collect();
    refuse_foreign_records(output.root(), &paths)?;
    sweep(output.root(), paths.iter(), is_temporary)?;

    if report.counts.accepted == 0 {
        let images = report.counts.files;
        let files: Vec<_> =
            done.written().flat_map(|file| [file.relative(), file.relative_index()]).flatten().collect();
        files.iter().try_for_each(|file| output.remove(file))?;
        leave(plan, output, manifest)?;
        return Err(ConvertError::NothingDecoded { images });
    }
    let begun = done.begun();
    let Done { files, findings, .. } = done;
    let manifest = Manifest { files: files.into_values().filter_map(|done| done.file).collect(), ..manifest };
    write_companions(output.root(), &manifest)?;
    let listed = Listed { plan: RefCell::new(&mut plan), told: &told, findings: &findings };
    output.write_json(REPORT_NAME, &report.with_files(listed))?;
    output.write_manifest(&manifest, begun)?;
    leave(plan, output, manifest)
}

/// Removes the journals and, as the last step of all, the plan.
pub(super) fn leave(plan: PlanFile, output: Output, manifest: Manifest) -> Result<Manifest, ConvertError> {
    let out = output.root().to_path_buf();
    output.finish_with_workers()?;
    remove_if_there(plan.path())?;
    let _ = sync_folder(&out); // a plan that comes back after a power cut is removed by the next finalize
    Ok(manifest)
}

/// What was told of each image.
struct Told {
    findings: Vec<FindingId>,
    /// Empty where the data set is not divided.
    splits: Vec<u16>,
}

impl Told {
    fn new(images: usize, is_divided: bool) -> Self {
        Self { findings: vec![NOTHING; images], splits: vec![0; if is_divided { images } else { 0 }] }
    }

    fn tell(&mut self, image: usize, finding: FindingId, split: Option<usize>) {
        self.findings[image] = finding;
        if let Some((told, split)) = self.splits.get_mut(image).zip(split) {
            *told = split as u16;
        }
    }
}

/// The files of a report, in the order of the data set, each made as it is written.
struct Listed<'a> {
    plan: RefCell<&'a mut PlanFile>,
    told: &'a Told,
    findings: &'a Findings,
}

impl Listed<'_> {
    fn report(&self, image: &PlannedImage, header: &Header, splits: &[&str]) -> Option<FileReport> {
        let relative = StoredPath::of_bytes(image.path.clone()).below()?;
        let split = self.told.splits.get(image.number);
        let class = Some(header.manifest.classes.get(image.label)?.clone());
        let finding = self.findings.get(self.told.findings[image.number])?.clone();
        let split = split.map(|split| splits[usize::from(*split)].to_owned());
        Some(FileReport { split, ..FileReport::new(&header.root.to_path().join(relative), class, finding) })
    }
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut plan = self.plan.borrow_mut();
        let header = plan.header.clone();
        let splits: Vec<_> = header.manifest.splits().collect();
        let mut list = to.serialize_seq(Some(plan.images()))?;
        for part in plan.in_order() {
            for image in plan.images_in(part).map_err(S::Error::custom)? {
                let report = self.report(&image, &header, &splits);
                list.serialize_element(&report.ok_or_else(|| S::Error::custom(plan.damaged()))?)?;
            }
        }
        list.end()
    }
}
