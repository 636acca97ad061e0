//! EfficientNet as the papers write it: loops in f64, no layout, no fusion.

use crate::model::{Activation, Block, Convolution, Network, Padding, Tensor};

/// A map: side x side x channels.
#[derive(Clone)]
pub(super) struct Map {
    pub(super) side: usize,
    pub(super) channels: usize,
    pub(super) values: Vec<f64>,
}

/// The weights of a convolution.
pub(super) type Lookup<'a> = dyn Fn(&Convolution) -> (&'a Tensor, &'a Tensor) + 'a;

pub(super) fn activate(act: Activation, x: f64) -> f64 {
    match act {
        Activation::Swish => x * logistic(x),
        Activation::Relu6 => x.clamp(0.0, 6.0),
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Map {
    fn map(mut self, f: impl Fn(f64) -> f64) -> Self {
        for value in &mut self.values {
            *value = f(*value);
        }
        self
    }

    /// A convolution with any kernel, stride and groups.
    pub(super) fn convolve(&self, conv: &Convolution, weights: &Lookup<'_>, padding: Padding) -> Self {
        let (weight, bias) = weights(conv);
        let (before, _) = padding.amounts(self.side, conv.kernel, conv.stride);
        let side = self.side.div_ceil(conv.stride);
        let (ins, outs) = (conv.input / conv.groups, conv.output / conv.groups);
        let mut values = Vec::new();
        for (y, x, to) in (0..side * side * conv.output).map(|at| {
            let (pixel, to) = (at / conv.output, at % conv.output);
            (pixel / side, pixel % side, to)
        }) {
            let mut sum = f64::from(bias.values[to]);
            for (ky, kx) in (0..conv.kernel * conv.kernel).map(|tap| (tap / conv.kernel, tap % conv.kernel)) {
                let place =
                    |at: usize, k: usize| (at * conv.stride + k).checked_sub(before).filter(|at| *at < self.side);
                let (Some(y), Some(x)) = (place(y, ky), place(x, kx)) else { continue };
                for from in 0..ins {
                    let value = self.values[(y * self.side + x) * self.channels + to / outs * ins + from];
                    let weight = weight.values[((to * ins + from) * conv.kernel + ky) * conv.kernel + kx];
                    sum += value * f64::from(weight);
                }
            }
            values.push(sum);
        }
        Self { side, channels: conv.output, values }
    }

    fn block(&self, block: &Block, act: Activation, weights: &Lookup<'_>, padding: Padding) -> Self {
        let mut x = self.clone();
        if let Some(expand) = &block.expand {
            x = x.convolve(expand, weights, padding).map(|x| activate(act, x));
        }
        x = x.convolve(&block.depthwise, weights, padding).map(|x| activate(act, x));
        if let Some(layers) = &block.squeeze_excite {
            let mean =
                |channel| x.values.iter().skip(channel).step_by(x.channels).sum::<f64>() / (x.side * x.side) as f64;
            let squeezed = Self { side: 1, channels: x.channels, values: (0..x.channels).map(mean).collect() };
            let reduced = squeezed.convolve(&layers.reduce, weights, padding).map(|x| activate(act, x));
            let gates = reduced.convolve(&layers.expand, weights, padding).map(logistic);
            for (at, value) in x.values.iter_mut().enumerate() {
                *value *= gates.values[at % x.channels];
            }
        }
        x = x.convolve(&block.project, weights, padding);
        if block.residual {
            for (value, input) in x.values.iter_mut().zip(&self.values) {
                *value += input;
            }
        }
        x
    }
}

/// The feature of a picture.
pub(super) fn feature(network: &Network, padding: Padding, weights: &Lookup<'_>, picture: &[f32]) -> Vec<f64> {
    let act = network.activation;
    let picture = picture.iter().copied().map(f64::from).collect();
    let picture = Map { side: network.side, channels: network.stem.input, values: picture };
    let stem = picture.convolve(&network.stem, weights, padding).map(|x| activate(act, x));
    let last = network.blocks.iter().fold(stem, |x, block| x.block(block, act, weights, padding));
    last.convolve(&network.head, weights, padding).map(|x| activate(act, x)).values
}
