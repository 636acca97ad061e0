//! The classifier behind the features: a mean over the picture and one dense layer.

use super::affine::reals;
use super::graph::Graph;
use super::pooled::Pooled;
use super::proto::NodeProto;
use crate::import::Refusal;

/// A dense layer.
pub(super) struct Dense {
    /// Classes x channels.
    pub(super) weight: Vec<f32>,
    /// One value per class.
    pub(super) bias: Vec<f32>,
}

/// The dense layer on the mean of `features`.
///
/// `axes` tells which of N, C, H, W each axis of `features` is; then come its channels, and its height and width. What follows the layer, a softmax most often, is nobody's
/// concern.
pub(super) fn classifier(
    graph: &Graph,
    features: &str,
    axes: &[usize],
    [channels, side]: [usize; 2],
) -> Result<Dense, Refusal> {
    let absent = || Refusal::Classifier { problem: "nothing takes the mean of the features".into() };
    let expected = format!("a dense layer with {channels} inputs");
    let mut node = graph.only_consumer(features).ok_or_else(absent)?;
    let mut pooled = Pooled::mean(graph, node, axes, [channels, side])?.ok_or_else(absent)?;
    loop {
        let value = node.first_output();
        node = graph.only_consumer(value).ok_or_else(|| node.refuse("no node follows it", expected.as_str()))?;
        if pooled.apply(graph, node)? {
            continue;
        }
        let dense = if pooled.is_flat() { dense(graph, node, value, channels)? } else { None };
        return dense.ok_or_else(|| node.refuse("it follows the mean of the features", expected));
    }
}

/// What `node`, or it and the sum behind it, does to `value`; absent where it is no dense layer.
fn dense(graph: &Graph, node: &NodeProto, value: &str, channels: usize) -> Result<Option<Dense>, Refusal> {
    let is_one = |name: &str| node.attribute(name).is_none_or(|attribute| attribute.f == 1.0);
    let (is_transposed, bias) = match node.op() {
        "Gemm" if is_one("alpha") && is_one("beta") && node.int("transA").unwrap_or(0) == 0 => {
            (node.int("transB").unwrap_or(0) != 0, node.input_name(2))
        }
        "MatMul" => {
            let sum = graph.only_consumer(node.first_output()).filter(|sum| sum.op() == "Add");
            (false, sum.and_then(|sum| sum.operand_beside(node.first_output())))
        }
        _ => return Ok(None),
    };
    let (Some(first), Some(name)) = (node.input_name(0), node.input_name(1)) else { return Ok(None) };
    let Some(shape) = graph.constant_shape(name)?.filter(|shape| shape.len() == 2) else { return Ok(None) };
    let (inputs, classes) = if is_transposed { (shape[1], shape[0]) } else { (shape[0], shape[1]) };
    if first != value || inputs != channels {
        return Ok(None);
    }
    let bias = match bias {
        Some(name) => match graph.constant_shape(name)? {
            Some(shape) if shape.last() == Some(&classes) && shape.iter().product::<usize>() == classes => {
                reals(graph, node, name)?
            }
            _ => return Ok(None),
        },
        None => vec![0.0; classes], // exporters drop a bias that is zero throughout
    };
    let weight = reals(graph, node, name)?;
    let at = |class: usize, channel: usize| {
        weight[if is_transposed { class * channels + channel } else { channel * classes + class }] as f32
    };
    let weight = (0..classes).flat_map(|class| (0..channels).map(move |channel| at(class, channel))).collect();
    Ok(Some(Dense { weight, bias: bias.into_iter().map(|value| value as f32).collect() }))
}
