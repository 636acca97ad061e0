//! `petrec verify`.

use std::io::{self, Write};

use serde::Serialize;

use super::args::{Global, Verify};
use super::progress::{Progress, Unit};
use super::short::skipped;
use super::stdout::stdout;
use super::{Outcome, say_note};
use crate::text::{bytes, counted, display_path, thousands};
use crate::tfrecord::Rest;
use crate::util::parallel;
use crate::verify::{self, Checked, Listing, Problem, RecordFile, Salvaged};

/// What was found in all files, for machines.
#[derive(Debug, Default, Serialize)]
struct Findings {
    /// Files looked at, those that are missing included.
    files: usize,
    /// Files with a problem.
    bad_files: usize,
    /// Files that could not be read because of the machine or the store, and that have no other problem.
    unread_files: usize,
    /// Records whose checksums hold.
    records: u64,
    /// Those that are a `tf.train.SequenceExample`.
    sequence_examples: u64,
    /// Fields in records that neither message has.
    unknown_fields: u64,
    /// Bytes in which there is no such record.
    lost_bytes: u64,
    /// Files of which more is lost than can be counted.
    cut_files: usize,
    problems: Vec<FileProblems>,
    /// Files in the folders that were named that are no record files.
    skipped: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FileProblems {
    path: String,
    records: u64,
    lost_bytes: u64,
    /// Whether more is lost, of which nobody knows how much.
    rest_lost: bool,
    problems: Vec<String>,
    salvaged: Option<SalvagedFile>,
}

#[derive(Debug, Serialize)]
struct SalvagedFile {
    path: String,
    records: u64,
}

pub(super) fn run(command: &Verify, global: &Global) -> anyhow::Result<Outcome> {
    let Listing { mut files, skipped: others } = verify::record_files(&command.paths)?;
    if let Some(note) = skipped(&others) {
        say_note(&note, global);
    }
    let check = match command.framing {
        true => {
            files.retain(RecordFile::is_there);
            verify::check_framing
        }
        false => verify::check,
    };
    let skipped = others.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let mut findings = Findings { files: files.len(), skipped, ..Findings::default() };
    let mut progress = Progress::new("verify", (files.len(), Unit::Files), "", global);
    parallel::ordered(
        files.len(),
        vec![(); global.threads().get().min(files.len()).max(1)],
        |(), index| (&files[index], check(&files[index])),
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
    Ok(match findings.bad_files {
        0 => Outcome::Done,
        bad if bad == findings.unread_files => Outcome::Failed,
        _ => Outcome::Damaged,
    })
}

impl Findings {
    /// Tells what is wrong with a file, and salvages what is not, if that is wanted.
    fn add(&mut self, file: &RecordFile, checked: &Checked, command: &Verify, progress: &Progress) {
        self.records += checked.records;
        self.sequence_examples += checked.sequence_examples;
        self.unknown_fields += checked.unknown_fields;
        self.lost_bytes += checked.lost;
        self.cut_files += usize::from(checked.rest == Rest::Lost);
        if checked.problems.is_empty() {
            return;
        }
        self.bad_files += 1;
        self.unread_files += usize::from(!checked.problems.iter().any(Problem::is_of_file));
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
            rest_lost: checked.rest == Rest::Lost,
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
        let thousands_of = |count: u64| thousands(usize::try_from(count).unwrap_or(usize::MAX));
        writeln!(out, "records   {} intact", thousands_of(self.records))?;
        if self.sequence_examples > 0 {
            writeln!(out, "sequence  {} of them are tf.train.SequenceExample", thousands_of(self.sequence_examples))?;
        }
        if self.unknown_fields > 0 {
            let count = thousands_of(self.unknown_fields);
            writeln!(out, "unknown   {count} fields that these messages do not have, and that were not checked")?;
        }
        let cut = match self.cut_files {
            0 => String::new(),
            files => format!(", and all that follows damage in {}", counted(files, "compressed file")),
        };
        writeln!(out, "lost      {}{cut}", bytes(self.lost_bytes))?;
        writeln!(out, "problems  {}", thousands(problems))
    }
}
