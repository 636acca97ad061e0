//! One multiplication and one addition per channel: what batch normalisation and preprocessing both come to.

use super::array::Values;
use super::graph::Graph;
use super::node::quoted;
use super::proto::NodeProto;
use crate::import::Refusal;

/// ONNX's default for `BatchNormalization`.
const DEFAULT_EPSILON: f32 = 1e-5;
/// Pictures and features have four axes, whatever their order.
pub(super) const RANK: usize = 4;

/// `y = scale * x + shift` per channel, in f64.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Affine {
    /// One factor per channel.
    pub(super) scale: Vec<f64>,
    /// One summand per channel.
    pub(super) shift: Vec<f64>,
}

impl Affine {
    /// Changes nothing.
    pub(super) fn identity(channels: usize) -> Self {
        Self { scale: vec![1.0; channels], shift: vec![0.0; channels] }
    }

    /// This, then `next`.
    pub(super) fn then(&mut self, next: &Self) {
        for (channel, (scale, shift)) in self.scale.iter_mut().zip(&mut self.shift).enumerate() {
            *scale *= next.scale[channel];
            *shift = *shift * next.scale[channel] + next.shift[channel];
        }
    }

    /// What `node` does to `value`, whose channels are on axis `axis` of four; absent where the node is nothing of
    /// the kind.
    pub(super) fn read(
        graph: &Graph,
        node: &NodeProto,
        value: &str,
        axis: usize,
        channels: usize,
    ) -> Result<Option<Self>, Refusal> {
        let identity = Self::identity(channels);
        if node.op() == "BatchNormalization" && node.input_name(0) == Some(value) && axis == 1 {
            return batch_normalization(graph, node, channels).map(Some);
        }
        let is_arithmetic = matches!(node.op(), "Mul" | "Div" | "Add" | "Sub");
        let Some(operand) = node.operand_beside(value).filter(|_| is_arithmetic) else { return Ok(None) };
        let Some(constant) = per_channel(graph, node, operand, axis, channels)? else { return Ok(None) };
        let first = node.input_name(0) == Some(value);
        Ok(match node.op() {
            "Mul" => Some(Self { scale: constant, ..identity }),
            "Div" if first => Some(Self { scale: constant.iter().map(|value| value.recip()).collect(), ..identity }),
            "Add" => Some(Self { shift: constant, ..identity }),
            "Sub" if first => Some(Self { shift: constant.iter().map(|value| -value).collect(), ..identity }),
            "Sub" => Some(Self { scale: vec![-1.0; channels], shift: constant }),
            _ => None,
        })
    }
}

/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, as `model::BatchNorm` folds it, but kept in f64.
fn batch_normalization(graph: &Graph, node: &NodeProto, channels: usize) -> Result<Affine, Refusal> {
    if node.int("training_mode").unwrap_or(0) != 0 {
        return Err(node.refuse("it is in training mode", "a model exported for inference"));
    }
    let vector =
        |index: usize, what: &str| {
            let name = node.input_name(index).unwrap_or_default();
            match graph.constant_shape(name)? {
                Some(shape) if shape == [channels] => reals(graph, node, name),
                Some(shape) => Err(node
                    .refuse(format!("its {what} {} has shape {shape:?}", quoted(name)), format!("shape [{channels}]"))),
                None => Err(node.refuse(format!("its {what} {} is computed", quoted(name)), "a constant in the file")),
            }
        };
    let [gamma, beta] = [vector(1, "scale")?, vector(2, "offset")?];
    let [mean, variance] = [vector(3, "mean")?, vector(4, "variance")?];
    let epsilon = f64::from(node.attribute("epsilon").map_or(DEFAULT_EPSILON, |attribute| attribute.f));
    let scale: Vec<f64> =
        gamma.iter().zip(&variance).map(|(gamma, variance)| gamma / (variance + epsilon).sqrt()).collect();
    if let Some(channel) = scale.iter().position(|scale| !scale.is_finite()) {
        let found = format!("channel {channel} has variance {} and epsilon {epsilon}", variance[channel]);
        return Err(node.refuse(found, "a sum above 0"));
    }
    let shift = (0..channels).map(|channel| beta[channel] - mean[channel] * scale[channel]).collect();
    Ok(Affine { scale, shift })
}

/// A constant operand as one value per channel; absent where it is not a constant.
fn per_channel(
    graph: &Graph,
    node: &NodeProto,
    name: &str,
    axis: usize,
    channels: usize,
) -> Result<Option<Vec<f64>>, Refusal> {
    let Some(shape) = graph.constant_shape(name)? else { return Ok(None) };
    // Shapes are aligned at their last axis.
    let own_axis = (axis + shape.len()).checked_sub(RANK);
    let fits = |(index, &length): (usize, &usize)| length == 1 || (length == channels && Some(index) == own_axis);
    if shape.len() > RANK || !shape.iter().enumerate().all(fits) {
        let found = format!("its operand {} has shape {shape:?}", quoted(name));
        return Err(node.refuse(found, format!("one value or {channels}, one per channel")));
    }
    let values = reals(graph, node, name)?;
    Ok(Some(if values.len() == 1 { vec![values[0]; channels] } else { values }))
}

/// A constant's numbers, all finite.
pub(super) fn reals(graph: &Graph, node: &NodeProto, name: &str) -> Result<Vec<f64>, Refusal> {
    let refuse = |problem| Err(Refusal::Unsound { tensor: quoted(name), problem });
    match graph.constant(name)?.map(|array| array.into_owned().values) {
        Some(Values::Real(values)) => match values.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                refuse(format!("value {at} is {}, expected finite numbers (used by {})", values[at], node.label()))
            }
            None => Ok(values),
        },
        Some(Values::Integer(_)) => {
            refuse(format!("it holds whole numbers, expected float32 (used by {})", node.label()))
        }
        None => refuse(format!("it is computed, expected a constant (used by {})", node.label())),
    }
}
