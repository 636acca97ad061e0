//! `petrec verify`.

use std::io::{self, Write};

use serde::Serialize;

use super::Outcome;
use super::args::{Global, Verify};
use super::progress::{Progress, Unit};
use super::stdout::stdout;
use crate::dataset::display_path;
use crate::number::{bytes, counted, thousands};
use crate::parallel;
use crate::verify::{self, Checked, Problem, RecordFile, Salvaged};

/// What was found in all files, for machines.
#[derive(Debug, Default, Serialize)]
struct Findings {
    /// Files looked at, those that are missing included.
    files: usize,
    /// Files with a problem.
    bad_files: usize,
    /// Records whose checksums hold.
    records: u64,
    /// Bytes in which there is no such record.
    lost_bytes: u64,
    problems: Vec<FileProblems>,
}

#[derive(Debug, Serialize)]
struct FileProblems {
    path: String,
    records: u64,
    lost_bytes: u64,
    problems: Vec<String>,
    salvaged: Option<SalvagedFile>,
}

#[derive(Debug, Serialize)]
struct SalvagedFile {
    path: String,
    records: u64,
}

pub(super) fn run(command: &Verify, global: &Global) -> anyhow::Result<Outcome> {
    let files = verify::record_files(&command.paths)?;
    let mut findings = Findings { files: files.len(), ..Findings::default() };
    let mut progress = Progress::new("verify", (files.len(), Unit::Files), "", global);
    parallel::ordered(
        files.len(),
        vec![(); global.threads().get().min(files.len())],
        |(), index| (&files[index], verify::check(&files[index])),
        |(file, checked)| {
            findings.add(file, &checked, command, &progress);
            progress.step();
            Ok::<_, anyhow::Error>(())
        },
    )?;
    drop(progress);

    let mut out = stdout();
    if command.json {
        out.json(&findings)?;
    } else {
        findings.print(&mut out)?;
    }
    Ok(if findings.bad_files == 0 { Outcome::Done } else { Outcome::Damaged })
}

impl Findings {
    /// Tells what is wrong with a file, and salvages what is not, if that is wanted.
    fn add(&mut self, file: &RecordFile, checked: &Checked, command: &Verify, progress: &Progress) {
        self.records += checked.records;
        self.lost_bytes += checked.lost;
        if checked.problems.is_empty() {
            return;
        }
        self.bad_files += 1;
        for problem in &checked.problems {
            progress.alert(&format!("{}: {problem}", display_path(&file.path)));
        }
        let is_damaged = checked.problems.iter().any(Problem::is_damage);
        let salvage = command.salvage.as_deref().filter(|_| is_damaged);
        // What cannot be salvaged is no reason to leave the other files unread.
        let salvaged = salvage.and_then(|folder| {
            verify::salvage(file, folder).inspect_err(|error| progress.alert(&error.to_string())).ok()
        });
        if let Some(Salvaged { path, records }) = &salvaged {
            let records = counted(usize::try_from(*records).unwrap_or(usize::MAX), "intact record");
            progress.alert(&format!("{}: {records} salvaged to {}", display_path(&file.path), display_path(path)));
        }
        self.problems.push(FileProblems {
            path: file.path.to_string_lossy().into_owned(),
            records: checked.records,
            lost_bytes: checked.lost,
            problems: checked.problems.iter().map(ToString::to_string).collect(),
            salvaged: salvaged.map(|salvaged| SalvagedFile {
                path: salvaged.path.to_string_lossy().into_owned(),
                records: salvaged.records,
            }),
        });
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let problems = self.problems.iter().map(|file| file.problems.len()).sum();
        writeln!(out, "files     {}, {} with problems", thousands(self.files), thousands(self.bad_files))?;
        writeln!(out, "records   {} intact", thousands(usize::try_from(self.records).unwrap_or(usize::MAX)))?;
        writeln!(out, "lost      {}", bytes(self.lost_bytes))?;
        writeln!(out, "problems  {}", thousands(problems))
    }
}
