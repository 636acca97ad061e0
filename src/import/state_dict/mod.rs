//! Weights from a state dict of torchvision's or timm's EfficientNet, as safetensors or as what `torch.save` writes.
//!
//! The names are the packages' contract, so here they are followed; a classifier is left out. A training checkpoint may
//! have the state dict one or more dictionaries deeper.

mod file;
mod names;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use self::file::File;
use self::names::{Names, Naming};
use super::matched::{Tensors, matched, tensors};
use super::{ImportError, Options, Refusal};
use crate::model::{Architecture, BatchNorm, Metadata, Network, Padding, Preprocess, Tensor, Weights};

/// How the tensors are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `safetensors.torch.save_file`, and what model hubs hand out.
    Safetensors,
    /// `torch.save`, in any of its containers.
    Pth,
}

/// Reads the weights of an architecture that petrec knows from a state dict, with or without its classifier.
///
/// `padding` is where strided convolutions pad. timm's networks need it: its `tf_efficientnet_*`, trained in TensorFlow, have
/// the tensors of its `efficientnet_*`.
///
/// # Errors
/// [`ImportError`] names the file and the first tensor that is damaged, missing or not what the architecture has in its
/// place.
pub fn import_state_dict(
    path: &Path,
    format: Format,
    padding: Option<Padding>,
    options: &Options,
) -> Result<Weights, ImportError> {
    let bytes = fs::read(path).map_err(|source| ImportError::Io { path: path.into(), source })?;
    let refused = |refusal| ImportError::Refused { path: path.into(), refusal };
    let state = StateDict::open(format, path, &bytes).map_err(refused)?;
    let padding = match (padding, state.naming) {
        (Some(padding), _) => padding,
        (None, Naming::Torchvision) => Padding::Symmetric,
        (None, Naming::Timm) => return Err(refused(Refusal::Padding)),
    };

    let read = |architecture: Architecture| {
        let epsilon = epsilon(state.naming, architecture, padding);
        tensors(|found| state.read(&architecture.network(), epsilon, found))
    };
    let (architecture, mut tensors) = matched(options.architecture, read)
        .map_err(|(architecture, refusal)| ImportError::Differs { path: path.into(), architecture, refusal })?;
    if options.with_top {
        tensors.extend(state.classifier(architecture.network().head.output).map_err(refused)?);
    }
    let mut preprocess = preprocess(architecture, padding);
    preprocess.resize = options.resize.unwrap_or(preprocess.resize);
    let exporter = format!("PyTorch, in {}'s names", state.naming.package());
    let source = options.provenance(path, exporter, crate::hex(&Sha256::digest(&bytes)));
    Weights::new(Metadata::new(architecture, padding, preprocess, source), tensors)
        .map_err(|source| ImportError::Weights { path: path.into(), source })
}

/// Added to the variance by the batch normalisations.
///
/// Source: torchvision's `efficientnet.py` (`norm_layer` of B5 to B7), timm's `resolve_bn_args` and `BN_EPS_TF_DEFAULT`.
fn epsilon(naming: Naming, architecture: Architecture, padding: Padding) -> f64 {
    use Architecture::{EfficientNetB5, EfficientNetB6, EfficientNetB7};
    let is_tensorflow = match naming {
        Naming::Torchvision => matches!(architecture, EfficientNetB5 | EfficientNetB6 | EfficientNetB7),
        Naming::Timm => padding == Padding::Same,
    };
    if is_tensorflow { 1e-3 } else { 1e-5 }
}

/// ImageNet's mean and deviation, but for `tf_efficientnet_lite*`: `(x/255 - 0.5) / 0.5` (timm's `default_cfgs`).
fn preprocess(architecture: Architecture, padding: Padding) -> Preprocess {
    let usual = Preprocess::torch();
    match architecture.is_lite() && padding == Padding::Same {
        true => Preprocess { mean: [0.5; 3], divisor: [0.5; 3], ..usual },
        false => usual,
    }
}

/// An open file, and where in it the network is.
struct StateDict<'b> {
    file: File<'b>,
    names: Vec<String>,
    naming: Naming,
    /// What the names of all tensors begin with, such as `state_dict.module.`; often nothing.
    prefix: String,
}

impl<'b> StateDict<'b> {
    fn open(format: Format, path: &Path, bytes: &'b [u8]) -> Result<Self, Refusal> {
        let file = File::open(format, path, bytes)?;
        let names = file.names();
        let networks: Vec<_> = Naming::ALL
            .iter()
            .flat_map(|&naming| names.iter().filter_map(move |name| Some((naming, name.strip_suffix(naming.first())?))))
            .filter(|(_, prefix)| prefix.is_empty() || prefix.ends_with('.'))
            .collect();
        match networks[..] {
            [(naming, prefix)] => Ok(Self { naming, prefix: prefix.into(), file, names }),
            [] => Err(Refusal::StateDict {
                problem: format!(
                    "of its {} tensors none is {} (torchvision) or {} (timm)",
                    names.len(),
                    Naming::Torchvision.first(),
                    Naming::Timm.first()
                ),
            }),
            [(_, first), (_, second), ..] => Err(Refusal::StateDict {
                problem: format!("it holds more than one network, below '{first}' and below '{second}'"),
            }),
        }
    }

    fn read(&self, network: &Network, epsilon: f64, tensors: &mut Tensors) -> Result<(), Refusal> {
        let names = self.naming.names(network);
        for Names { conv, layer, norm } in &names {
            let mut weight = self.tensor(layer, "weight", &conv.weight_shape())?;
            let bias = match norm {
                Some(norm) => {
                    let vector = |name: &str| self.tensor(norm, name, &[conv.output]);
                    let mut bias = vec![0.0; conv.output];
                    let norm = BatchNorm {
                        gamma: &vector("weight")?,
                        beta: &vector("bias")?,
                        mean: &vector("running_mean")?,
                        variance: &vector("running_var")?,
                        epsilon,
                    };
                    norm.fold(&mut weight, &mut bias);
                    bias
                }
                None => self.tensor(layer, "bias", &[conv.output])?,
            };
            tensors.insert(conv.weight_name(), Tensor::new(conv.weight_shape().to_vec(), weight));
            tensors.insert(conv.bias_name(), Tensor::new(vec![conv.output], bias));
        }
        let layers = || names.iter().flat_map(|names| [Some(&names.layer), names.norm.as_ref()]).flatten();
        let is_known = |name: &str| match name.rsplit_once('.') {
            Some((layer, _)) => layer.starts_with("classifier") || layers().any(|known| known == layer),
            None => false,
        };
        let below = self.names.iter().filter_map(|name| name.strip_prefix(&self.prefix));
        match below.into_iter().find(|name| !is_known(name)) {
            Some(extra) => Err(refuse(&self.whole(extra), "a tensor that the network does not have".into())),
            None => Ok(()),
        }
    }

    fn classifier(&self, channels: usize) -> Result<[(String, Tensor); 2], Refusal> {
        let layer = self.naming.classifier();
        let bias = self.whole(&format!("{layer}.bias"));
        let Some(&[classes]) = self.file.shape(&bias).as_deref() else {
            return Err(Refusal::Classifier { problem: format!("no bias {bias}") });
        };
        let weight = self.tensor(layer, "weight", &[classes, channels])?;
        Ok(Tensor::classifier(weight, self.tensor(layer, "bias", &[classes])?))
    }

    fn tensor(&self, layer: &str, name: &str, shape: &[usize]) -> Result<Vec<f32>, Refusal> {
        self.file.tensor(&self.whole(&format!("{layer}.{name}")), shape)
    }

    fn whole(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

fn refuse(tensor: &str, problem: String) -> Refusal {
    Refusal::Tensor { tensor: tensor.into(), problem }
}
