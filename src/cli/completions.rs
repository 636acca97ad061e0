//! `petrec completions`.

use std::io::{self, Write};

use super::args::Completions;
use super::{Outcome, command};

pub(super) fn run(arguments: &Completions) -> anyhow::Result<Outcome> {
    // Into memory first, because the generator takes no error of writing.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "petrec", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Outcome::Done)
}
