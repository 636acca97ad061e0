//! Records in the order of their images, into those files of the plan that are not done yet.

use std::collections::VecDeque;

use super::ConvertError;
use super::earlier::Entries;
use super::journal::Entry;
use super::manifest::WrittenFile;
use super::output::{Output, OutputError, remove_if_there};
use super::plan::{Layout, Plan};
use crate::engine::FeatureExtractor;
use crate::hashing::Hashing;
use crate::report::Finding;
use crate::tfrecord::{Compression, Compressor, Writer};
use crate::whole_file::WholeFile;

/// Writes one file after the other; each gets its name when its last image is through.
pub(super) struct RecordFiles<'a> {
    plan: &'a Plan,
    output: &'a mut Output,
    engine: (&'static str, Option<&'static str>),
    compression: Compression,
    /// Files to write, as indices into the plan.
    pending: VecDeque<usize>,
    open: Option<Open>,
    done: Entries,
}

/// The file that is being written.
struct Open {
    index: usize,
    writer: Writer<Compressor<Hashing<WholeFile>>>,
    findings: Vec<Finding>,
}

impl<'a> RecordFiles<'a> {
    /// All files of `plan` but those in `done`, with features that `engine` computes.
    pub(super) fn new(
        plan: &'a Plan,
        compression: Compression,
        output: &'a mut Output,
        engine: &dyn FeatureExtractor,
        done: Entries,
    ) -> Self {
        let pending = (0..plan.files.len()).filter(|index| !done.contains_key(index)).collect();
        Self { plan, output, engine: (engine.name(), engine.isa()), compression, pending, open: None, done }
    }

    /// The images that [`RecordFiles::put`] is to be called for, in this order, as indices into the data set.
    pub(super) fn images(&self) -> Vec<usize> {
        self.pending.iter().flat_map(|index| self.plan.images_of(&self.plan.files[*index])).copied().collect()
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
        let planned = &self.plan.files[open.index];
        if let Some(record) = record {
            open.writer.write(record).map_err(OutputError::write(&self.output.path(&planned.path)))?;
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

    /// Tells what was done, in order, and how many of these files did not get as far as the disk.
    pub(super) fn finish(self) -> (Entries, usize) {
        (self.done, self.output.failures())
    }

    fn begin(&mut self) -> Result<Open, ConvertError> {
        let index = self.pending.pop_front().expect("the plan holds every image");
        let file = self.output.begin(&self.plan.files[index].path)?;
        let writer = Writer::new(Compressor::new(self.compression, Hashing::new(file)));
        Ok(Open { index, writer, findings: Vec::new() })
    }

    fn end(&mut self, Open { index, writer, findings }: Open) -> Result<(), ConvertError> {
        let planned = &self.plan.files[index];
        let records = writer.records();
        let path = self.output.path(&planned.path);
        let hashed = writer.finish().and_then(Compressor::finish).map_err(OutputError::write(&path))?;
        let (file, bytes, sha256) = hashed.finish();
        // A shard's name promises that all its siblings exist; a rejected image promises nothing.
        let is_wanted = records > 0 || self.plan.layout != Layout::PerImage;
        let (engine, isa) = self.engine;
        let written = is_wanted.then(|| WrittenFile {
            path: planned.name(),
            split: planned.split.clone(),
            records,
            bytes,
            sha256,
            engine: engine.into(),
            isa: isa.map(Into::into),
        });
        if !is_wanted {
            // An image that was good once may have left one.
            remove_if_there(&path)?;
        }
        let images = self.plan.images_of(planned).to_vec();
        let entry = Entry { index, split: planned.split.clone(), images, file: written, findings };
        self.output.commit(&planned.path, is_wanted.then_some(file), entry.clone())?;
        self.done.insert(index, entry);
        Ok(())
    }
}
