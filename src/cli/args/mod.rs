//! What can be typed.

mod convert;

use std::num::NonZero;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

use super::UsageError;
use super::choices::{POLICIES, PRECISIONS, PROGRESS, STAGES, Stage, backend, choice};
use super::fetch::Fetch;
use super::files::{Listing, Policy};
use super::place::place;
use super::progress::Shown;
use crate::engine::{Backend, DeviceChoice, Precision, Selection};
use crate::image::Accept;
use crate::util::parallel::available_threads;

pub(super) use convert::{Convert, Network, Plan, Recipe};

/// A folder of photos becomes training-ready TFRecord features.
#[derive(Debug, Parser)]
#[command(name = "petrec", version, about)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options that stand before or after the command.
#[derive(Debug, clap::Args)]
pub(super) struct Global {
    /// Engine that runs the network [default: auto, or that of the plan]
    #[arg(long, global = true, env = "PETREC_BACKEND", value_parser = backend())]
    backend: Option<Backend>,
    /// GPU to use: its number or a part of its name in 'petrec devices', or discrete, integrated, virtual, cpu (software)
    #[arg(long, global = true, value_name = "DEVICE")]
    pub(super) device: Option<DeviceChoice>,
    /// Images that a GPU computes at a time [default: as many as it has room for, up to 32]
    #[arg(long, global = true, value_name = "N")]
    batch: Option<NonZero<usize>>,
    /// How a GPU computes: f16, where the device has it, moves half as much and is off in the third digit [default: f32]
    #[arg(long, global = true, value_name = "BITS", value_parser = choice(PRECISIONS))]
    pub(super) precision: Option<Precision>,
    /// Number of workers [default: one per core]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// No progress and no notes; validate and convert also leave out the line per rejected file
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// What petrec does in detail, on standard error: -vv tells of every image, -vvv also what drivers and libraries say
    ///
    /// The variable PETREC_LOG says the same in more detail: info, or petrec=debug,wgpu_core=warn.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(super) verbose: u8,
    /// Progress on standard error: a line that moves (where that is no terminal, one every 10 s), none, or JSON objects
    #[arg(long, global = true, value_name = "HOW", default_value = "auto", value_parser = choice(PROGRESS))]
    progress: Shown,
}

impl Global {
    pub(super) fn threads(&self) -> NonZero<usize> {
        self.threads.unwrap_or_else(available_threads)
    }

    pub(super) fn progress(&self) -> Shown {
        match self.progress {
            Shown::Auto if self.quiet => Shown::Never,
            progress => progress,
        }
    }

    /// The engine that was typed.
    pub(super) fn selection(&self) -> Result<Selection, UsageError> {
        self.selection_or(&Selection::default())
    }

    /// The same, or what was planned as far as nothing was typed. Another backend takes no device from the plan.
    pub(super) fn selection_or(&self, planned: &Selection) -> Result<Selection, UsageError> {
        let is_other = self.backend.is_some_and(|backend| backend != planned.backend);
        let planned = if is_other { &Selection::default() } else { planned };
        let backend = &self.backend.unwrap_or(planned.backend);
        let precision = self.precision.unwrap_or(planned.precision);
        let (device, batch) = (self.device.as_ref().or(planned.device.as_ref()), self.batch.or(planned.batch));
        let uses_gpu = matches!(backend, Backend::Auto | Backend::Wgpu);
        let for_gpus = [
            ("--device", device.is_some()),
            ("--batch", batch.is_some()),
            ("--precision f16", precision == Precision::F16),
        ];
        if let Some((option, _)) = for_gpus.iter().find(|(_, is_typed)| *is_typed && !uses_gpu) {
            let engine = backend.name();
            return Err(UsageError(format!(
                "{option} is for GPUs, and --backend {engine} uses none: leave one of them out"
            )));
        }
        Ok(Selection { backend: *backend, device: device.cloned(), batch, precision })
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Decode every image as TensorFlow would; a reason for each rejected file
    Validate(Validate),
    /// Turn a data set into TFRecord features
    Convert(Box<Convert>),
    /// Write down what 'petrec convert --plan' is to do, so that no worker has to list the data set
    Plan(Box<Plan>),
    /// Complete what several workers converted: check that all is there, write report and manifest
    Finalize(Finalize),
    /// Show what is in record files: keys, shapes, classes, what the values are like
    Inspect(Inspect),
    /// Read records back: checksums, content, and all that the manifest says
    Verify(Verify),
    /// Train a linear classifier on the features: how well it tells the classes apart, and which labels look wrong
    Probe(Probe),
    /// Make an HTML page of a conversion: classes, rejected files, sizes, near-duplicates, a map of all images
    Report(Report),
    /// Show what one stage makes of images: a hash and statistics of its values
    Dump(Dump),
    /// List the networks and the weights that are here
    Models(Models),
    /// List GPUs and the processor's engine, and try each
    Devices(Devices),
    /// Print what makes a shell complete petrec's commands and options
    Completions(Completions),
}

#[derive(Debug, clap::Args)]
pub(super) struct Validate {
    /// Data set with a sub-folder per class, flat folder, or single files of any name; URLs, too
    #[arg(required = true, value_name = "DATASET", value_parser = place())]
    pub(super) paths: Vec<PathBuf>,
    /// Look into every folder below, without classes
    #[arg(long)]
    pub(super) recursive: bool,
    #[command(flatten)]
    pub(super) listing: Listing,
    #[command(flatten)]
    pub(super) policy: Policy,
    /// Exit with 3 if any file was rejected
    #[arg(long)]
    pub(super) fail_on_reject: bool,
    /// Write what happened to every file, as JSON or as a page to look at
    #[arg(long, value_name = "FILE.json|FILE.html", value_parser = place())]
    pub(super) report: Option<PathBuf>,
    /// Move rejected files to DIR/<class>/<name>
    #[arg(long, value_name = "DIR", value_parser = place())]
    pub(super) quarantine: Option<PathBuf>,
    /// Print the report as JSON instead of the summary
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Finalize {
    /// Folder or URL that the workers wrote to
    #[arg(value_parser = place())]
    pub(super) out: PathBuf,
    /// Exit with 3 if any file was rejected
    #[arg(long)]
    pub(super) fail_on_reject: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Inspect {
    /// Record files, and folders with record files; of petrec or of anybody else; URLs, too
    #[arg(required = true, value_name = "PATH", value_parser = place())]
    pub(super) paths: Vec<PathBuf>,
    /// Record to show, counted from 0 through all files [default: the first]
    #[arg(long, value_name = "N")]
    pub(super) record: Option<u64>,
    /// Print it all as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Probe {
    /// Folder or URL that 'petrec convert' has finished
    #[arg(value_name = "OUT", value_parser = place())]
    pub(super) out: PathBuf,
    /// Parts that are tested in turn; where the data set has splits, these are used instead
    #[arg(long, value_name = "K", default_value = "5", value_parser = clap::value_parser!(u8).range(2..=100))]
    pub(super) folds: u8,
    /// Print it all as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Report {
    /// Folder or URL that 'petrec convert' has finished
    #[arg(value_name = "OUT", value_parser = place())]
    pub(super) out: PathBuf,
    /// Read every record instead of 2,000, evenly spaced
    #[arg(long)]
    pub(super) all: bool,
    /// Data set at a URL whose photos are shown: none is fetched from elsewhere, whatever the report in OUT names
    #[arg(long, value_name = "DATASET", value_parser = place())]
    pub(super) photos: Option<PathBuf>,
    /// Where the page goes [default: OUT/report.html]
    #[arg(long, value_name = "FILE.html", value_parser = place())]
    pub(super) html: Option<PathBuf>,
    /// Print what was written as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// Record files, and folders with record files; URLs, too
    #[arg(required = true, value_name = "PATH", value_parser = place())]
    pub(super) paths: Vec<PathBuf>,
    /// Check lengths and checksums alone, whatever the records hold and a manifest says
    #[arg(long)]
    pub(super) framing: bool,
    /// Write the intact records of each damaged file to a new file in DIR
    #[arg(long, value_name = "DIR", value_parser = place())]
    pub(super) salvage: Option<PathBuf>,
    /// Print what was found as JSON instead of the summary
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Dump {
    /// Image files
    #[arg(required = true, value_name = "IMAGE")]
    pub(super) images: Vec<PathBuf>,
    /// What to show: decoded pixels (u8), resized (f32), the network's input (f32), or its features (f32)
    #[arg(long, default_value = "features", value_parser = choice(STAGES))]
    pub(super) stage: Stage,
    #[command(flatten)]
    pub(super) network: Network,
    /// Which files count as images
    #[arg(long, default_value = "tensorflow", value_parser = choice(POLICIES))]
    pub(super) accept: Accept,
    /// Also write each array to DIR/<stem>.npy
    #[arg(long, value_name = "DIR")]
    pub(super) npy: Option<PathBuf>,
    /// Print it all as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Models {
    #[command(subcommand)]
    pub(super) task: Option<ModelsTask>,
    /// List this weight file, too
    #[arg(long, value_name = "FILE")]
    pub(super) weights: Vec<PathBuf>,
    /// Print the list as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Devices {
    /// Print the list as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Subcommand)]
pub(super) enum ModelsTask {
    /// Download Keras' ImageNet weights and import them, for all conversions of this user
    Fetch(Fetch),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_is_planned_is_not_typed_again() {
        let args = Args::command();
        let plan = args.find_subcommand("plan").expect("a command").get_arguments();
        for typed in plan.filter(|argument| argument.get_id() != "json") {
            assert!(convert::PLANNED.contains(&typed.get_id().as_str()), "{}", typed.get_id());
        }
    }

    #[test]
    fn every_command_that_tells_something_tells_it_as_json() {
        for command in Args::command().get_subcommands().filter(|command| command.get_name() != "completions") {
            let has_json = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
            assert!(has_json, "{}", command.get_name());
        }
    }
}
