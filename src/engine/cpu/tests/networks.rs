//! Whole networks of odd shapes, which reach every edge, tail and path of the pass.

use std::collections::BTreeMap;

use super::naive::feature;
use super::{Numbers, assert_close, each_simd};
use crate::engine::cpu::forward::forward;
use crate::engine::cpu::plan::Plan;
use crate::engine::cpu::profile::Unmeasured;
use crate::engine::cpu::scratch::Scratch;
use crate::model::{Activation, Architecture, Block, Convolution, Network, Padding, SqueezeExcite, Tensor, seeded};

fn convolution(name: &str, input: usize, output: usize) -> Convolution {
    Convolution { name: name.into(), input, output, kernel: 1, stride: 1, groups: 1 }
}

/// A block of these widths; `wide == input` means none is expanded.
fn block(
    name: &str,
    (input, wide, output): (usize, usize, usize),
    kernel: usize,
    stride: usize,
    squeeze: bool,
) -> Block {
    let part = |part: &str| format!("{name}.{part}");
    Block {
        name: name.into(),
        expand: (wide != input).then(|| convolution(&part("expand"), input, wide)),
        depthwise: Convolution { kernel, stride, groups: wide, ..convolution(&part("depthwise"), wide, wide) },
        squeeze_excite: squeeze.then(|| SqueezeExcite {
            reduce: convolution(&part("reduce"), wide, (input / 4).max(1)),
            expand: convolution(&part("se_expand"), (input / 4).max(1), wide),
        }),
        project: convolution(&part("project"), wide, output),
        residual: stride == 1 && input == output,
    }
}

fn network(side: usize, activation: Activation, squeeze: bool) -> Network {
    let stem = Convolution { kernel: 3, stride: 2, ..convolution("stem", 3, 17) };
    let blocks = vec![
        block("a", (17, 17, 5), 3, 1, squeeze),
        block("b", (5, 51, 5), 5, 1, squeeze),
        block("c", (5, 5, 5), 3, 1, squeeze),
        block("d", (5, 30, 3), 3, 2, squeeze),
        block("e", (3, 105, 41), 5, 2, squeeze),
        block("f", (41, 41, 41), 5, 1, squeeze),
    ];
    Network { side, activation, stem, blocks, head: convolution("head", 41, 40) }
}

fn weights(network: &Network) -> BTreeMap<String, Tensor> {
    let mut numbers = Numbers(20_210_513);
    let mut tensors = BTreeMap::new();
    for conv in network.convolutions() {
        let shape = conv.weight_shape();
        let fan_in = (shape[1] * shape[2] * shape[3]) as f32;
        let values = numbers.vec(shape.iter().product()).iter().map(|w| w * (6.0 / fan_in).sqrt()).collect();
        tensors.insert(conv.weight_name(), Tensor::new(shape.to_vec(), values));
        tensors.insert(conv.bias_name(), Tensor::new(vec![conv.output], numbers.vec(conv.output)));
    }
    tensors
}

fn check(network: &Network, padding: Padding) {
    let tensors = weights(network);
    let lookup = |conv: &Convolution| (&tensors[&conv.weight_name()], &tensors[&conv.bias_name()]);
    let pictures = [3, 4].map(|seed| Numbers(seed).vec(network.side * network.side * 3));
    let truths = pictures.each_ref().map(|picture| feature(network, padding, &lookup, picture));

    each_simd!(|simd, isa| {
        // `Plan::of` is told which kernels to pack for by a value, because the macro knows no type.
        let plan = plan_for(simd, network, padding, &lookup);
        let mut scratch = Scratch::new(&plan);
        for (picture, truth) in pictures.iter().zip(&truths) {
            let mut feature = vec![f32::NAN; plan.feature.iter().product()];
            forward(simd, &plan, &mut scratch, picture, &mut feature, &mut Unmeasured);
            assert_close(
                &format!("{isa}, side {}, {:?}, {padding:?}", network.side, network.activation),
                &feature,
                truth,
            );
        }
    });
}

fn plan_for<'a, S: crate::engine::cpu::kernels::Simd>(
    _: S,
    network: &Network,
    padding: Padding,
    weights: &dyn Fn(&Convolution) -> (&'a Tensor, &'a Tensor),
) -> Plan {
    Plan::of::<S>(network, padding, weights).expect("the network is one of ours in kind")
}

#[test]
fn networks_of_any_side_agree_with_plain_arithmetic() {
    for side in (1..=12).chain([17, 31, 45]) {
        for padding in [Padding::Same, Padding::Symmetric] {
            check(&network(side, Activation::Swish, true), padding);
            check(&network(side, Activation::Relu6, false), padding);
        }
    }
}

/// As in `feature_parity`.
const REL_L2: f64 = 1e-5;

/// Reduced, so that plain arithmetic takes no minutes; every width and every block is the true one.
const REDUCED_SIDE: usize = 33;

#[test]
fn every_architecture_agrees_with_plain_arithmetic() {
    for architecture in Architecture::ALL {
        let weights = seeded(architecture);
        let network = Network { side: REDUCED_SIDE, ..architecture.network() };
        let lookup = |conv: &Convolution| weights.of(conv);
        let picture = Numbers(5).vec(network.side * network.side * 3);
        let truth = feature(&network, Padding::Same, &lookup, &picture);

        each_simd!(|simd, isa| {
            let plan = plan_for(simd, &network, Padding::Same, &lookup);
            let mut found = vec![f32::NAN; plan.feature.iter().product()];
            forward(simd, &plan, &mut Scratch::new(&plan), &picture, &mut found, &mut Unmeasured);
            let square = found.iter().zip(&truth).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>();
            let rel_l2 = (square / truth.iter().map(|value| value * value).sum::<f64>()).sqrt();
            eprintln!("{isa}, {architecture}: rel-l2 {rel_l2:.1e}");
            assert!(rel_l2 <= REL_L2, "{isa}, {architecture}: rel-l2 {rel_l2:e}");
        });
    }
}

#[test]
fn a_network_that_the_kernels_were_not_written_for_is_refused_by_its_layer() {
    let mut network = network(32, Activation::Swish, true);
    network.blocks[2].depthwise.kernel = 7;
    let tensors = weights(&network);

    let lookup = |conv: &Convolution| (&tensors[&conv.weight_name()], &tensors[&conv.bias_name()]);
    let error = Plan::of::<crate::engine::cpu::kernels::Portable>(&network, Padding::Same, &lookup);

    let message = error.err().expect("must be refused").to_string();
    assert!(message.contains("c.depthwise"), "{message}");
}
