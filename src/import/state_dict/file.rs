//! The two formats in which state dicts travel.

use std::path::Path;

use pytorch_reader::{DType, PytorchReader};
use safetensors::{Dtype, SafeTensors};

use super::{Format, refuse};
use crate::import::Refusal;

/// An open file; a tensor's values are read when they are asked for.
pub(super) enum File<'b> {
    Safetensors(SafeTensors<'b>),
    Pth(PytorchReader),
}

impl<'b> File<'b> {
    /// Opens the file at `path` that holds `bytes`.
    pub(super) fn open(format: Format, path: &Path, bytes: &'b [u8]) -> Result<Self, Refusal> {
        let damaged = |problem| Refusal::StateDict { problem };
        match format {
            Format::Safetensors => {
                SafeTensors::deserialize(bytes).map(Self::Safetensors).map_err(|error| damaged(error.to_string()))
            }
            Format::Pth => PytorchReader::new(path).map(Self::Pth).map_err(|error| damaged(error.to_string())),
        }
    }

    /// In alphabetical order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = match self {
            Self::Safetensors(file) => file.names().into_iter().map(str::to_owned).collect(),
            Self::Pth(file) => file.keys(),
        };
        names.sort_unstable();
        names
    }

    /// A tensor's shape, if there is one of that name.
    pub(super) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        match self {
            Self::Safetensors(file) => file.tensor(name).ok().map(|view| view.shape().to_vec()),
            Self::Pth(file) => file.get(name).map(|tensor| tensor.shape().to_vec()),
        }
    }

    /// A tensor's values. Its shape is compared first, so that a hostile file cannot ask for more memory.
    pub(super) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Refusal> {
        let missing = || refuse(name, format!("not in the file, expected float32 of shape {shape:?}"));
        let is_expected = |found: &[usize], holds: String, is_float32: bool| match found == shape {
            true if is_float32 => Ok(()),
            true => Err(refuse(name, format!("holds {holds}, expected float32"))),
            false => Err(refuse(name, format!("has shape {found:?}, expected {shape:?}"))),
        };
        let values: Vec<f32> = match self {
            Self::Safetensors(file) => {
                let view = file.tensor(name).map_err(|_| missing())?;
                is_expected(view.shape(), format!("{:?}", view.dtype()), view.dtype() == Dtype::F32)?;
                view.data().as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
            }
            Self::Pth(file) => {
                let tensor = file.get(name).ok_or_else(missing)?;
                is_expected(tensor.shape(), format!("{:?}", tensor.dtype()), tensor.dtype() == DType::F32)?;
                let bytes = tensor.read().map_err(|error| refuse(name, error.to_string()))?;
                bytes.as_chunks().0.iter().map(|value| f32::from_ne_bytes(*value)).collect()
            }
        };
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(refuse(name, "holds a value that is not finite".into())),
        }
    }
}
