//! From the table and the weights to a [`Plan`].

use super::super::EngineError;
use super::kernels::{Act, Simd};
use super::pack::{Dense, Depthwise, Gain, padded};
use super::plan::{Band, BlockPlan, COLORS, MAX_STEM, Plan, SqueezeExcite, Stem, Widen};
use crate::model::{Block, Convolution, Network, Padding, Tensor, Weights};

impl Plan {
    /// Packs the weights for the kernels of `S`.
    pub(super) fn new<S: Simd>(weights: &Weights) -> Result<Self, EngineError> {
        Self::of::<S>(&weights.network(), weights.metadata().padding, &|conv| weights.of(conv))
    }

    /// As [`Plan::new`], for any network; `weights` gives a convolution's weight and bias.
    pub(super) fn of<'a, S: Simd>(
        network: &Network,
        padding: Padding,
        weights: &dyn Fn(&Convolution) -> (&'a Tensor, &'a Tensor),
    ) -> Result<Self, EngineError> {
        check(network)?;
        let builder = Builder { weights, padding, act: network.activation.into() };
        let mut side = network.side.div_ceil(network.stem.stride);
        let mut channels = padded(network.stem.output);
        let mut stem = Some(builder.stem::<S>(network));
        let mut blocks = Vec::new();
        for block in &network.blocks {
            let widen = match (stem.take(), &block.expand) {
                (Some(stem), _) => Widen::Stem(stem),
                (None, Some(conv)) => Widen::Expand(builder.widening::<S>(conv)),
                (None, None) => Widen::Copy,
            };
            let plan = builder.block::<S>(block, widen, side, channels);
            (side, channels) = (plan.side_out, plan.project.channels);
            blocks.push(plan);
        }
        let head = builder.dense::<S>(&network.head, builder.of_values());
        Ok(Self { side: network.side, act: builder.act, blocks, head, feature: network.feature_shape() })
    }
}

/// Refuses what no EfficientNet has and the kernels were not written for.
fn check(network: &Network) -> Result<(), EngineError> {
    let refuse = |conv: &Convolution, problem: &str| {
        Err(EngineError::Failed { engine: super::NAME, problem: format!("{}: {problem}", conv.name) })
    };
    match network.blocks.first() {
        None => return refuse(&network.stem, "a network needs blocks after its stem"),
        Some(Block { expand: Some(conv), .. }) => return refuse(conv, "the first block must not expand"),
        Some(_) => {}
    }
    if network.stem.kernel > MAX_STEM || network.stem.input != COLORS {
        return refuse(&network.stem, "the stem is at most 3x3 and reads three colours");
    }
    for conv in network.blocks.iter().map(|block| &block.depthwise) {
        if !matches!((conv.kernel, conv.stride), (3 | 5, 1 | 2)) {
            return refuse(conv, "a depthwise convolution is 3x3 or 5x5 with stride 1 or 2");
        }
    }
    Ok(())
}

/// Makes the parts of a plan.
struct Builder<'a, 'w> {
    weights: &'a dyn Fn(&Convolution) -> (&'w Tensor, &'w Tensor),
    padding: Padding,
    act: Act,
}

impl Builder<'_, '_> {
    /// The gain of a layer that reads a block's output and has the network's activation.
    fn of_values(&self) -> Gain {
        Gain { input: 1.0, output: Gain::before(self.act) }
    }

    fn dense<S: Simd>(&self, conv: &Convolution, gain: Gain) -> Dense {
        let (weight, bias) = (self.weights)(conv);
        Dense::new::<S>(conv, &weight.values, &bias.values, gain)
    }

    /// The stem or an expansion: a depthwise convolution reads what it makes.
    fn widening<S: Simd>(&self, conv: &Convolution) -> Dense {
        let (weight, bias) = (self.weights)(conv);
        Dense::before_depthwise::<S>(conv, &weight.values, &bias.values, self.of_values())
    }

    fn stem<S: Simd>(&self, network: &Network) -> Stem {
        let conv = &network.stem;
        let (before, _) = self.padding.amounts(network.side, conv.kernel, conv.stride);
        let dense = self.widening::<S>(conv);
        Stem { dense, kernel: conv.kernel, stride: conv.stride, before }
    }

    fn block<S: Simd>(&self, block: &Block, widen: Widen, side: usize, channels_in: usize) -> BlockPlan {
        let conv = &block.depthwise;
        let side_out = side.div_ceil(conv.stride);
        let activated = Gain::after(self.act);
        // What the depthwise convolution reads is an activation's result, unless it reads the block's input itself.
        let input = if matches!(widen, Widen::Copy) { 1.0 } else { activated };
        let (weight, bias) = (self.weights)(conv);
        let gain = Gain { input, output: Gain::before(self.act) };
        let padding = self.padding.amounts(side, conv.kernel, conv.stride);
        let mean = 1.0 / (side_out * side_out) as f64;
        let reduce = Gain { input: activated * mean, output: Gain::before(self.act) };
        let expand = Gain { input: activated, output: Gain::LOGISTIC };
        BlockPlan {
            widen,
            depthwise: Depthwise::new::<S>(conv, &weight.values, &bias.values, gain),
            squeeze_excite: block.squeeze_excite.as_ref().map(|layers| SqueezeExcite {
                reduce: self.dense::<S>(&layers.reduce, reduce),
                expand: self.dense::<S>(&layers.expand, expand),
                act: self.act,
            }),
            project: self.dense::<S>(&block.project, Gain { input: activated, output: 1.0 }),
            residual: block.residual,
            side,
            side_out,
            padding,
            band: Band::new(side, padding.0 + side + padding.1, S::PITCH, conv.kernel),
            channels_in,
        }
    }
}
