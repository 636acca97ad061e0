//! What no source file can tell of itself.

use std::path::Path;

use super::Beside;
use crate::image::resize::Recipe;
use crate::model::{Architecture, Metadata, Network, Padding, Preprocess, Provenance};

/// The range of the values that a file's input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputRange {
    /// 0..1, as torchvision's `ToTensor` gives them.
    Unit,
    /// 0..255, as a picture is decoded.
    Byte,
    /// -1..1.
    Signed,
}

impl InputRange {
    /// Every range.
    pub const ALL: [Self; 3] = [Self::Byte, Self::Unit, Self::Signed];

    /// What brings a picture into the range.
    #[must_use]
    pub fn preprocess(self) -> Preprocess {
        match self {
            Self::Unit => Preprocess::unit(),
            Self::Byte => Preprocess::raw(),
            Self::Signed => Preprocess::half(),
        }
    }
}

/// What is known of a file besides what is in it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which network it must be; without it the file decides.
    pub architecture: Option<Architecture>,
    /// What the model's own configuration says, where it is beside a state dict; the other fields go before it.
    pub beside: Option<Beside>,
    /// The range of the values that the input of an ONNX file takes; without it the file decides.
    pub input_range: Option<InputRange>,
    /// The weights' licence, an SPDX expression where one is known.
    pub license: Option<String>,
    /// What the names of the wanted network's tensors begin with, where a file holds more than one network.
    pub prefix: Option<String>,
    /// What is done to a picture's values before the network, its `resize` apart; without it the file decides.
    pub preprocess: Option<Preprocess>,
    /// How a picture gets the network's size; without it the architecture's usual way.
    pub resize: Option<Recipe>,
    /// Height and width of the network's picture; without it what the file says, or the architecture's own.
    pub side: Option<usize>,
    /// Whether the classifier comes along, if petrec is to compute logits too; else it is left out.
    pub with_top: bool,
}

impl Options {
    /// Where weights from `path`, whose content has that SHA-256, came from.
    pub(super) fn provenance(&self, path: &Path, exporter: String, sha256: String) -> Provenance {
        Provenance {
            exporter,
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            license: self.license.clone().unwrap_or_else(|| "unknown".into()),
            sha256,
        }
    }

    /// The table of an architecture for pictures of the size that was asked for, or else of its own.
    pub(super) fn network(&self, architecture: Architecture) -> Network {
        let network = architecture.network();
        Network { side: self.side.unwrap_or(network.side), ..network }
    }

    /// What new weights say of themselves. `side` is what the file says, if it does.
    pub(super) fn metadata(
        &self,
        architecture: Architecture,
        padding: Padding,
        preprocess: Preprocess,
        side: Option<usize>,
        source: Provenance,
    ) -> Metadata {
        let resize = self.resize.unwrap_or(preprocess.resize);
        let metadata = Metadata::new(architecture, padding, Preprocess { resize, ..preprocess }, source);
        match self.side.or(side) {
            Some(side) => metadata.with_side(side),
            None => metadata,
        }
    }
}
