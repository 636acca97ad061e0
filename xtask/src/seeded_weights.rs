//! `cargo xtask seeded-weights`: the network that tests compare with TensorFlow, as a file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use petrec::model::{Architecture, seeded};

use crate::import_weights::{model_names, write};

/// What was typed.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The network
    #[arg(long, value_name = "NAME", default_value = "efficientnet-b0", value_parser = model_names())]
    model: Architecture,
    /// The weight file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Writes the file and says so.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    write(&arguments.out, &seeded(arguments.model))
}
