//! Weights in the order in which the kernels read them, a whole network's in one piece: what comes next is what lies next.

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
    /// Where the panel's weights are, once a [`Packer`] gave them a place.
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

/// Cuts `channels` into panels of at most `limit` of them, with rows of weights `step` values apart, or just as far as they
/// need.
fn panels<S: Simd>(channels: usize, limit: usize, step: Option<usize>) -> Vec<Panel> {
    let (mut panels, mut first) = (Vec::new(), 0);
    while first < channels {
        let shape = S::panel((channels - first).div_ceil(LANES), limit);
        let (width, step) = (shape.width::<S>(), step.unwrap_or(shape.step::<S>()));
        panels.push(Panel { first, shape, width, weights: 0..0, step });
        first += width;
    }
    panels
}

/// A dense convolution: for each panel one row of weights per kernel row, kernel column and input channel, in this order.
pub(super) struct Dense {
    /// Inputs of one pixel.
    pub(super) inputs: usize,
    /// Channels as they lie in memory.
    pub(super) channels: usize,
    /// The panels, from the first channel to the last.
    pub(super) panels: Vec<Panel>,
    /// One value per channel.
    pub(super) bias: Aligned,
}

impl Dense {
    /// Cuts `conv` into panels for the kernels of `S`.
    pub(super) fn new<S: Simd>(conv: &Convolution, bias: &[f32], gain: Gain) -> Self {
        Self::in_panels(conv, panels::<S>(conv.output, usize::MAX, None), bias, gain)
    }

    /// As [`Dense::new`], for a layer whose channels a depthwise convolution reads, panel by panel.
    pub(super) fn before_depthwise<S: Simd>(conv: &Convolution, bias: &[f32], gain: Gain) -> Self {
        Self::in_panels(conv, panels::<S>(conv.output, S::PITCH, None), bias, gain)
    }

    fn in_panels(conv: &Convolution, panels: Vec<Panel>, bias: &[f32], gain: Gain) -> Self {
        let channels = padded(conv.output);
        let inputs = conv.kernel * conv.kernel * conv.input;
        Self { inputs, channels, panels, bias: packed_bias(bias, channels, gain) }
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
    /// One value per channel.
    pub(super) bias: Aligned,
}

impl Depthwise {
    /// Cuts `conv` into panels for the kernels of `S`.
    pub(super) fn new<S: Simd>(conv: &Convolution, bias: &[f32], gain: Gain) -> Self {
        let channels = padded(conv.output);
        let panels = panels::<S>(conv.output, S::PITCH, Some(S::PITCH));
        let bias = packed_bias(bias, channels, gain);
        Self { kernel: conv.kernel, stride: conv.stride, channels, panels, bias }
    }
}

fn packed_bias(bias: &[f32], channels: usize, gain: Gain) -> Aligned {
    let mut packed = Aligned::zeros(channels);
    for (value, original) in packed.iter_mut().zip(bias) {
        *value = (f64::from(*original) * gain.output) as f32;
    }
    packed
}

/// A layer's weights as they were trained.
#[derive(Clone, Copy)]
pub(super) struct Unpacked<'w> {
    /// OIHW.
    weight: &'w [f32],
    /// I.
    inputs: usize,
    /// H x W.
    taps: usize,
    /// O.
    outputs: usize,
    gain: Gain,
}

impl<'w> Unpacked<'w> {
    pub(super) fn new(conv: &Convolution, weight: &'w [f32], gain: Gain) -> Self {
        let [outputs, inputs, height, width] = conv.weight_shape();
        Self { weight, inputs, taps: height * width, outputs, gain }
    }

    /// Writes the panel's weights to `packed`.
    fn pack(&self, panel: &Panel, packed: &mut [f32]) {
        let Self { weight, inputs, taps, outputs, gain } = *self;
        for (row, values) in packed.chunks_exact_mut(panel.step).enumerate() {
            let (tap, from) = (row / inputs, row % inputs);
            for (to, value) in (panel.first..outputs).zip(&mut values[..panel.width]) {
                let original = weight[(to * inputs + from) * taps + tap];
                *value = (f64::from(original) * gain.input * gain.output) as f32;
            }
        }
    }
}

/// Lays weights one after the other, in the order in which it is told of them.
#[derive(Default)]
pub(super) struct Packer<'w> {
    placed: Vec<(Unpacked<'w>, Panel)>,
    length: usize,
}

impl<'w> Packer<'w> {
    /// Gives the weights of one panel of `layer` the next place.
    pub(super) fn place(&mut self, layer: Unpacked<'w>, panel: &mut Panel) {
        let end = self.length + layer.taps * layer.inputs * panel.step;
        panel.weights = self.length..end;
        self.length = end;
        self.placed.push((layer, panel.clone()));
    }

    /// Gives all panels of `layer` the next places.
    pub(super) fn place_all(&mut self, layer: Unpacked<'w>, panels: &mut [Panel]) {
        for panel in panels {
            self.place(layer, panel);
        }
    }

    /// All weights in their places.
    pub(super) fn pack(self) -> Aligned {
        let mut packed = Aligned::zeros(self.length);
        for (layer, panel) in self.placed {
            layer.pack(&panel, &mut packed[panel.weights.clone()]);
        }
        packed
    }
}
