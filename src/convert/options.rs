//! How and where a conversion is done.

use std::ops::ControlFlow;
use std::path::Path;

use super::ConvertError;
use crate::dataset::{Dataset, ImageFile};
use crate::image::Rejection;
use crate::manifest::{Division, Options, Tfds, WorkerId};
use crate::tfrecord::Compression;

impl Options {
    /// These options with what they leave open, if they go together and with `dataset`.
    pub(super) fn completed(&self, dataset: &Dataset) -> Result<Self, ConvertError> {
        if self.index && self.compression != Compression::None {
            return Err(ConvertError::IndexOfCompressed);
        }
        let mut options = self.clone();
        if options.tfds.is_some() {
            Tfds::check(dataset, self)?;
            options.division.get_or_insert_with(|| Division { seed: 0, splits: Tfds::only_split() });
        }
        Ok(options)
    }
}

/// Where a conversion goes, and how much of it a run does.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The folder of the records.
    pub out: &'a Path,
    /// All of it, or a part.
    pub part: Part<'a>,
}

/// How much of a conversion a run does.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// Everything.
    Whole {
        /// The file of the report; `out/petrec-report.json` if it is `None`.
        report: Option<&'a Path>,
        /// What becomes of an earlier conversion in that folder.
        start: Start,
    },
    /// The record files of one of several workers, who go on with what is there; [`finalize`](super::finalize) does the rest.
    Worker(WorkerId),
}

impl Part<'_> {
    /// Whether the record file with that place in the plan is in it.
    pub(super) fn has(self, file: usize) -> bool {
        match self {
            Self::Whole { .. } => true,
            Self::Worker(share) => share.has(file),
        }
    }
}

/// What becomes of an earlier conversion in the output folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// One of the same input and options is gone on with; any other is refused.
    Resume,
    /// It is removed.
    Anew,
}

/// Who watches a conversion; called on the thread that called [`convert`](super::convert).
pub trait Watch {
    /// There are so many images, a part of them in record files that an earlier run wrote.
    fn begun(&mut self, images: usize, resumed: usize);
    /// An image is through; they come in order.
    fn image(&mut self, file: &ImageFile, rejection: Option<&Rejection>);
    /// Whether to stop as soon as the record file in hand is done.
    fn wants_to_stop(&mut self) -> bool;
}

/// Whether the run is to go on, for those who watch record files being read back.
pub(super) fn go_on(watch: &mut impl Watch) -> ControlFlow<()> {
    if watch.wants_to_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
