//! Deciding for every file of a data set whether TensorFlow could train on it.

mod quarantine;

use std::convert::Infallible;
use std::num::NonZero;

pub use quarantine::{Quarantine, QuarantineError};

use crate::dataset::{Dataset, ImageFile};
use crate::image::{Files, Policy, Rejection};
use crate::results::{Finding, Report};
use crate::util::parallel;

/// Decides on every image of `dataset` as decoding it would, on `threads` threads, and reports in the data set's order.
///
/// `on_file` hears of each file on the calling thread, in order. Nothing that a file holds can end the run.
pub fn validate(
    dataset: &Dataset,
    policy: Policy,
    threads: NonZero<usize>,
    mut on_file: impl FnMut(&ImageFile, Option<&Rejection>),
) -> Report {
    let on_file = |file: &ImageFile, rejection: Option<&Rejection>| {
        on_file(file, rejection);
        Ok::<_, Infallible>(())
    };
    match try_validate(dataset, policy, threads, on_file) {
        Ok(report) => report,
        Err(never) => match never {},
    }
}

/// Does what [`validate`] does; the first error of `on_file` ends the run.
pub(crate) fn try_validate<E>(
    dataset: &Dataset,
    policy: Policy,
    threads: NonZero<usize>,
    mut on_file: impl FnMut(&ImageFile, Option<&Rejection>) -> Result<(), E>,
) -> Result<Report, E> {
    let notes = dataset.notes.iter().map(ToString::to_string).collect();
    let mut report = Report::new(&dataset.classes, notes, policy.accept);
    let files = Files::new(&dataset.images, None, policy);
    let decide = |(): &mut (), index: usize| {
        let file = &dataset.images[index];
        let outcome = files.check(index, file);
        (file, Finding::new(outcome.as_ref().copied()), outcome.err())
    };
    parallel::ordered(dataset.images.len(), vec![(); threads.get()], decide, |(file, finding, rejection)| {
        on_file(file, rejection.as_ref())?;
        report.push(&file.path, file.label, finding);
        Ok(())
    })?;
    Ok(report)
}
