//! `petrec validate`.

use std::io::{self, Write};

use super::args::{Global, Validate};
use super::progress::{Progress, Unit};
use super::report::is_page;
use super::stdout::stdout;
use super::{Outcome, say, say_notes};
use crate::dataset::{self, Recursion};
use crate::html_report::Page;
use crate::results::{Report, ReportFile, Verdict};
use crate::text::{counted, display_path, one_line, thousands};
use crate::validate::{Quarantine, validate};

pub(super) fn run(command: &Validate, global: &Global) -> anyhow::Result<Outcome> {
    let recursion = if command.recursive { Recursion::Tree } else { Recursion::Flat };
    let dataset = dataset::discover_files(&command.paths, &command.listing.options(), recursion)?;
    let quarantine = command.quarantine.as_deref().map(|dir| Quarantine::new(dir, &command.paths)).transpose()?;
    let report_file = command.report.as_deref().map(|path| ReportFile::begin(path, &command.paths)).transpose()?;
    say_notes(&dataset, global);

    let mut progress = Progress::new("validate", (dataset.images.len(), Unit::Images), "", global);
    let mut report = validate(&dataset, command.policy.policy(), global.threads(), |file, rejection| {
        progress.image(file, rejection);
    });
    drop(progress);

    let mut all_moved = true;
    if let Some(quarantine) = quarantine {
        let rejected =
            report.files.iter_mut().zip(&dataset.images).filter(|(line, _)| line.finding.verdict == Verdict::Rejected);
        for (line, file) in rejected {
            match quarantine.take(file) {
                Ok(target) => line.quarantined = Some(target.to_string_lossy().into_owned()),
                Err(error) => {
                    say(&error.to_string());
                    all_moved = false;
                }
            }
        }
    }
    if let Some((path, file)) = command.report.as_ref().zip(report_file) {
        match is_page(path) {
            true => file.finish_page(&Page::of_validation(&dataset.name, &report, global.threads().get()).html)?,
            false => file.finish(&report)?,
        }
    }

    let mut out = stdout();
    if command.json {
        out.json(&report)?;
    } else {
        print(&mut out, &report)?;
        if let Some(path) = &command.report {
            writeln!(out, "\nreport: {}", display_path(path))?;
        }
    }
    if report.counts.unreachable > 0 {
        say(&format!(
            "{} unreachable, neither accepted nor rejected: the machine or the store failed; hint: run the same command again",
            counted(report.counts.unreachable, "file")
        ));
    }
    if !all_moved || report.counts.unreachable > 0 {
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::of_rejected(report.counts.rejected, command.fail_on_reject))
}

fn print(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let counts = report.counts;
    let (accepted, rejected) = (thousands(counts.accepted), thousands(counts.rejected));
    write!(out, "{}: {accepted} accepted, {rejected} rejected", counted(counts.files, "file"))?;
    match counts.unreachable {
        0 => writeln!(out)?,
        unreachable => writeln!(out, ", {} unreachable", thousands(unreachable))?,
    }

    if !report.classes.is_empty() {
        let names: Vec<String> = report.classes.iter().map(|class| one_line(&class.name).to_string()).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("class".len());
        writeln!(out, "\n{:<width$}  label     files  accepted  rejected", "class")?;
        for (name, class) in names.iter().zip(&report.classes) {
            let [files, accepted, rejected] =
                [class.counts.files, class.counts.accepted, class.counts.rejected].map(thousands);
            writeln!(out, "{:<width$}  {:>5}  {files:>8}  {accepted:>8}  {rejected:>8}", name, class.label)?;
        }
    }
    if !report.reasons.is_empty() {
        let width = report.reasons.keys().map(|code| code.len()).max().unwrap_or(0);
        writeln!(out, "\n{:<width$}     files", "reason")?;
        for (code, files) in &report.reasons {
            writeln!(out, "{code:<width$}  {:>8}", thousands(*files))?;
        }
    }
    let moved = report.files.iter().filter(|file| file.quarantined.is_some()).count();
    if moved > 0 {
        writeln!(out, "\n{} moved to quarantine", counted(moved, "file"))?;
    }
    Ok(())
}
