//! `petrec plan`.

use std::io::{self, Write};

use super::args::{Global, Plan};
use super::convert::{options, weights};
use super::stdout::stdout;
use super::{Outcome, say_notes};
use crate::convert::{Content, How, Planned, Start, plan};
use crate::dataset::{self};
use crate::text::{bytes, counted, one_line, shape, thousands};

pub(super) fn run(command: &Plan, global: &Global) -> anyhow::Result<Outcome> {
    let options = options(&command.recipe, false, global)?;
    let how = How { weights: command.recipe.network.weights.clone(), selection: global.selection()? };
    let dataset = dataset::discover(&command.dataset, &command.recipe.listing.options())?;
    let weights = weights(&command.recipe.network)?;
    say_notes(&dataset, global);
    let start = if command.restart { Start::Anew } else { Start::Resume };
    let planned = plan(&dataset, &weights, &options, &how, &command.out, start)?;

    let mut out = stdout();
    if command.json {
        out.json(&planned)?;
    } else {
        print(&mut out, &planned)?;
    }
    Ok(Outcome::Done)
}

fn print(out: &mut impl Write, planned: &Planned) -> io::Result<()> {
    let (files, size) = (counted(planned.files, "file"), bytes(planned.bytes));
    let record = &planned.record;
    writeln!(out, "images    {}", thousands(planned.images))?;
    if !planned.splits.is_empty() {
        let splits = planned.splits.iter().map(|split| format!("{} {}", split.name, thousands(split.images)));
        writeln!(out, "splits    {}", splits.collect::<Vec<_>>().join(", "))?;
    }
    writeln!(out, "records   {files}, {size}, if no image is rejected")?;
    writeln!(out, "features  {} float32 as '{}'", shape(&record.shape), one_line(&record.feature_key))?;
    let classes = planned.classes.len();
    let noun = if classes == 1 { "class" } else { "classes" };
    writeln!(out, "labels    {} {noun} as '{}'", thousands(classes), one_line(&record.label_key))?;
    writeln!(out, "backend   {}", planned.backend)?;
    writeln!(out, "model     {}", planned.model)?;
    let folder = one_line(&planned.out);
    writeln!(out, "output    {folder}")?;
    match (&planned.plan, planned.plan_bytes, planned.out_held) {
        (Some(plan), Some(length), held) => {
            let before = if held == Content::Plan { ", as it was before" } else { "" };
            writeln!(out, "plan      {}, {}{before}", one_line(plan), bytes(length))?;
            writeln!(out, "next      petrec convert --plan {folder}, by one or by several workers")
        }
        _ => writeln!(out, "finished  before: nothing is left to do"),
    }
}
