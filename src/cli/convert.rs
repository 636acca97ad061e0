//! `petrec convert`.

use std::env;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::args::{Convert, Global, Network, Recipe};
use super::choices::LayoutName;
use super::interrupt::{Interrupt, InterruptedAtTheEnd};
use super::progress::{Progress, Unit};
use super::report::{is_page, page_of_conversion};
use super::stdout::stdout;
use super::{Outcome, UsageError, preview, say_note, say_notes};
use crate::convert::{self, Part, PlanFile, Running, Start, Summary, Target, Totals, Watch, convert};
use crate::dataset::{self, ImageFile};
use crate::engine;
use crate::image::Rejection;
use crate::manifest::{Division, Layout, Manifest, Options, Order, WorkerId};
use crate::model::{self, Weights};
use crate::text::{bytes, counted, display_path, one_line, shape, some_of, thousands};

pub(super) fn run(command: &Convert, global: &Global) -> anyhow::Result<Outcome> {
    let share = share(command)?;
    if let Some(out) = &command.plan {
        return follow(out, share, command, global);
    }
    let (Some(path), Some(out)) = (&command.dataset, &command.out) else {
        return Err(UsageError("name a data set and a folder for the records, or a plan".to_owned()).into());
    };
    let options = options(&command.recipe, command.read_back, global)?;
    let selection = global.selection()?;
    if command.report.as_deref().is_some_and(is_page) {
        let words =
            "--report: this report is JSON, name a .json file; 'petrec report OUT' makes a page of the conversion";
        return Err(UsageError(words.to_owned()).into());
    }
    let dataset = dataset::discover(path, &command.recipe.listing.options())?;
    let weights = weights(&command.recipe.network)?;
    let engine = engine::open(&selection, &weights, &mut |line| say_note(line, global))?;
    say_notes(&dataset, global);

    let start = if command.restart { Start::Anew } else { Start::Resume };
    let part = match share {
        Some(share) => Part::Worker(share),
        None => Part::Whole { report: command.report.as_deref(), start },
    };
    let target = Target { out, part };
    if command.dry_run {
        return preview::run(&convert::preview(&dataset, &weights, engine, &options, target)?, command);
    }
    let mut watcher = Watcher::new(dataset.images.len(), global)?;
    let summary = convert(&dataset, &weights, engine, &options, target, &mut watcher)?;
    watcher.end()?;
    finish(command, global, &summary, &dataset.classes, [&options.feature_key, &options.label_key])
}

/// Does what was planned in `out`.
fn follow(out: &Path, share: Option<WorkerId>, command: &Convert, global: &Global) -> anyhow::Result<Outcome> {
    let running = Running { share, threads: global.threads(), read_back: command.read_back };
    let Some(plan) = PlanFile::open(out, share)? else {
        let summary = convert::finished_before(out, running)?;
        let manifest = Manifest::read(out)?;
        let keys = [&*manifest.record.feature_key, &manifest.record.label_key];
        return finish(command, global, &summary, &manifest.classes, keys);
    };
    let weights = match plan.weights() {
        Some(file) => Weights::load(&file)?,
        None => model::locate(plan.architecture())?,
    };
    let selection = global.selection_or(plan.selection())?;
    let engine = engine::open(&selection, &weights, &mut |line| say_note(line, global))?;
    let (classes, record) = (plan.classes().to_vec(), plan.record().clone());

    let mut watcher = Watcher::new(plan.images(), global)?;
    let summary = convert::convert_planned(plan, out, &weights, engine, running, &mut watcher)?;
    watcher.end()?;
    finish(command, global, &summary, &classes, [&record.feature_key, &record.label_key])
}

/// Makes the page of a conversion that is complete, and tells what was done.
fn finish(
    command: &Convert,
    global: &Global,
    summary: &Summary,
    classes: &[String],
    keys: [&str; 2],
) -> anyhow::Result<Outcome> {
    let is_new = summary.resumed < summary.totals.images;
    let page = (summary.report.as_deref()).and_then(|report| {
        let dataset = command.dataset.as_deref();
        page_of_conversion(summary.out.as_ref(), report.as_ref(), dataset, &summary.totals, is_new, global)
    });
    let mut out = stdout();
    if command.json {
        out.json(&WithPage::new(summary, page.as_deref()))?;
    } else {
        print(&mut out, summary, classes, keys)?;
        print_page(&mut out, page.as_deref())?;
    }
    Ok(Outcome::of_rejected(summary.totals.rejected, command.fail_on_reject))
}

/// The options that were typed.
pub(super) fn options(recipe: &Recipe, read_back: bool, global: &Global) -> Result<Options, UsageError> {
    Ok(Options {
        policy: recipe.policy.policy(),
        layout: layout(recipe)?,
        order: if recipe.shuffle { Order::Shuffled { seed: recipe.seed } } else { Order::Sorted },
        division: recipe.split.clone().map(|splits| Division { seed: recipe.seed, splits }),
        pool: recipe.pool,
        feature_key: recipe.feature_key.clone(),
        label_key: recipe.label_key.clone(),
        extras: recipe.with.clone(),
        compression: recipe.compression,
        index: recipe.index,
        tfds: recipe.tfds.clone(),
        read_back,
        threads: global.threads(),
    })
}

/// The layout that was typed, with what goes with it.
fn layout(recipe: &Recipe) -> Result<Layout, UsageError> {
    let alone =
        |option: &str| UsageError(format!("{option} does not go with --layout per-image: leave one of them out"));
    match (recipe.layout, recipe.shards) {
        (LayoutName::Shards, None) => Ok(Layout::Shards { target: recipe.shard_size }),
        (LayoutName::Shards, Some(count)) => Ok(Layout::ShardCount(count)),
        (LayoutName::PerImage, Some(_)) => Err(alone("--shards")),
        (LayoutName::PerImage, None) if recipe.shuffle => Err(alone("--shuffle")),
        (LayoutName::PerImage, None) => Ok(Layout::PerImage),
    }
}

/// Which worker this is, if it is one of several.
fn share(command: &Convert) -> Result<Option<WorkerId>, UsageError> {
    let share = match (command.worker_env, command.shard_index, command.shard_count) {
        (Some(system), _, count) => system.share(count, |name| env::var(name).ok())?,
        (None, Some(index), Some(count)) => {
            WorkerId::new(index, count).map_err(|error| UsageError(error.to_string()))?
        }
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

impl Watcher {
    fn new(images: usize, global: &Global) -> anyhow::Result<Self> {
        let progress = Progress::new("convert", (images, Unit::Images), "; left out of the records", global);
        Ok(Self { progress, interrupt: Interrupt::listen()?, is_stopping: false })
    }

    /// The records are there, and what follows may be ended at any moment.
    fn end(self) -> Result<(), InterruptedAtTheEnd> {
        let Self { progress, interrupt, .. } = self;
        drop(progress);
        interrupt.obey_at_once()
    }
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

fn print(out: &mut impl Write, summary: &Summary, classes: &[String], keys: [&str; 2]) -> io::Result<()> {
    let [feature_key, label_key] = keys.map(one_line);
    let labels = some_of(classes.iter().enumerate().map(|(label, name)| format!("{label} {}", one_line(name))));
    print_images(out, &summary.totals)?;
    if summary.resumed > 0 {
        writeln!(out, "resumed   {} were converted by an earlier run", counted(summary.resumed, "image"))?;
    }
    print_records(out, &summary.totals)?;
    writeln!(out, "features  {} float32 as '{}'", shape(&summary.feature_shape), feature_key)?;
    writeln!(out, "labels    {labels} as '{label_key}'")?;
    if summary.resumed == summary.totals.images {
        writeln!(out, "speed     nothing was left to do ({:.1} s)", summary.seconds)?;
    } else {
        writeln!(out, "speed     {:.1} images/s ({:.1} s)", summary.images_per_second, summary.seconds)?;
        writeln!(out, "engine    {}", engine_name(&summary.engine, summary.isa.as_deref(), summary.device.as_deref()))?;
    }
    writeln!(out, "model     {}", summary.model)?;
    let folder = one_line(&summary.out);
    writeln!(out, "output    {folder}")?;
    match (&summary.report, summary.worker) {
        (Some(report), _) => writeln!(out, "report    {}", one_line(report)),
        (None, None) => Ok(()),
        (None, Some(share)) => {
            writeln!(out, "share     {share}; when all have ended: petrec finalize {folder}")
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
