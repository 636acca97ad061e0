//! `cargo xtask import-weights`: another program's model becomes a weight file of petrec's.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use petrec::cli::download::Download;
use petrec::image::Recipe;
use petrec::import::Options;
use petrec::import::h5::{self, import_h5};
use petrec::import::onnx::import_onnx;
use petrec::import::state_dict::{Format, import_state_dict};
use petrec::model::{Architecture, Padding, Weights};

use crate::reference::Reference;
use crate::{check, fetch};

/// What was typed.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    download: Download,
    /// Which Keras' preprocessing the weights of Keras' file get
    #[arg(long, value_name = "VERSION", value_enum, default_value = "keras", conflicts_with_all = ["onnx", "safetensors", "pth"])]
    preprocess: KerasRecipe,
    /// How the network of --safetensors or --pth pads; timm's networks need it: tf_efficientnet_* have the tensors of
    /// efficientnet_* [default: symmetric for torchvision's]
    #[arg(long, value_name = "STYLE", value_enum, requires = "state_dict")]
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

/// The file to read; without one, Keras' own is downloaded.
#[derive(Args, Debug)]
#[group(multiple = false, conflicts_with = "Download")]
struct Source {
    /// The ONNX model; its data file, if it has one, lies beside it [default: Keras' own file, downloaded]
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
    /// Keras' own weight file, in its official layout (.h5), with or without the classifier
    #[arg(long, value_name = "FILE")]
    h5: Option<PathBuf>,
    /// A state dict of torchvision's or timm's network as .safetensors
    #[arg(long, value_name = "FILE", group = "state_dict")]
    safetensors: Option<PathBuf>,
    /// The same as torch.save writes it (.pth, .pt)
    #[arg(long, value_name = "FILE", group = "state_dict")]
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
    let source = &metadata.source;
    say(&format!(
        "model     {}\nsource    {} (by {}, licence {})\nfed       {}\nfeature   {feature}",
        metadata.architecture,
        source.file,
        source.exporter,
        source.license,
        metadata.fed()
    ))?;
    if let Some(agreement) = agreement {
        say(&format!("check     {agreement}"))?;
    }
    let out = arguments.out.clone().unwrap_or_else(|| default_out(metadata.architecture));
    write(&out, &weights)
}

/// Reads the file that was named, or else Keras' own.
fn import(arguments: &Arguments) -> Result<(PathBuf, Weights)> {
    let options = Options {
        architecture: arguments.model,
        license: arguments.license.clone(),
        resize: arguments.resize.map(Recipe::from),
        with_top: arguments.with_top,
    };
    let padding = arguments.padding.map(Padding::from);
    let Source { onnx, h5, safetensors, pth } = &arguments.source;
    let named = [onnx, h5, safetensors, pth].into_iter().flatten().next();
    let path = named.map_or_else(|| download(arguments), |path| Ok(path.clone()))?;
    let weights = match (onnx, safetensors, pth) {
        (Some(_), ..) => import_onnx(&path, &options)?,
        (_, Some(_), _) => import_state_dict(&path, Format::Safetensors, padding, &options)?,
        (_, _, Some(_)) => import_state_dict(&path, Format::Pth, padding, &options)?,
        _ => import_h5(&path, arguments.preprocess.into(), &options)?,
    };
    Ok((path, weights))
}

/// Downloads Keras' own file to beside the weight file that it becomes.
fn download(arguments: &Arguments) -> Result<PathBuf> {
    let architecture = arguments.model.unwrap_or(Architecture::EfficientNetB0);
    let out = arguments.out.clone().unwrap_or_else(|| default_out(architecture));
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fetch::run(&arguments.download, architecture, folder)
}

/// Where petrec looks for an architecture's weights.
fn default_out(architecture: Architecture) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    root.join("model-weights").join(format!("{architecture}.safetensors"))
}

/// Writes a weight file, whole or not at all, and says so; its folder is made where it is missing.
pub(crate) fn write(path: &Path, weights: &Weights) -> Result<()> {
    let length = weights.save(path)?;
    say(&format!("wrote     {} ({:.1} MB)", path.display(), length as f64 / 1e6))
}

/// Prints a line for people. Whoever closes the pipe has read enough.
fn say(text: &str) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}
