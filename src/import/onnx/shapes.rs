//! The shapes of values that are not constants, as far as the picture's shape decides them.
//!
//! PyTorch's legacy exporter computes the padding of a convolution from the size of its input (timm's `tf_*` networks): that
//! is a constant once the sizes of all maps are known. An open batch counts as one picture, which is what a graph that
//! treats each picture alike may be narrowed to. What is not understood has no shape here, and nothing is folded from it.

use std::collections::HashMap;

use super::array::{Array, count};
use super::index::{axis_of, broadcast, permutation, squeezed, unsqueezed};
use super::padding::Border;
use super::proto::NodeProto;

/// Shapes by the name of the value.
#[derive(Default)]
pub(super) struct Shapes {
    known: HashMap<String, Vec<usize>>,
}

/// What is known of a node's inputs.
pub(super) trait Inputs {
    /// Shape of a constant.
    fn constant_shape(&self, name: &str) -> Option<Vec<usize>>;
    /// A small constant of whole numbers.
    fn integers(&self, name: &str) -> Option<Vec<i64>>;
}

impl Shapes {
    /// Takes the shape of the picture.
    pub(super) fn insert(&mut self, name: &str, shape: Vec<usize>) {
        self.known.insert(name.to_owned(), shape);
    }

    /// The shape of a value that is no constant.
    pub(super) fn get(&self, name: &str) -> Option<&[usize]> {
        self.known.get(name).map(Vec::as_slice)
    }

    /// What `Shape` makes of a value, by default of all its axes.
    pub(super) fn shape_node(&self, node: &NodeProto) -> Option<Array> {
        Some(ends_of(node, self.get(node.input_name(0)?)?))
    }

    /// Takes note of the shape of a node's output.
    pub(super) fn follow(&mut self, node: &NodeProto, inputs: &impl Inputs) {
        if let Some(shape) = self.output(node, inputs).filter(|shape| count(shape).is_some()) {
            self.known.insert(node.first_output().to_owned(), shape);
        }
    }

    fn output(&self, node: &NodeProto, inputs: &impl Inputs) -> Option<Vec<usize>> {
        let of = |index: usize| {
            let name = node.input_name(index)?;
            self.known.get(name).cloned().or_else(|| inputs.constant_shape(name))
        };
        let integers = |index: usize, attribute: &str| match node.input_name(index) {
            Some(name) => inputs.integers(name),
            None => node.ints(attribute).map(<[i64]>::to_vec),
        };
        let shape = of(0)?;
        let rank = shape.len();
        match node.op() {
            "Sigmoid" | "Relu" | "Clip" | "Cast" | "BatchNormalization" | "HardSigmoid" | "Tanh" | "Softmax" => {
                Some(shape)
            }
            "Add" | "Sub" | "Mul" | "Div" | "Min" | "Max" if node.input.len() == 2 => broadcast(&shape, &of(1)?),
            "Transpose" => {
                let perm = permutation(node.ints("perm")?, rank)?;
                Some(perm.into_iter().map(|axis| shape[axis]).collect())
            }
            "Squeeze" => squeezed(&shape, integers(1, "axes").as_deref()),
            "Unsqueeze" => unsqueezed(&shape, &integers(1, "axes")?),
            "GlobalAveragePool" if rank == 4 => Some(vec![shape[0], shape[1], 1, 1]),
            "ReduceMean" => {
                let axes: Vec<usize> =
                    integers(1, "axes")?.iter().map(|&axis| axis_of(axis, rank)).collect::<Option<_>>()?;
                let keeps = node.int("keepdims").unwrap_or(1) != 0;
                let kept = (0..rank).filter(|axis| keeps || !axes.contains(axis));
                Some(kept.map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] }).collect())
            }
            "Pad" if rank == 4 => {
                let border = Border::of_pads(&integers(1, "pads")?, integers(3, "axes").as_deref())?;
                Some(vec![shape[0], shape[1], border.padded_height(shape[2])?, border.padded_width(shape[3])?])
            }
            "Conv" if rank == 4 => convolved(node, &shape, &of(1)?),
            _ => None,
        }
    }
}

/// The lengths that a `Shape` node asks for, of all of a value's.
pub(super) fn ends_of(node: &NodeProto, shape: &[usize]) -> Array {
    let rank = shape.len() as i64;
    let bound = |name: &str, default: i64| {
        let bound = node.int(name).unwrap_or(default);
        (if bound < 0 { bound.saturating_add(rank) } else { bound }).clamp(0, rank) as usize
    };
    let (start, end) = (bound("start", 0), bound("end", rank));
    let lengths = shape.get(start..end).unwrap_or_default();
    Array::integers(lengths.iter().map(|&length| length as i64).collect())
}

fn convolved(node: &NodeProto, shape: &[usize], weight: &[usize]) -> Option<Vec<usize>> {
    let &[output, _, kernel_height, kernel_width] = weight else { return None };
    if node.ints("dilations").is_some_and(|dilations| dilations != [1, 1]) {
        return None;
    }
    let strides = node.ints("strides").unwrap_or(&[1, 1]);
    let &[down, right] = strides else { return None };
    let border = match node.text("auto_pad") {
        "" | "NOTSET" => Border::of_conv(node.ints("pads"))?,
        "VALID" => Border::default(),
        "SAME_UPPER" => Border::default(), // the size is the same as with the pads that it stands for
        _ => return None,
    };
    let is_same = node.text("auto_pad") == "SAME_UPPER";
    let length = |padded: usize, kernel: usize, stride: i64| {
        let stride = usize::try_from(stride).ok().filter(|&stride| stride > 0)?;
        if is_same { Some(padded.div_ceil(stride)) } else { Some(padded.checked_sub(kernel)? / stride + 1) }
    };
    Some(vec![
        shape[0],
        output,
        length(border.padded_height(shape[2])?, kernel_height, down)?,
        length(border.padded_width(shape[3])?, kernel_width, right)?,
    ])
}
