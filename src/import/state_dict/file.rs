//! The two formats in which state dicts travel.

use safetensors::{Dtype, SafeTensors};

use super::torch::TorchFile;
use super::{Format, refuse};
use crate::import::Refusal;
use crate::import::number::Element;

/// An open file; a tensor's values are read when they are asked for.
pub(super) enum File<'b> {
    Safetensors(SafeTensors<'b>),
    Pth(TorchFile<'b>),
}

impl<'b> File<'b> {
    /// Opens the file that holds `bytes`.
    pub(super) fn open(format: Format, bytes: &'b [u8]) -> Result<Self, Refusal> {
        let damaged = |problem| Refusal::StateDict { problem };
        match format {
            Format::Safetensors => {
                SafeTensors::deserialize(bytes).map(Self::Safetensors).map_err(|error| damaged(error.to_string()))
            }
            Format::Pth => TorchFile::open(bytes).map(Self::Pth).map_err(damaged),
        }
    }

    /// In alphabetical order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match self {
            Self::Safetensors(file) => file.names().into_iter().map(str::to_owned).collect(),
            Self::Pth(file) => file.names().map(str::to_owned).collect(),
        };
        names.sort_unstable();
        names
    }

    /// A tensor's shape, if there is one of that name.
    pub(super) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        match self {
            Self::Safetensors(file) => file.tensor(name).ok().map(|view| view.shape().to_vec()),
            Self::Pth(file) => file.shape(name).map(<[usize]>::to_vec),
        }
    }

    fn element(&self, name: &str) -> Option<Element> {
        match self {
            Self::Safetensors(file) => file.tensor(name).ok().map(|view| match view.dtype() {
                Dtype::F16 => Element::F16,
                Dtype::BF16 => Element::Bf16,
                Dtype::F32 => Element::F32,
                Dtype::F64 => Element::F64,
                other => Element::Other(format!("{other:?}"), 0),
            }),
            Self::Pth(file) => file.element(name).cloned(),
        }
    }

    /// A tensor's values. Its shape is compared first, so that a hostile file cannot ask for more memory.
    pub(super) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Refusal> {
        let (Some(found), Some(element)) = (self.shape(name), self.element(name)) else {
            return Err(refuse(name, format!("not in the file, expected float32 of shape {shape:?}")));
        };
        if found != shape {
            return Err(refuse(name, format!("has shape {found:?}, expected {shape:?}")));
        }
        let values = match self {
            Self::Safetensors(file) => file.tensor(name).map_err(|error| error.to_string()).and_then(|view| {
                element.floats(view.data()).ok_or(format!("holds {}, expected float32", element.name()))
            }),
            Self::Pth(file) => file.values(name),
        };
        let values = values.map_err(|problem| refuse(name, problem))?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(refuse(name, "holds a value that is not finite; save it again from sound weights".into())),
        }
    }
}
