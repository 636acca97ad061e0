//! `petrec probe`.

use std::io::{self, Write};
use std::time::Instant;

use serde::Serialize;

use super::Outcome;
use super::args::{Global, Probe as Command};
use super::progress::FileProgress;
use super::short::short;
use super::stdout::stdout;
use crate::features::{Sample, Table};
use crate::probe::{Method, Probe};
use crate::text::{counted, one_line, thousands};

/// How many classes the table of confusion is printed for; with more only the accuracy of each is.
const CLASSES_SHOWN: usize = 12;

/// What came out, for machines.
#[derive(Serialize)]
struct Answer<'p> {
    #[serde(flatten)]
    probe: &'p Probe,
    seconds: f64,
}

pub(super) fn run(command: &Command, global: &Global) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let threads = global.threads().get();
    let mut progress = FileProgress::new("probe", global);
    let table = Table::read(&command.out, Sample::All, threads, &mut |files| progress.step(files))?;
    drop(progress);
    let probe = Probe::run(&table, usize::from(command.folds), threads)?;
    let seconds = start.elapsed().as_secs_f64();

    let mut out = stdout();
    if command.json {
        out.json(&Answer { probe: &probe, seconds })?;
    } else {
        print(&mut out, &table, &probe, seconds)?;
    }
    Ok(Outcome::Done)
}

fn print(out: &mut impl Write, table: &Table, probe: &Probe, seconds: f64) -> io::Result<()> {
    let (images, channels) = (counted(table.labels.len(), "image"), thousands(table.channels));
    writeln!(out, "records   {images} of {} classes, {channels} channels", thousands(probe.classes.len()))?;
    match &probe.method {
        Method::Folds(folds) => {
            writeln!(out, "tested    in {folds} folds, each by a classifier trained on the others")?;
        }
        Method::Split(name) => {
            writeln!(
                out,
                "tested    {}, by a classifier trained on split '{}'",
                counted(probe.tested, "image"),
                short(name)
            )?;
        }
    }
    let (percent, tested) = (100.0 * probe.accuracy, thousands(probe.tested));
    writeln!(out, "accuracy  {percent:.1} % ({} of {tested}), in {seconds:.1} s", thousands(probe.right()))?;
    confusion(out, probe)?;
    if probe.worst.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nmost confidently wrong; look whether the label is right")?;
    let is = width(probe.worst.iter().map(|mistake| &mistake.class));
    let taken = width(probe.worst.iter().map(|mistake| &mistake.predicted));
    for mistake in &probe.worst {
        let (margin, class, predicted) = (mistake.margin, short(&mistake.class), short(&mistake.predicted));
        writeln!(out, "  {margin:4.2}  {class:is$} taken for {predicted:taken$}  {}", one_line(&mistake.image))?;
    }
    Ok(())
}

/// The longest of some names as they are shown, in characters.
fn width<'n>(names: impl Iterator<Item = &'n String>) -> usize {
    names.map(|name| short(name).chars().count()).max().unwrap_or(0)
}

/// Rows are the classes that images have, columns those that they were given.
fn confusion(out: &mut impl Write, probe: &Probe) -> io::Result<()> {
    let width = width(probe.classes.iter()).max(6);
    writeln!(out)?;
    let is_shown = probe.classes.len() <= CLASSES_SHOWN;
    if is_shown {
        let columns: String = probe.classes.iter().map(|name| format!("  {:>width$}", short(name))).collect();
        writeln!(out, "{:width$}{columns}   taken for", "")?;
    }
    for (class, (name, row)) in probe.classes.iter().zip(&probe.confusion).enumerate() {
        let total: usize = row.iter().sum();
        let cells = match is_shown {
            true => row.iter().map(|count| format!("  {:>width$}", thousands(*count))).collect(),
            false => format!("  {} of {} right", thousands(row[class]), thousands(total)),
        };
        writeln!(out, "{:width$}{cells}", short(name))?;
    }
    Ok(())
}
