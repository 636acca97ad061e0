//! Weights from Keras' files: the official `efficientnetb0_notop.h5` and its like, a whole model as .h5 or .keras, and Keras 3's
//! `.weights.h5`; the network may be one layer of another model, which is how it is fine-tuned.
//!
//! The names of layers are Keras' contract, so here they are followed; a classifier is left out. `variables` finds them in the
//! file, `config` reads what a whole model says of its input.

mod config;
mod variables;

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use self::config::{Described, Step};
use self::variables::{Place, Variables};
use super::lfs::refuse_pointer;
use super::matched::{Tensors, matched, tensors};
use super::zip::Archive;
use super::{ImportError, Options, Refusal};
use crate::model::{Architecture, BatchNorm, Convolution, Network, Padding, Preprocess, Tensor, Weights, keras};

/// How far bfloat16, which has 8 bits, moves a number; another network's deviation is several times ImageNet's.
const HALF_PRECISION: f32 = 1.0 / 256.0;
/// Names of the classifier: Keras', and that of qubvel's `efficientnet`.
const CLASSIFIERS: [&str; 2] = ["predictions", "probs"];

/// Reads the weights of an architecture that petrec knows from a file of Keras', with or without its classifier.
///
/// # Errors
/// [`ImportError`] names the file and the first tensor that is damaged, missing or not what the architecture has in its
/// place.
pub fn import_keras(path: &Path, options: &Options) -> Result<Weights, ImportError> {
    let bytes = fs::read(path).map_err(|source| ImportError::Io { path: path.into(), source })?;
    let refused = |refusal| ImportError::Refused { path: path.into(), refusal };
    refuse_pointer(&bytes).map_err(refused)?;
    let sha256 = crate::text::hex(&Sha256::digest(&bytes));
    let file = KerasFile::open(bytes, options.prefix.as_deref()).map_err(refused)?;
    let source = options.provenance(path, file.exporter(), sha256);
    let (architecture, mut tensors) =
        matched(options.architecture, |architecture| tensors(|found| file.read(&architecture.network(), found)))
            .map_err(|(architecture, refusal)| ImportError::Differs { path: path.into(), architecture, refusal })?;
    if options.with_top {
        tensors.extend(file.classifier(architecture.network().head.output).map_err(refused)?);
    }
    let preprocess = match &options.preprocess {
        Some(preprocess) => preprocess.clone(),
        None => file.preprocess().map_err(refused)?,
    };
    let side = file.described.as_ref().and_then(|described| described.side);
    let metadata = options.metadata(architecture, Padding::Same, preprocess, side, source);
    file.check_padding(&metadata.network(), architecture).map_err(refused)?;
    Weights::new(metadata, tensors).map_err(|source| ImportError::Weights { path: path.into(), source })
}

/// An open file, and where in it the network is.
struct KerasFile {
    variables: Variables,
    network: Place,
    /// What a whole model says of itself.
    described: Option<Described>,
    version: Option<String>,
}

impl KerasFile {
    fn open(bytes: Vec<u8>, prefix: Option<&str>) -> Result<Self, Refusal> {
        let damaged = |problem| Refusal::Hdf5 { problem };
        let (variables, config, version) = if Archive::is_one(&bytes) {
            let archive = Archive::open(&bytes).map_err(damaged)?;
            let json = |name: &str| serde_json::from_slice::<Value>(&archive.read(name).ok()?).ok();
            let config = json("config.json");
            let version = json("metadata.json").and_then(|said| Some(said["keras_version"].as_str()?.to_owned()));
            let weights = archive.read("model.weights.h5").map(Cow::into_owned).map_err(damaged)?;
            (Variables::open(weights)?, config, version)
        } else {
            let variables = Variables::open(bytes)?;
            let config = variables.said("model_config").and_then(|text| serde_json::from_str(&text).ok());
            let version = variables.said("keras_version");
            (variables, config, version)
        };
        let network = variables.network(prefix)?;
        let described = config.as_ref().and_then(|config| config::describe(config, prefix));
        Ok(Self { variables, network, described, version })
    }

    fn exporter(&self) -> String {
        const LIMIT: usize = 40; // a hostile file must not fill the weight file's header
        match &self.version {
            Some(version) => {
                let version = version.chars().filter(|character| !character.is_control()).take(LIMIT);
                format!("Keras {}", version.collect::<String>())
            }
            None => "Keras".into(),
        }
    }

    fn read(&self, network: &Network, tensors: &mut Tensors) -> Result<(), Refusal> {
        let mut known = Vec::new();
        for conv in network.convolutions() {
            let (layer, norm) = (keras::layer(&conv.name), keras::batch_norm(&conv.name));
            let (weight, bias) = self.convolution(conv, &layer, norm.as_deref())?;
            tensors.insert(conv.weight_name(), Tensor::new(conv.weight_shape().to_vec(), weight));
            tensors.insert(conv.bias_name(), Tensor::new(vec![conv.output], bias));
            known.extend([Some(layer), norm].into_iter().flatten());
        }
        let has_weights = |name: &str| ["conv", "_bn"].iter().any(|end| name.ends_with(end));
        let mut beside = self.variables.layers(&self.network);
        match beside.find(|name| has_weights(name) && !known.iter().any(|known| known == name)) {
            Some(extra) => Err(refuse(extra, "a layer that the network does not have".into())),
            None => Ok(()),
        }
    }

    fn convolution(
        &self,
        conv: &Convolution,
        layer: &str,
        norm: Option<&str>,
    ) -> Result<(Vec<f32>, Vec<f32>), Refusal> {
        let [output, input, height, width] = conv.weight_shape();
        let shape = match conv.groups {
            1 => [height, width, input, output],
            _ => [height, width, output, input],
        };
        let read = |layer: &str, name, number, shape: &[usize]| {
            self.variables.read(&self.network, layer, (name, number), shape)
        };
        let mut weight = keras::to_oihw(conv, &read(layer, "kernel", 0, &shape)?);
        let vector = |layer, name, number| read(layer, name, number, &[output]);
        let Some(norm) = norm else { return Ok((weight, vector(layer, "bias", 1)?)) };
        let mut bias = vec![0.0; output];
        let norm = BatchNorm {
            gamma: &vector(norm, "gamma", 0)?,
            beta: &vector(norm, "beta", 1)?,
            mean: &vector(norm, "moving_mean", 2)?,
            variance: &vector(norm, "moving_variance", 3)?,
            epsilon: keras::EPSILON,
        };
        norm.fold(&mut weight, &mut bias);
        Ok((weight, bias))
    }

    /// The dense layer behind the mean of the features: by its name, or the only one of a model that says that it has the mean.
    fn classifier(&self, channels: usize) -> Result<[(String, Tensor); 2], Refusal> {
        let named = CLASSIFIERS.iter().find_map(|name| self.variables.find(name));
        let is_mean = self.described.as_ref().is_some_and(|described| described.has_mean);
        let found = named.or_else(|| self.variables.only_dense().filter(|_| is_mean));
        let Some((place, layer)) = found else {
            let problem =
                "no layer predictions or probs, nor a single dense layer behind a GlobalAveragePooling2D".into();
            return Err(Refusal::Classifier { problem });
        };
        let bias = self.variables.shape(&place, &layer, ("bias", 1));
        let Some(&[classes]) = bias.as_deref() else {
            return Err(Refusal::Classifier { problem: format!("no layer {layer} with a bias") });
        };
        let kernel = self.variables.read(&place, &layer, ("kernel", 0), &[channels, classes])?;
        let weight = (0..classes).flat_map(|class| kernel.iter().skip(class).step_by(classes).copied()).collect();
        Ok(Tensor::classifier(weight, self.variables.read(&place, &layer, ("bias", 1), &[classes])?))
    }

    /// What the model does to a picture before the stem.
    fn preprocess(&self) -> Result<Preprocess, Refusal> {
        match &self.described {
            Some(described) => self.of_steps(described),
            None => self.of_variables(),
        }
    }

    /// A whole model names every step.
    fn of_steps(&self, described: &Described) -> Result<Preprocess, Refusal> {
        if let Some(layer) = &described.unknown {
            return Err(unsaid(format!(
                "the layer {} before the network is none that petrec follows",
                layer.escape_debug()
            )));
        }
        let mut steps = Vec::new();
        for step in &described.front {
            steps.push(match step {
                Step::Rescale { scale, offset } => ([*scale, *offset], true),
                Step::Normalise { mean: Some(mean), std: Some(std), .. } => ([*mean, *std], false),
                Step::Normalise { layer, .. } => {
                    let place = self
                        .variables
                        .find_near(layer, &self.network)
                        .ok_or_else(|| refuse(layer, "its mean and variance are not in the file".into()))?;
                    let [mean, variance] = self.normalization(&place, layer)?;
                    ([mean.map(f64::from), variance.map(|value| f64::from(value.sqrt()))], false)
                }
            });
        }
        config::compose(&steps).ok_or_else(|| unsaid("the model has no step before its first convolution".into()))
    }

    /// A file of weights alone has those of the `Normalization`, and neither the `Rescaling` before it nor the one behind it that only
    /// newer versions of Keras have.
    fn of_variables(&self) -> Result<Preprocess, Refusal> {
        let is_normalization = |name: &&str| name.split('_').next() == Some("normalization");
        if let Some(layer) = self.variables.in_front(&self.network) {
            return Err(unsaid(format!(
                "the layer {} before the network says in the model only what it does",
                layer.escape_debug()
            )));
        }
        // A program's second network has `normalization_1`.
        let Some(layer) = self.variables.layers(&self.network).find(is_normalization) else {
            return Err(unsaid("it has no Normalization, as qubvel's networks have none".into()));
        };
        let usual = Preprocess::keras();
        let [mean, variance] = self.normalization(&self.network, layer)?;
        let divisor = variance.map(f32::sqrt);
        // Keras adds the Rescaling for ImageNet's weights only, which are those with ImageNet's deviation, perhaps rounded.
        let is_near = |(ours, usual): (f32, f32)| (ours / usual - 1.0).abs() <= HALF_PRECISION;
        let is_imagenets = divisor.into_iter().zip(usual.divisor).all(is_near);
        let factor = if is_imagenets { usual.factor } else { [1.0; 3] };
        Ok(Preprocess { mean, divisor, factor, ..usual })
    }

    /// Mean and variance of a `Normalization`.
    fn normalization(&self, place: &Place, layer: &str) -> Result<[[f32; 3]; 2], Refusal> {
        let channels = |name, number| {
            let values = self.variables.read(place, layer, (name, number), &[3])?;
            Ok([values[0], values[1], values[2]])
        };
        Ok([channels("mean", 0)?, channels("variance", 1)?])
    }

    /// Refuses a model that pads otherwise than TensorFlow does at this size: Keras chooses the padding when it builds the network,
    /// and for an input of unknown size as if every map had an even number of pixels.
    fn check_padding(&self, network: &Network, architecture: Architecture) -> Result<(), Refusal> {
        let Some(described) = &self.described else { return Ok(()) };
        let mut side = network.side;
        for conv in network.convolutions() {
            let pads = described.pads.get(&format!("{}_pad", keras::layer(&conv.name)));
            let expected = Padding::Same.amounts(side, conv.kernel, conv.stride);
            if conv.stride > 1 && pads.is_some_and(|pads| *pads != expected) {
                let usual = described.side.unwrap_or(architecture.network().side);
                return Err(Refusal::FixedPadding { package: "this Keras model".into(), usual, side: network.side });
            }
            side = side.div_ceil(conv.stride);
        }
        Ok(())
    }
}

/// Nothing says what pictures become.
fn unsaid(found: String) -> Refusal {
    Refusal::Preprocessing {
        found,
        hint: "say --preprocess imagenet for (x/255 - 0.485 0.456 0.406) / 0.229 0.224 0.225 (qubvel's), or another one of \
               --preprocess, or --mean R,G,B --std R,G,B",
    }
}

fn refuse(tensor: &str, problem: String) -> Refusal {
    Refusal::Tensor { tensor: tensor.escape_debug().to_string(), problem }
}
