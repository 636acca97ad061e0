//! Deciding for every file of a data set whether TensorFlow could train on it.

mod quarantine;

use std::convert::Infallible;
use std::num::NonZero;

pub use quarantine::{Quarantine, QuarantineError};

use crate::dataset::{Dataset, ImageFile};
use crate::image::{Files, Policy, Rejection};
use crate::parallel;
use crate::report::{Finding, Report};

/// Decides on every image of `dataset` as decoding it would, on `threads` threads, and reports in the data set's order.
///
/// `on_file` hears of each file on the calling thread, in order. Nothing that a file holds can end the run.
pub fn validate(
    dataset: &Dataset,
    policy: Policy,
    threads: NonZero<usize>,
    mut on_file: impl FnMut(&ImageFile, Option<&Rejection>),
) -> Report {
    let notes = dataset.notes.iter().map(ToString::to_string).collect();
    let mut report = Report::new(&dataset.classes, notes, policy.accept);
    let files = Files::new(&dataset.images, None, policy);
    let decide = |(): &mut (), index: usize| {
        let file = &dataset.images[index];
        let outcome = files.check(index, file);
        (file, Finding::new(outcome.as_ref().copied()), outcome.err())
    };
    let done =
        parallel::ordered(dataset.images.len(), vec![(); threads.get()], decide, |(file, finding, rejection)| {
            on_file(file, rejection.as_ref());
            report.push(&file.path, file.label, finding);
            Ok::<_, Infallible>(())
        });
    match done {
        Ok(()) => report,
        Err(never) => match never {},
    }
}
