//! `petrec convert --dry-run`.

use std::io::{self, Write};

use super::Outcome;
use super::args::Convert;
use super::convert::engine_name;
use super::progress::duration;
use super::stdout::stdout;
use crate::convert::{Content, Estimate, Preview};
use crate::text::{bytes, counted, one_line, shape, thousands};

/// How many classes and record files are shown.
const SHOWN: usize = 20;

pub(super) fn run(preview: &Preview, command: &Convert) -> anyhow::Result<Outcome> {
    let mut out = stdout();
    if command.json {
        out.json(preview)?;
    } else {
        print(&mut out, preview, command.restart)?;
    }
    Ok(Outcome::Done)
}

fn print(out: &mut impl Write, preview: &Preview, is_restart: bool) -> io::Result<()> {
    let Estimate { tried, rejected, images_per_second, seconds, bytes: on_disk } = preview.estimate;
    let record = &preview.record;
    writeln!(out, "images    {}", thousands(preview.images))?;
    if !preview.splits.is_empty() {
        let splits = preview.splits.iter().map(|split| format!("{} {}", split.name, thousands(split.images)));
        writeln!(out, "splits    {}", splits.collect::<Vec<_>>().join(", "))?;
    }
    writeln!(out, "features  {} float32 as '{}'", shape(&record.shape), one_line(&record.feature_key))?;
    let classes = preview.classes.len();
    let noun = if classes == 1 { "class" } else { "classes" };
    writeln!(out, "labels    {} {noun} as '{}'", thousands(classes), one_line(&record.label_key))?;
    let (files, size) = (counted(preview.files.len(), "file"), bytes(preview.bytes));
    writeln!(out, "records   {} in {files}, {size}, if no image is rejected", thousands(preview.images))?;
    let engine = engine_name(preview.engine, preview.isa, preview.device.as_deref());
    writeln!(out, "engine    {engine}, {}", counted(preview.threads.get(), "thread"))?;
    writeln!(out, "model     {}", preview.model)?;
    let holds = match (preview.out_holds, is_restart) {
        (Content::Nothing, _) => "",
        (Content::Journal | Content::Plan, false) => {
            ", where the same conversion is unfinished: what is done of it stays"
        }
        (Content::Manifest, false) => ", where the same conversion is finished: it is checked and left as it is",
        (_, true) => ", from which --restart removes an earlier conversion",
    };
    writeln!(out, "output    {}{holds}", one_line(&preview.out))?;
    if let Some(share) = preview.worker {
        writeln!(out, "share     {share}")?;
    }
    let (time, tried, rejected) = (duration(seconds), counted(tried, "image"), thousands(rejected));
    writeln!(
        out,
        "time      about {time}: an estimate from {tried} ({rejected} rejected) at {images_per_second:.1} images/s"
    )?;
    writeln!(out, "disk      about {}", bytes(on_disk))?;

    let classes = preview.classes.iter().map(|class| (one_line(&class.name).to_string(), class));
    let classes: Vec<_> = classes.take(SHOWN).collect();
    let width = classes.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("class".len());
    writeln!(out, "\n{:<width$}  label    images", "class")?;
    for (name, class) in &classes {
        writeln!(out, "{name:<width$}  {:>5}  {:>8}", class.label, thousands(class.images))?;
    }
    more(out, preview.classes.len(), "classes")?;

    let files = preview.files.iter().map(|file| (one_line(&file.path).to_string(), file));
    let files: Vec<_> = files.take(SHOWN).collect();
    let width = files.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("record file".len());
    writeln!(out, "\n{:<width$}    images      size", "record file")?;
    for (name, file) in &files {
        writeln!(out, "{name:<width$}  {:>8}  {:>8}", thousands(file.images), bytes(file.bytes))?;
    }
    more(out, preview.files.len(), "files")?;
    writeln!(out, "\nnothing was written: leave out --dry-run to convert")
}

/// Says how many were not shown.
fn more(out: &mut impl Write, count: usize, noun: &str) -> io::Result<()> {
    match count.checked_sub(SHOWN) {
        None | Some(0) => Ok(()),
        Some(rest) => writeln!(out, "... and {} more {noun}", thousands(rest)),
    }
}
