//! The front of a graph: what happens to the picture before the first convolution.

use super::affine::{Affine, RANK};
use super::graph::Graph;
use super::index::permutation;
use super::node::quoted;
use super::proto::NodeProto;
use super::walk::describe;
use crate::import::Refusal;
use crate::model::Network;

/// Preprocessing: arithmetic per channel, with at most a change from N, H, W, C to N, C, H, W in between.
#[derive(Debug)]
pub(super) struct Front<'g> {
    /// The value that the first convolution, or the padding before it, takes.
    pub(super) value: &'g str,
    /// What was done to the picture, per RGB channel.
    pub(super) affine: Affine,
}

impl<'g> Front<'g> {
    /// Follows the input up to the first node that is neither arithmetic nor a change of layout.
    pub(super) fn read(graph: &'g Graph, network: &Network) -> Result<Self, Refusal> {
        let mut value = graph.input();
        // Where each axis of the current value was in the input. Which of them holds the channels shows at the end.
        let mut axes: Vec<usize> = (0..RANK).collect();
        let mut steps = Vec::new();
        while let Some(node) = graph.only_consumer(value) {
            match node.op() {
                "Transpose" => axes = transposed(&axes, node)?,
                "Mul" | "Add" | "Sub" | "Div" | "BatchNormalization" => steps.push((node, value, axes.clone())),
                _ => break,
            }
            value = node.first_output();
        }
        check_input(graph, &axes, network)?;

        let channel = axes[1];
        let mut front = Affine::identity(network.stem.input);
        for (node, value, axes) in steps {
            let axis = axes.iter().position(|&axis| axis == channel).unwrap_or_default();
            match Affine::read(graph, node, value, axis, network.stem.input)? {
                Some(affine) => front.then(&affine),
                None => return Err(node.refuse("it is no step of preprocessing", describe(&network.stem))),
            }
        }
        Ok(Self { value, affine: front })
    }
}

/// The input must be N, H, W, C or N, C, H, W with three channels, and of the network's size where it says one.
fn check_input(graph: &Graph, axes: &[usize], network: &Network) -> Result<(), Refusal> {
    let side = network.side;
    let refuse = |found: String| Refusal::Node {
        node: format!("input {}", quoted(graph.input())),
        found,
        expected: format!("a batch of {side} x {side} pictures, N, H, W, 3 or N, 3, H, W"),
    };
    if axes != [0, 1, 2, 3] && axes != [0, 3, 1, 2] {
        return Err(refuse(format!("its axes reach the first convolution in the order {axes:?}")));
    }
    let Some(shape) = graph.input_shape() else { return Ok(()) };
    let expected = [None, Some(network.stem.input), Some(side), Some(side)];
    let agrees = |(&axis, expected): (&usize, Option<usize>)| {
        let length = shape.get(axis).copied().flatten();
        length.is_none() || expected.is_none() || length == expected
    };
    if shape.len() != RANK || !axes.iter().zip(expected).all(agrees) {
        let lengths: Vec<String> = shape.iter().map(|length| length.map_or("?".into(), |l| l.to_string())).collect();
        return Err(refuse(format!("its shape is {}", lengths.join(" x "))));
    }
    Ok(())
}

/// Which axis of the original each axis is after a `Transpose`, given the same before it.
pub(super) fn transposed(axes: &[usize], node: &NodeProto) -> Result<Vec<usize>, Refusal> {
    let perm = node
        .ints("perm")
        .and_then(|perm| permutation(perm, axes.len()))
        .ok_or_else(|| node.refuse("it does not name four axes", "a change between N, H, W, C and N, C, H, W"))?;
    Ok(perm.into_iter().map(|axis| axes[axis]).collect())
}
