//! Keras' own weights where no file was named.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use petrec::cli::download::Download;
use petrec::fetch::Source;
use petrec::model::Architecture;

/// Downloads them into `folder`.
///
/// # Errors
/// Keras publishes none of this network, or the download failed; where the network is at fault, with three lines that tell
/// of other ways.
pub(crate) fn run(download: &Download, architecture: Architecture, folder: &Path) -> Result<PathBuf> {
    let keras = Source::keras(architecture);
    let keras =
        keras.with_context(|| format!("Keras publishes no weights of {architecture}: name a file with --onnx"))?;
    let source = download.source(keras);
    download.run(&source, folder, false).map_err(|error| match error.is_of_the_network() {
        true => anyhow!("{error}\n{}", source.otherwise(folder).join("\n")),
        false => error.into(),
    })
}
