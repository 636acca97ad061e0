//! Networks that onnxruntime laid out in blocks of channels, at its level `all`, put back into plain order.
//!
//! The operators of its domain `com.microsoft.nchwc` take values as N, C / b, H, W, b with blocks of b channels: 16 with AVX-512 and
//! on Arm, 8 with AVX. Filters lie in that order, too, and channels are filled up with zeros to whole blocks (onnxruntime's
//! `nchwc_transformer.cc`, and `reorder.cpp` of its mlas).

use std::collections::HashMap;

use super::array::{Array, shape_of};
use super::file::ExternalData;
use super::node::quoted;
use super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use crate::import::Refusal;

const DOMAIN: &str = "com.microsoft.nchwc";
/// The blocks that there are, the larger one first.
const BLOCKS: [usize; 2] = [16, 8];
/// Which inputs of a convolution its filter and its bias are.
const FILTER: usize = 1;
const BIAS: usize = 2;

/// The graph without such operators: the same network, its filters as O, I, H, W.
///
/// # Errors
/// A filter is not laid out as onnxruntime does it, or an operator is none that a network of petrec's has.
pub(super) fn unblocked(mut graph: GraphProto, external: &ExternalData) -> Result<GraphProto, Refusal> {
    let (mut nodes, others): (Vec<_>, Vec<_>) = graph.node.iter_mut().partition(|node| node.domain == DOMAIN);
    if nodes.is_empty() {
        return Ok(graph);
    }
    let mut tensors = Tensors::new(&mut graph.initializer, external);
    let block = tensors.block(&nodes)?;
    for node in &mut nodes {
        match &*node.op_type {
            "Conv" => tensors.convolution(node, block)?,
            "ReorderInput" => reorder(node, [0, 3, 1, 2]),
            "ReorderOutput" => reorder(node, [0, 2, 3, 1]),
            "GlobalAveragePool" | "GlobalMaxPool" | "AveragePool" | "MaxPool" => node.domain.clear(),
            _ => return Err(refused(node)),
        }
    }
    for node in others {
        if node.op_type == "Reshape" && tensors.parts_blocks(node, block)? {
            (node.op_type, node.attribute) = ("Identity".into(), Vec::new());
            node.input.truncate(1);
        }
    }
    Ok(graph)
}

fn refused(node: &NodeProto) -> Refusal {
    Refusal::Layout { node: node.label(), domain: quoted(&node.domain) }
}

/// In plain order there is nothing to reorder, but for the channels of a value that has them last.
fn reorder(node: &mut NodeProto, permutation: [i64; 4]) {
    const INTS: i32 = 7;
    let is_last = node.int("channels_last").is_some_and(|last| last != 0);
    let perm = AttributeProto { name: "perm".into(), ints: permutation.into(), r#type: INTS, ..Default::default() };
    node.domain.clear();
    node.op_type = if is_last { "Transpose" } else { "Identity" }.into();
    node.attribute = if is_last { vec![perm] } else { Vec::new() };
}

/// The stored tensors, of which those in blocks are put into plain order.
struct Tensors<'a> {
    stored: &'a mut [TensorProto],
    external: &'a ExternalData,
    places: HashMap<String, usize>,
    /// Channels of the filters and biases that are done, by their places: two convolutions may share one.
    done: HashMap<usize, usize>,
}

impl<'a> Tensors<'a> {
    fn new(stored: &'a mut [TensorProto], external: &'a ExternalData) -> Self {
        let places = stored.iter().enumerate().map(|(place, tensor)| (tensor.name.clone(), place)).collect();
        Self { stored, external, places, done: HashMap::new() }
    }

    /// Where an input of `node` is stored.
    fn place(&self, node: &NodeProto, input: usize) -> Result<usize, Refusal> {
        let name = node.input_name(input).ok_or_else(|| refused(node))?;
        let missing = || Refusal::Missing { node: node.label(), tensor: quoted(name) };
        self.places.get(name).copied().ok_or_else(missing)
    }

    /// Whether a `Reshape` does nothing but to make an axis of the blocks, for operators that know nothing of them, or to join them again.
    fn parts_blocks(&self, node: &NodeProto, block: usize) -> Result<bool, Refusal> {
        let place = node.input_name(1).and_then(|name| self.places.get(name));
        let shape = place.map(|place| Array::decode(&self.stored[*place], self.external)).transpose()?;
        let shape = shape.as_ref().and_then(Array::as_integers);
        Ok(shape.is_some_and(|shape| match shape {
            [0, _, 0, 0] => true,
            [0, _, 0, 0, last] => usize::try_from(*last) == Ok(block),
            _ => false,
        }))
    }

    /// The channels in a block: the most that all filters are whole blocks of.
    fn block(&self, nodes: &[&mut NodeProto]) -> Result<usize, Refusal> {
        let mut lengths = Vec::new();
        for node in nodes.iter().filter(|node| node.op_type == "Conv") {
            let place = self.place(node, FILTER)?;
            lengths.push(shape_of(&self.stored[place])?.first().copied().unwrap_or_default());
        }
        let fits = |block: &&usize| lengths.iter().all(|length| length.is_multiple_of(**block));
        BLOCKS.iter().find(fits).copied().ok_or_else(|| refused(nodes[0]))
    }

    /// Makes a convolution one with a filter in plain order, which has the channels that there were before they were filled up.
    fn convolution(&mut self, node: &mut NodeProto, block: usize) -> Result<(), Refusal> {
        let place = self.place(node, FILTER)?;
        let bias = if node.input_name(BIAS).is_some() { Some(self.place(node, BIAS)?) } else { None };
        let is_depthwise = node.int("group").is_some_and(|group| group > 1);
        let channels = match self.done.get(&place) {
            Some(&channels) => channels,
            None => {
                let filter = Array::decode(&self.stored[place], self.external)?;
                let filter = Filter::plain(&filter, block).ok_or_else(|| refused(node))?;
                let biases = bias.map(|bias| Array::decode(&self.stored[bias], self.external)).transpose()?;
                let biases = biases.as_ref().and_then(Array::as_reals).unwrap_or_default();
                let filter = filter.without_filling(biases, block);
                self.put(place, &filter.shape, &filter.values);
                filter.shape[0]
            }
        };
        self.done.insert(place, channels);
        if let Some(bias) = bias.filter(|bias| !self.done.contains_key(bias)) {
            let values = Array::decode(&self.stored[bias], self.external)?;
            let values = values.as_reals().and_then(|values| values.get(..channels)).ok_or_else(|| refused(node))?;
            self.put(bias, &[channels], values);
            self.done.insert(bias, channels);
        }
        if is_depthwise && let Some(group) = node.attribute.iter_mut().find(|attribute| attribute.name == "group") {
            group.i = i64::try_from(channels).unwrap_or(i64::MAX);
        }
        // Its further input and its activation are those of this operator.
        (node.op_type, node.domain) = ("FusedConv".into(), "com.microsoft".into());
        Ok(())
    }

    fn put(&mut self, place: usize, shape: &[usize], values: &[f64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.stored[place] = TensorProto {
            name: self.stored[place].name.clone(),
            dims: shape.iter().map(|&length| i64::try_from(length).unwrap_or(i64::MAX)).collect(),
            data_type: TensorProto::DOUBLE,
            raw_data: bytes.into(),
            ..TensorProto::default()
        };
    }
}

/// A filter in plain order, O x I x H x W.
struct Filter {
    shape: [usize; 4],
    values: Vec<f64>,
}

impl Filter {
    /// From blocks: O / b, I / c, H, W, c, b, where `b` is `block`; `c` is that, too, or 1 where the input has fewer channels and lies in
    /// plain order, or is one channel for each output.
    fn plain(array: &Array, block: usize) -> Option<Self> {
        let shape: [usize; 4] = array.shape.clone().try_into().ok()?;
        let [outer, inner, height, width] = shape;
        let inner_block = if inner < block { 1 } else { block };
        if !outer.is_multiple_of(block) || !inner.is_multiple_of(inner_block) {
            return None;
        }
        let area = height * width;
        let values = array.as_reals()?;
        let value = |o: usize, i: usize, at: usize| {
            let blocks = ((o / block * (inner / inner_block)) + i / inner_block) * area + at;
            values[(blocks * inner_block + i % inner_block) * block + o % block]
        };
        let places = (0..outer).flat_map(|o| (0..inner).flat_map(move |i| (0..area).map(move |at| (o, i, at))));
        Some(Self { shape, values: places.map(|(o, i, at)| value(o, i, at)).collect() })
    }

    /// Without the channels of zeros that fill up the last block. A network that has such channels of its own, at the end of
    /// all, looks the same: then its filters do not fit each other, which the walk says.
    fn without_filling(self, biases: &[f64], block: usize) -> Self {
        let [outer, inner, height, width] = self.shape;
        let area = height * width;
        let is_zero =
            |o: usize, i: usize| self.values[(o * inner + i) * area..][..area].iter().all(|value| *value == 0.0);
        let is_filling = |o: usize| biases.get(o).is_none_or(|bias| *bias == 0.0) && (0..inner).all(|i| is_zero(o, i));
        let filling = (0..outer).rev().take(block - 1).take_while(|o| is_filling(*o)).count();
        let outputs = outer - filling;
        let most = if inner < block { 0 } else { block - 1 };
        let filling = (0..inner).rev().take(most).take_while(|i| (0..outputs).all(|o| is_zero(o, *i))).count();
        let inputs = inner - filling;
        let rows = self.values.chunks_exact((inner * area).max(1)).take(outputs);
        let values = rows.flat_map(|row| &row[..inputs * area]).copied().collect();
        Self { shape: [outputs, inputs, height, width], values }
    }
}
