//! Weights from a state dict of a PyTorch package, as safetensors or as what `torch.save` and `torch.jit.save` write.
//!
//! The names are the packages' contract, so here they are followed (`names.rs` has them); a classifier is left out. A training
//! checkpoint may have the state dict one or more dictionaries deeper, and a whole module has one inside.

mod file;
mod names;
#[cfg(test)]
mod tests;
mod torch;

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use self::file::File;
use self::names::{Names, Naming};
use super::lfs::refuse_pointer;
use super::matched::{Tensors, matched, tensors};
use super::{ImportError, Options, Refusal};
use crate::model::{Architecture, BatchNorm, Network, Padding, Preprocess, Tensor, Weights};

/// How the tensors are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `safetensors.torch.save_file`, and what model hubs hand out.
    Safetensors,
    /// `torch.save` and `torch.jit.save`.
    Pth,
}

/// Reads the weights of an architecture that petrec knows from a state dict, with or without its classifier.
///
/// `padding` is where strided convolutions pad. timm's networks need it, from here or from `options.beside`: its
/// `tf_efficientnet_*`, trained in TensorFlow, have the tensors of its `efficientnet_*`. What pictures become is needed likewise
/// where a package has networks that are fed differently.
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
    refuse_pointer(&bytes).map_err(refused)?;
    let state = StateDict::open(format, &bytes, options.prefix.as_deref()).map_err(refused)?;
    let naming = state.naming;
    let beside = options.beside.as_ref();
    let is_asked = padding.is_some();
    let padding = padding.or_else(|| beside.filter(|_| naming == Naming::Timm)?.padding).or(naming.padding());
    let padding = padding.ok_or(Refusal::Padding).map_err(refused)?;

    let read = |architecture: Architecture| {
        let epsilon = naming.epsilon(architecture, padding);
        tensors(|found| state.read(&architecture.network(), epsilon, found))
    };
    let (architecture, mut tensors) = matched(options.architecture, read)
        .map_err(|(architecture, refusal)| ImportError::Differs { path: path.into(), architecture, refusal })?;
    if options.with_top {
        tensors.extend(state.classifier(architecture.network().head.output).map_err(refused)?);
    }
    let preprocess = preprocess(naming, architecture, options).map_err(refused)?;
    let exporter = format!("PyTorch, in {}'s names", naming.package());
    let source = options.provenance(path, exporter, crate::text::hex(&Sha256::digest(&bytes)));
    let metadata = options.metadata(architecture, padding, preprocess, beside.and_then(|beside| beside.side), source);
    if naming.pads_for_its_own_side() && !is_asked {
        check_padding(naming, &metadata.network(), architecture).map_err(refused)?;
    }
    Weights::new(metadata, tensors).map_err(|source| ImportError::Weights { path: path.into(), source })
}

/// What was asked for, else what the configuration beside the file says, else the package's only way.
fn preprocess(naming: Naming, architecture: Architecture, options: &Options) -> Result<Preprocess, Refusal> {
    if let Some(beside) = &options.beside
        && let Some(says) = beside.architecture().filter(|&says| says != architecture)
    {
        let [says, holds] = [says, architecture].map(|one| one.to_string());
        return Err(Refusal::Beside { file: beside.files.join(" and "), says, holds });
    }
    let beside = || options.beside.as_ref()?.preprocess.clone();
    options.preprocess.clone().or_else(beside).or_else(|| naming.preprocess()).ok_or_else(|| Refusal::Preprocessing {
        found: format!("{} has networks of several means and deviations with the same tensors", naming.package()),
        hint: "put the model's config.json beside the file, or say --preprocess imagenet for (x/255 - 0.485 0.456 0.406) / 0.229 \
               0.224 0.225, --preprocess half for (x/255 - 0.5) / 0.5 (timm's ra4_*, ap_in1k and tf_efficientnet_lite*, AdvProp), \
               or --mean R,G,B --std R,G,B",
    })
}

/// Refuses a size at which the package's padding, which is that of its own size, is not TensorFlow's.
fn check_padding(naming: Naming, network: &Network, architecture: Architecture) -> Result<(), Refusal> {
    let own = architecture.network();
    let pads = |network: &Network| {
        let mut side = network.side;
        let amounts = network.convolutions().filter(|conv| conv.stride > 1).map(|conv| {
            let amounts = Padding::Same.amounts(side, conv.kernel, conv.stride);
            side = side.div_ceil(conv.stride);
            amounts
        });
        amounts.collect::<Vec<_>>()
    };
    match pads(network) == pads(&own) {
        true => Ok(()),
        false => Err(Refusal::FixedPadding { package: naming.package().into(), usual: own.side, side: network.side }),
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
    /// Finds the network, of several the one whose names begin with `wanted`.
    fn open(format: Format, bytes: &'b [u8], wanted: Option<&str>) -> Result<Self, Refusal> {
        let file = File::open(format, bytes)?;
        let names = file.names();
        let mut networks: Vec<(Naming, &str)> = Naming::ALL
            .iter()
            .flat_map(|&naming| names.iter().filter_map(move |name| Some((naming, name.strip_suffix(naming.mark())?))))
            .filter(|(_, prefix)| prefix.is_empty() || prefix.ends_with('.'))
            .collect();
        if networks.is_empty() {
            return Err(foreign(&names));
        }
        let prefixes = networks.iter().map(|(_, prefix)| prefix.trim_end_matches('.').to_owned()).collect();
        if let Some(wanted) = wanted {
            let wanted = wanted.trim_end_matches('.');
            let begins = |prefix: &str| prefix.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'));
            networks.retain(|(_, prefix)| begins(prefix) || (wanted.is_empty() && prefix.is_empty()));
        }
        match (&networks[..], wanted) {
            (&[(naming, prefix)], _) => Ok(Self { naming, prefix: prefix.into(), file, names }),
            ([], wanted) => {
                let problem = format!("it holds no network below '{}'", wanted.unwrap_or_default().escape_debug());
                Err(Refusal::Prefix { problem, prefixes })
            }
            (several, _) => Err(Refusal::Prefix { problem: format!("it holds {} networks", several.len()), prefixes }),
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
        let top = self.naming.classifier().split('.').next().unwrap_or_default();
        let is_known = |name: &str| match name.rsplit_once('.') {
            Some((layer, _)) => layer.starts_with(top) || layers().any(|known| known == layer),
            None => false,
        };
        let below = self.names.iter().filter_map(|name| name.strip_prefix(&self.prefix));
        match below.into_iter().find(|name| !is_known(name)) {
            Some(extra) => Err(refuse(&self.whole(extra), "a tensor that the network does not have".into())),
            None => Ok(()),
        }
    }

    fn classifier(&self, channels: usize) -> Result<[(String, Tensor); 2], Refusal> {
        // transformers has it beside the network instead of inside.
        let outside = self.prefix.trim_end_matches('.').rsplit_once('.').map_or("", |(outside, _)| outside);
        let beside = if outside.is_empty() { String::new() } else { format!("{outside}.") };
        let layers = [&self.prefix, &beside].map(|prefix| format!("{prefix}{}", self.naming.classifier()));
        let found = layers.iter().find_map(|layer| Some((layer, self.file.shape(&format!("{layer}.bias"))?)));
        let Some((layer, classes)) = found.and_then(|(layer, shape)| Some((layer, *shape.first()?))) else {
            return Err(Refusal::Classifier { problem: format!("no bias {}.bias", layers[0]) });
        };
        let weight = self.file.tensor(&format!("{layer}.weight"), &[classes, channels])?;
        Ok(Tensor::classifier(weight, self.file.tensor(&format!("{layer}.bias"), &[classes])?))
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

/// None of the tensors is the mark of a network.
fn foreign(names: &[String]) -> Refusal {
    let problem = match names.first() {
        Some(first) => format!("its first of {} tensors is {}", names.len(), first.escape_debug()),
        None => "it has no tensors".into(),
    };
    Refusal::Foreign { problem }
}
