//! Records in the order of their images, into the files of the plan.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::ConvertError;
use super::manifest::WrittenFile;
use super::output::{Output, OutputError};
use super::plan::{Layout, Plan, PlannedFile};
use crate::tfrecord::Writer;
use crate::whole_file::WholeFile;

/// Writes one file after the other; each gets its name when its last image is through.
pub(super) struct RecordFiles<'a> {
    plan: &'a Plan,
    output: &'a mut Output,
    planned: std::slice::Iter<'a, PlannedFile>,
    open: Option<(&'a PlannedFile, Writer<Hashing>)>,
    next_image: usize,
    written: Vec<WrittenFile>,
}

impl<'a> RecordFiles<'a> {
    pub(super) fn new(plan: &'a Plan, output: &'a mut Output) -> Self {
        Self { plan, output, planned: plan.files.iter(), open: None, next_image: 0, written: Vec::new() }
    }

    /// Takes the next image's record, or `None` where the image was rejected.
    pub(super) fn put(&mut self, record: Option<&[u8]>) -> Result<(), ConvertError> {
        let (planned, mut writer) = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        if let Some(record) = record {
            writer.write(record).map_err(OutputError::write(&self.output.path(&planned.path)))?;
        }
        self.next_image += 1;
        if self.next_image < planned.images.end {
            self.open = Some((planned, writer));
            return Ok(());
        }
        self.end(planned, writer)
    }

    /// Waits for the disk and tells what was written, in order.
    pub(super) fn finish(self) -> Result<Vec<WrittenFile>, ConvertError> {
        debug_assert!(self.open.is_none(), "the last image ends the last file");
        self.output.settle()?;
        Ok(self.written)
    }

    fn begin(&mut self) -> Result<(&'a PlannedFile, Writer<Hashing>), ConvertError> {
        let planned = self.planned.next().expect("the plan holds every image");
        let file = self.output.begin(&planned.path)?;
        Ok((planned, Writer::new(Hashing { file, hash: Sha256::new() })))
    }

    fn end(&mut self, planned: &PlannedFile, writer: Writer<Hashing>) -> Result<(), ConvertError> {
        let (records, bytes) = (writer.records(), writer.bytes());
        // A shard's name promises that all its siblings exist; a rejected image promises nothing.
        if records == 0 && self.plan.layout == Layout::PerImage {
            return Ok(());
        }
        let Hashing { file, hash } = writer.finish().map_err(OutputError::write(&self.output.path(&planned.path)))?;
        self.output.commit(&planned.path, file)?;
        let parts: Vec<_> = planned.path.iter().map(|part| part.to_string_lossy()).collect();
        let sha256 = crate::hex(&hash.finalize());
        self.written.push(WrittenFile { path: parts.join("/"), records, bytes, sha256 });
        Ok(())
    }
}

/// Hashes what goes through, so that nobody has to read it again.
struct Hashing {
    file: WholeFile,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.file.write(data)?;
        self.hash.update(&data[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
