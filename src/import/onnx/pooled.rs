//! The shape of a squeezed value: one number per channel, in whatever axes an exporter leaves it.
//!
//! Between the mean over the picture and the next convolution exporters squeeze, reshape and transpose; all of that is
//! without effect as long as it ends in N, C, 1, 1, and that is what this follows.

use super::array::MAX_RANK;
use super::graph::Graph;
use super::index::{axis_of, permutation, squeezed, unsqueezed};
use super::proto::NodeProto;
use crate::import::Refusal;

/// Stands for the batch in a shape: its length is nobody's concern.
const BATCH: usize = 0;

/// A shape whose axes are the batch, the channels and ones.
#[derive(Clone, Debug)]
pub(super) struct Pooled {
    shape: Vec<usize>,
    channels: usize,
}

impl Pooled {
    /// N, C, 1, 1.
    pub(super) fn new(channels: usize) -> Self {
        Self { shape: vec![BATCH, channels, 1, 1], channels }
    }

    /// The mean over the picture that `node` takes; absent where it is nothing of the kind.
    ///
    /// `axes` tells which of N, C, H, W each axis of its input is: tf2onnx's operator set 18 turns to N, H, W, C first.
    /// Then come the channels, and the height and width of the picture.
    pub(super) fn mean(
        graph: &Graph,
        node: &NodeProto,
        axes: &[usize],
        [channels, side]: [usize; 2],
    ) -> Result<Option<Self>, Refusal> {
        let is_global_pool = node.op() == "GlobalAveragePool" || is_global(node, side);
        if !is_global_pool && node.op() != "ReduceMean" {
            return Ok(None);
        }
        let over = if is_global_pool { vec![2, 3] } else { integers(graph, node, 1, "axes")?.unwrap_or_default() };
        let positions: Option<Vec<usize>> = over.iter().map(|&axis| axis_of(axis, axes.len())).collect();
        let picture: Option<Vec<usize>> = positions.map(|positions| positions.iter().map(|&at| axes[at]).collect());
        if !matches!(picture.as_deref(), Some([2, 3] | [3, 2])) {
            return Err(node.refuse(format!("it takes the mean over axes {over:?}"), "height and width"));
        }
        let keeps_axes = is_global_pool || node.int("keepdims").unwrap_or(1) != 0;
        let kept = axes.iter().filter(|&&axis| keeps_axes || axis < 2);
        let shape = kept.map(|&axis| Self::new(channels).shape[axis]).collect();
        Ok(Some(Self { shape, channels }))
    }

    /// Whether a convolution can take it.
    pub(super) fn is_picture(&self) -> bool {
        self.shape == [BATCH, self.channels, 1, 1]
    }

    /// Whether a dense layer can take it.
    pub(super) fn is_flat(&self) -> bool {
        self.shape == [BATCH, self.channels]
    }

    /// Applies a node that only changes the shape; false where it is nothing of the kind.
    pub(super) fn apply(&mut self, graph: &Graph, node: &NodeProto) -> Result<bool, Refusal> {
        let shape = match node.op() {
            "Squeeze" => squeezed(&self.shape, integers(graph, node, 1, "axes")?.as_deref()),
            "Unsqueeze" => integers(graph, node, 1, "axes")?.and_then(|axes| unsqueezed(&self.shape, &axes)),
            "Transpose" => (node.ints("perm").and_then(|perm| permutation(perm, self.shape.len())))
                .map(|perm| perm.iter().map(|&axis| self.shape[axis]).collect()),
            "Flatten" => (node.int("axis").unwrap_or(1) == 1).then(|| vec![BATCH, self.channels]),
            "Reshape" => integers(graph, node, 1, "shape")?.and_then(|target| self.reshaped(&target, graph.batch())),
            _ => return Ok(false),
        };
        let expected = || format!("a shape of the batch, {} channels and ones", self.channels);
        self.shape = shape.ok_or_else(|| node.refuse("its shape cannot be followed", expected()))?;
        Ok(true)
    }

    /// The first axis stays the batch; of the others, 0 keeps a length and one -1 takes what is left.
    fn reshaped(&self, target: &[i64], batch: Option<usize>) -> Option<Vec<usize>> {
        let fixed = batch.and_then(|batch| i64::try_from(batch).ok()).unwrap_or(1);
        let (first, rest) = target.split_first()?;
        if target.len() > MAX_RANK {
            return None;
        }
        let free = target.iter().filter(|&&length| length == -1).count();
        if self.shape.first() != Some(&BATCH) || ![-1, 0, 1, fixed].contains(first) || free > 1 {
            return None;
        }
        let kept = |(axis, &length): (usize, &i64)| match length {
            0 => self.shape.get(axis + 1).copied().map(Some),
            -1 => Some(None),
            length => usize::try_from(length).ok().map(Some),
        };
        let lengths: Vec<Option<usize>> = rest.iter().enumerate().map(kept).collect::<Option<_>>()?;
        let left = if lengths.contains(&Some(self.channels)) { 1 } else { self.channels };
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length.unwrap_or(left)).collect();
        let wide: Vec<usize> = lengths.iter().copied().filter(|&length| length != 1).collect();
        (wide == [self.channels]).then(|| [&[BATCH], lengths.as_slice()].concat())
    }
}

/// Whether an `AveragePool` takes the mean of the whole picture: Hugging Face's has a window as wide as there are channels,
/// which is cut off at the picture's edges.
fn is_global(node: &NodeProto, side: usize) -> bool {
    let window = node.ints("kernel_shape").unwrap_or_default();
    let covers = |length: i64| usize::try_from(length).is_ok_and(|length| length >= side);
    let is_cut = window == [side as i64; 2] || node.int("ceil_mode").unwrap_or(0) != 0;
    let is_padded = node.ints("pads").is_some_and(|pads| pads.iter().any(|&pad| pad != 0));
    let is_plain = matches!(node.text("auto_pad"), "" | "NOTSET" | "VALID");
    node.op() == "AveragePool"
        && window.len() == 2
        && window.iter().all(|&length| covers(length))
        && is_cut
        && !is_padded
        && is_plain
}

/// Whole numbers from a constant input or, in older operator sets, from an attribute.
pub(super) fn integers(
    graph: &Graph,
    node: &NodeProto,
    input: usize,
    attribute: &str,
) -> Result<Option<Vec<i64>>, Refusal> {
    let Some(name) = node.input_name(input) else { return Ok(node.ints(attribute).map(<[i64]>::to_vec)) };
    let constant = graph.constant(name)?;
    match constant.as_deref().and_then(|array| array.as_integers()) {
        Some(values) => Ok(Some(values.to_vec())),
        None => Err(node.refuse(format!("its {attribute} are computed"), "constant whole numbers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshapes_are_followed_as_exporters_write_them() {
        let flat = Pooled { shape: vec![BATCH, 8], channels: 8 };

        assert_eq!(flat.reshaped(&[-1, 8, 1, 1], None), Some(vec![BATCH, 8, 1, 1]));
        assert_eq!(flat.reshaped(&[0, -1, 1, 1], None), Some(vec![BATCH, 8, 1, 1]));
        assert_eq!(flat.reshaped(&[1, 1, 1, 8], None), Some(vec![BATCH, 1, 1, 8]));
        assert_eq!(flat.reshaped(&[0, 0, 1, 1], None), Some(vec![BATCH, 8, 1, 1]));
        assert_eq!(flat.reshaped(&[-1, 4, 2, 1], None), None);
        assert_eq!(flat.reshaped(&[4, 8, 1, 1], None), None);
        assert_eq!(flat.reshaped(&[4, 8, 1, 1], Some(4)), Some(vec![BATCH, 8, 1, 1]));
        assert_eq!(flat.reshaped(&[8, -1], None), None);
        assert_eq!(flat.reshaped(&[-1, 8, 1, 1, 1, 1, 1, 1, 1], None), None);
    }
}
