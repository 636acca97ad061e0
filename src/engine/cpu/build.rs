//! From the table and the weights to a [`Plan`].

use super::super::EngineError;
use super::kernels::{Act, LANES, Simd};
use super::pack::{Dense, Depthwise, Gain, Packer, Unpacked, padded};
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
        let mut builder = Builder { weights, padding, act: network.activation.into(), packer: Packer::default() };
        let mut side = network.side.div_ceil(network.stem.stride);
        let mut channels = padded(network.stem.output);
        let mut blocks = Vec::new();
        for block in &network.blocks {
            let is_first = blocks.is_empty();
            let widening = if is_first { Some(&network.stem) } else { block.expand.as_ref() };
            let (dense, depthwise) = builder.filter::<S>(widening, &block.depthwise);
            let widen = match dense {
                Some(dense) if is_first => Widen::Stem(Stem {
                    dense,
                    kernel: network.stem.kernel,
                    stride: network.stem.stride,
                    before: padding.amounts(network.side, network.stem.kernel, network.stem.stride).0,
                }),
                Some(dense) => Widen::Expand(dense),
                None => Widen::Copy,
            };
            let plan = builder.block::<S>(block, widen, depthwise, side, channels);
            (side, channels) = (plan.side_out, plan.project.channels);
            blocks.push(plan);
        }
        let head = builder.dense::<S>(&network.head, builder.of_values());
        let weights = builder.packer.pack();
        Ok(Self { side: network.side, act: builder.act, blocks, head, weights, feature: network.feature_shape() })
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
    if !network.head.output.is_multiple_of(LANES) {
        return refuse(&network.head, "a feature has a multiple of 8 channels");
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
    packer: Packer<'w>,
}

impl Builder<'_, '_> {
    /// The gain of a layer that reads a block's output and has the network's activation.
    fn of_values(&self) -> Gain {
        Gain { input: 1.0, output: Gain::before(self.act) }
    }

    fn dense<S: Simd>(&mut self, conv: &Convolution, gain: Gain) -> Dense {
        let (weight, bias) = (self.weights)(conv);
        let mut dense = Dense::new::<S>(conv, &bias.values, gain);
        self.packer.place_all(Unpacked::new(conv, &weight.values, gain), &mut dense.panels);
        dense
    }

    /// A block's depthwise convolution and the stem or the expansion before it, if there is one; they take turns, panel by
    /// panel, and so do their weights.
    fn filter<S: Simd>(&mut self, widening: Option<&Convolution>, conv: &Convolution) -> (Option<Dense>, Depthwise) {
        // What the depthwise convolution reads is an activation's result, unless it reads the block's input itself.
        let input = if widening.is_some() { Gain::after(self.act) } else { 1.0 };
        let gain = Gain { input, output: Gain::before(self.act) };
        let (weight, bias) = (self.weights)(conv);
        let mut depthwise = Depthwise::new::<S>(conv, &bias.values, gain);
        let filter = Unpacked::new(conv, &weight.values, gain);

        let gain = self.of_values();
        let widened = widening.map(|conv| {
            let (weight, bias) = (self.weights)(conv);
            (Dense::before_depthwise::<S>(conv, &bias.values, gain), Unpacked::new(conv, &weight.values, gain))
        });
        let Some((mut dense, widening)) = widened else {
            self.packer.place_all(filter, &mut depthwise.panels);
            return (None, depthwise);
        };
        for (before, panel) in dense.panels.iter_mut().zip(&mut depthwise.panels) {
            self.packer.place(widening, before);
            self.packer.place(filter, panel);
        }
        (Some(dense), depthwise)
    }

    /// The whole block; `widen` and `depthwise` are what [`Builder::filter`] made of it.
    fn block<S: Simd>(
        &mut self,
        block: &Block,
        widen: Widen,
        depthwise: Depthwise,
        side: usize,
        channels_in: usize,
    ) -> BlockPlan {
        let (kernel, stride) = (depthwise.kernel, depthwise.stride);
        let side_out = side.div_ceil(stride);
        let activated = Gain::after(self.act);
        let padding = self.padding.amounts(side, kernel, stride);
        let mean = 1.0 / (side_out * side_out) as f64;
        let reduce = Gain { input: activated * mean, output: Gain::before(self.act) };
        let expand = Gain { input: activated, output: Gain::LOGISTIC };
        BlockPlan {
            widen,
            depthwise,
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
            band: Band::new(side, padding.0 + side + padding.1, S::PITCH, kernel),
            channels_in,
        }
    }
}
