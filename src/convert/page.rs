//! The page beside the records. It is made when the conversion is finished, so that nobody has the folder locked: its temporary
//! file is told from those of whoever may begin anew there.

use std::io::{self, Write};
use std::iter;
use std::path::Path;

use super::earlier::sweep;
use super::output_error::OutputError;
use crate::whole_file::{WholeFile, is_temporary_of};

/// Name of the page that `petrec report` makes of a conversion, unless it goes elsewhere.
pub(crate) const PAGE_NAME: &str = "report.html";
/// Whose its temporary file is.
const OWNER: &str = "page";

/// Writes the page of the conversion in the folder `out`, whole or not at all.
pub(crate) fn put_page(out: &Path, html: &str) -> io::Result<()> {
    let mut file = WholeFile::begin_of(OWNER, &out.join(PAGE_NAME))?;
    file.write_all(html.as_bytes())?;
    file.commit()
}

/// Removes what is left of a page whose writer was killed.
pub(crate) fn sweep_page(out: &Path) -> Result<(), OutputError> {
    sweep(out, iter::empty::<&Path>(), |name| is_temporary_of(OWNER, name))
}
