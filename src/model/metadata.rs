//! What a weight file says of itself: which network, fed how, from where.

use serde::{Deserialize, Serialize};

use super::{Architecture, Network, Padding, Preprocess};

/// The version of the metadata below; a reader refuses any other.
const FORMAT: u32 = 1;
/// Stands in the place of the checksum while the checksum is computed.
pub(super) const NO_CHECKSUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

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
    /// Height and width of the input picture in pixels, where they are not the architecture's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<usize>,
    /// Where the weights came from.
    pub source: Provenance,
}

impl Metadata {
    /// Metadata of new weights; the checksum is filled in by
    /// [`Weights::to_bytes`](super::Weights::to_bytes).
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

    /// Sets the height and width of the input picture.
    #[must_use]
    pub fn with_side(self, side: usize) -> Self {
        let side = Some(side).filter(|&side| side != self.architecture.network().side);
        Self { side, ..self }
    }

    /// The network's table of convolutions, for pictures of the size that these weights take.
    #[must_use]
    pub fn network(&self) -> Network {
        let network = self.architecture.network();
        Network { side: self.side.unwrap_or(network.side), ..network }
    }

    /// Describes in one line what the network is fed, for people who compare it with their own code:
    /// `(x - 127) / 128, x = 0..255; 224 x 224, bilinear as tf.image.resize; padding same`.
    #[must_use]
    pub fn fed(&self) -> String {
        let side = self.network().side;
        let Self { preprocess, padding, .. } = self;
        format!("{preprocess}; {side} x {side}, {}; padding {padding}", preprocess.resize.in_words())
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
}
