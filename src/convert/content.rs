//! What lies in the folder that somebody named for the records.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;

use super::journal::{self};
use super::output_dir::refuse_links;
use super::output_error::OutputError;
use super::planned::refuse_foreign_plan;
use crate::manifest::{JOURNAL_NAME, LOCK_NAME, MANIFEST_NAME, PAGE_NAME, PLAN_NAME, REPORT_NAME, WorkerId};
use crate::storage;
use crate::storage::atomic_file::is_temporary;

/// What kind of folder somebody named for the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Nothing, or no folder at all.
    Nothing,
    /// A conversion that may be unfinished: there is a journal.
    Journal,
    /// One that `petrec plan` planned: there is a plan, which is gone when the conversion is finished.
    Plan,
    /// A finished conversion: there is a manifest, and neither a journal nor a plan; in an object store, a manifest.
    Manifest,
}

impl Content {
    /// Refuses a folder that holds, in itself or in the folders of `ours`, any file but `ours` (paths below it), temporary
    /// files, the lock, journals and a plan of ours, and what ends in `.json` or `.html`, as reports do, but has none of the names
    /// that petrec writes to; and a link among the folders. Changes nothing.
    pub(super) fn refuse_strangers(out: &Path, ours: &Ours) -> Result<(), OutputError> {
        let Ours { files, folders, companions } = ours;
        let mut all: BTreeSet<&Path> = files.iter().flat_map(|path| path.ancestors().skip(1)).collect();
        all.extend(folders.iter().flat_map(|path| path.ancestors()));
        all.insert(Path::new(""));
        for folder in &all {
            refuse_links(out, &folder.join("x"))?;
            for name in names(&out.join(folder))? {
                let path = folder.join(&name);
                let is_at_top = *folder == Path::new("");
                let has_ending = || path.extension().is_some_and(|ending| ending == "json" || ending == "html");
                let is_companion = || companions.contains(&path);
                let is_of_petrec = || {
                    name == JOURNAL_NAME
                        || name == PLAN_NAME
                        || name == LOCK_NAME
                        || name == MANIFEST_NAME
                        || WorkerId::of_journal(&name).is_some()
                };
                let is_known = files.contains(&path)
                    || all.contains(&*path)
                    || is_temporary(&name)
                    || is_at_top && (is_of_petrec() || has_ending() && !is_companion());
                if !is_known {
                    return Err(OutputError::NotEmpty { out: out.into(), found: path.into_os_string() });
                }
            }
        }
        refuse_foreign_files(out)
    }

    /// Looks into `out` and changes nothing. What is not ours is an error.
    pub(super) fn of(out: &Path) -> Result<Self, OutputError> {
        let is_superseded = |names: &[OsString]| storage::is_url(out) && names.iter().any(|name| name == MANIFEST_NAME);
        // A worker that is about to begin has nothing there but this.
        let names: Vec<_> = names(out)?.into_iter().filter(|name| !is_temporary(name) && name != LOCK_NAME).collect();
        match names.first() {
            None => Ok(Self::Nothing),
            // There a journal is many objects, and goes one by one once the manifest is there.
            Some(_) if is_superseded(&names) => Ok(Self::Manifest),
            Some(_) if names.iter().any(|name| name == PLAN_NAME) => Ok(Self::Plan),
            Some(_) if names.iter().any(|name| name == JOURNAL_NAME) => Ok(Self::Journal),
            Some(_) if names.iter().any(|name| name == MANIFEST_NAME) => Ok(Self::Manifest),
            Some(found) => Err(OutputError::NotEmpty { out: out.into(), found: found.clone() }),
        }
    }
}

/// What is known to be of a conversion, relative to its folder.
#[derive(Debug, Default)]
pub(super) struct Ours {
    /// Files that are there, or may be.
    pub(super) files: BTreeSet<PathBuf>,
    /// Folders that records may be in, which may have none yet.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Files that are about to be written beside the records and are not known to be there.
    pub(super) companions: Vec<PathBuf>,
}

/// Refuses a file in `out` that goes by the name of one of ours and is none by its content, or is a link: petrec would replace or
/// remove it.
pub(super) fn refuse_foreign_files(out: &Path) -> Result<(), OutputError> {
    if storage::is_url(out) {
        return Ok(());
    }
    for name in names_from(out, JOURNAL_NAME)? {
        if name == JOURNAL_NAME || WorkerId::of_journal(&name).is_some() {
            journal::refuse_foreign_at(&out.join(name))?;
        }
    }
    refuse_foreign_reports(out)?;
    refuse_foreign_plan(out)?;
    refuse_foreign_file(&out.join(MANIFEST_NAME), is_manifest)
}

/// Refuses a report or a page in `out` that petrec did not write: it would be replaced.
pub(super) fn refuse_foreign_reports(out: &Path) -> Result<(), OutputError> {
    if storage::is_url(out) {
        return Ok(());
    }
    refuse_foreign_file(&out.join(REPORT_NAME), is_report)?;
    refuse_foreign_file(&out.join(PAGE_NAME), is_page)
}

/// Refuses a link at `path`, and a file that does not begin as one of ours.
fn refuse_foreign_file(path: &Path, is_ours: fn(&str) -> bool) -> Result<(), OutputError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(OutputError::Link(path.into())),
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(OutputError::NotOurs(path.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OutputError::read(path)(error)),
    }
    let mut beginning = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
    read.map_err(OutputError::read(path))?;
    match is_ours(&String::from_utf8_lossy(&beginning)) {
        true => Ok(()),
        false => Err(OutputError::NotOurs(path.into())),
    }
}

/// Bytes at the beginning of a report or a page that say whose it is.
const BEGINNING: u64 = 4096;

/// Whether a JSON file begins as a report of petrec's, with its version and the policy.
fn is_report(beginning: &str) -> bool {
    has_first_key(beginning, "petrec") && beginning.contains("\"accept\"")
}

/// Whether a JSON file begins as a manifest of petrec's, of whatever version.
fn is_manifest(beginning: &str) -> bool {
    has_first_key(beginning, "format") && beginning.contains("\"petrec\"")
}

fn has_first_key(json: &str, key: &str) -> bool {
    let rest = json.trim_start().strip_prefix('{').map(str::trim_start);
    rest.and_then(|rest| rest.strip_prefix('"')?.strip_prefix(key)).is_some_and(|rest| rest.starts_with('"'))
}

/// Whether an HTML file says that petrec made it.
fn is_page(beginning: &str) -> bool {
    beginning.contains("<meta name=\"generator\" content=\"petrec\">")
}

/// The names in `out`; none where there is no such folder.
pub(super) fn names(out: &Path) -> Result<Vec<OsString>, OutputError> {
    names_from(out, "")
}

/// The same of those that begin so. Of a store no others are asked for, and there may be millions of them.
pub(super) fn names_from(out: &Path, beginning: &str) -> Result<Vec<OsString>, OutputError> {
    if storage::is_url(out) {
        let items = storage::list_from(out, beginning).map_err(OutputError::read(out))?;
        return Ok(items.into_iter().map(|item| item.name.into()).collect());
    }
    let mut names = names_in_folder(out)?;
    names.retain(|name| name.as_encoded_bytes().starts_with(beginning.as_bytes()));
    Ok(names)
}

fn names_in_folder(out: &Path) -> Result<Vec<OsString>, OutputError> {
    let names = match fs::read_dir(out) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>(),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(OutputError::NotAFolder(out.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && out.is_symlink() => {
            return Err(OutputError::NotAFolder(out.into()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    names.map_err(OutputError::read(out))
}
