//! What a weight file says of itself: which network, fed how, from where.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Architecture, Network, Padding, Preprocess};

/// The version of the metadata below; a reader refuses any other.
const FORMAT: u32 = 1;
/// Stands in the place of the checksum while the checksum is computed.
pub(super) const NO_CHECKSUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Input sizes that are run: below, the last map is less than a pixel; above, a picture's maps take gigabytes.
const SIDES: RangeInclusive<usize> = 32..=2048;

/// Where weights came from, for whoever asks in a year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The program that wrote the source file, with its version.
    pub exporter: String,
    /// Name of the source file, without its folder.
    pub file: String,
    /// The licence of the weights, as an SPDX expression where one is known.
    pub license: String,
    /// SHA-256 of the source file, in hexadecimal.
    pub sha256: String,
}

/// What a weight file says of itself. The fields are in alphabetical order because the JSON's are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Which network the tensors belong to.
    pub architecture: Architecture,
    /// Version of this metadata.
    pub format: u32,
    /// Where strided convolutions pad.
    pub padding: Padding,
    /// The petrec version that wrote the file.
    pub petrec: String,
    /// From picture to input.
    pub preprocess: Preprocess,
    /// SHA-256 of the whole file, computed with this field as 64 zeros.
    pub sha256: String,
    /// Height and width of the input picture, in pixels; absent where they are the architecture's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<usize>,
    /// Where the weights came from.
    pub source: Provenance,
}

impl Metadata {
    /// Metadata of new weights; the checksum is filled in by [`Weights::to_bytes`].
    #[must_use]
    pub fn new(architecture: Architecture, padding: Padding, preprocess: Preprocess, source: Provenance) -> Self {
        Self {
            architecture,
            format: FORMAT,
            padding,
            petrec: env!("CARGO_PKG_VERSION").into(),
            preprocess,
            sha256: NO_CHECKSUM.into(),
            side: None,
            source,
        }
    }

    /// The table of the architecture's convolutions, for pictures of this size.
    #[must_use]
    pub fn network(&self) -> Network {
        let network = self.architecture.network();
        Network { side: self.side.unwrap_or(network.side), ..network }
    }

    /// Reads the JSON of a weight file.
    pub(super) fn parse(json: &str) -> Result<Self, String> {
        /// Read first, so that a newer file is refused for its version and not for a field nobody knows.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_str(json).map_err(|error| format!("its metadata: {error}"))?;
        if version.format != FORMAT {
            return Err(format!("its format is version {}, this petrec reads version {FORMAT}", version.format));
        }
        serde_json::from_str(json).map_err(|error| format!("its metadata: {error}"))
    }

    /// What is wrong with it, if anything is.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if !self.preprocess.is_sound() {
            return Some(("preprocess", "a step is not finite, or divides by zero".into()));
        }
        match self.side {
            Some(side) if !SIDES.contains(&side) => {
                Some(("side", format!("is {side}, expected {} to {} pixels", SIDES.start(), SIDES.end())))
            }
            _ => None,
        }
    }
}
