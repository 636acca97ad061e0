//! What no source file can tell of itself.

use std::path::Path;

use crate::image::resize::Recipe;
use crate::model::{Architecture, Provenance};

/// What is known of a file besides what is in it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which network it must be; without it the file decides.
    pub architecture: Option<Architecture>,
    /// The weights' licence, an SPDX expression where one is known.
    pub license: Option<String>,
    /// How a picture gets the network's size; without it the architecture's usual way.
    pub resize: Option<Recipe>,
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
}
