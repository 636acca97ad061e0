//! The page beside the records. It is made when the conversion is finished, with a lock of its own on the folder; its temporary
//! file has a name of its own, too, because not all file systems have locks.

use std::io::{self, Write};
use std::iter;
use std::path::Path;

use super::content::{Content, refuse_foreign_reports};
use super::earlier::sweep;
use super::output_dir::OutputDir;
use super::output_error::OutputError;
use crate::manifest::PAGE_NAME;
use crate::storage::atomic_file::{AtomicFile, is_temporary_of};
use crate::storage::lock::LockMode;

/// Whose its temporary file is.
const OWNER: &str = "page";

/// A folder with a finished conversion, locked for the one who makes its page.
#[derive(Debug)]
pub(crate) struct PageDir(OutputDir);

impl PageDir {
    /// Takes the folder `out`, and removes what is left of a page whose writer was killed; `None` where there is no finished
    /// conversion.
    ///
    /// # Errors
    /// Others are at work there, or there is a page or a report that petrec did not make.
    pub(crate) fn open(out: &Path) -> Result<Option<Self>, OutputError> {
        match Content::of(out) {
            Ok(Content::Manifest) => {}
            // Whatever else is there, no conversion is finished.
            Ok(_) | Err(OutputError::NotEmpty { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let dir = OutputDir::open(out, LockMode::Alone)?;
        if Content::of(out)? != Content::Manifest {
            return Ok(None);
        }
        refuse_foreign_reports(out)?;
        sweep(out, iter::empty::<&Path>(), |name| is_temporary_of(OWNER, name))?;
        Ok(Some(Self(dir)))
    }

    /// Writes the page, whole or not at all.
    pub(crate) fn put(&self, html: &str) -> io::Result<()> {
        let mut file = AtomicFile::begin_of(OWNER, &self.0.root().join(PAGE_NAME))?;
        file.write_all(html.as_bytes())?;
        file.commit()
    }
}
