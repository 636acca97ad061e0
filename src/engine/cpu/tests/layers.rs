//! Each kernel on every layer shape of the networks we know, and on shapes that none of them has.

use std::collections::BTreeSet;

use super::naive::{Map, activate};
use super::{Numbers, assert_close, each_simd};
use crate::engine::cpu::aligned::Aligned;
use crate::engine::cpu::kernels::{
    Act, DepthwiseRows, Output, Pixels, Place, Simd, depthwise, logistic, multiply, scale_channels, scale_rows,
};
use crate::engine::cpu::pack::{Dense, Depthwise, Gain, Packer, Panel, Unpacked, padded};
use crate::engine::cpu::ring::Ring;
use crate::model::{Activation, Architecture, Convolution, Padding, Tensor};

/// Sides, kernels, strides and groups that matter for a kernel of ours: (inputs, outputs) of the dense layers.
fn dense_shapes() -> BTreeSet<(usize, usize)> {
    let known = Architecture::ALL.into_iter().flat_map(|architecture| {
        let network = architecture.network();
        network.convolutions().filter(|conv| conv.groups == 1).map(|conv| (conv.input, conv.output)).collect::<Vec<_>>()
    });
    let odd = [(1, 1), (1, 3), (3, 5), (5, 17), (17, 1), (23, 41), (9, 56), (2, 104), (33, 64), (4, 88), (7, 25)];
    known.chain(odd).collect()
}

fn convolution(input: usize, output: usize, kernel: usize, stride: usize, groups: usize) -> Convolution {
    Convolution { name: "test".into(), input, output, kernel, stride, groups }
}

/// What the kernels take for `x` and what their results lack: `Gain` folds both into weights.
fn activation(act: Act) -> fn(f64) -> f64 {
    match act {
        Act::None => |x| x,
        Act::Relu6 => |x| activate(Activation::Relu6, x),
        Act::Swish => |x| activate(Activation::Swish, x),
    }
}

fn rows_of(map: &[f32], step: usize, width: usize) -> Vec<f32> {
    map.chunks(step).flat_map(|pixel| &pixel[..width]).copied().collect()
}

fn pack(layer: Unpacked<'_>, panels: &mut [Panel]) -> Aligned {
    let mut packer = Packer::default();
    packer.place_all(layer, panels);
    packer.pack()
}

fn check_dense<S: Simd>(simd: S, isa: &str, (inputs, outputs): (usize, usize), count: usize, act: Act) {
    let mut numbers = Numbers((inputs * 31 + outputs * 7 + count) as u32);
    let conv = convolution(inputs, outputs, 1, 1, 1);
    let weight: Vec<f32> = numbers.vec(inputs * outputs).iter().map(|w| w * 3.0 / (inputs as f32).sqrt()).collect();
    let (bias, step) = (numbers.vec(outputs), padded(inputs));
    let input = numbers.vec(count * step);
    let residual = numbers.vec(count * padded(outputs));

    let gain = Gain { input: 1.0, output: Gain::before(act) };
    let mut layer = Dense::new::<S>(&conv, &bias, gain);
    let packed = pack(Unpacked::new(&conv, &weight, gain), &mut layer.panels);
    let mut output = vec![f32::NAN; count * layer.channels];
    for (number, panel) in layer.panels.iter().enumerate() {
        let pixels = Pixels { segments: &[&input], length: inputs, step, count };
        let residual = (act == Act::None).then_some(&residual[panel.first..]);
        let place = Place::Step(layer.channels);
        let output = Output { values: &mut output[panel.first..], place, act, residual };
        multiply(simd, pixels, (&layer, number), &packed[panel.weights.clone()], output, &weight);
    }

    let scale = Gain::after(act);
    let truth: Vec<f64> = (0..count * outputs)
        .map(|at| {
            let (pixel, to) = (at / outputs, at % outputs);
            let products = (0..inputs).map(|k| f64::from(input[pixel * step + k]) * f64::from(weight[to * inputs + k]));
            let added = if act == Act::None { f64::from(residual[pixel * layer.channels + to]) } else { 0.0 };
            (activation(act)(products.sum::<f64>() + f64::from(bias[to])) + added) / scale
        })
        .collect();
    let what = format!("{isa}, {inputs} -> {outputs}, {count} pixels, {act:?}");
    assert_close(&what, &rows_of(&output, layer.channels, outputs), &truth);
    let padding_is_zero =
        act == Act::None || output.chunks(layer.channels).all(|p| p[outputs..].iter().all(|v| *v == 0.0));
    assert!(padding_is_zero, "{what}: the channels after the last are zeros");
}

#[test]
fn every_dense_layer_shape_agrees_with_plain_arithmetic() {
    for shape in dense_shapes() {
        each_simd!(|simd, isa| {
            for act in [Act::None, Act::Relu6, Act::Swish] {
                check_dense(simd, isa, shape, 9, act);
            }
        });
    }
}

#[test]
fn every_number_of_pixels_agrees_with_plain_arithmetic() {
    for count in 1..=31 {
        for outputs in [8, 16, 24, 32, 40, 48] {
            each_simd!(|simd, isa| { check_dense(simd, isa, (11, outputs), count, Act::None) });
        }
    }
}

fn check_depthwise<S: Simd>(simd: S, isa: &str, conv: &Convolution, side: usize, padding: Padding) {
    let (kernel, channels) = (conv.kernel, conv.output);
    let mut numbers = Numbers((channels * 131 + kernel * 17 + side) as u32);
    let weight = Tensor::new(conv.weight_shape().to_vec(), numbers.vec(channels * kernel * kernel));
    let bias = Tensor::new(vec![channels], numbers.vec(channels));
    let input = numbers.vec(side * side * channels);

    let gain = Gain { input: 1.0, output: Gain::before(Act::Swish) };
    let mut layer = Depthwise::new::<S>(conv, &bias.values, gain);
    let packed = pack(Unpacked::new(conv, &weight.values, gain), &mut layer.panels);
    let (before, after) = padding.amounts(side, kernel, conv.stride);
    let (columns, count) = (before + side + after, side.div_ceil(conv.stride));
    let mut output = vec![f32::NAN; count * count * layer.channels];
    let mut sums = vec![0.0; layer.channels];
    let mut map = vec![0.0; side * columns * S::PITCH];
    let mut ring = Ring::new(&mut map, side, columns, S::PITCH, (before, after));
    for panel in &layer.panels {
        let map = ring.rows_mut(0..side);
        for (y, x) in (0..side * side).map(|pixel| (pixel / side, pixel % side)) {
            let to = &mut map[(y * columns + before + x) * S::PITCH..];
            for (to, from) in
                to.iter_mut().take(panel.width()).zip(&input[(y * side + x) * channels..][panel.first..channels])
            {
                *to = *from;
            }
        }
        // The first row alone, so that a range that does not begin at 0 is tried, too.
        for rows in [0..1, 1..count].into_iter().filter(|rows| !rows.is_empty()) {
            let rows = DepthwiseRows {
                layer: &layer,
                panel,
                weights: &packed[panel.weights.clone()],
                ring: &ring,
                map: (side, before),
                act: Act::Swish,
                output: &mut output[rows.start * count * layer.channels + panel.first..],
                rows,
                count,
                sums: &mut sums[panel.first..],
            };
            depthwise(simd, rows);
        }
    }

    let input = Map { side, channels, values: input.into_iter().map(f64::from).collect() };
    let truth = input.convolve(conv, &|_| (&weight, &bias), padding).values;
    let truth: Vec<f64> = truth.iter().map(|x| activate(Activation::Swish, *x) / Gain::after(Act::Swish)).collect();
    let totals: Vec<f64> = (0..channels).map(|channel| truth.iter().skip(channel).step_by(channels).sum()).collect();
    let what = format!("{isa}, {channels} channels, {kernel}x{kernel} / {}, side {side}, {padding:?}", conv.stride);
    assert_close(&what, &rows_of(&output, layer.channels, channels), &truth);
    assert_close(&format!("{what}, sums"), &sums[..channels], &totals);
}

#[test]
fn every_depthwise_layer_shape_agrees_with_plain_arithmetic() {
    let network = Architecture::EfficientNetB0.network();
    let known: BTreeSet<_> =
        network.blocks.iter().map(|b| (b.depthwise.output, b.depthwise.kernel, b.depthwise.stride)).collect();
    for (channels, kernel, stride) in known {
        let conv = convolution(channels, channels, kernel, stride, channels);
        each_simd!(|simd, isa| { check_depthwise(simd, isa, &conv, 7, Padding::Same) });
    }
}

#[test]
fn odd_and_tiny_maps_agree_with_plain_arithmetic() {
    for (channels, kernel, stride) in [(1, 3, 1), (3, 5, 1), (5, 3, 2), (17, 5, 2), (24, 5, 1), (41, 3, 1)] {
        let conv = convolution(channels, channels, kernel, stride, channels);
        for (side, padding) in (1..=17).flat_map(|side| [(side, Padding::Same), (side, Padding::Symmetric)]) {
            each_simd!(|simd, isa| { check_depthwise(simd, isa, &conv, side, padding) });
        }
    }
}

#[test]
fn the_logistic_function_is_right_to_the_last_bits_over_its_whole_range() {
    let inputs: Vec<f32> =
        (-4000..4000).map(|x| x as f32 / 31.0).chain([-1e30, -1e3, 1e3, 1e30, 0.0, -0.0, 1e-30, 64.0]).collect();
    each_simd!(|simd, isa| {
        let mut values = inputs.clone();
        logistic(simd, &mut values);
        for (t, value) in inputs.iter().zip(values) {
            let truth = 1.0 / (1.0 + f64::from(*t).exp2());
            // Beyond 2^126 the result is below any normal number: zero or nearly.
            let close = (f64::from(value) - truth).abs() <= 3e-7 * truth + 2e-38;
            assert!(close, "{isa}: {value:e} is not {truth:e} at {t}");
        }
    });
}

#[test]
fn factors_reach_every_channel() {
    let mut numbers = Numbers(5);
    for channels in [8, 16, 24, 32, 40, 48, 56, 1152] {
        let (map, factors, by_row) = (numbers.vec(3 * channels), numbers.vec(channels), numbers.vec(3));
        each_simd!(|simd, isa| {
            let (mut scaled, mut rows) = (map.clone(), vec![0.0; map.len()]);
            scale_channels(simd, &mut scaled, &factors);
            scale_rows(simd, &map, &mut rows, &by_row, channels);
            for (at, value) in map.iter().enumerate() {
                assert_eq!(scaled[at], value * factors[at % channels], "{isa}, {channels} channels");
                assert_eq!(rows[at], value * by_row[at / channels], "{isa}, {channels} channels");
            }
        });
    }
}
