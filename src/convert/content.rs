//! What lies in the folder that somebody named for the records.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;

use super::journal::JOURNAL_NAME;
use super::manifest::MANIFEST_NAME;
use super::output_error::OutputError;
use super::planned::PLAN_NAME;
use super::share::Share;
use crate::store;
use crate::whole_file::is_temporary;

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
    /// files, the journals, a plan, and what ends in `.json` or `.html`, as reports do. Changes nothing.
    pub(super) fn refuse_strangers(out: &Path, ours: &BTreeSet<PathBuf>) -> Result<(), OutputError> {
        let folders: BTreeSet<&Path> = ours.iter().flat_map(|path| path.ancestors().skip(1)).collect();
        for folder in folders.into_iter().chain([Path::new("")]) {
            for name in names(&out.join(folder))? {
                let path = folder.join(&name);
                let has_ending = || path.extension().is_some_and(|ending| ending == "json" || ending == "html");
                let is_report = || folder == Path::new("") && has_ending();
                let leads_to_ours = || ours.iter().any(|our| our != &path && our.starts_with(&path));
                if !(ours.contains(&path)
                    || name == JOURNAL_NAME
                    || name == PLAN_NAME
                    || Share::of_journal(&name).is_some()
                    || is_temporary(&name)
                    || is_report()
                    || leads_to_ours())
                {
                    return Err(OutputError::NotEmpty { out: out.into(), found: path.into_os_string() });
                }
            }
        }
        Ok(())
    }

    /// Looks into `out` and changes nothing. What is not ours is an error.
    pub(super) fn of(out: &Path) -> Result<Self, OutputError> {
        let is_superseded = |names: &[OsString]| store::is_url(out) && names.iter().any(|name| name == MANIFEST_NAME);
        // A worker that is about to begin has nothing there but this.
        let names: Vec<_> = names(out)?.into_iter().filter(|name| !is_temporary(name)).collect();
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

/// The names in `out`; none where there is no such folder.
pub(super) fn names(out: &Path) -> Result<Vec<OsString>, OutputError> {
    names_from(out, "")
}

/// The same of those that begin so. Of a store no others are asked for, and there may be millions of them.
pub(super) fn names_from(out: &Path, beginning: &str) -> Result<Vec<OsString>, OutputError> {
    if store::is_url(out) {
        let items = store::list_from(out, beginning).map_err(OutputError::read(out))?;
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
