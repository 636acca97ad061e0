//! What torchvision and timm call the tensors of EfficientNet.

use crate::model::{Block, Convolution, Network};

/// Who named the tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `features.2.0.block.1.0.weight`.
    Torchvision,
    /// `blocks.1.0.conv_dw.weight`.
    Timm,
}

/// A convolution, and what the tensors of it and of the batch normalisation after it begin with.
pub(super) struct Names<'n> {
    pub(super) conv: &'n Convolution,
    pub(super) layer: String,
    /// Absent after the two of squeeze-excite, which have a bias instead.
    pub(super) norm: Option<String>,
}

impl Naming {
    pub(super) const ALL: [Self; 2] = [Self::Torchvision, Self::Timm];

    /// The first tensor of every network of this naming.
    pub(super) fn first(self) -> &'static str {
        match self {
            Self::Torchvision => "features.0.0.weight",
            Self::Timm => "conv_stem.weight",
        }
    }

    /// The layer behind the mean of the features.
    pub(super) fn classifier(self) -> &'static str {
        match self {
            Self::Torchvision => "classifier.1",
            Self::Timm => "classifier",
        }
    }

    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Torchvision => "torchvision",
            Self::Timm => "timm",
        }
    }

    /// Every convolution of the network, named, in the order in which the data meets them.
    pub(super) fn names(self, network: &Network) -> Vec<Names<'_>> {
        let ends = |layer: &str, norm: &str| (layer.to_owned(), norm.to_owned());
        let (stem, head) = match self {
            Self::Torchvision => (ends("features.0.0", "features.0.1"), ends("features.8.0", "features.8.1")),
            Self::Timm => (ends("conv_stem", "bn1"), ends("conv_head", "bn2")),
        };
        let mut names = vec![named(&network.stem, stem)];
        let (mut stage, mut index) = (0, 0);
        for block in &network.blocks {
            // Keras' names of blocks tell where a stage begins: `block2a`.
            (stage, index) = if block.name.ends_with('a') { (stage + 1, 0) } else { (stage, index + 1) };
            match self {
                Self::Torchvision => torchvision_block(block, &format!("features.{stage}.{index}.block"), &mut names),
                Self::Timm => timm_block(block, &format!("blocks.{}.{index}", stage - 1), &mut names),
            }
        }
        names.push(named(&network.head, head));
        names
    }
}

fn named(conv: &Convolution, (layer, norm): (String, String)) -> Names<'_> {
    Names { conv, layer, norm: Some(norm) }
}

/// torchvision counts the parts of a block, those that are absent left out.
fn torchvision_block<'n>(block: &'n Block, prefix: &str, names: &mut Vec<Names<'n>>) {
    let mut parts = 0..;
    let mut next = || format!("{prefix}.{}", parts.next().unwrap_or_default());
    let pair = |part: String| (format!("{part}.0"), format!("{part}.1"));
    names.extend(block.expand.as_ref().map(|expand| named(expand, pair(next()))));
    names.push(named(&block.depthwise, pair(next())));
    if let Some(se) = &block.squeeze_excite {
        let part = next();
        names.push(Names { conv: &se.reduce, layer: format!("{part}.fc1"), norm: None });
        names.push(Names { conv: &se.expand, layer: format!("{part}.fc2"), norm: None });
    }
    names.push(named(&block.project, pair(next())));
}

/// timm names the parts, and counts the batch normalisations and the pointwise convolutions.
fn timm_block<'n>(block: &'n Block, prefix: &str, names: &mut Vec<Names<'n>>) {
    let mut norms = 1..;
    let mut pair =
        |part: &str| (format!("{prefix}.{part}"), format!("{prefix}.bn{}", norms.next().unwrap_or_default()));
    let project = if block.expand.is_some() { "conv_pwl" } else { "conv_pw" };
    names.extend(block.expand.as_ref().map(|expand| named(expand, pair("conv_pw"))));
    names.push(named(&block.depthwise, pair("conv_dw")));
    if let Some(se) = &block.squeeze_excite {
        names.push(Names { conv: &se.reduce, layer: format!("{prefix}.se.conv_reduce"), norm: None });
        names.push(Names { conv: &se.expand, layer: format!("{prefix}.se.conv_expand"), norm: None });
    }
    names.push(named(&block.project, pair(project)));
}
