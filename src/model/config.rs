//! The one table that every engine and every importer is built from.
//!
//! EfficientNet is a stem, sixteen MBConv blocks and a head (Tan & Le 2019, table 1). What differs between B0 and Lite0
//! is squeeze-excite, the activation and nothing else, so both are the same [`Network`] with other fields.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Squeeze-excite narrows to a quarter of the block's *input* channels (Tan & Le 2019; Keras' `se_ratio=0.25`).
const SE_RATIO: usize = 4;

/// A network that petrec knows, by the name a user types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// Keras' `EfficientNetB0(include_top=False)`: swish and squeeze-excite.
    #[serde(rename = "efficientnet-b0")]
    EfficientNetB0,
    /// EfficientNet-Lite0: the same widths with ReLU6 and without squeeze-excite.
    #[serde(rename = "efficientnet-lite0")]
    EfficientNetLite0,
}

impl Architecture {
    /// Every architecture, in the order in which a list shows them.
    pub const ALL: [Self; 2] = [Self::EfficientNetB0, Self::EfficientNetLite0];

    /// The name as typed: `efficientnet-b0`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EfficientNetB0 => "efficientnet-b0",
            Self::EfficientNetLite0 => "efficientnet-lite0",
        }
    }

    /// The network's table of convolutions.
    #[must_use]
    pub fn network(self) -> Network {
        match self {
            Self::EfficientNetB0 => Network::new(Activation::Swish, true),
            Self::EfficientNetLite0 => Network::new(Activation::Relu6, false),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The nonlinearity after stem, expand, depthwise, squeeze-excite's reduce, and head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Swish,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

/// Where a strided convolution's padding goes; it came with the weights and travels with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// TensorFlow's `SAME`: as little as needed, the odd pixel at the bottom and right.
    Same,
    /// PyTorch's `padding=k//2`: as much on every side.
    Symmetric,
}

impl Padding {
    /// Pixels to add before and after one axis of `input` pixels for a `kernel` wide convolution of that `stride`.
    ///
    /// Source: TensorFlow's `SAME` is `out = ceil(in/stride)`, `total = max((out-1)*stride + kernel - in, 0)`, the smaller
    /// half before; torchvision's and timm's EfficientNets pad by `kernel / 2` on both sides.
    #[must_use]
    pub fn amounts(self, input: usize, kernel: usize, stride: usize) -> (usize, usize) {
        match self {
            Self::Same => {
                let total = ((input.div_ceil(stride) - 1) * stride + kernel).saturating_sub(input);
                (total / 2, total - total / 2)
            }
            Self::Symmetric => (kernel / 2, kernel / 2),
        }
    }
}

/// One convolution with bias; batch normalisation is already folded into both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Name of its tensors in a weight file, without `.weight` or `.bias`: `block2a.depthwise`.
    pub name: String,
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
    /// Side of the square kernel, in pixels.
    pub kernel: usize,
    /// Step in pixels along both axes.
    pub stride: usize,
    /// 1, or the number of channels for a depthwise convolution.
    pub groups: usize,
}

impl Convolution {
    /// Shape of the weight: output channels, input channels per group, kernel height, kernel width (OIHW).
    #[must_use]
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.output, self.input / self.groups, self.kernel, self.kernel]
    }

    /// Name of the weight tensor in a weight file, OIHW.
    #[must_use]
    pub fn weight_name(&self) -> String {
        format!("{}.weight", self.name)
    }

    /// Name of the bias tensor in a weight file, one value per output channel.
    #[must_use]
    pub fn bias_name(&self) -> String {
        format!("{}.bias", self.name)
    }
}

/// The two 1x1 convolutions that scale each channel by what the whole picture holds (Hu et al. 2018).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqueezeExcite {
    /// Mean over the picture -> fewer channels, then the activation.
    pub reduce: Convolution,
    /// Fewer channels -> all channels, then a sigmoid.
    pub expand: Convolution,
}

/// MBConv: widen, filter each channel, weigh the channels, narrow (Sandler et al. 2018).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Keras' name of the block: `block2a`.
    pub name: String,
    /// 1x1, widens; absent where the expansion ratio is 1.
    pub expand: Option<Convolution>,
    /// Depthwise, carries the stride.
    pub depthwise: Convolution,
    /// Absent in the Lite variants.
    pub squeeze_excite: Option<SqueezeExcite>,
    /// 1x1, narrows, without an activation.
    pub project: Convolution,
    /// Whether the block's input is added to its output.
    pub residual: bool,
}

/// A whole EfficientNet without its classifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Height and width of the input picture, in pixels.
    pub side: usize,
    /// Nonlinearity used throughout.
    pub activation: Activation,
    /// 3x3, stride 2, from RGB.
    pub stem: Convolution,
    /// The MBConv blocks, from input to output.
    pub blocks: Vec<Block>,
    /// 1x1, to the feature's channels.
    pub head: Convolution,
}

/// One row of the paper's table: `repeats` blocks of which only the first has the stride and the change of width.
struct Stage {
    expansion: usize,
    kernel: usize,
    stride: usize,
    filters: usize,
    repeats: usize,
}

const fn stage(expansion: usize, kernel: usize, stride: usize, filters: usize, repeats: usize) -> Stage {
    Stage { expansion, kernel, stride, filters, repeats }
}

const STEM_FILTERS: usize = 32;
const HEAD_FILTERS: usize = 1280;

/// Table 1 of Tan & Le 2019, rows 2 to 8.
const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 16, 1),
    stage(6, 3, 2, 24, 2),
    stage(6, 5, 2, 40, 2),
    stage(6, 3, 2, 80, 3),
    stage(6, 5, 1, 112, 3),
    stage(6, 5, 2, 192, 4),
    stage(6, 3, 1, 320, 1),
];

impl Network {
    fn new(activation: Activation, squeeze_excite: bool) -> Self {
        let stem = convolution("stem".into(), 3, STEM_FILTERS, 3, 2);
        let mut blocks = Vec::new();
        let mut input = STEM_FILTERS;
        for (number, stage) in (1..).zip(&STAGES) {
            for (letter, repeat) in ('a'..='z').zip(0..stage.repeats) {
                let stride = if repeat == 0 { stage.stride } else { 1 };
                blocks.push(block(format!("block{number}{letter}"), stage, input, stride, squeeze_excite));
                input = stage.filters;
            }
        }
        let head = convolution("head".into(), input, HEAD_FILTERS, 1, 1);
        Self { side: 224, activation, stem, blocks, head }
    }

    /// Every convolution in the order in which the data meets them.
    pub fn convolutions(&self) -> impl Iterator<Item = &Convolution> {
        let blocks = self.blocks.iter().flat_map(|block| {
            let squeeze_excite = block.squeeze_excite.iter().flat_map(|se| [&se.reduce, &se.expand]);
            block.expand.iter().chain([&block.depthwise]).chain(squeeze_excite).chain([&block.project])
        });
        std::iter::once(&self.stem).chain(blocks).chain([&self.head])
    }

    /// Shape of one picture's feature: height, width, channels.
    #[must_use]
    pub fn feature_shape(&self) -> [usize; 3] {
        let side = self.convolutions().fold(self.side, |side, conv| side.div_ceil(conv.stride));
        [side, side, self.head.output]
    }
}

fn block(name: String, stage: &Stage, input: usize, stride: usize, squeeze_excite: bool) -> Block {
    let wide = input * stage.expansion;
    let part = |part: &str| format!("{name}.{part}");
    let narrow = (input / SE_RATIO).max(1);
    Block {
        expand: (stage.expansion > 1).then(|| convolution(part("expand"), input, wide, 1, 1)),
        depthwise: Convolution { groups: wide, ..convolution(part("depthwise"), wide, wide, stage.kernel, stride) },
        squeeze_excite: squeeze_excite.then(|| SqueezeExcite {
            reduce: convolution(part("se_reduce"), wide, narrow, 1, 1),
            expand: convolution(part("se_expand"), narrow, wide, 1, 1),
        }),
        project: convolution(part("project"), wide, stage.filters, 1, 1),
        residual: stride == 1 && input == stage.filters,
        name,
    }
}

fn convolution(name: String, input: usize, output: usize, kernel: usize, stride: usize) -> Convolution {
    Convolution { name, input, output, kernel, stride, groups: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b0_has_the_papers_parameter_count() {
        let network = Architecture::EfficientNetB0.network();

        let count: usize = network.convolutions().map(|c| c.weight_shape().iter().product::<usize>() + c.output).sum();

        // Keras counts 4,049,571 without the top; folding leaves one bias where a batch norm had four vectors, and
        // the preprocessing layers' 7 numbers go: 4,049,571 - 7 - 3 * (channels of the 49 batch norms, 21,008 in all).
        let normalised: usize = network.convolutions().filter(|c| !c.name.contains("se_")).map(|c| c.output).sum();
        assert_eq!(count, 4_049_571 - 7 - 3 * normalised);
        assert_eq!(network.convolutions().count(), 81);
        assert_eq!(network.feature_shape(), [7, 7, 1280]);
    }

    #[test]
    fn same_padding_puts_the_odd_pixel_last() {
        assert_eq!(Padding::Same.amounts(224, 3, 2), (0, 1));
        assert_eq!(Padding::Same.amounts(56, 5, 2), (1, 2));
        assert_eq!(Padding::Same.amounts(14, 5, 1), (2, 2));
        assert_eq!(Padding::Symmetric.amounts(56, 5, 2), (2, 2));
    }
}
