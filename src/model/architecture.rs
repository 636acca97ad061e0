//! The networks that petrec knows, by the name a user types, and how they grow from one to the next.
//!
//! The family is one network scaled in width, depth and resolution (Tan & Le 2019, section 3). The Lite variants are the
//! same without squeeze-excite and with ReLU6, and grow without their stem, head, first and last stage.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Activation, Network};

/// A network that petrec knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Architecture {
    /// Keras' `EfficientNetB0(include_top=False)`: swish and squeeze-excite.
    EfficientNetB0,
    /// 1.1 times as deep as B0, 240 x 240.
    EfficientNetB1,
    /// 1.1 times as wide and 1.2 times as deep as B0, 260 x 260.
    EfficientNetB2,
    /// 1.2 times as wide and 1.4 times as deep as B0, 300 x 300.
    EfficientNetB3,
    /// 1.4 times as wide and 1.8 times as deep as B0, 380 x 380.
    EfficientNetB4,
    /// 1.6 times as wide and 2.2 times as deep as B0, 456 x 456.
    EfficientNetB5,
    /// 1.8 times as wide and 2.6 times as deep as B0, 528 x 528.
    EfficientNetB6,
    /// 2 times as wide and 3.1 times as deep as B0, 600 x 600.
    EfficientNetB7,
    /// EfficientNet-Lite0: B0's widths with ReLU6 and without squeeze-excite.
    EfficientNetLite0,
    /// 1.1 times as deep as Lite0, 240 x 240.
    EfficientNetLite1,
    /// 1.1 times as wide and 1.2 times as deep as Lite0, 260 x 260.
    EfficientNetLite2,
    /// 1.2 times as wide and 1.4 times as deep as Lite0, 280 x 280.
    EfficientNetLite3,
    /// 1.4 times as wide and 1.8 times as deep as Lite0, 300 x 300.
    EfficientNetLite4,
}

/// What an architecture is made of.
pub(super) struct Variant {
    name: &'static str,
    /// Factor on the number of channels.
    pub(super) width: f64,
    /// Factor on the number of blocks of a stage.
    pub(super) depth: f64,
    /// Height and width of the input picture, in pixels.
    pub(super) side: usize,
    pub(super) family: Family,
}

/// The two lines of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Swish, squeeze-excite, everything scaled.
    Full,
    /// ReLU6, no squeeze-excite; stem, head and the depth of the first and last stage are not scaled.
    Lite,
}

impl Family {
    pub(super) fn activation(self) -> Activation {
        match self {
            Self::Full => Activation::Swish,
            Self::Lite => Activation::Relu6,
        }
    }
}

const fn full(name: &'static str, width: f64, depth: f64, side: usize) -> Variant {
    Variant { name, width, depth, side, family: Family::Full }
}

const fn lite(name: &'static str, width: f64, depth: f64, side: usize) -> Variant {
    Variant { name, width, depth, side, family: Family::Lite }
}

impl Architecture {
    /// Every architecture, in the order in which a list shows them.
    pub const ALL: [Self; 13] = [
        Self::EfficientNetB0,
        Self::EfficientNetB1,
        Self::EfficientNetB2,
        Self::EfficientNetB3,
        Self::EfficientNetB4,
        Self::EfficientNetB5,
        Self::EfficientNetB6,
        Self::EfficientNetB7,
        Self::EfficientNetLite0,
        Self::EfficientNetLite1,
        Self::EfficientNetLite2,
        Self::EfficientNetLite3,
        Self::EfficientNetLite4,
    ];

    /// The coefficients. Source: `efficientnet_params` of TensorFlow's `efficientnet_builder.py` and
    /// `efficientnet_lite_builder.py`; Keras and torchvision have the same.
    pub(super) fn variant(self) -> Variant {
        match self {
            Self::EfficientNetB0 => full("efficientnet-b0", 1.0, 1.0, 224),
            Self::EfficientNetB1 => full("efficientnet-b1", 1.0, 1.1, 240),
            Self::EfficientNetB2 => full("efficientnet-b2", 1.1, 1.2, 260),
            Self::EfficientNetB3 => full("efficientnet-b3", 1.2, 1.4, 300),
            Self::EfficientNetB4 => full("efficientnet-b4", 1.4, 1.8, 380),
            Self::EfficientNetB5 => full("efficientnet-b5", 1.6, 2.2, 456),
            Self::EfficientNetB6 => full("efficientnet-b6", 1.8, 2.6, 528),
            Self::EfficientNetB7 => full("efficientnet-b7", 2.0, 3.1, 600),
            Self::EfficientNetLite0 => lite("efficientnet-lite0", 1.0, 1.0, 224),
            Self::EfficientNetLite1 => lite("efficientnet-lite1", 1.0, 1.1, 240),
            Self::EfficientNetLite2 => lite("efficientnet-lite2", 1.1, 1.2, 260),
            Self::EfficientNetLite3 => lite("efficientnet-lite3", 1.2, 1.4, 280),
            Self::EfficientNetLite4 => lite("efficientnet-lite4", 1.4, 1.8, 300),
        }
    }

    /// The name as typed: `efficientnet-b0`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.variant().name
    }

    /// The architecture of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|architecture| architecture.name() == name)
    }

    /// Whether it is one of the Lite variants.
    #[must_use]
    pub fn is_lite(self) -> bool {
        self.variant().family == Family::Lite
    }

    /// The network's table of convolutions, for pictures of the architecture's own size.
    #[must_use]
    pub fn network(self) -> Network {
        Network::new(&self.variant())
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no architecture's.
#[derive(Debug, Error)]
#[error("'{0}' is none of the networks that this petrec knows")]
pub struct UnknownArchitecture(String);

impl From<Architecture> for &'static str {
    fn from(architecture: Architecture) -> Self {
        architecture.name()
    }
}

impl TryFrom<String> for Architecture {
    type Error = UnknownArchitecture;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::named(&name).ok_or(UnknownArchitecture(name))
    }
}
