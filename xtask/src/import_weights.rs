//! `cargo xtask import-weights`: another program's model becomes a weight file of petrec's.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use petrec::cli::download::Download;
use petrec::image::Recipe;
use petrec::import::keras::import_keras;
use petrec::import::onnx::import_onnx;
use petrec::import::state_dict::{Format, import_state_dict};
use petrec::import::{Beside, InputRange, Options};
use petrec::model::{Architecture, Network, Padding, Preprocess, Weights};

use crate::reference::Reference;
use crate::{check, fetch};

/// What was typed.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    download: Download,
    /// What a picture's values x of 0..255 become [default: what the file, or config.json beside it, or its package says]
    #[arg(long, value_name = "RECIPE", value_enum, conflicts_with_all = ["mean", "std"])]
    preprocess: Option<Recipes>,
    /// The same as mean and standard deviation of red, green and blue in 0..1: (x/255 - mean) / std
    #[arg(long, value_name = "R,G,B", requires = "std", value_parser = channels)]
    mean: Option<Channels>,
    /// See --mean
    #[arg(long, value_name = "R,G,B", requires = "mean", value_parser = channels)]
    std: Option<Channels>,
    /// Height and width of the network's picture in pixels [default: what the file says, or the model's own]
    #[arg(long, value_name = "PIXELS", value_parser = side)]
    size: Option<usize>,
    /// What the names of the network begin with in a file that holds more than one, such as state_dict_ema
    #[arg(long, value_name = "TEXT", conflicts_with = "onnx")]
    prefix: Option<String>,
    /// How the network of --safetensors or --pth pads; timm's networks need it where no config.json is beside them:
    /// tf_efficientnet_* have the tensors of efficientnet_* [default: that of the package]
    #[arg(long, value_name = "STYLE", value_enum, requires = "state_dict")]
    padding: Option<PaddingStyle>,
    /// The network that it must be [default: read from the file]
    #[arg(long, value_name = "NAME", value_parser = model_names())]
    model: Option<Architecture>,
    /// The weight file to write [default: model-weights/NAME.safetensors in the current folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The values that the input of --onnx takes: what the pictures were before the file's own preprocessing, if it has one
    #[arg(long, value_name = "RANGE", requires = "onnx", allow_hyphen_values = true)]
    input_range: Option<Range>,
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
    /// A file of Keras' (.h5, .weights.h5, .keras): weights or a whole model, in which the network may be a layer
    #[arg(long, value_name = "FILE", visible_alias = "keras")]
    h5: Option<PathBuf>,
    /// A state dict of a PyTorch package as .safetensors; config.json and preprocessor_config.json beside it are read
    #[arg(long, value_name = "FILE", group = "state_dict")]
    safetensors: Option<PathBuf>,
    /// The same as torch.save or torch.jit.save writes it (.pth, .pt)
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

/// [`InputRange`], as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Range {
    /// As torchvision's ToTensor gives them
    #[value(name = "0..1")]
    Unit,
    /// As pictures are decoded
    #[value(name = "0..255")]
    Byte,
    /// As TensorFlow Hub's older networks take them
    #[value(name = "-1..1")]
    Signed,
}

impl From<Range> for InputRange {
    fn from(range: Range) -> Self {
        match range {
            Range::Unit => Self::Unit,
            Range::Byte => Self::Byte,
            Range::Signed => Self::Signed,
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

/// [`Preprocess`], as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Recipes {
    /// (x/255 - 0.485 0.456 0.406) / 0.229 0.224 0.225: torchvision's, most of timm's, qubvel's
    Imagenet,
    /// The same in the order in which Keras computes it since 2.9
    Keras,
    /// (x/255 - 0.485 0.456 0.406) / sqrt(0.229 0.224 0.225), as Keras did up to 2.8
    #[value(name = "keras-2.5")]
    Keras25,
    /// (x/255 - 0.5) / 0.5: AdvProp, timm's ra4_*, ap_in1k and tf_efficientnet_lite*
    Half,
    /// (x - 127) / 128: EfficientNet-Lite
    Lite,
    /// x/255
    Unit,
    /// x
    Raw,
}

impl From<Recipes> for Preprocess {
    fn from(recipe: Recipes) -> Self {
        match recipe {
            Recipes::Imagenet => Self::torch(),
            Recipes::Keras => Self::keras(),
            Recipes::Keras25 => Self::keras_25(),
            Recipes::Half => Self::half(),
            Recipes::Lite => Self::lite(),
            Recipes::Unit => Self::unit(),
            Recipes::Raw => Self::raw(),
        }
    }
}

/// Numbers of red, green and blue.
type Channels = [f32; 3];

/// Three numbers of values in 0..1.
fn channels(text: &str) -> Result<Channels, String> {
    let numbers: Result<Vec<f32>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    match numbers.map(Channels::try_from) {
        Ok(Ok(channels)) if channels.iter().all(|value| (0.0..=1.0).contains(value)) => Ok(channels),
        Ok(Ok(_)) => Err("expected numbers in 0..1: divide those of 0..255 by 255".into()),
        _ => Err("expected three numbers, such as 0.485,0.456,0.406".into()),
    }
}

fn side(text: &str) -> Result<usize, String> {
    let (least, most) = Network::SIDES.into_inner();
    let side = text.parse().ok().filter(|side| Network::SIDES.contains(side));
    side.ok_or_else(|| format!("expected {least} to {most}"))
}

/// A parser for the name of a network.
pub(crate) fn model_names() -> impl TypedValueParser<Value = Architecture> {
    PossibleValuesParser::new(Architecture::ALL.map(Architecture::name)).try_map(Architecture::try_from)
}

/// Imports, checks with one picture, writes, and tells what it did.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (path, weights, options) = import(arguments)?;
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
    if let Some(beside) = &options.beside {
        say(&format!("config    {}", beside.in_words()))?;
    }
    if options.side.or(options.beside.and_then(|beside| beside.side)).is_none() && metadata.side.is_none() {
        say(&format!("size      the usual one of {}; --size PIXELS for weights of another", metadata.architecture))?;
    }
    if let Some(agreement) = agreement {
        say(&format!("check     {agreement}"))?;
    }
    let out = arguments.out.clone().unwrap_or_else(|| default_out(metadata.architecture));
    write(&out, &weights)
}

/// Reads the file that was named, or else Keras' own; with what else is known of it.
fn import(arguments: &Arguments) -> Result<(PathBuf, Weights, Options)> {
    let Source { onnx, h5, safetensors, pth } = &arguments.source;
    let normalised = arguments.mean.zip(arguments.std).map(|(mean, std)| Preprocess::normalised(mean, std));
    let options = Options {
        architecture: arguments.model,
        beside: [onnx, safetensors, pth].into_iter().flatten().find_map(|path| Beside::read(path)),
        input_range: arguments.input_range.map(InputRange::from),
        license: arguments.license.clone(),
        prefix: arguments.prefix.clone(),
        preprocess: arguments.preprocess.map(Preprocess::from).or(normalised),
        resize: arguments.resize.map(Recipe::from),
        side: arguments.size,
        with_top: arguments.with_top,
    };
    let padding = arguments.padding.map(Padding::from);
    let named = [onnx, h5, safetensors, pth].into_iter().flatten().next();
    let path = named.map_or_else(|| download(arguments), |path| Ok(path.clone()))?;
    let weights = match (onnx, safetensors, pth) {
        (Some(_), ..) => import_onnx(&path, &options)?,
        (_, Some(_), _) => import_state_dict(&path, Format::Safetensors, padding, &options)?,
        (_, _, Some(_)) => import_state_dict(&path, Format::Pth, padding, &options)?,
        _ => import_keras(&path, &options)?,
    };
    Ok((path, weights, options))
}

/// Downloads Keras' own file to beside the weight file that it becomes.
fn download(arguments: &Arguments) -> Result<PathBuf> {
    let architecture = arguments.model.unwrap_or(Architecture::EfficientNetB0);
    let out = arguments.out.clone().unwrap_or_else(|| default_out(architecture));
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fetch::run(&arguments.download, architecture, folder)
}

/// Where petrec looks for an architecture's weights: in the current folder, wherever this program was built.
fn default_out(architecture: Architecture) -> PathBuf {
    Path::new("model-weights").join(format!("{architecture}.safetensors"))
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
