//! Weights in the order in which the kernels read them.

use std::f64::consts::{LN_2, LOG2_E};
use std::ops::Range;

use super::aligned::Aligned;
use super::kernels::{Act, LANES, Shape, Simd};
use crate::model::{Activation, Convolution};

/// What a layer's sums are multiplied by before its activation, and what the values that it reads still lack.
///
/// The kernels' swish takes `-log2 e * x` and yields `swish(x) / -ln 2` (see [`Act`]); both factors are folded into weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gain {
    /// The layer's inputs times this are the network's values.
    pub(super) input: f64,
    /// The layer's sums are the network's times this.
    pub(super) output: f64,
}

impl Gain {
    /// What a sum is multiplied by before an activation.
    pub(super) fn before(act: Act) -> f64 {
        match act {
            Act::None | Act::Relu6 => 1.0,
            Act::Swish => Self::LOGISTIC,
        }
    }

    /// What a sum is multiplied by before the logistic function.
    pub(super) const LOGISTIC: f64 = -LOG2_E;

    /// What an activation's results are still to be multiplied by.
    pub(super) fn after(act: Act) -> f64 {
        match act {
            Act::None | Act::Relu6 => 1.0,
            Act::Swish => -LN_2,
        }
    }
}

impl From<Activation> for Act {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Swish => Self::Swish,
            Activation::Relu6 => Self::Relu6,
        }
    }
}

/// Channels as they lie in memory: a multiple of the shortest vector.
pub(super) fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// Neighbouring channels that are computed together.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// The first of them.
    pub(super) first: usize,
    /// How many there are, in vectors.
    pub(super) shape: Shape,
    /// How many there are.
    width: usize,
    /// Where the panel's weights are.
    pub(super) weights: Range<usize>,
    /// Values from one row of its weights to the next.
    pub(super) step: usize,
}

impl Panel {
    /// How many channels there are.
    pub(super) fn width(&self) -> usize {
        self.width
    }
}

/// Cuts `channels` into panels of at most `limit` of them, of `rows` rows of weights each, `step` values apart, or just as
/// far as they need.
fn panels<S: Simd>(channels: usize, limit: usize, rows: usize, step: Option<usize>) -> (Vec<Panel>, usize) {
    let (mut panels, mut first, mut used) = (Vec::new(), 0, 0);
    while first < channels {
        let shape = S::panel((channels - first).div_ceil(LANES), limit);
        let width = shape.width::<S>();
        let step = step.unwrap_or(shape.step::<S>());
        panels.push(Panel { first, shape, width, weights: used..used + rows * step, step });
        first += width;
        used += rows * step;
    }
    (panels, used)
}

/// A dense convolution: for each panel one row of weights per kernel row, kernel column and input channel, in this order.
pub(super) struct Dense {
    /// Inputs of one pixel.
    pub(super) inputs: usize,
    /// Channels as they lie in memory.
    pub(super) channels: usize,
    /// The panels, from the first channel to the last.
    pub(super) panels: Vec<Panel>,
    /// The panels' weights.
    pub(super) weights: Aligned,
    /// One value per channel.
    pub(super) bias: Aligned,
}

impl Dense {
    /// Packs `weight` (OIHW) and `bias` of `conv` for the kernels of `S`.
    pub(super) fn new<S: Simd>(conv: &Convolution, weight: &[f32], bias: &[f32], gain: Gain) -> Self {
        Self::packed::<S>(conv, usize::MAX, weight, bias, gain)
    }

    /// As [`Dense::new`], for a layer whose channels a depthwise convolution reads, panel by panel.
    pub(super) fn before_depthwise<S: Simd>(conv: &Convolution, weight: &[f32], bias: &[f32], gain: Gain) -> Self {
        Self::packed::<S>(conv, S::PITCH, weight, bias, gain)
    }

    fn packed<S: Simd>(conv: &Convolution, limit: usize, weight: &[f32], bias: &[f32], gain: Gain) -> Self {
        let taps = conv.kernel * conv.kernel;
        let inputs = taps * conv.input;
        let channels = padded(conv.output);
        let (panels, length) = panels::<S>(conv.output, limit, inputs, None);
        let mut packed = Aligned::zeros(length);
        for panel in &panels {
            let rows = packed[panel.weights.clone()].chunks_exact_mut(panel.step);
            for (input, row) in rows.enumerate() {
                let (tap, from) = (input / conv.input, input % conv.input);
                for (to, value) in (panel.first..conv.output).zip(&mut row[..panel.width]) {
                    let original = weight[(to * conv.input + from) * taps + tap];
                    *value = (f64::from(original) * gain.input * gain.output) as f32;
                }
            }
        }
        Self { inputs, channels, panels, weights: packed, bias: packed_bias(bias, channels, gain) }
    }
}

/// A depthwise convolution: for each panel one row of weights per kernel row and kernel column.
pub(super) struct Depthwise {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Channels as they lie in memory.
    pub(super) channels: usize,
    /// The panels, the same as those of the layer before.
    pub(super) panels: Vec<Panel>,
    /// The panels' weights.
    pub(super) weights: Aligned,
    /// One value per channel.
    pub(super) bias: Aligned,
}

impl Depthwise {
    /// Packs `weight` (OIHW, I = 1) and `bias` of `conv` for the kernels of `S`.
    pub(super) fn new<S: Simd>(conv: &Convolution, weight: &[f32], bias: &[f32], gain: Gain) -> Self {
        let taps = conv.kernel * conv.kernel;
        let channels = padded(conv.output);
        let (panels, length) = panels::<S>(conv.output, S::PITCH, taps, Some(S::PITCH));
        let mut packed = Aligned::zeros(length);
        for panel in &panels {
            let rows = packed[panel.weights.clone()].chunks_exact_mut(panel.step);
            for (tap, row) in rows.enumerate() {
                for (channel, value) in (panel.first..conv.output).zip(&mut row[..panel.width]) {
                    *value = (f64::from(weight[channel * taps + tap]) * gain.input * gain.output) as f32;
                }
            }
        }
        let bias = packed_bias(bias, channels, gain);
        Self { kernel: conv.kernel, stride: conv.stride, channels, panels, weights: packed, bias }
    }
}

fn packed_bias(bias: &[f32], channels: usize, gain: Gain) -> Aligned {
    let mut packed = Aligned::zeros(channels);
    for (value, original) in packed.iter_mut().zip(bias) {
        *value = (f64::from(*original) * gain.output) as f32;
    }
    packed
}
