//! The front of a graph: what happens to the picture before the first convolution.

use super::affine::{Affine, RANK};
use super::graph::Graph;
use super::index::permutation;
use super::node::quoted;
use super::proto::NodeProto;
use super::walk::describe;
use crate::import::Refusal;
use crate::model::Network;

/// No network of the family takes larger pictures; above, a hostile size could overflow.
const MAX_SIDE: usize = 1 << 14;

/// Preprocessing, and what follows a convolution, has a handful of steps; each costs work for every channel.
pub(super) const MAX_STEPS: usize = 16;

/// Preprocessing: arithmetic per channel, with at most a change from N, H, W, C to N, C, H, W in between.
#[derive(Debug)]
pub(super) struct Front<'g> {
    /// The value that the first convolution, or the padding before it, takes.
    pub(super) value: &'g str,
    /// What was done to the picture, per RGB channel.
    pub(super) affine: Affine,
    /// Height and width of the picture, in pixels.
    pub(super) side: usize,
}

impl<'g> Front<'g> {
    /// Follows the input up to the first node that is neither arithmetic nor a change of layout.
    pub(super) fn read(graph: &'g Graph, network: &Network) -> Result<Self, Refusal> {
        let mut value = graph.input();
        // Where each axis of the current value was in the input. Which of them holds the channels shows at the end.
        let mut axes: Vec<usize> = (0..RANK).collect();
        let mut steps = Vec::new();
        while let Some(node) = graph.only_consumer(value) {
            if steps.len() > MAX_STEPS {
                return Err(
                    node.refuse(format!("it is step {} of preprocessing", steps.len()), describe(&network.stem))
                );
            }
            match node.op() {
                "Transpose" => axes = transposed(&axes, node)?,
                "Mul" | "Add" | "Sub" | "Div" | "BatchNormalization" => steps.push((node, value, axes.clone())),
                _ => break,
            }
            value = node.first_output();
        }
        let side = input_side(graph, value, &axes, network)?;

        let channel = axes[1];
        let mut front = Affine::identity(network.stem.input);
        for (node, value, axes) in steps {
            let axis = axes.iter().position(|&axis| axis == channel).unwrap_or_default();
            match Affine::read(graph, node, value, axis, network.stem.input)? {
                Some(affine) => front.then(&affine),
                None => return Err(node.refuse("it is no step of preprocessing", describe(&network.stem))),
            }
        }
        Ok(Self { value, affine: front, side })
    }
}

/// Height and width of the input, which must be N, H, W, C or N, C, H, W with three channels, square where it says so.
///
/// Where the file leaves the size open it is the network's.
fn input_side(graph: &Graph, value: &str, axes: &[usize], network: &Network) -> Result<usize, Refusal> {
    if axes != [0, 1, 2, 3] && axes != [0, 3, 1, 2] {
        let found = format!("its axes reach the first convolution in the order {axes:?}");
        return Err(refuse_input(graph, network, found));
    }
    let Some(shape) = graph.input_shape() else { return Ok(network.side) };
    let length = |axis: usize| shape.get(axes[axis]).copied().flatten();
    let is_three = length(1).is_none_or(|channels| channels == network.stem.input);
    match (length(2), length(3)) {
        _ if shape.len() != RANK || !is_three => {}
        (None, None) => return Ok(network.side),
        (Some(side), None) | (None, Some(side)) if side <= MAX_SIDE => return Ok(side),
        (Some(height), Some(width)) if height == width && height <= MAX_SIDE => return Ok(height),
        _ => {}
    }
    // A picture in the other layout says that the walk never got as far as the change of layout.
    let other = if axes == [0, 1, 2, 3] { [1, 2, 3] } else { [2, 3, 1] };
    let length = |axis: usize| shape.get(axis).copied().flatten();
    let is_other = shape.len() == RANK && length(other[2]) == Some(network.stem.input);
    match graph.consumers(value).next() {
        Some(node) if is_other && length(other[0]) == length(other[1]) => {
            Err(node.refuse("comes next", describe(&network.stem)))
        }
        _ => Err(refuse_input(graph, network, shape_of(shape))),
    }
}

fn shape_of(shape: &[Option<usize>]) -> String {
    let lengths: Vec<String> = shape.iter().map(|length| length.map_or("?".into(), |l| l.to_string())).collect();
    format!("its shape is {}", lengths.join(" x "))
}

fn refuse_input(graph: &Graph, network: &Network, found: String) -> Refusal {
    let side = network.side;
    Refusal::Node {
        node: format!("input {}", quoted(graph.input())),
        found,
        expected: format!("a batch of {side} x {side} pictures, N, H, W, 3 or N, 3, H, W"),
    }
}

/// Which axis of the original each axis is after a `Transpose`, given the same before it.
pub(super) fn transposed(axes: &[usize], node: &NodeProto) -> Result<Vec<usize>, Refusal> {
    let perm = node
        .ints("perm")
        .and_then(|perm| permutation(perm, axes.len()))
        .ok_or_else(|| node.refuse("it does not name four axes", "a change between N, H, W, C and N, C, H, W"))?;
    Ok(perm.into_iter().map(|axis| axes[axis]).collect())
}
