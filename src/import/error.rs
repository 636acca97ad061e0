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
    #[error("{}: {refusal}", path.display())]
    Refused {
        /// The model's file.
        path: PathBuf,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// The file is a sound model of something else.
    #[error("{}: not {architecture} as petrec knows it: {refusal}", path.display())]
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
    /// A tensor cannot be used.
    #[error("tensor {tensor}: {problem}; export the model again from sound float32 weights")]
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
    #[error(
        "{node}: {found}, expected {expected}; export the float32 model for inference, at its own input size, as Keras, \
         tf2onnx, torchvision or timm do, or name another network with --model"
    )]
    Node {
        /// The node's operator, name and output.
        node: String,
        /// What is there.
        found: String,
        /// What the network has there.
        expected: String,
    },
}
