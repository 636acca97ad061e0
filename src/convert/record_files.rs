//! Records in the order of their images, into those files of the plan that are not done yet.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

use super::ConvertError;
use super::earlier::Entries;
use super::journal::Entry;
use super::new_file::NewFile;
use super::output::Output;
use super::output_error::OutputError;
use super::plan::{self, Plan, PlannedFile};
use crate::engine::FeatureExtractor;
use crate::manifest::{IndexFile, Layout, Manifest, WrittenFile};
use crate::results::Finding;
use crate::storage::atomic_file::AtomicFile;
use crate::storage::hash::Hashing;
use crate::tfrecord::{Compression, Compressor, Index, Writer};

/// Writes one file after the other; each gets its name when its last image is through.
pub(super) struct RecordFiles<'a> {
    plan: &'a Plan,
    output: &'a mut Output,
    engine: (&'static str, Option<&'static str>, Option<String>),
    form: Form,
    planned: usize,
    /// Files to write, as indices into the plan.
    pending: VecDeque<usize>,
    open: Option<Open>,
    done: Entries,
    /// Files that were done before and are not in `done`.
    done_elsewhere: usize,
}

/// In which form the files are written.
#[derive(Clone)]
pub(super) struct Form {
    pub(super) compression: Compression,
    /// Whether each gets an index.
    pub(super) index: bool,
    /// To read each back by, before it gets its name.
    pub(super) read_back: Option<Arc<Manifest>>,
}

/// The file that is being written.
struct Open {
    number: usize,
    writer: Writer<Compressor<Hashing<AtomicFile>>>,
    index: Index,
    findings: Vec<Finding>,
}

impl<'a> RecordFiles<'a> {
    /// Those files of `plan` that are `wanted` and not in `done`, with features that `engine` computes.
    pub(super) fn new(
        plan: &'a Plan,
        wanted: impl Fn(usize) -> bool,
        form: Form,
        output: &'a mut Output,
        engine: &dyn FeatureExtractor,
        done: Entries,
    ) -> Self {
        let wanted = (0..plan.files.len()).filter(|place| wanted(plan.files[*place].number));
        let pending: VecDeque<_> = wanted.filter(|place| !done.contains_key(&plan.files[*place].number)).collect();
        let planned = done.len() + pending.len();
        let engine = (engine.name(), engine.isa(), engine.device());
        Self { plan, output, engine, form, planned, pending, open: None, done, done_elsewhere: 0 }
    }

    /// The same files as a part of `planned`, so many of which are done.
    pub(super) fn in_part_of(self, planned: usize, done: usize) -> Self {
        Self { planned, done_elsewhere: done, ..self }
    }

    /// The images that [`RecordFiles::put`] is to be called for, in this order, as indices into the data set.
    pub(super) fn images(&self) -> Vec<usize> {
        self.pending.iter().flat_map(|index| self.plan.images_of(&self.plan.files[*index])).copied().collect()
    }

    /// How many files there will be in all.
    pub(super) fn planned(&self) -> usize {
        self.planned
    }

    /// Whether no file is half written.
    pub(super) fn is_between_files(&self) -> bool {
        self.open.is_none()
    }

    /// Takes what was found out about the next image, and its record, or `None` where the image was rejected.
    pub(super) fn put(&mut self, finding: Finding, record: Option<&[u8]>) -> Result<(), ConvertError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let planned = &self.plan.files[open.number];
        if let Some(record) = record {
            open.writer.write(record).map_err(OutputError::write(&self.output.path(&planned.path)))?;
            if self.form.index {
                open.index.push(record.len());
            }
        }
        open.findings.push(finding);
        if open.findings.len() < self.plan.images_of(planned).len() {
            self.open = Some(open);
            return Ok(());
        }
        self.end(open)
    }

    /// Waits until every file is on disk.
    pub(super) fn settle(&mut self) -> Result<(), ConvertError> {
        Ok(self.output.settle()?)
    }

    /// Tells what was done, in order, and how many files there are now, of this part and all others.
    pub(super) fn finish(self) -> (Entries, usize) {
        let there = self.done.len() + self.done_elsewhere - self.output.failures();
        (self.done, there)
    }

    fn begin(&mut self) -> Result<Open, ConvertError> {
        let number = self.pending.pop_front().expect("the plan holds every image");
        let file = self.output.begin(&self.plan.files[number].path)?;
        let writer = Writer::new(Compressor::new(self.form.compression, Hashing::new(file)));
        Ok(Open { number, writer, index: Index::default(), findings: Vec::new() })
    }

    fn end(&mut self, Open { number, writer, index, findings }: Open) -> Result<(), ConvertError> {
        let planned = &self.plan.files[number];
        let count = writer.records();
        let path = self.output.path(&planned.path);
        let hashed = writer.finish().and_then(Compressor::finish).map_err(OutputError::write(&path))?;
        let (records, bytes, sha256) = hashed.finish();
        // A shard's name promises that all its siblings exist; a rejected image promises nothing.
        let is_wanted = count > 0 || self.plan.layout != Layout::PerImage;
        let file = if is_wanted {
            let index = self.form.index.then(|| self.write_index(planned, &index)).transpose()?;
            let (index, index_file) = index.unzip();
            let (engine, isa, device) = &self.engine;
            let written = WrittenFile {
                path: planned.name(),
                split: planned.split.clone(),
                records: count,
                bytes,
                sha256,
                engine: (*engine).into(),
                isa: isa.map(Into::into),
                device: device.clone(),
                index: index_file,
            };
            Some(NewFile { records, index, written, read_back: self.form.read_back.clone() })
        } else {
            // An image that was good once may have left one.
            self.output.remove(&planned.path)?;
            self.output.remove(&planned.index_path())?;
            None
        };
        let entry = Entry {
            index: planned.number,
            split: planned.split.clone(),
            images: self.plan.journaled(planned),
            file: file.as_ref().map(|file| file.written.clone()),
            findings,
            begun: self.output.begun(),
        };
        self.output.commit(&planned.path, file, entry.clone())?;
        self.done.insert(planned.number, entry);
        Ok(())
    }

    /// Writes the index of a record file, still under a temporary name.
    fn write_index(&mut self, planned: &PlannedFile, index: &Index) -> Result<(AtomicFile, IndexFile), ConvertError> {
        let relative = planned.index_path();
        let mut file = Hashing::new(self.output.begin(&relative)?);
        file.write_all(index.text().as_bytes()).map_err(OutputError::write(&self.output.path(&relative)))?;
        let (file, bytes, sha256) = file.finish();
        Ok((file, IndexFile { path: plan::name(&relative), bytes, sha256 }))
    }
}
