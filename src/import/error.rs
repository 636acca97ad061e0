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
    /// Not an HDF5 file, or not a whole one.
    #[error("not a whole HDF5 file of Keras' weights: {problem}; copy it or save it again")]
    Hdf5 {
        /// What stopped the reader.
        problem: String,
    },
    /// Not a file of tensors, or not a whole one, or not one network's.
    #[error("not a whole state dict of torchvision's or timm's: {problem}; save model.state_dict() again, alone")]
    StateDict {
        /// What stopped the reader.
        problem: String,
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
                 Lite0 to Lite4; if it is one of these, export it again, for inference and at its own picture size, or \
                 name it with --model to see where it differs"
            }
            _ => "",
        }
    }
}
