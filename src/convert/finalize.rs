//! The end of a conversion that several workers did.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::conclude::{conclude, write_companions};
use super::content::{Content, refuse_foreign_files};
use super::earlier::{Watching, are_whole, sweep, whole};
use super::journal::Earlier;
use super::output::{Output, leave_finished};
use super::output_dir::OutputDir;
use super::output_error::OutputError;
use super::summary::{Finalized, Totals};
use super::{ConvertError, planned};
use crate::manifest::{Manifest, REPORT_NAME, WorkerId};
use crate::storage::atomic_file::is_temporary;
use crate::storage::lock::LockMode;
use crate::text::{counted, thousands};
use crate::verify::below;

/// Completes the conversion in `out` once all record files are there: writes what a run without workers writes at its end, to
/// the same bytes, and leaves neither journal nor plan. Reads every record file, on `threads` threads; after each, `watch` is told
/// how many there are. A finished conversion stays as it is.
///
/// # Errors
/// There is no conversion, somebody is still at work on it, record files are missing or damaged
/// ([`ConvertError::Lacking`]), there is a record file that is not the conversion's, or writing failed. What is there stays for another try.
pub fn finalize(out: &Path, threads: NonZero<usize>, watch: &mut dyn FnMut(usize)) -> Result<Finalized, ConvertError> {
    let start = Instant::now();
    let watch = &mut |files| {
        watch(files);
        ControlFlow::Continue(())
    };
    let nothing = || OutputError::NoConversion(out.into());
    if Content::of(out)? == Content::Nothing {
        return Err(nothing().into()); // no folder is made to say so
    }
    let dir = Arc::new(OutputDir::open(out, LockMode::Alone)?);
    let (manifest, was_finished) = match Content::of(out)? {
        Content::Nothing => return Err(nothing().into()),
        Content::Manifest => (finished(out, threads, watch)?, true),
        Content::Journal => (put_together(Arc::clone(&dir), threads, watch)?, false),
        Content::Plan => planned::put_together(Arc::clone(&dir), threads, watch)?,
    };
    Ok(Finalized {
        totals: Totals::new(manifest.images, &manifest.files),
        was_finished,
        seconds: start.elapsed().as_secs_f64(),
        out: out.to_string_lossy().into_owned(),
        report: out.join(REPORT_NAME).to_string_lossy().into_owned(),
    })
}

/// The manifest of a conversion that is finished already, if none of its record files was lost since.
pub(super) fn finished(out: &Path, threads: NonZero<usize>, watch: &mut Watching<'_>) -> Result<Manifest, OutputError> {
    let manifest = Manifest::read(out)?;
    if !are_whole(&manifest.files, out, threads, watch)? {
        return Err(OutputError::NeedsRepair(out.into()));
    }
    leave_finished(out)?;
    write_companions(out, &manifest)?;
    Ok(manifest)
}

fn put_together(
    dir: Arc<OutputDir>,
    threads: NonZero<usize>,
    watch: &mut Watching<'_>,
) -> Result<Manifest, ConvertError> {
    let out = &dir.root().to_path_buf();
    refuse_foreign_files(out)?;
    let mut output = Output::alone(dir)?;
    let Some(earlier) = output.earlier()? else { return Err(OutputError::NoConversion(out.into()).into()) };
    let Earlier { head, entries, .. } = earlier;
    let entries = whole(entries, &head, out, threads, watch)?;
    let mut lacks = Lacks::new(out, head.planned())?;
    let missing = (0..head.planned()).filter(|file| !entries.contains_key(file));
    missing.for_each(|file| lacks.add(file, head.file(file).unwrap_or_default()));
    lacks.refuse(out)?;
    refuse_foreign_records(out, &head.paths().collect())?;
    output.absorb_workers(entries.values())?;
    sweep(out, head.paths(), is_temporary)?;
    conclude(output, head, entries, None)
}

/// Refuses a folder with a record file that is none of `ours`.
pub(super) fn refuse_foreign_records(out: &Path, ours: &HashSet<PathBuf>) -> Result<(), OutputError> {
    match below(out)?.into_iter().find(|path| !ours.contains(path)) {
        Some(found) => Err(OutputError::ForeignRecords { out: out.into(), found }),
        None => Ok(()),
    }
}

/// The record files that are not there, by the worker whose they are.
#[derive(Clone, Debug)]
pub struct Lacks {
    planned: usize,
    /// That of one of the workers.
    share: Option<WorkerId>,
    /// First record file, and how many there are; of nobody where no worker was at work.
    of: BTreeMap<Option<WorkerId>, (String, usize)>,
}

impl Lacks {
    /// How many workers are told.
    const TOLD: usize = 8;

    /// None yet, of so many, by the workers that there were in `out`.
    pub(super) fn new(out: &Path, planned: usize) -> Result<Self, OutputError> {
        let share = WorkerId::all_in(out)?.first().map(|(share, _)| *share);
        Ok(Self { planned, share, of: BTreeMap::new() })
    }

    /// The record file of this name, at that place in the plan, is missing.
    pub(super) fn add(&mut self, file: usize, name: &str) {
        let of = self.share.map(|share| share.with(file));
        self.of.entry(of).or_insert_with(|| (name.to_owned(), 0)).1 += 1;
    }

    /// Refuses to go on where something is missing.
    pub(super) fn refuse(self, out: &Path) -> Result<(), ConvertError> {
        if self.of.is_empty() { Ok(()) } else { Err(ConvertError::Lacking { out: out.into(), lacks: self }) }
    }
}

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.of.values().map(|(_, files)| files).sum();
        write!(f, "{} of {} missing or damaged: ", thousands(files), counted(self.planned, "record file"))?;
        for (place, (share, (first, files))) in self.of.iter().take(Self::TOLD).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            match (share, files) {
                (Some(share), 1) => write!(f, "{comma}{share} lacks {first}")?,
                (Some(share), files) => write!(f, "{comma}{share} lacks {} from {first} on", counted(*files, "file"))?,
                (None, 1) => write!(f, "{first}")?,
                (None, files) => write!(f, "{} from {first} on", counted(*files, "file"))?,
            }
        }
        match self.of.len().saturating_sub(Self::TOLD) {
            0 => Ok(()),
            more => write!(f, " (and {} more)", counted(more, "worker")),
        }
    }
}
