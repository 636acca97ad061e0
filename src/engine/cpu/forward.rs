//! One picture through the network.
//!
//! A block's widened map never exists as a whole. For one panel of channels at a time, a band of as many rows as fit into
//! the L1 cache, the whole map if it does, is computed into a ring that still holds what the kernel needs of the rows before:
//!
//! ```text
//!   block input --expand--> ring: row 6 | row 7 | row 8 | row 9 | row 4 | row 5      (bands of two rows, kernel 5)
//!                             |
//!                             +--depthwise--> output rows 6 and 7 of these channels, and their sums for squeeze-excite
//! ```
//!
//! Then squeeze-excite turns the sums into one factor per channel, and `project` reads the filtered map.

use std::mem;

use super::ahead::Ahead;
use super::kernels::{
    Act, DepthwiseRows, Output, Pixels, Place, Simd, depthwise, logistic, multiply, scale_channels, scale_rows,
};
use super::pack::{Dense, Gain, padded};
use super::plan::{BlockPlan, Plan, SqueezeExcite};
use super::profile::{Laps, Part};
use super::ring::Ring;
use super::scratch::Scratch;
use super::source::Source;

/// Computes the feature of one picture: side x side x 3 values in, H x W x C out.
pub(super) fn forward<S: Simd>(
    simd: S,
    plan: &Plan,
    scratch: &mut Scratch,
    picture: &[f32],
    feature: &mut [f32],
    laps: &mut impl Laps,
) {
    for (number, block) in plan.blocks.iter().enumerate() {
        filter(simd, plan, block, scratch, picture, |part| laps.lap(number, part));
        if let Some(layers) = &block.squeeze_excite {
            squeeze_excite(simd, plan, layers, scratch);
            laps.lap(number, Part::SqueezeExcite);
        }
        project(simd, plan, block, scratch, |part| laps.lap(number, part));
        mem::swap(&mut scratch.input, &mut scratch.output);
    }
    head(simd, plan, scratch, feature);
    laps.lap(plan.blocks.len(), Part::Head);
}

/// Widens and filters: the block's input to `wide`, the channels' sums to `pool`.
fn filter<S: Simd>(
    simd: S,
    plan: &Plan,
    block: &BlockPlan,
    scratch: &mut Scratch,
    picture: &[f32],
    mut lap: impl FnMut(Part),
) {
    let Scratch { input, wide, ring, picture: room, pool, .. } = scratch;
    let layer = &block.depthwise;
    let mut ring = Ring::new(ring, block.band.slots, block.columns(), S::PITCH, block.padding);
    let mut ahead = Ahead::new(plan, block);
    pool[..layer.channels].fill(0.0);
    for (number, panel) in layer.panels.iter().enumerate() {
        let mut source = Source::new(plan, block, input, picture, room);
        let (mut filled, mut done) = (0, 0);
        while done < block.side_out {
            let rows = filled..(filled + block.band.rows).min(block.side);
            filled = rows.end;
            source.rows(simd, rows, (number, panel), &mut ring, &mut ahead);
            lap(Part::Widen);
            let ready = block.ready(filled);
            if done == ready {
                continue;
            }
            let mut sums = [0.0; MAX_PANEL];
            let rows = DepthwiseRows {
                layer,
                panel,
                weights: &plan.weights[panel.weights.clone()],
                ring: &ring,
                map: (block.side, block.padding.0),
                act: plan.act,
                rows: done..ready,
                output: &mut wide[done * block.side_out * layer.channels + panel.first..],
                count: block.side_out,
                sums: &mut sums,
            };
            depthwise(simd, rows);
            for (total, sum) in pool[panel.first..][..panel.width()].iter_mut().zip(sums) {
                *total += sum;
            }
            done = ready;
            lap(Part::Depthwise);
        }
    }
}

/// Channels of the widest panel.
const MAX_PANEL: usize = 48;

/// Turns the channels' sums in `pool` into factors in `gates`.
fn squeeze_excite<S: Simd>(simd: S, plan: &Plan, layers: &SqueezeExcite, scratch: &mut Scratch) {
    let Scratch { pool, squeezed, gates, .. } = scratch;
    Pointwise { act: layers.act, ..Pointwise::new(plan, &layers.reduce, 1) }.run(simd, pool, squeezed);
    Pointwise::new(plan, &layers.expand, 1).run(simd, squeezed, gates);
    logistic(simd, &mut gates[..layers.expand.channels]);
}

/// Narrows: `wide`, each channel times its factor, to `output`.
fn project<S: Simd>(simd: S, plan: &Plan, block: &BlockPlan, scratch: &mut Scratch, mut lap: impl FnMut(Part)) {
    let Scratch { input, output, wide, gates, scaled, .. } = scratch;
    let layer = &block.project;
    let mut project = Pointwise::new(plan, layer, block.side_out * block.side_out);
    project.residual = block.residual.then_some(&input[..]);
    if block.squeeze_excite.is_some() {
        // Whatever is less work: the weights have as many values per channel as there are channels out.
        if project.pixels > layer.channels {
            let (mut from, mut to) = (project.weights, &mut scaled[..]);
            for panel in &layer.panels {
                scale_rows(simd, from, to, &gates[..layer.inputs], panel.step);
                (from, to) = (&from[panel.weights.len()..], &mut to[panel.weights.len()..]);
            }
            project.weights = scaled;
        } else {
            scale_channels(simd, &mut wide[..block.wide_map()], &gates[..block.depthwise.channels]);
        }
    }
    lap(Part::Scale);
    project.run(simd, wide, output);
    lap(Part::Project);
}

/// The last convolution: from the last block's output to the feature.
fn head<S: Simd>(simd: S, plan: &Plan, scratch: &mut Scratch, feature: &mut [f32]) {
    let [height, width, _] = plan.feature;
    Pointwise { act: plan.act, ..Pointwise::new(plan, &plan.head, height * width) }.run(simd, &scratch.input, feature);
    let gain = Gain::after(plan.act) as f32;
    if gain != 1.0 {
        feature.iter_mut().for_each(|value| *value *= gain);
    }
}

/// A 1x1 convolution of a whole map.
struct Pointwise<'a> {
    layer: &'a Dense,
    /// The layer's and those after them, or a scaled copy.
    weights: &'a [f32],
    pixels: usize,
    act: Act,
    residual: Option<&'a [f32]>,
}

impl<'a> Pointwise<'a> {
    fn new(plan: &'a Plan, layer: &'a Dense, pixels: usize) -> Self {
        let weights = &plan.weights[layer.panels[0].weights.start..];
        Self { layer, weights, pixels, act: Act::None, residual: None }
    }

    fn run<S: Simd>(self, simd: S, input: &[f32], output: &mut [f32]) {
        let Self { layer, mut weights, pixels, act, residual } = self;
        let step = padded(layer.inputs);
        for (number, panel) in layer.panels.iter().enumerate() {
            let pixels = Pixels { segments: &[input], length: layer.inputs, step, count: pixels };
            let values = &mut output[panel.first..];
            let residual = residual.map(|residual| &residual[panel.first..]);
            let output = Output { values, place: Place::Step(layer.channels), act, residual };
            let (own, rest) = weights.split_at(panel.weights.len());
            multiply(simd, pixels, (layer, number), own, output, &rest[..rest.len().min(own.len())]);
            weights = rest;
        }
    }
}
