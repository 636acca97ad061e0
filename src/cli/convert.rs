//! `petrec convert`.

use std::env;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::args::{Convert, Global, Network};
use super::choices::LayoutName;
use super::interrupt::Interrupt;
use super::progress::{Progress, Unit};
use super::report::{is_page, page_of_conversion};
use super::{Outcome, UsageError, preview, say_note, say_notes};
use crate::convert::{
    self, Division, Layout, Options, Order, Part, Share, Start, Summary, Target, Totals, Watch, convert,
};
use crate::dataset::{self, Dataset, ImageFile, display_path, one_line};
use crate::engine;
use crate::image::Rejection;
use crate::model::{self, Weights};
use crate::number::{bytes, counted, shape, thousands};
use crate::whole_file::fill_json;

pub(super) fn run(command: &Convert, global: &Global) -> anyhow::Result<Outcome> {
    let options = Options {
        policy: command.policy.policy(),
        layout: layout(command)?,
        order: if command.shuffle { Order::Shuffled { seed: command.seed } } else { Order::Sorted },
        division: command.split.clone().map(|splits| Division { seed: command.seed, splits }),
        pool: command.pool,
        feature_key: command.feature_key.clone(),
        label_key: command.label_key.clone(),
        extras: command.with.clone(),
        compression: command.compression,
        index: command.index,
        tfds: command.tfds.clone(),
        read_back: command.read_back,
        threads: global.threads(),
    };
    let share = share(command)?;
    let selection = global.selection()?;
    if command.report.as_deref().is_some_and(is_page) {
        let words =
            "--report: this report is JSON, name a .json file; 'petrec report OUT' makes a page of the conversion";
        return Err(UsageError(words.to_owned()).into());
    }
    let dataset = dataset::discover(&command.dataset, &command.listing.options())?;
    let weights = weights(&command.network)?;
    let engine = engine::open(&selection, &weights, &mut |line| say_note(line, global))?;
    say_notes(&dataset, global);

    let start = if command.restart { Start::Anew } else { Start::Resume };
    let part = match share {
        Some(share) => Part::Share(share),
        None => Part::Whole { report: command.report.as_deref(), start },
    };
    let target = Target { out: &command.out, part };
    if command.dry_run {
        return preview::run(&convert::preview(&dataset, &weights, engine, &options, target)?, command);
    }
    let images = (dataset.images.len(), Unit::Images);
    let progress = Progress::new("convert", images, "; left out of the records", global);
    let mut watcher = Watcher { progress, interrupt: Interrupt::listen()?, is_stopping: false };
    let summary = convert(&dataset, &weights, engine, &options, target, &mut watcher)?;
    drop(watcher);
    let is_new = summary.resumed < summary.totals.images;
    let page = summary
        .report
        .as_ref()
        .and_then(|report| page_of_conversion(&command.out, report.as_ref(), summary.totals.records, is_new, global));

    let mut out = io::stdout().lock();
    if command.json {
        fill_json(&mut out, &WithPage::new(&summary, page.as_deref()))?;
    } else {
        print(&mut out, &summary, &dataset, &options)?;
        print_page(&mut out, page.as_deref())?;
    }
    Ok(Outcome::of_rejected(summary.totals.rejected, command.policy.fail_on_reject))
}

/// The layout that was typed, with what goes with it.
fn layout(command: &Convert) -> Result<Layout, UsageError> {
    let alone =
        |option: &str| UsageError(format!("{option} does not go with --layout per-image: leave one of them out"));
    match (command.layout, command.shards) {
        (LayoutName::Shards, None) => Ok(Layout::Shards { target: command.shard_size }),
        (LayoutName::Shards, Some(count)) => Ok(Layout::ShardCount(count)),
        (LayoutName::PerImage, Some(_)) => Err(alone("--shards")),
        (LayoutName::PerImage, None) if command.shuffle => Err(alone("--shuffle")),
        (LayoutName::PerImage, None) => Ok(Layout::PerImage),
    }
}

/// Which worker this is, if it is one of several.
fn share(command: &Convert) -> Result<Option<Share>, UsageError> {
    let share = match (command.worker_env, command.shard_index, command.shard_count) {
        (Some(system), _, count) => system.share(count, |name| env::var(name).ok())?,
        (None, Some(index), Some(count)) => Share::new(index, count).map_err(|error| UsageError(error.to_string()))?,
        _ => return Ok(None),
    };
    Ok(Some(share))
}

/// Moves the bar, and ends the run when somebody wants it to end.
struct Watcher {
    progress: Progress,
    interrupt: Interrupt,
    is_stopping: bool,
}

impl Watch for Watcher {
    fn begun(&mut self, images: usize, resumed: usize) {
        self.progress.expect(images, resumed);
        if resumed > 0 {
            self.progress.say(&format!("{} were converted by an earlier run", counted(resumed, "image")));
        }
    }

    fn image(&mut self, file: &ImageFile, rejection: Option<&Rejection>) {
        self.progress.image(file, rejection);
    }

    fn wants_to_stop(&mut self) -> bool {
        if self.interrupt.is_requested() && !self.is_stopping {
            self.is_stopping = true;
            self.progress.say("stopping when the record file in hand is done; a second signal stops at once");
        }
        self.is_stopping
    }
}

/// The weights that were asked for: a file, or what goes by the network's name.
pub(super) fn weights(network: &Network) -> anyhow::Result<Weights> {
    Ok(match &network.weights {
        Some(file) => Weights::load(file)?,
        None => model::locate(network.model)?,
    })
}

fn print(out: &mut impl Write, summary: &Summary, dataset: &Dataset, options: &Options) -> io::Result<()> {
    let labels: Vec<String> =
        dataset.classes.iter().enumerate().map(|(label, name)| format!("{label} {}", one_line(name))).collect();
    print_images(out, &summary.totals)?;
    if summary.resumed > 0 {
        writeln!(out, "resumed   {} were converted by an earlier run", counted(summary.resumed, "image"))?;
    }
    print_records(out, &summary.totals)?;
    writeln!(out, "features  {} float32 as '{}'", shape(&summary.feature_shape), one_line(&options.feature_key))?;
    writeln!(out, "labels    {} as '{}'", labels.join(", "), one_line(&options.label_key))?;
    if summary.resumed == summary.totals.images {
        writeln!(out, "speed     nothing was left to do ({:.1} s)", summary.seconds)?;
    } else {
        writeln!(out, "speed     {:.1} images/s ({:.1} s)", summary.images_per_second, summary.seconds)?;
        writeln!(out, "engine    {}", engine_name(summary.engine, summary.isa, summary.device.as_deref()))?;
    }
    writeln!(out, "model     {}", summary.model)?;
    writeln!(out, "output    {}", summary.out)?;
    match (&summary.report, summary.worker) {
        (Some(report), _) => writeln!(out, "report    {report}"),
        (None, None) => Ok(()),
        (None, Some(share)) => {
            writeln!(out, "share     {share}; when all have ended: petrec finalize {}", summary.out)
        }
    }
}

/// What a conversion came to, for machines.
#[derive(Serialize)]
pub(super) struct WithPage<'a, S> {
    #[serde(flatten)]
    summary: &'a S,
    /// Where its page is, if it has one.
    page: Option<String>,
}

impl<'a, S> WithPage<'a, S> {
    pub(super) fn new(summary: &'a S, page: Option<&Path>) -> Self {
        Self { summary, page: page.map(|page| page.to_string_lossy().into_owned()) }
    }
}

pub(super) fn print_page(out: &mut impl Write, page: Option<&Path>) -> io::Result<()> {
    page.map_or(Ok(()), |page| writeln!(out, "page      {}", display_path(page)))
}

/// `cpu (avx2)`, or `wgpu` with its device.
pub(super) fn engine_name(engine: &str, isa: Option<&str>, device: Option<&str>) -> String {
    match (device, isa) {
        (Some(device), _) => format!("{engine}, {device}"),
        (None, Some(isa)) => format!("{engine} ({isa})"),
        (None, None) => engine.to_owned(),
    }
}

pub(super) fn print_images(out: &mut impl Write, totals: &Totals) -> io::Result<()> {
    writeln!(out, "images    {}, {} rejected", thousands(totals.images), thousands(totals.rejected))
}

pub(super) fn print_records(out: &mut impl Write, totals: &Totals) -> io::Result<()> {
    let records = usize::try_from(totals.records).unwrap_or(usize::MAX);
    let (files, size) = (counted(totals.files, "file"), bytes(totals.bytes));
    writeln!(out, "records   {} in {files}, {size}", thousands(records))
}
