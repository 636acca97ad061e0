//! Why a conversion stops before its end.

use std::path::PathBuf;

use thiserror::Error;

use super::{Lacks, OutputError, PlanError, PlanFileError};
use crate::engine::EngineError;
use crate::manifest::TfdsError;
use crate::results::ReportFileError;
use crate::text::{counted, display_path, thousands};
use crate::tfrecord::LayoutError;

/// Why a conversion stopped.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// The keys of the record clash.
    #[error(transparent)]
    Keys(#[from] LayoutError),
    /// The files to write cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is no plan to follow, or it is of no use.
    #[error(transparent)]
    PlanFile(#[from] PlanFileError),
    /// TFDS could not read it.
    #[error(transparent)]
    Tfds(#[from] TfdsError),
    /// An index of compressed files.
    #[error("--index does not go with --compression: nothing can be found by its place in a compressed file")]
    IndexOfCompressed,
    /// The output folder cannot be used or written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The network failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store of the images does not answer, or the machine fails to read them; that says nothing about an image, and none
    /// is left out for it.
    #[error("{}: {detail}", display_path(path))]
    Unreachable {
        /// The first image that could not be had.
        path: PathBuf,
        /// What the store or the system says, and what to do.
        detail: String,
    },
    /// An image is not the file that was listed when the run began.
    #[error(
        "{}: the data set changed while it was read: {detail}; hint: bring the image back as it was and run the same command \
         again, or convert anew with --restart",
        display_path(path)
    )]
    Changed {
        /// The image.
        path: PathBuf,
        /// What changed.
        detail: String,
    },
    /// Features that are no numbers; no record is made of them.
    #[error(
        "{}: the engine {engine} computed features that are not finite (NaN or infinity); hint: the weights are damaged or do \
         not fit this network, or the device cannot compute it: check with other weights, --precision f32 and --backend cpu",
        display_path(path)
    )]
    NotFinite {
        /// The image.
        path: PathBuf,
        /// The engine's name.
        engine: &'static str,
    },
    /// A photo was changed since it was planned.
    #[error(
        "{}: was changed since it was planned (its length or time of change is another); bring it back, copy the data set with its times \
         (cp -p, rsync -a), or plan anew with 'petrec plan --restart'",
        display_path(.path)
    )]
    Replaced {
        /// The image.
        path: PathBuf,
    },
    /// The data set has images without a label.
    #[error("the data set has no classes, and a record needs a label: put each class's photos into a sub-folder")]
    NoClasses,
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportFileError),
    /// Somebody wanted it to stop.
    #[error("interrupted")]
    Interrupted,
    /// It stopped with some of its record files done.
    #[error(
        "{reason}; {} of {} are done, and the same command goes on from there",
        thousands(*done),
        counted(*planned, "record file")
    )]
    Unfinished {
        /// Why it stopped.
        reason: Box<ConvertError>,
        /// Record files that are done.
        done: usize,
        /// All record files.
        planned: usize,
    },
    /// Workers have not done all that they were to do.
    #[error("{}: {lacks}; run the same 'petrec convert' again for these, then finalize", display_path(out))]
    Lacking {
        /// The folder.
        out: PathBuf,
        /// What is not there.
        lacks: Lacks,
    },
    /// No image decoded.
    #[error("none of the {images} images can be decoded: nothing was written; 'petrec validate' shows why for each")]
    NothingDecoded {
        /// Images in the data set.
        images: usize,
    },
}
