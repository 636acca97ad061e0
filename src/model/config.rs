//! The one table that every engine and every importer is built from.
//!
//! EfficientNet is a stem, seven stages of MBConv blocks and a head (Tan & Le 2019, table 1). All of B0 to B7 and Lite0 to
//! Lite4 come from that table by the coefficients of their [`Architecture`](super::Architecture).

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::architecture::{Family, Variant};

/// Squeeze-excite narrows to a quarter of the block's *input* channels (Tan & Le 2019; Keras' `se_ratio=0.25`).
const SE_RATIO: usize = 4;

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

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Same => "same",
            Self::Symmetric => "symmetric",
        })
    }
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

/// One row of the paper's table, as B0 has it: `repeats` blocks of which only the first has the stride and the change of width.
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

/// Channels are a multiple of this (`depth_divisor` of TensorFlow's and Keras' builders).
const DIVISOR: usize = 8;

/// Channels of a layer that has `filters` in B0: rounded to the nearest multiple of [`DIVISOR`], but not below nine tenths.
///
/// Source: `round_filters` of Keras' `efficientnet.py`, `_make_divisible` of torchvision.
fn scaled_filters(filters: usize, width: f64) -> usize {
    let scaled = filters as f64 * width;
    let rounded = ((scaled + DIVISOR as f64 / 2.0) as usize / DIVISOR * DIVISOR).max(DIVISOR);
    if (rounded as f64) < 0.9 * scaled { rounded + DIVISOR } else { rounded }
}

/// Blocks of a stage that has `repeats` in B0. Source: `round_repeats` of Keras' `efficientnet.py`.
fn scaled_repeats(repeats: usize, depth: f64) -> usize {
    (depth * repeats as f64).ceil() as usize
}

impl Network {
    /// The sides of a picture that a network takes. All strides together are 32; 2,048 is four times what any published weights want,
    /// and keeps a hostile weight file from asking for more memory than there is.
    pub const SIDES: RangeInclusive<usize> = 32..=2048;

    pub(super) fn new(variant: &Variant) -> Self {
        let &Variant { width, depth, side, family, .. } = variant;
        let is_lite = family == Family::Lite;
        let at_the_ends = |filters| if is_lite { filters } else { scaled_filters(filters, width) };
        let stem = convolution("stem".into(), 3, at_the_ends(STEM_FILTERS), 3, 2);
        let mut blocks = Vec::new();
        let mut input = stem.output;
        for (number, stage) in (1..).zip(&STAGES) {
            let is_kept = is_lite && (number == 1 || number == STAGES.len());
            let repeats = if is_kept { stage.repeats } else { scaled_repeats(stage.repeats, depth) };
            let output = scaled_filters(stage.filters, width);
            for (letter, repeat) in ('a'..='z').zip(0..repeats) {
                let stride = if repeat == 0 { stage.stride } else { 1 };
                blocks.push(block(format!("block{number}{letter}"), stage, (input, output), stride, !is_lite));
                input = output;
            }
        }
        let head = convolution("head".into(), input, at_the_ends(HEAD_FILTERS), 1, 1);
        Self { side, activation: family.activation(), stem, blocks, head }
    }

    /// Every convolution in the order in which the data meets them.
    pub fn convolutions(&self) -> impl Iterator<Item = &Convolution> {
        let blocks = self.blocks.iter().flat_map(|block| {
            let squeeze_excite = block.squeeze_excite.iter().flat_map(|se| [&se.reduce, &se.expand]);
            block.expand.iter().chain([&block.depthwise]).chain(squeeze_excite).chain([&block.project])
        });
        std::iter::once(&self.stem).chain(blocks).chain([&self.head])
    }

    /// Whether the block's input is added to what `conv` makes.
    pub(super) fn ends_residual_branch(&self, conv: &Convolution) -> bool {
        self.blocks.iter().any(|block| block.residual && block.project == *conv)
    }

    /// Shape of one picture's feature: height, width, channels.
    #[must_use]
    pub fn feature_shape(&self) -> [usize; 3] {
        let side = self.convolutions().fold(self.side, |side, conv| side.div_ceil(conv.stride));
        [side, side, self.head.output]
    }

    /// Values of the largest map between two layers, for one picture.
    #[must_use]
    pub fn largest_map(&self) -> usize {
        let mut side = self.side;
        // Squeeze-excite's maps are single pixels, but none is wider than the map that it scales.
        let maps = self.convolutions().map(|conv| {
            side = side.div_ceil(conv.stride);
            side * side * conv.output
        });
        maps.max().unwrap_or(0)
    }

    /// Weights and biases, batch normalisation folded, without a classifier.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.convolutions().map(|conv| conv.weight_shape().iter().product::<usize>() + conv.output).sum()
    }

    /// Multiply-adds of all convolutions for one picture; biases, activations and means are not counted.
    #[must_use]
    pub fn multiply_adds(&self) -> usize {
        let weights = |conv: &Convolution| conv.weight_shape().iter().product::<usize>();
        let mut side = self.side;
        let mut over_the_map = |conv: &Convolution| {
            side = side.div_ceil(conv.stride);
            side * side * weights(conv)
        };
        let mut sum = over_the_map(&self.stem);
        for block in &self.blocks {
            sum += block.expand.iter().chain([&block.depthwise, &block.project]).map(&mut over_the_map).sum::<usize>();
            sum += block.squeeze_excite.iter().map(|se| weights(&se.reduce) + weights(&se.expand)).sum::<usize>();
        }
        sum + over_the_map(&self.head)
    }
}

/// A block from `input` to `output` channels.
fn block(name: String, stage: &Stage, (input, output): (usize, usize), stride: usize, squeeze_excite: bool) -> Block {
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
        project: convolution(part("project"), wide, output, 1, 1),
        residual: stride == 1 && input == output,
        name,
    }
}

fn convolution(name: String, input: usize, output: usize, kernel: usize, stride: usize) -> Convolution {
    Convolution { name, input, output, kernel, stride, groups: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Architecture;

    #[test]
    fn b0_to_b7_have_the_parameters_and_the_feature_of_keras() {
        use Architecture::*;
        // count_params() of Keras 3.15.1 without the top.
        let expected = [
            (EfficientNetB0, 4_049_571, [7, 7, 1280]),
            (EfficientNetB1, 6_575_239, [8, 8, 1280]),
            (EfficientNetB2, 7_768_569, [9, 9, 1408]),
            (EfficientNetB3, 10_783_535, [10, 10, 1536]),
            (EfficientNetB4, 17_673_823, [12, 12, 1792]),
            (EfficientNetB5, 28_513_527, [15, 15, 2048]),
            (EfficientNetB6, 40_960_143, [17, 17, 2304]),
            (EfficientNetB7, 64_097_687, [19, 19, 2560]),
        ];
        for (architecture, parameters, shape) in expected {
            let network = architecture.network();

            // Folding leaves one bias where a batch norm had four vectors; the preprocessing's 7 numbers go.
            let is_normalised = |conv: &&Convolution| !conv.name.contains("se_");
            let normalised: usize = network.convolutions().filter(is_normalised).map(|conv| conv.output).sum();
            assert_eq!(network.parameters() + 3 * normalised + 7, parameters, "{architecture}");
            assert_eq!(network.feature_shape(), shape, "{architecture}");
        }
    }

    #[test]
    fn the_largest_map_is_the_first_wide_one() {
        // block2a.expand of B0: 6 x 16 channels at half the picture's side.
        assert_eq!(Architecture::EfficientNetB0.network().largest_map(), 112 * 112 * 96);
    }

    #[test]
    fn lite_keeps_its_stem_head_and_ends() {
        let network = Architecture::EfficientNetLite4.network();

        assert_eq!((network.stem.output, network.head.output), (32, 1280));
        assert_eq!(network.blocks.len(), 1 + 4 + 4 + 6 + 6 + 8 + 1);
        assert_eq!(network.feature_shape(), [10, 10, 1280]);
    }

    #[test]
    fn b0_to_b7_have_the_published_multiply_adds() {
        // `_ops` of torchvision 0.29.2's weights, in billions; B2 is not there because torchvision has it at 288 pixels. The
        // paper says 0.39 for B0 (Tan & Le 2019, table 2).
        let expected = [0.386, 0.687, f64::NAN, 1.827, 4.394, 10.266, 19.068, 37.746];
        for (architecture, expected) in Architecture::ALL.into_iter().zip(expected).filter(|(_, ops)| !ops.is_nan()) {
            let network = architecture.network();
            let billions = (network.multiply_adds() + network.head.output * CLASSES) as f64 / 1e9;
            assert!((billions - expected).abs() < 1e-3, "{architecture}: {billions}");
        }
    }

    #[test]
    fn lite0_to_lite4_have_the_published_parameters() {
        // In millions, from the README of tensorflow/tpu's models/official/efficientnet/lite.
        let expected = ["4.7", "5.4", "6.1", "8.2", "13.0"];
        for (architecture, expected) in Architecture::ALL.into_iter().skip(8).zip(expected) {
            let network = architecture.network();

            // Scale and offset of a batch norm become one bias; the classifier goes.
            let scales: usize = network.convolutions().map(|conv| conv.output).sum();
            let classifier = (network.head.output + 1) * CLASSES;
            let millions = (network.parameters() + scales + classifier) as f64 / 1e6;
            assert_eq!(format!("{millions:.1}"), expected, "{architecture}");
        }
    }

    /// ImageNet's, with which networks are published.
    const CLASSES: usize = 1000;

    #[test]
    fn same_padding_puts_the_odd_pixel_last() {
        assert_eq!(Padding::Same.amounts(224, 3, 2), (0, 1));
        assert_eq!(Padding::Same.amounts(56, 5, 2), (1, 2));
        assert_eq!(Padding::Same.amounts(14, 5, 1), (2, 2));
        assert_eq!(Padding::Symmetric.amounts(56, 5, 2), (2, 2));
    }
}
