//! Weights from Keras' own file, in the layout of its official `efficientnetb0_notop.h5`.
//!
//! A group per layer, in it the layer's variables: `stem_conv/stem_conv/kernel:0`, or `stem_conv/stem_conv/kernel` where
//! Keras 3 wrote it. The names are Keras' contract, so here they are followed; a classifier is left out.

use std::fs;
use std::path::Path;

use hdf5_pure::{AttrValue, DType, File, Group};
use sha2::{Digest, Sha256};

use super::matched::{Tensors, matched, tensors};
use super::{ImportError, Options, Refusal};
use crate::model::{BatchNorm, Convolution, Metadata, Network, Padding, Preprocess, Tensor, Weights, keras};

/// What Keras feeds the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recipe {
    /// `(x/255 - mean) / std`, since Keras 2.9.
    #[default]
    Today,
    /// `(x/255 - mean) / sqrt(std)`, up to Keras 2.8: the official file holds the standard deviation as the variance.
    Keras25,
}

/// Reads the weights of an architecture that petrec knows from Keras' HDF5 file, with or without its classifier.
///
/// # Errors
/// [`ImportError`] names the file and the first tensor that is damaged, missing or not what the architecture has in its
/// place.
pub fn import_h5(path: &Path, recipe: Recipe, options: &Options) -> Result<Weights, ImportError> {
    let bytes = fs::read(path).map_err(|source| ImportError::Io { path: path.into(), source })?;
    let sha256 = crate::hex(&Sha256::digest(&bytes));
    let refused = |refusal| ImportError::Refused { path: path.into(), refusal };
    let layers = Layers::open(bytes).map_err(refused)?;
    let source = options.provenance(path, layers.exporter.clone(), sha256);
    let (architecture, mut tensors) =
        matched(options.architecture, |architecture| tensors(|found| layers.read(&architecture.network(), found)))
            .map_err(|(architecture, refusal)| ImportError::Differs { path: path.into(), architecture, refusal })?;
    if options.with_top {
        let channels = architecture.network().head.output;
        tensors.extend(layers.classifier(channels).map_err(refused)?);
    }
    let mut preprocess = layers.preprocess(recipe).map_err(refused)?;
    preprocess.resize = options.resize.unwrap_or(preprocess.resize);
    Weights::new(Metadata::new(architecture, Padding::Same, preprocess, source), tensors)
        .map_err(|source| ImportError::Weights { path: path.into(), source })
}

/// Keras' name of the classifier.
const PREDICTIONS: &str = "predictions";

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
        // Keras 3 counts the layers of each class in its `.weights.h5` and leaves their names out.
        if names.iter().any(|name| name == "layers") {
            let problem =
                "it has Keras 3's own layout, in which layers have no names (model.save('FILE.h5') keeps them)";
            return Err(Refusal::Hdf5 { problem: problem.into() });
        }
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
            1 => ("kernel:0", [height, width, input, output]),
            _ => ("depthwise_kernel:0", [height, width, output, input]),
        };
        let mut weight = keras::to_oihw(conv, &self.variable(layer, [kernel, "kernel"], &shape)?);
        let Some(norm) = norm else { return Ok((weight, self.variable(layer, ["bias:0", "bias"], &[output])?)) };
        let mut bias = vec![0.0; output];
        let vector = |names| self.variable(norm, names, &[output]);
        let norm = BatchNorm {
            gamma: &vector(["gamma:0", "gamma"])?,
            beta: &vector(["beta:0", "beta"])?,
            mean: &vector(["moving_mean:0", "moving_mean"])?,
            variance: &vector(["moving_variance:0", "moving_variance"])?,
            epsilon: keras::EPSILON,
        };
        norm.fold(&mut weight, &mut bias);
        Ok((weight, bias))
    }

    fn classifier(&self, channels: usize) -> Result<[(String, Tensor); 2], Refusal> {
        let bias = ["bias:0", "bias"].iter().find_map(|name| {
            self.root.dataset(&format!("{PREDICTIONS}/{PREDICTIONS}/{name}")).and_then(|bias| bias.shape()).ok()
        });
        let classes = match bias.as_deref() {
            Some(&[classes]) => usize::try_from(classes).unwrap_or(usize::MAX),
            _ => return Err(Refusal::Classifier { problem: format!("no layer {PREDICTIONS} with a bias") }),
        };
        let kernel = self.variable(PREDICTIONS, ["kernel:0", "kernel"], &[channels, classes])?;
        let weight = (0..classes).flat_map(|class| kernel.iter().skip(class).step_by(classes).copied()).collect();
        Ok(Tensor::classifier(weight, self.variable(PREDICTIONS, ["bias:0", "bias"], &[classes])?))
    }

    /// A variable of a layer, by its name until Keras 2 and since Keras 3. Its shape is compared first, so that a hostile file
    /// cannot ask for more memory.
    fn variable(&self, layer: &str, names: [&str; 2], shape: &[usize]) -> Result<Vec<f32>, Refusal> {
        let [path, newer] = names.map(|name| format!("{layer}/{layer}/{name}"));
        let (path, data) = match self.root.dataset(&path) {
            Err(_) if self.root.dataset(&newer).is_ok() => (&newer, self.root.dataset(&newer)),
            data => (&path, data),
        };
        let unreadable = |problem: hdf5_pure::Error| refuse(path, problem.to_string());
        let missing =
            |problem| refuse(path, format!("not in the file, expected float32 of shape {shape:?} ({problem})"));
        let data = data.map_err(missing)?;
        let found = data.shape().map_err(unreadable)?;
        if !found.iter().copied().eq(shape.iter().map(|&length| length as u64)) {
            return Err(refuse(path, format!("has shape {found:?}, expected {shape:?}")));
        }
        match data.dtype().map_err(unreadable)? {
            DType::F32 => {}
            other => return Err(refuse(path, format!("holds {other:?}, expected float32"))),
        }
        let values = data.read_f32().map_err(unreadable)?;
        if values.len() != shape.iter().product::<usize>() || !values.iter().all(|value| value.is_finite()) {
            return Err(refuse(path, "is cut off or holds a value that is not finite".into()));
        }
        Ok(values)
    }

    /// From the `Normalization` layer, and the `Rescaling` behind it that only newer versions of Keras have.
    fn preprocess(&self, recipe: Recipe) -> Result<Preprocess, Refusal> {
        let usual = Preprocess::keras();
        // A program's second network has `normalization_1`.
        let layer = self.names.iter().find(|name| name.split('_').next() == Some("normalization"));
        let (mean, divisor) = match layer {
            Some(layer) => {
                let channels = |names| {
                    let values = self.variable(layer, names, &[3])?;
                    Ok([values[0], values[1], values[2]])
                };
                let variance = channels(["variance:0", "variance"])?;
                (channels(["mean:0", "mean"])?, variance.map(f32::sqrt))
            }
            None => (usual.mean, usual.divisor),
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
