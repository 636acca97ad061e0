//! What each package calls the tensors of EfficientNet.
//!
//! | | stem | block | head | classifier |
//! | --- | --- | --- | --- | --- |
//! | torchvision | `features.0` | `features.STAGE.INDEX.block.PART` | `features.8` | `classifier.1` |
//! | timm | `conv_stem`, `bn1` | `blocks.STAGE.INDEX.conv_dw` | `conv_head`, `bn2` | `classifier` |
//! | transformers | `embeddings.convolution` | `encoder.blocks.NUMBER.depthwise_conv.depthwise_conv` | `encoder.top_conv` | `classifier` |
//! | lukemelas, smp | `_conv_stem`, `_bn0` | `_blocks.NUMBER._depthwise_conv` | `_conv_head`, `_bn1` | `_fc` |
//! | RangiLyu | `stem.0`, `stem.1` | `blocks.STAGE.INDEX._depthwise_conv` | `head.0`, `head.1` | `fc` |

use crate::model::{Architecture, Block, Convolution, Network, Padding, Preprocess};

/// Who named the tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `features.2.0.block.1.0.weight`.
    Torchvision,
    /// `blocks.1.0.conv_dw.weight`.
    Timm,
    /// `encoder.blocks.1.depthwise_conv.depthwise_conv.weight`.
    Transformers,
    /// `_blocks.1._depthwise_conv.weight`: EfficientNet-PyTorch, EfficientNet-Lite-PyTorch, the encoders of segmentation_models_pytorch.
    Lukemelas,
    /// `blocks.1.0._depthwise_conv.weight`: EfficientNet-Lite.
    RangiLyu,
}

/// A convolution, and what the tensors of it and of the batch normalisation after it begin with.
pub(super) struct Names<'n> {
    pub(super) conv: &'n Convolution,
    pub(super) layer: String,
    /// Absent after the two of squeeze-excite, which have a bias instead.
    pub(super) norm: Option<String>,
}

impl Naming {
    pub(super) const ALL: [Self; 5] =
        [Self::Torchvision, Self::Timm, Self::Transformers, Self::Lukemelas, Self::RangiLyu];

    /// A tensor of every network of this naming and of no other.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Torchvision => "features.0.0.weight",
            Self::Timm => "conv_stem.weight",
            Self::Transformers => "embeddings.convolution.weight",
            Self::Lukemelas => "_conv_stem.weight",
            Self::RangiLyu => "blocks.0.0._depthwise_conv.weight",
        }
    }

    /// The layer behind the mean of the features.
    pub(super) fn classifier(self) -> &'static str {
        match self {
            Self::Torchvision => "classifier.1",
            Self::Timm | Self::Transformers => "classifier",
            Self::Lukemelas => "_fc",
            Self::RangiLyu => "fc",
        }
    }

    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Torchvision => "torchvision",
            Self::Timm => "timm",
            Self::Transformers => "transformers",
            Self::Lukemelas => "EfficientNet-PyTorch",
            Self::RangiLyu => "EfficientNet-Lite",
        }
    }

    /// Where the strided convolutions pad; timm has networks of both kinds with the same tensors.
    pub(super) fn padding(self) -> Option<Padding> {
        match self {
            Self::Timm => None,
            Self::Torchvision | Self::RangiLyu => Some(Padding::Symmetric),
            Self::Transformers | Self::Lukemelas => Some(Padding::Same),
        }
    }

    /// Whether the padding is that of the architecture's own picture, whatever the size of the picture is.
    pub(super) fn pads_for_its_own_side(self) -> bool {
        matches!(self, Self::Transformers | Self::Lukemelas)
    }

    /// What pictures become, where all networks of the package are fed alike.
    pub(super) fn preprocess(self) -> Option<Preprocess> {
        match self {
            Self::Torchvision => Some(Preprocess::torch()),
            // Its own numbers are these to three digits.
            Self::RangiLyu => Some(Preprocess::lite()),
            Self::Timm | Self::Transformers | Self::Lukemelas => None,
        }
    }

    /// Added to the variance by the batch normalisations.
    ///
    /// Source: torchvision's `efficientnet.py` (`norm_layer` of B5 to B7), timm's `resolve_bn_args` and `BN_EPS_TF_DEFAULT`,
    /// transformers' `EfficientNetConfig`, EfficientNet-PyTorch's `utils.py`, EfficientNet-Lite's `efficientnet_lite.py`.
    pub(super) fn epsilon(self, architecture: Architecture, padding: Padding) -> f64 {
        use Architecture::{EfficientNetB5, EfficientNetB6, EfficientNetB7};
        let is_tensorflows = match self {
            Self::Torchvision => matches!(architecture, EfficientNetB5 | EfficientNetB6 | EfficientNetB7),
            Self::Timm => padding == Padding::Same,
            Self::Transformers | Self::Lukemelas | Self::RangiLyu => true,
        };
        if is_tensorflows { 1e-3 } else { 1e-5 }
    }

    /// Every convolution of the network, named, in the order in which the data meets them.
    pub(super) fn names(self, network: &Network) -> Vec<Names<'_>> {
        let (stem, head) = match self {
            Self::Torchvision => (["features.0.0", "features.0.1"], ["features.8.0", "features.8.1"]),
            Self::Timm => (["conv_stem", "bn1"], ["conv_head", "bn2"]),
            Self::Transformers => {
                (["embeddings.convolution", "embeddings.batchnorm"], ["encoder.top_conv", "encoder.top_bn"])
            }
            Self::Lukemelas => (["_conv_stem", "_bn0"], ["_conv_head", "_bn1"]),
            Self::RangiLyu => (["stem.0", "stem.1"], ["head.0", "head.1"]),
        };
        let mut names = vec![named(&network.stem, stem.map(str::to_owned))];
        let (mut stage, mut index) = (0, 0);
        for (number, block) in network.blocks.iter().enumerate() {
            // Keras' names of blocks tell where a stage begins: `block2a`.
            (stage, index) = if block.name.ends_with('a') { (stage + 1, 0) } else { (stage, index + 1) };
            match self {
                Self::Torchvision => torchvision_block(block, &format!("features.{stage}.{index}.block"), &mut names),
                Self::Timm => timm_block(block, &format!("blocks.{}.{index}", stage - 1), &mut names),
                Self::Transformers => transformers_block(block, &format!("encoder.blocks.{number}"), &mut names),
                Self::Lukemelas => lukemelas_block(block, &format!("_blocks.{number}"), &mut names),
                Self::RangiLyu => lukemelas_block(block, &format!("blocks.{}.{index}", stage - 1), &mut names),
            }
        }
        names.push(named(&network.head, head.map(str::to_owned)));
        names
    }
}

fn named(conv: &Convolution, [layer, norm]: [String; 2]) -> Names<'_> {
    Names { conv, layer, norm: Some(norm) }
}

/// The two of squeeze-excite, if the block has them.
fn squeeze_excite<'n>(block: &'n Block, layers: [String; 2], names: &mut Vec<Names<'n>>) {
    let [reduce, expand] = layers;
    if let Some(se) = &block.squeeze_excite {
        names.push(Names { conv: &se.reduce, layer: reduce, norm: None });
        names.push(Names { conv: &se.expand, layer: expand, norm: None });
    }
}

/// torchvision counts the parts of a block, those that are absent left out.
fn torchvision_block<'n>(block: &'n Block, prefix: &str, names: &mut Vec<Names<'n>>) {
    let mut parts = 0..;
    let mut next = || format!("{prefix}.{}", parts.next().unwrap_or_default());
    let pair = |part: String| [format!("{part}.0"), format!("{part}.1")];
    names.extend(block.expand.as_ref().map(|expand| named(expand, pair(next()))));
    names.push(named(&block.depthwise, pair(next())));
    if block.squeeze_excite.is_some() {
        let part = next();
        squeeze_excite(block, [format!("{part}.fc1"), format!("{part}.fc2")], names);
    }
    names.push(named(&block.project, pair(next())));
}

/// timm names the parts, and counts the batch normalisations and the pointwise convolutions.
fn timm_block<'n>(block: &'n Block, prefix: &str, names: &mut Vec<Names<'n>>) {
    let mut norms = 1..;
    let mut pair =
        |part: &str| [format!("{prefix}.{part}"), format!("{prefix}.bn{}", norms.next().unwrap_or_default())];
    let project = if block.expand.is_some() { "conv_pwl" } else { "conv_pw" };
    names.extend(block.expand.as_ref().map(|expand| named(expand, pair("conv_pw"))));
    names.push(named(&block.depthwise, pair("conv_dw")));
    squeeze_excite(block, ["reduce", "expand"].map(|part| format!("{prefix}.se.conv_{part}")), names);
    names.push(named(&block.project, pair(project)));
}

/// transformers names the parts, and what each is made of.
fn transformers_block<'n>(block: &'n Block, prefix: &str, names: &mut Vec<Names<'n>>) {
    let pair = |layer: &str, norm: &str| [format!("{prefix}.{layer}"), format!("{prefix}.{norm}")];
    let expand = block.expand.as_ref();
    names.extend(expand.map(|expand| named(expand, pair("expansion.expand_conv", "expansion.expand_bn"))));
    names.push(named(&block.depthwise, pair("depthwise_conv.depthwise_conv", "depthwise_conv.depthwise_norm")));
    squeeze_excite(block, pair("squeeze_excite.reduce", "squeeze_excite.expand"), names);
    names.push(named(&block.project, pair("projection.project_conv", "projection.project_bn")));
}

/// EfficientNet-PyTorch numbers the batch normalisations from 0, which is absent where nothing widens.
fn lukemelas_block<'n>(block: &'n Block, prefix: &str, names: &mut Vec<Names<'n>>) {
    let pair = |layer: &str, norm: &str| [format!("{prefix}.{layer}"), format!("{prefix}.{norm}")];
    names.extend(block.expand.as_ref().map(|expand| named(expand, pair("_expand_conv", "_bn0"))));
    names.push(named(&block.depthwise, pair("_depthwise_conv", "_bn1")));
    squeeze_excite(block, pair("_se_reduce", "_se_expand"), names);
    names.push(named(&block.project, pair("_project_conv", "_bn2")));
}
