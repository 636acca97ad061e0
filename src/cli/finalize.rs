//! `petrec finalize`.

use std::io::{self, Write};

use super::Outcome;
use super::args::{Finalize, Global};
use super::convert::{WithPage, print_images, print_page, print_records};
use super::progress::FileProgress;
use super::report::page_of_conversion;
use super::stdout::stdout;
use crate::convert::{Finalized, finalize};
use crate::text::one_line;

pub(super) fn run(command: &Finalize, global: &Global) -> anyhow::Result<Outcome> {
    let mut progress = FileProgress::new("finalize", global);
    let finalized = finalize(&command.out, global.threads(), &mut |files| progress.step(files))?;
    drop(progress);
    let page = page_of_conversion(
        &command.out,
        finalized.report.as_ref(),
        None,
        &finalized.totals,
        !finalized.was_finished,
        global,
    );

    let mut out = stdout();
    if command.json {
        out.json(&WithPage::new(&finalized, page.as_deref()))?;
    } else {
        print(&mut out, &finalized)?;
        print_page(&mut out, page.as_deref())?;
    }
    Ok(Outcome::of_rejected(finalized.totals.rejected, command.fail_on_reject))
}

fn print(out: &mut impl Write, finalized: &Finalized) -> io::Result<()> {
    print_images(out, &finalized.totals)?;
    print_records(out, &finalized.totals)?;
    if finalized.was_finished {
        writeln!(out, "finished  before: nothing was left to do")?;
    }
    writeln!(out, "output    {}", one_line(&finalized.out))?;
    writeln!(out, "report    {}", one_line(&finalized.report))
}
