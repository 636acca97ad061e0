//! `cargo xtask import-weights`: another program's model becomes a weight file of petrec's.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use petrec::image::Recipe;
use petrec::import::Options;
use petrec::import::h5::{self, import_h5};
use petrec::import::onnx::import_onnx;
use petrec::import::state_dict::{Format, import_state_dict};
use petrec::model::{Architecture, Padding, Weights};
use petrec::whole_file::WholeFile;

use crate::check;
use crate::reference::Reference;

/// What was typed.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Which Keras' preprocessing the weights of --h5 get
    #[arg(long, value_name = "VERSION", value_enum, default_value = "keras", conflicts_with_all = ["onnx", "safetensors", "pth"])]
    preprocess: KerasRecipe,
    /// How the network of --safetensors or --pth pads; timm's networks need it: tf_efficientnet_* have the tensors of
    /// efficientnet_* [default: symmetric for torchvision's]
    #[arg(long, value_name = "STYLE", value_enum, conflicts_with_all = ["onnx", "h5"])]
    padding: Option<PaddingStyle>,
    /// The network that it must be [default: read from the file]
    #[arg(long, value_name = "NAME", value_parser = model_names())]
    model: Option<Architecture>,
    /// The weight file to write [default: model-weights/NAME.safetensors]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The weights' licence, an SPDX expression such as Apache-2.0
    #[arg(long, value_name = "TEXT")]
    license: Option<String>,
    /// Keep the classifier too, for 'petrec dump --stage logits'
    #[arg(long)]
    with_top: bool,
    /// How pictures get the network's size [default: the model's usual way]
    #[arg(long, value_name = "RECIPE")]
    resize: Option<Resize>,
    #[command(flatten)]
    reference: Reference,
}

/// The file to read.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Source {
    /// The ONNX model; its data file, if it has one, lies beside it
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
    /// Keras' own weight file, in its official layout (.h5), with or without the classifier
    #[arg(long, value_name = "FILE")]
    h5: Option<PathBuf>,
    /// A state dict of torchvision's or timm's network as .safetensors
    #[arg(long, value_name = "FILE")]
    safetensors: Option<PathBuf>,
    /// The same as torch.save writes it (.pth, .pt)
    #[arg(long, value_name = "FILE")]
    pth: Option<PathBuf>,
}

/// [`Padding`], as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PaddingStyle {
    /// As TensorFlow does, the odd pixel at the bottom and right: timm's tf_efficientnet_*
    Same,
    /// As PyTorch does, the same on every side: torchvision's, and timm's efficientnet_*
    Symmetric,
}

impl From<PaddingStyle> for Padding {
    fn from(style: PaddingStyle) -> Self {
        match style {
            PaddingStyle::Same => Self::Same,
            PaddingStyle::Symmetric => Self::Symmetric,
        }
    }
}

/// [`Recipe`], as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Resize {
    /// As tf.image.resize does, bit for bit
    TfBilinear,
    /// As torchvision and PIL do by BILINEAR
    AntialiasBilinear,
    /// As torchvision and PIL do by BICUBIC
    AntialiasBicubic,
}

impl From<Resize> for Recipe {
    fn from(resize: Resize) -> Self {
        match resize {
            Resize::TfBilinear => Self::TfBilinear,
            Resize::AntialiasBilinear => Self::AntialiasBilinear,
            Resize::AntialiasBicubic => Self::AntialiasBicubic,
        }
    }
}

/// [`h5::Recipe`], as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KerasRecipe {
    /// (x/255 - mean) / std, as Keras does since 2.9
    Keras,
    /// (x/255 - mean) / sqrt(std), as Keras did up to 2.8
    #[value(name = "keras-2.5")]
    Keras25,
}

impl From<KerasRecipe> for h5::Recipe {
    fn from(recipe: KerasRecipe) -> Self {
        match recipe {
            KerasRecipe::Keras => Self::Today,
            KerasRecipe::Keras25 => Self::Keras25,
        }
    }
}

/// A parser for the name of a network.
pub(crate) fn model_names() -> impl TypedValueParser<Value = Architecture> {
    PossibleValuesParser::new(Architecture::ALL.map(Architecture::name)).try_map(Architecture::try_from)
}

/// Imports, checks with one picture, writes, and tells what it did.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (path, weights) = import(arguments)?;
    let feature = check::run(&weights).with_context(|| path.display().to_string())?;
    let agreement = arguments.reference.agree(&weights)?;

    let metadata = weights.metadata();
    let padding = format!("{:?}", metadata.padding).to_lowercase();
    let source = &metadata.source;
    say(&format!(
        "model     {}\nsource    {} (by {}, licence {})\npadding   {padding}\nfeature   {feature}",
        metadata.architecture, source.file, source.exporter, source.license
    ))?;
    if let Some(agreement) = agreement {
        say(&format!("check     {agreement}"))?;
    }
    let out = arguments.out.clone().unwrap_or_else(|| default_out(metadata.architecture));
    write(&out, &weights)
}

/// Reads the file that was named.
fn import(arguments: &Arguments) -> Result<(&Path, Weights)> {
    let options = Options {
        architecture: arguments.model,
        license: arguments.license.clone(),
        resize: arguments.resize.map(Recipe::from),
        with_top: arguments.with_top,
    };
    let padding = arguments.padding.map(Padding::from);
    let Source { onnx, h5, safetensors, pth } = &arguments.source;
    match (onnx, h5, safetensors, pth) {
        (Some(path), ..) => Ok((path, import_onnx(path, &options)?)),
        (_, Some(path), ..) => Ok((path, import_h5(path, arguments.preprocess.into(), &options)?)),
        (_, _, Some(path), _) => Ok((path, import_state_dict(path, Format::Safetensors, padding, &options)?)),
        (_, _, _, Some(path)) => Ok((path, import_state_dict(path, Format::Pth, padding, &options)?)),
        _ => bail!("no file was named"),
    }
}

/// Where petrec looks for an architecture's weights.
fn default_out(architecture: Architecture) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    root.join("model-weights").join(format!("{architecture}.safetensors"))
}

/// Writes a weight file, whole or not at all, and says so; its folder is made where it is missing.
pub(crate) fn write(path: &Path, weights: &Weights) -> Result<()> {
    let bytes = weights.to_bytes()?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    WholeFile::write(path, |file| file.write_all(&bytes)).with_context(|| path.display().to_string())?;
    say(&format!("wrote     {} ({:.1} MB)", path.display(), bytes.len() as f64 / 1e6))
}

/// Prints a line for people. Whoever closes the pipe has read enough.
fn say(text: &str) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}
