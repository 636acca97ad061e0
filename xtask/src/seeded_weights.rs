//! `cargo xtask seeded-weights`: the network that tests compare with TensorFlow, as a file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use petrec::model::seeded_b0;

use crate::import_weights::write;

/// What was typed.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The weight file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Writes the file and says so.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    write(&arguments.out, &seeded_b0())
}
