//! `petrec models fetch`.

use std::io::Write;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::args::Global;
use super::download::Download;
use super::progress::Shown;
use super::stdout::stdout;
use super::{Outcome, say};
use crate::fetch::Source;
use crate::import::Options;
use crate::import::check;
use crate::import::keras::import_keras;
use crate::model::{Architecture, file_name, user_folder};
use crate::text::{bytes, display_path};

/// What can be typed.
#[derive(Debug, clap::Args)]
pub(super) struct Fetch {
    /// Network that Keras publishes weights of
    #[arg(value_name = "NAME", value_parser = published())]
    keras: Source,
    #[command(flatten)]
    download: Download,
    /// Print what was imported as JSON
    #[arg(long)]
    json: bool,
}

/// What was imported, for machines.
#[derive(Debug, Serialize)]
struct Imported<'a> {
    model: Architecture,
    /// Keras' own file, and the program that wrote it.
    source: String,
    exporter: &'a str,
    /// Where the weights are now, and their length.
    weights: String,
    bytes: u64,
}

/// A parser for the name of a network that can be downloaded.
fn published() -> impl TypedValueParser<Value = Source> {
    let source = |name: &str| Architecture::named(name).and_then(Source::keras);
    let names = Architecture::ALL.map(Architecture::name).into_iter().filter(move |name| source(name).is_some());
    PossibleValuesParser::new(names).try_map(move |name| source(&name).ok_or("not published"))
}

pub(super) fn run(command: &Fetch, global: &Global) -> anyhow::Result<Outcome> {
    let folder = user_folder().context("there is no home folder for the weights: set HOME")?;
    let source = command.download.source(command.keras.clone());
    let path = match command.download.run(&source, &folder, global.progress() != Shown::Auto) {
        Ok(path) => path,
        Err(error) => {
            say(&error.to_string());
            if error.is_of_the_network() {
                source.otherwise(&folder).iter().for_each(|line| say(line));
            }
            return Ok(Outcome::Failed);
        }
    };

    let architecture = source.architecture;
    let weights = import_keras(&path, &Options { architecture: Some(architecture), ..Options::default() })?;
    let feature = check::run(&weights).with_context(|| display_path(&path).to_string())?;
    let target = folder.join(file_name(architecture));
    let length = weights.save(&target)? as u64;

    let mut out = stdout();
    let exporter = &weights.metadata().source.exporter;
    if command.json {
        let [source, weights] = [&path, &target].map(|path| path.to_string_lossy().into_owned());
        let imported = Imported { model: architecture, source, exporter, weights, bytes: length };
        out.json(&imported)?;
        return Ok(Outcome::Done);
    }
    writeln!(out, "model     {architecture}")?;
    writeln!(out, "source    {}, by {exporter}, kept", display_path(&path))?;
    writeln!(out, "feature   {feature}")?;
    writeln!(out, "weights   {} ({})", display_path(&target), bytes(length))?;
    Ok(Outcome::Done)
}
