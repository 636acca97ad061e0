//! The command line: what was typed becomes options of the library, what comes back becomes words and an exit code.
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | all done |
//! | 1 | failed at run time; for `validate` also: a file is unreachable; for `dump`: an image was rejected; for `inspect`: a file is damaged |
//! | 2 | wrong usage |
//! | 3 | finished, but images were rejected and `--fail-on-reject` was given |
//! | 4 | `verify`, or `convert --verify`, found something wrong |
//! | 130 | interrupted; the same command goes on from there |

mod args;
mod choices;
mod completions;
mod convert;
mod devices;
#[cfg(feature = "fetch")]
pub mod download;
mod dump;
#[cfg(feature = "fetch")]
mod fetch;
#[cfg(not(feature = "fetch"))]
#[path = "no_fetch.rs"]
mod fetch;
mod files;
mod finalize;
mod inspect;
mod interrupt;
mod log;
mod models;
mod place;
mod plan;
mod preview;
mod probe;
mod progress;
mod report;
mod short;
mod size;
mod stdout;
mod validate;
mod verify;
mod welcome;
mod worker_env;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::convert::{ConvertError, OutputError};
use crate::dataset::{Dataset, DatasetError};
use crate::storage::machine;
use crate::text::one_line;
use args::{Args, Command};
use interrupt::InterruptedAtTheEnd;

/// Wrong usage that only shows once all arguments are seen together; exit code 2, as clap's own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// How a command that ran to its end went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 1: the rest was done, but something failed and was told on the way.
    Failed,
    /// Exit code 3: the user wants to hear of rejected images.
    Rejected,
    /// Exit code 4: records are not what they should be.
    Damaged,
}

impl Outcome {
    /// What `--fail-on-reject` makes of a run.
    fn of_rejected(rejected: usize, fail_on_reject: bool) -> Self {
        if fail_on_reject && rejected > 0 { Self::Rejected } else { Self::Done }
    }
}

/// All that can be typed, for those who generate something from it: completions, man pages, the reference.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs petrec on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    if env::args_os().len() <= 1 {
        welcome::tell_next_steps();
        return ExitCode::from(2);
    }
    let args = Args::parse();
    machine::raise_file_limit();
    let outcome = log::begin(args.global.verbose).map_err(Into::into).and_then(|()| run(&args));
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::Rejected) => ExitCode::from(3),
        Ok(Outcome::Damaged) => ExitCode::from(4),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::from(match () {
                () if is_usage(&error) => 2,
                () if is_interrupt(&error) => interrupt::EXIT_CODE,
                () if is_damage(&error) => 4,
                () => 1,
            })
        }
    }
}

fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Validate(command) => validate::run(command, &args.global),
        Command::Convert(command) => convert::run(command, &args.global),
        Command::Plan(command) => plan::run(command, &args.global),
        Command::Finalize(command) => finalize::run(command, &args.global),
        Command::Inspect(command) => inspect::run(command, &args.global),
        Command::Verify(command) => verify::run(command, &args.global),
        Command::Probe(command) => probe::run(command, &args.global),
        Command::Report(command) => report::run(command, &args.global),
        Command::Dump(command) => dump::run(command, &args.global),
        Command::Models(command) => models::run(command, &args.global),
        Command::Devices(command) => devices::run(command, &args.global),
        Command::Completions(command) => completions::run(command),
    }
}

/// Whether the arguments alone were at fault.
fn is_usage(error: &anyhow::Error) -> bool {
    let by_dataset = |error: &DatasetError| {
        matches!(error, DatasetError::DuplicateClass { .. } | DatasetError::ClassesOfTree | DatasetError::NoRoots)
    };
    error.is::<UsageError>()
        || error.downcast_ref().is_some_and(by_dataset)
        || matches!(
            error.downcast_ref(),
            Some(ConvertError::Keys(_) | ConvertError::Tfds(_) | ConvertError::IndexOfCompressed)
        )
}

/// Whether somebody wanted this end.
fn is_interrupt(error: &anyhow::Error) -> bool {
    matches!(reason(error), Some(ConvertError::Interrupted | ConvertError::Output(OutputError::Interrupted)))
        || error.is::<InterruptedAtTheEnd>()
}

/// Whether `convert --verify` found something wrong.
fn is_damage(error: &anyhow::Error) -> bool {
    matches!(reason(error), Some(ConvertError::Output(OutputError::NotAsWritten { .. })))
}

/// Why a conversion stopped.
fn reason(error: &anyhow::Error) -> Option<&ConvertError> {
    match error.downcast_ref() {
        Some(ConvertError::Unfinished { reason, .. }) => Some(reason),
        other => other,
    }
}

/// Whoever read our output has enough, as `head` does: that is not a failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints one thing in one line on standard error, whatever is in it: names of files, a library's words.
fn say(line: &str) {
    tell(&format!("petrec: {}", one_line(line)));
}

/// Writes a line to standard error. That nobody may be listening is no reason to stop.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Tells one thing that somebody who wants quiet need not know.
fn say_note(line: &str, global: &args::Global) {
    if !global.quiet {
        say(line);
    }
}

/// Tells what was passed over while listing the data set.
fn say_notes(dataset: &Dataset, global: &args::Global) {
    dataset.notes.iter().for_each(|note| say_note(&note.to_string(), global));
}
