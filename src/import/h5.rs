//! Weights from Keras' own file, in the layout of its official `efficientnetb0_notop.h5`.
//!
//! A group per layer, in it the layer's variables: `stem_conv/stem_conv/kernel:0`. The names are Keras' contract, so here
//! they are followed; a classifier is left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hdf5_pure::{AttrValue, DType, File, Group};
use sha2::{Digest, Sha256};

use super::{ImportError, Refusal};
use crate::image::resize;
use crate::model::{
    Architecture, BatchNorm, Convolution, Metadata, Network, Padding, Preprocess, Provenance, Tensor, Weights, keras,
};

/// What Keras feeds the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recipe {
    /// `(x/255 - mean) / std`, since Keras 2.9.
    #[default]
    Today,
    /// `(x/255 - mean) / sqrt(std)`, up to Keras 2.8: the official file holds the standard deviation as the variance.
    Keras25,
}

/// What the file itself cannot tell.
#[derive(Clone, Debug, Default)]
pub struct H5Options {
    /// Which network it must be; without it the layers decide.
    pub architecture: Option<Architecture>,
    /// The weights' licence, an SPDX expression where one is known.
    pub license: Option<String>,
    /// How a picture gets the network's size; without it the architecture's usual way.
    pub resize: Option<resize::Recipe>,
    /// Which Keras' preprocessing.
    pub recipe: Recipe,
}

/// Reads the weights of an architecture that petrec knows from Keras' HDF5 file, with or without its classifier.
///
/// # Errors
/// [`ImportError`] names the file and the first tensor that is damaged, missing or not what the architecture has in its
/// place.
pub fn import_h5(path: &Path, options: &H5Options) -> Result<Weights, ImportError> {
    let bytes = fs::read(path).map_err(|source| ImportError::Io { path: path.into(), source })?;
    let sha256 = crate::hex(&Sha256::digest(&bytes));
    let refused = |refusal| ImportError::Refused { path: path.into(), refusal };
    let layers = Layers::open(bytes).map_err(refused)?;
    let source = Provenance {
        exporter: layers.exporter.clone(),
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        license: options.license.clone().unwrap_or_else(|| "unknown".into()),
        sha256,
    };
    let (architecture, tensors) = matched(&layers, options.architecture)
        .map_err(|(architecture, refusal)| ImportError::Differs { path: path.into(), architecture, refusal })?;
    let mut preprocess = layers.preprocess(options.recipe).map_err(refused)?;
    preprocess.resize = options.resize.unwrap_or(preprocess.resize);
    Weights::new(Metadata::new(architecture, Padding::Same, preprocess, source), tensors)
        .map_err(|source| ImportError::Weights { path: path.into(), source })
}

type Tensors = BTreeMap<String, Tensor>;

/// The architecture that the layers are. Where they are none, the one that agrees for longest says why not.
fn matched(layers: &Layers, wanted: Option<Architecture>) -> Result<(Architecture, Tensors), (Architecture, Refusal)> {
    let candidates = wanted.map_or_else(|| Architecture::ALL.to_vec(), |architecture| vec![architecture]);
    let mut closest: Option<(usize, Architecture, Refusal)> = None;
    for architecture in candidates {
        let mut tensors = Tensors::new();
        match layers.read(&architecture.network(), &mut tensors) {
            Ok(()) => return Ok((architecture, tensors)),
            Err(refusal) if closest.as_ref().is_none_or(|(agreed, ..)| tensors.len() > *agreed) => {
                closest = Some((tensors.len(), architecture, refusal));
            }
            Err(_) => {}
        }
    }
    let (_, architecture, refusal) = closest.expect("there is a candidate");
    Err((architecture, refusal))
}

/// An open file.
struct Layers {
    root: Group,
    names: Vec<String>,
    exporter: String,
}

impl Layers {
    fn open(bytes: Vec<u8>) -> Result<Self, Refusal> {
        let file = File::from_bytes(bytes).map_err(damaged)?;
        // A whole model has its weights one group deeper than a weight file.
        let root = file.group("model_weights").unwrap_or_else(|_| file.root());
        let names = root.groups().map_err(damaged)?;
        let version = root.attrs().ok().and_then(|mut attributes| attributes.remove("keras_version"));
        let exporter = match version {
            Some(AttrValue::String(version) | AttrValue::AsciiString(version)) => format!("Keras {version}"),
            _ => "Keras".into(),
        };
        Ok(Self { root, names, exporter })
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
        match self.names.iter().find(|name| has_weights(name) && !known.contains(name)) {
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
        let (kernel, shape) = match conv.groups {
            1 => ("kernel", [height, width, input, output]),
            _ => ("depthwise_kernel", [height, width, output, input]),
        };
        let mut weight = keras::to_oihw(conv, &self.variable(layer, kernel, &shape)?);
        let Some(norm) = norm else { return Ok((weight, self.variable(layer, "bias", &[output])?)) };
        let mut bias = vec![0.0; output];
        let vector = |name: &str| self.variable(norm, name, &[output]);
        let norm = BatchNorm {
            gamma: &vector("gamma")?,
            beta: &vector("beta")?,
            mean: &vector("moving_mean")?,
            variance: &vector("moving_variance")?,
            epsilon: keras::EPSILON,
        };
        norm.fold(&mut weight, &mut bias);
        Ok((weight, bias))
    }

    /// A variable of a layer. Its shape is compared first, so that a hostile file cannot ask for more memory.
    fn variable(&self, layer: &str, name: &str, shape: &[usize]) -> Result<Vec<f32>, Refusal> {
        let path = format!("{layer}/{layer}/{name}:0");
        let unreadable = |problem: hdf5_pure::Error| refuse(&path, problem.to_string());
        let missing =
            |problem| refuse(&path, format!("not in the file, expected float32 of shape {shape:?} ({problem})"));
        let data = self.root.dataset(&path).map_err(missing)?;
        let found = data.shape().map_err(unreadable)?;
        if !found.iter().copied().eq(shape.iter().map(|&length| length as u64)) {
            return Err(refuse(&path, format!("has shape {found:?}, expected {shape:?}")));
        }
        match data.dtype().map_err(unreadable)? {
            DType::F32 => {}
            other => return Err(refuse(&path, format!("holds {other:?}, expected float32"))),
        }
        let values = data.read_f32().map_err(unreadable)?;
        if values.len() != shape.iter().product::<usize>() || !values.iter().all(|value| value.is_finite()) {
            return Err(refuse(&path, "is cut off or holds a value that is not finite".into()));
        }
        Ok(values)
    }

    /// From the `Normalization` layer, and the `Rescaling` behind it that only newer versions of Keras have.
    fn preprocess(&self, recipe: Recipe) -> Result<Preprocess, Refusal> {
        let usual = Preprocess::keras();
        let channels = |name: &str| {
            let values = self.variable("normalization", name, &[3])?;
            Ok([values[0], values[1], values[2]])
        };
        let (mean, divisor) = match self.names.iter().any(|name| name == "normalization") {
            true => (channels("mean")?, channels("variance")?.map(f32::sqrt)),
            false => (usual.mean, usual.divisor),
        };
        // Keras adds the Rescaling for ImageNet's weights only, which are those with ImageNet's deviation.
        let factor = if recipe == Recipe::Today && divisor == usual.divisor { usual.factor } else { [1.0; 3] };
        Ok(Preprocess { mean, divisor, factor, ..usual })
    }
}

fn damaged(error: hdf5_pure::Error) -> Refusal {
    Refusal::Hdf5 { problem: error.to_string() }
}

fn refuse(tensor: &str, problem: String) -> Refusal {
    Refusal::Tensor { tensor: tensor.into(), problem }
}
