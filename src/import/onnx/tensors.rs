//! From matched convolutions to the tensors of a weight file.

use std::collections::BTreeMap;

use super::affine::reals;
use super::graph::Graph;
use super::node::quoted;
use super::walk::Found;
use crate::import::Refusal;
use crate::model::Tensor;

/// Weight and bias of every convolution found, batch normalisation folded in.
pub(super) fn tensors(graph: &Graph, found: &[Found<'_>]) -> Result<BTreeMap<String, Tensor>, Refusal> {
    let mut tensors = BTreeMap::new();
    for found in found {
        let (weight, bias) = folded(graph, found)?;
        tensors.insert(found.conv.weight_name(), Tensor::new(found.conv.weight_shape().to_vec(), weight));
        tensors.insert(found.conv.bias_name(), Tensor::new(vec![found.conv.output], bias));
    }
    Ok(tensors)
}

/// `scale * (w*x + b) + shift`, in f64, rounded to f32 once at the end.
fn folded(graph: &Graph, found: &Found<'_>) -> Result<(Vec<f32>, Vec<f32>), Refusal> {
    let Found { node, conv, affine } = found;
    let weight = reals(graph, node, node.input_name(1).unwrap_or_default())?;
    let bias = match node.input_name(2) {
        Some(name) => reals(graph, node, name)?,
        None => vec![0.0; conv.output], // exporters drop a bias that is zero throughout
    };
    if bias.len() != conv.output {
        let name = quoted(node.input_name(2).unwrap_or_default());
        let found = format!("its bias {name} has {} values", bias.len());
        return Err(node.refuse(found, format!("{} ({})", conv.output, conv.name)));
    }
    let per_channel = weight.len() / conv.output;
    let weight = (weight.chunks_exact(per_channel).zip(&affine.scale))
        .flat_map(|(weights, scale)| weights.iter().map(move |weight| (weight * scale) as f32));
    let channels = bias.iter().zip(&affine.scale).zip(&affine.shift);
    let bias = channels.map(|((bias, scale), shift)| (bias * scale + shift) as f32).collect();
    Ok((weight.collect(), bias))
}
