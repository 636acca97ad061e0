//! Why a file was not imported, in words that lead on.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::model::{Architecture, WeightsError};

/// Why an import came to nothing.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no model that could be compared with any network.
    #[error("{}: {refusal}{}", path.display(), refusal.hint())]
    Refused {
        /// The model's file.
        path: PathBuf,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// The file is a sound model of something else.
    #[error("{}: not {architecture} as petrec knows it: {refusal}{}", path.display(), refusal.hint_of_another_network())]
    Differs {
        /// The model's file.
        path: PathBuf,
        /// The network that was asked for, or else the one that agrees with the file for longest.
        architecture: Architecture,
        /// The first difference.
        refusal: Refusal,
    },
    /// The tensors did not make a whole set of weights.
    #[error("{}: {source}; export the model again from sound float32 weights", path.display())]
    Weights {
        /// The model's file.
        path: PathBuf,
        /// The tensor, and what is wrong with it.
        source: WeightsError,
    },
}

/// The first thing in a model that an importer cannot take.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Not an ONNX file, or not a whole one.
    #[error("not a whole ONNX model: {problem}; copy it or export it again")]
    Damaged {
        /// What stopped the reader.
        problem: String,
    },
    /// Not a file of Keras', or not a whole one.
    #[error("not a whole file of Keras' weights: {problem}; copy it or save it again")]
    Hdf5 {
        /// What stopped the reader.
        problem: String,
    },
    /// Not a file of tensors, or not a whole one.
    #[error("not a whole state dict: {problem}; copy it, or save model.state_dict() again")]
    StateDict {
        /// What stopped the reader.
        problem: String,
    },
    /// A sound file without any network of the family.
    #[error(
        "it holds no EfficientNet that petrec knows: {problem}; hint: petrec takes EfficientNet-B0 to B7 and Lite0 to Lite4 under the \
         names of Keras, torchvision, timm, transformers, lukemelas' EfficientNet-PyTorch and RangiLyu's EfficientNet-Lite"
    )]
    Foreign {
        /// What was looked for, and the first name that is there instead.
        problem: String,
    },
    /// A file with more than one network, or without the one that was asked for.
    #[error("{problem}; hint: choose one with --prefix: {}", prefixes.join(", "))]
    Prefix {
        /// What is the matter.
        problem: String,
        /// What the names of each network begin with.
        prefixes: Vec<String>,
    },
    /// The configuration beside the file is another network's.
    #[error(
        "{file} beside it is of {says}, and the weights are of {holds}; hint: name the weights' own, or move it away"
    )]
    Beside {
        /// The configuration.
        file: String,
        /// Its network.
        says: String,
        /// The network of the weights.
        holds: String,
    },
    /// The package pads for its usual size, whatever the picture has.
    #[error(
        "{package} pads for pictures of {usual} x {usual} whatever their size, so at {side} x {side} its network is none that \
         petrec computes; hint: choose a size with the same parities, such as {usual}, or say --padding same if it was trained so"
    )]
    FixedPadding {
        /// Whose network it is.
        package: String,
        /// The size that it pads for.
        usual: usize,
        /// The size that was asked for.
        side: usize,
    },
    /// The classifier was asked for, and is not there or not one dense layer.
    #[error(
        "it has no classifier that petrec can take: {problem}; leave out --with-top, or save the model with its top"
    )]
    Classifier {
        /// What was found instead.
        problem: String,
    },
    /// timm has the same tensors in networks that pad and normalise differently.
    #[error(
        "timm's efficientnet_* and tf_efficientnet_* have the same tensors; say which it is: --padding symmetric for \
         efficientnet_*, --padding same for tf_efficientnet_*"
    )]
    Padding,
    /// A node uses a value that nothing provides.
    #[error(
        "{node}: its input {tensor} is nowhere in the file, expected an initializer, a graph input or the output of \
         an earlier node; export the model again with all its weights"
    )]
    Missing {
        /// The node's operator, name and output.
        node: String,
        /// Name of the absent value.
        tensor: String,
    },
    /// onnxruntime laid the network out for one kind of processor, in a way that is not known.
    #[error(
        "{node}: an operator of {domain}, which onnxruntime writes at its level 'all' for one kind of processor; hint: \
         import the model as it was before that, or let onnxruntime optimise it at the level 'extended'"
    )]
    Layout {
        /// The node's operator, name and output.
        node: String,
        /// The set of operators.
        domain: String,
    },
    /// The file is a Git LFS pointer.
    #[error(
        "a Git LFS pointer of {size} bytes, not the file that it stands for; hint: run 'git lfs pull' in its repository, \
         or download the file itself"
    )]
    LfsPointer {
        /// Length of the file.
        size: usize,
    },
    /// The file does not say what its input takes.
    #[error("how pictures are prepared for it is not in the file: {found}; hint: {hint}")]
    Preprocessing {
        /// What the file does to a picture.
        found: String,
        /// What to type.
        hint: &'static str,
    },
    /// A tensor is damaged, or of a kind that no network of petrec's has.
    #[error("tensor {tensor}: {problem}; hint: export the model again from sound weights of floating point")]
    Unsound {
        /// Name of the tensor.
        tensor: String,
        /// What is wrong with it and what was expected.
        problem: String,
    },
    /// A tensor is not the one that the network has in its place.
    #[error("tensor {tensor}: {problem}")]
    Tensor {
        /// Name of the tensor.
        tensor: String,
        /// What is wrong with it and what was expected.
        problem: String,
    },
    /// A tensor's values lie in a second file that cannot be used.
    #[error(
        "tensor {tensor}: its external data {location}: {problem}; keep the data file in the model's folder under the \
         name that it was exported with"
    )]
    ExternalData {
        /// Name of the tensor.
        tensor: String,
        /// The file that it names.
        location: String,
        /// What is wrong with it and what was expected.
        problem: String,
    },
    /// A node is not the one that the network has in its place.
    #[error("{node}: {found}, expected {expected}")]
    Node {
        /// The node's operator, name and output.
        node: String,
        /// What is there.
        found: String,
        /// What the network has there.
        expected: String,
    },
}

impl Refusal {
    /// What to do about a file that could not be compared with any network; empty where the refusal says so itself.
    fn hint(&self) -> &'static str {
        match self {
            Self::Node { .. } | Self::Tensor { .. } => {
                "; hint: export the model again, for inference, as Keras, tf2onnx, torchvision and timm do"
            }
            _ => "",
        }
    }

    /// What to do about a sound file of something else.
    fn hint_of_another_network(&self) -> &'static str {
        match self {
            Self::Node { .. } | Self::Tensor { .. } => {
                "; hint: if the file holds another network, petrec has no use for it: it knows EfficientNet-B0 to B7 and \
                 Lite0 to Lite4; if it is one of these, export it again, for inference, or name it with --model to see where it differs"
            }
            _ => "",
        }
    }
}
