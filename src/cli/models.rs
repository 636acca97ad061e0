//! `petrec models`: what networks there are, and which weights.

use std::io::{self, Write};

use super::args::{Global, Models, ModelsTask};
use super::stdout::stdout;
use super::{Outcome, fetch};
use crate::model::{Architecture, Catalogue, Metadata, Model, Place, Preprocess, WeightFile};
use crate::text::{bytes, one_line, shape, thousands};

pub(super) fn run(command: &Models, global: &Global) -> anyhow::Result<Outcome> {
    match &command.task {
        Some(ModelsTask::Fetch(command)) => fetch::run(command, global),
        None => list(command),
    }
}

fn list(command: &Models) -> anyhow::Result<Outcome> {
    let catalogue = Catalogue::look(&command.weights);

    let mut out = stdout();
    if command.json {
        out.json(&catalogue)?;
    } else {
        print(&mut out, &catalogue)?;
    }
    Ok(Outcome::Done)
}

fn print(out: &mut impl Write, catalogue: &Catalogue) -> io::Result<()> {
    let name = Architecture::ALL.map(|architecture| architecture.name().len()).into_iter().max().unwrap_or(0);
    writeln!(out, "{:<name$}  picture  feature     parameters  multiply-adds  weights", "model")?;
    for model in &catalogue.models {
        let &Model { name: model, side, feature_shape, parameters, multiply_adds } = model;
        let weights = catalogue.weights.iter().filter(|file| file.architecture == Some(model)).map(place);
        let weights = weights.reduce(|list, next| format!("{list}, {next}")).unwrap_or_else(|| "none".into());
        let (picture, feature) = (shape(&[side, side]), shape(&feature_shape));
        let (parameters, millions) = (thousands(parameters), thousands((multiply_adds + 500_000) / 1_000_000));
        writeln!(out, "{model:<name$}  {picture}  {feature:<10}  {parameters:>10}  {millions:>11} M  {weights}")?;
    }
    catalogue.weights.iter().try_for_each(|file| print_file(out, file))
}

/// Where weights lie, in a word or two.
fn place(file: &WeightFile) -> String {
    let place = match file.place {
        Place::WorkingFolder => "model-weights/",
        Place::ProgramFolder => "beside the program",
        Place::UserFolder => "user's folder",
        Place::BuiltIn => "built in",
        Place::Named => "--weights",
    };
    format!("{place}{}", if file.problem.is_some() { " (unusable)" } else { "" })
}

fn print_file(out: &mut impl Write, file: &WeightFile) -> io::Result<()> {
    let size = file.bytes.map_or(String::new(), |length| format!(", {}", bytes(length)));
    let title = match (&file.path, file.architecture) {
        (Some(path), _) => one_line(path).to_string(),
        (None, architecture) => format!("{}, built in", architecture.map_or("weights", Architecture::name)),
    };
    writeln!(out, "\n{title}{size}")?;
    if let Some(problem) = &file.problem {
        writeln!(out, "  unusable  {}", one_line(problem))?;
    }
    if let Some(Metadata { architecture, padding, preprocess, source, .. }) = &file.metadata {
        let [exporter, name, license] = [&source.exporter, &source.file, &source.license].map(|text| one_line(text));
        writeln!(out, "  model     {architecture}")?;
        writeln!(out, "  source    {name}, by {exporter}, licence {license}")?;
        writeln!(out, "  input     {}", recipe(preprocess))?;
        writeln!(out, "  padding   {padding}")?;
    }
    file.sha256.iter().try_for_each(|sha256| writeln!(out, "  sha256    {sha256}"))
}

/// The preprocessing as a formula; a value for each channel where they differ.
fn recipe(preprocess: &Preprocess) -> String {
    let Preprocess { divisor, factor, mean, resize, scale } = preprocess;
    let [mean, divisor, factor] = [mean, divisor, factor].map(|values| match values {
        [first, rest @ ..] if rest.iter().all(|value| value == first) => first.to_string(),
        values => format!("{values:?}"),
    });
    format!("{resize}, (x * {scale} - {mean}) / {divisor} * {factor}")
}
