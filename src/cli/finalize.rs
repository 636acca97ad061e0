//! `petrec finalize`.

use std::io::{self, Write};

use super::Outcome;
use super::args::{Finalize, Global};
use super::convert::{print_images, print_records};
use super::progress::FileProgress;
use crate::convert::{Finalized, finalize};
use crate::whole_file::fill_json;

pub(super) fn run(command: &Finalize, global: &Global) -> anyhow::Result<Outcome> {
    let mut progress = FileProgress::new("finalize", global);
    let finalized = finalize(&command.out, global.threads(), &mut |files| progress.step(files))?;
    drop(progress);

    let mut out = io::stdout().lock();
    if command.json {
        fill_json(&mut out, &finalized)?;
    } else {
        print(&mut out, &finalized)?;
    }
    Ok(Outcome::of_rejected(finalized.totals.rejected, command.fail_on_reject))
}

fn print(out: &mut impl Write, finalized: &Finalized) -> io::Result<()> {
    print_images(out, &finalized.totals)?;
    print_records(out, &finalized.totals)?;
    if finalized.was_finished {
        writeln!(out, "finished  before: nothing was left to do")?;
    }
    writeln!(out, "output    {}", finalized.out)?;
    writeln!(out, "report    {}", finalized.report)
}
