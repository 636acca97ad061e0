//! The model as a graph: who makes a value, who uses it, and which values are constants.
//!
//! Built once, in the order of the nodes, which ONNX demands to be topological; so nothing here recurses and no cycle
//! can exist. Constants are folded, nodes that only pass a value on are taken out, and what no output needs is dropped.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::array::{Array, MAX_RANK, count, shape_of};
use super::contrib::plain;
use super::file::ExternalData;
use super::fold::Folder;
use super::node::quoted;
use super::proto::{DimensionValue, GraphProto, NodeProto, TensorProto, ValueInfoProto};
use super::shapes::{Inputs, Shapes};
use crate::import::Refusal;

/// A model's graph, read-only.
pub(super) struct Graph {
    nodes: Vec<NodeProto>,
    consumers: HashMap<String, Vec<usize>>,
    producers: HashMap<String, usize>,
    stored: HashMap<String, TensorProto>,
    folded: HashMap<String, Array>,
    external: ExternalData,
    input: String,
    input_shape: Option<Vec<Option<usize>>>,
    takes_bytes: bool,
}

impl Graph {
    /// Builds the graph. Constant folding makes no more values than `budget`. Where the file leaves the picture's size open,
    /// `side` is its height and width.
    pub(super) fn new(
        proto: GraphProto,
        external: ExternalData,
        budget: usize,
        side: Option<usize>,
    ) -> Result<Self, Refusal> {
        let mut stored = HashMap::new();
        for tensor in proto.initializer {
            if let Some(earlier) = stored.insert(tensor.name.clone(), tensor) {
                let problem = "it is in the file twice, expected once".into();
                return Err(Refusal::Unsound { tensor: quoted(&earlier.name), problem });
            }
        }
        let inputs: Vec<_> = proto.input.into_iter().filter(|input| !stored.contains_key(&input.name)).collect();
        let mut builder = Builder {
            known: stored.keys().cloned().chain(inputs.iter().map(|input| input.name.clone())).collect(),
            folder: Folder::new(budget),
            aliases: HashMap::new(),
            nodes: Vec::new(),
            folded: HashMap::new(),
            shapes: Shapes::default(),
            stored,
            external,
        };
        for input in &inputs {
            if let Some(shape) = lengths(input).and_then(|shape| narrowed(&shape, side)) {
                builder.shapes.insert(&input.name, shape);
            }
        }
        for node in proto.node {
            for node in plain(node) {
                builder.add(node)?;
            }
        }
        let Builder { aliases, nodes, stored, folded, external, .. } = builder;

        let resolve = |name: String| aliases.get(&name).cloned().unwrap_or(name);
        let outputs: HashSet<String> = proto.output.into_iter().map(|output| resolve(output.name)).collect();
        let nodes = live(nodes, &outputs);
        let mut consumers: HashMap<String, Vec<usize>> = HashMap::new();
        let mut producers = HashMap::new();
        for (index, node) in nodes.iter().enumerate() {
            producers.extend(node.output.iter().map(|output| (output.clone(), index)));
            let names: HashSet<&String> = node.input.iter().filter(|name| !name.is_empty()).collect();
            for name in names {
                consumers.entry(name.clone()).or_default().push(index);
            }
        }
        let mut used = inputs.into_iter().filter(|input| consumers.contains_key(&input.name));
        let image = used.next().ok_or_else(|| Refusal::Damaged { problem: "no output depends on an input".into() })?;
        if let Some(second) = used.next() {
            let names = format!("it needs two inputs, {} and {}", quoted(&image.name), quoted(&second.name));
            return Err(Refusal::Damaged { problem: format!("{names}, expected one picture") });
        }
        let (input, input_shape) = (image.name.clone(), lengths(&image));
        let takes_bytes =
            (image.r#type.and_then(|of| of.tensor_type)).is_some_and(|of| of.elem_type == TensorProto::UINT8);
        Ok(Self { nodes, consumers, producers, stored, folded, external, input, input_shape, takes_bytes })
    }

    /// Name of the one value that must be fed: the picture.
    pub(super) fn input(&self) -> &str {
        &self.input
    }

    /// The picture's shape as far as the file says it.
    pub(super) fn input_shape(&self) -> Option<&[Option<usize>]> {
        self.input_shape.as_deref()
    }

    /// Whether the input takes bytes, which are a picture's values as they were decoded.
    pub(super) fn takes_bytes(&self) -> bool {
        self.takes_bytes
    }

    /// The number of pictures in a batch, where the file says one.
    pub(super) fn batch(&self) -> Option<usize> {
        self.input_shape()?.first().copied().flatten()
    }

    /// Whether something in it is computed from the size of a picture that the file leaves open.
    pub(super) fn asks_for_open_sizes(&self) -> bool {
        let is_open = self.input_shape().is_none_or(|shape| shape.iter().skip(1).any(Option::is_none));
        is_open && self.nodes.iter().any(|node| node.op() == "Shape")
    }

    /// The node that makes a value.
    pub(super) fn producer(&self, value: &str) -> Option<&NodeProto> {
        self.producers.get(value).map(|&index| &self.nodes[index])
    }

    /// The nodes that use a value and that some output depends on.
    pub(super) fn consumers(&self, value: &str) -> impl Iterator<Item = &NodeProto> {
        self.consumers.get(value).into_iter().flatten().map(|&index| &self.nodes[index])
    }

    /// The only node that uses a value, if there is just one.
    pub(super) fn only_consumer(&self, value: &str) -> Option<&NodeProto> {
        match self.consumers.get(value)?.as_slice() {
            [index] => Some(&self.nodes[*index]),
            _ => None,
        }
    }

    /// A constant's shape; absent where `value` is no constant.
    pub(super) fn constant_shape(&self, value: &str) -> Result<Option<Vec<usize>>, Refusal> {
        constant_shape(&self.folded, &self.stored, value)
    }

    /// A constant; absent where `value` is none.
    pub(super) fn constant(&self, value: &str) -> Result<Option<Cow<'_, Array>>, Refusal> {
        constant(&self.folded, &self.stored, &self.external, value)
    }
}

fn constant_shape(
    folded: &HashMap<String, Array>,
    stored: &HashMap<String, TensorProto>,
    value: &str,
) -> Result<Option<Vec<usize>>, Refusal> {
    match (folded.get(value), stored.get(value)) {
        (Some(array), _) => Ok(Some(array.shape.clone())),
        (None, Some(tensor)) => shape_of(tensor).map(Some),
        (None, None) => Ok(None),
    }
}

fn constant<'a>(
    folded: &'a HashMap<String, Array>,
    stored: &HashMap<String, TensorProto>,
    external: &ExternalData,
    value: &str,
) -> Result<Option<Cow<'a, Array>>, Refusal> {
    match (folded.get(value), stored.get(value)) {
        (Some(array), _) => Ok(Some(Cow::Borrowed(array))),
        (None, Some(tensor)) => Ok(Some(Cow::Owned(Array::decode(tensor, external)?))),
        (None, None) => Ok(None),
    }
}

/// What is known while the nodes come in.
struct Builder {
    known: HashSet<String>,
    folder: Folder,
    aliases: HashMap<String, String>,
    nodes: Vec<NodeProto>,
    folded: HashMap<String, Array>,
    shapes: Shapes,
    stored: HashMap<String, TensorProto>,
    external: ExternalData,
}

impl Inputs for Builder {
    fn constant_shape(&self, name: &str) -> Option<Vec<usize>> {
        constant_shape(&self.folded, &self.stored, name).ok().flatten()
    }

    fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let small = |shape: Vec<usize>| count(&shape).is_some_and(|values| values <= 2 * MAX_RANK);
        Inputs::constant_shape(self, name).filter(|shape| small(shape.clone()))?;
        let array = constant(&self.folded, &self.stored, &self.external, name).ok().flatten()?;
        array.as_integers().map(<[i64]>::to_vec)
    }
}

impl Builder {
    fn add(&mut self, mut node: NodeProto) -> Result<(), Refusal> {
        let is_unknown = |name: &&String| !name.is_empty() && !self.known.contains(name.as_str());
        if let Some(name) = node.input.iter().find(is_unknown) {
            return Err(Refusal::Missing { node: node.label(), tensor: quoted(name) });
        }
        for name in &mut node.input {
            if let Some(original) = self.aliases.get(name.as_str()) {
                name.clone_from(original);
            }
        }
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if !self.known.insert(output.clone()) {
                return Err(node.refuse(format!("its output {} exists already", quoted(output)), "a name of its own"));
            }
        }
        if self.fold(&mut node)? {
            return Ok(());
        }
        match node.input_name(0) {
            Some(passed) if passes_on(&node) => {
                self.aliases.insert(node.first_output().to_owned(), passed.to_owned());
            }
            _ => {
                let mut shapes = std::mem::take(&mut self.shapes);
                shapes.follow(&node, self);
                self.shapes = shapes;
                self.nodes.push(node);
            }
        }
        Ok(())
    }

    /// Whether the node was a constant and is now one of ours.
    fn fold(&mut self, node: &mut NodeProto) -> Result<bool, Refusal> {
        let output = node.first_output().to_owned();
        if node.op() == "Constant" {
            let value = node.attribute.iter_mut().find(|attribute| attribute.name == "value");
            if let Some(tensor) = value.and_then(|attribute| attribute.t.take()) {
                // A tensor in a node has no name of its own; the value's name is the one to report.
                self.stored.insert(output.clone(), TensorProto { name: output, ..tensor });
                return Ok(true);
            }
        }
        if node.op() == "Shape"
            && let Some(array) = self.shapes.shape_node(node)
        {
            self.folded.insert(output, array);
            return Ok(true);
        }
        let is_constant = |name: &String| self.folded.contains_key(name) || self.stored.contains_key(name);
        if !Folder::knows(node) || !node.input.iter().all(|name| name.is_empty() || is_constant(name)) {
            return Ok(false);
        }
        let mut inputs = Vec::new();
        for name in &node.input {
            let shape = constant_shape(&self.folded, &self.stored, name)?.unwrap_or_default();
            if !self.folder.afford(&shape) {
                return Ok(false);
            }
            inputs.push(constant(&self.folded, &self.stored, &self.external, name)?);
        }
        let inputs: Vec<Option<&Array>> = inputs.iter().map(Option::as_deref).collect();
        let Some(array) = self.folder.fold(node, &inputs) else { return Ok(false) };
        self.folded.insert(output, array);
        Ok(true)
    }
}

/// Whether a node gives its first input out unchanged when a network is run and not trained.
fn passes_on(node: &NodeProto) -> bool {
    match node.op() {
        "Identity" | "Dropout" => true,
        "Cast" => {
            let floating =
                [TensorProto::FLOAT, TensorProto::FLOAT16, TensorProto::BFLOAT16, TensorProto::DOUBLE].map(i64::from);
            node.int("to").is_some_and(|to| floating.contains(&to))
        }
        _ => false,
    }
}

/// Keeps the nodes that some output depends on.
fn live(nodes: Vec<NodeProto>, outputs: &HashSet<String>) -> Vec<NodeProto> {
    let mut needed = outputs.clone();
    let mut kept: Vec<NodeProto> = Vec::new();
    for node in nodes.into_iter().rev() {
        if node.output.iter().any(|output| needed.contains(output)) {
            needed.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    kept
}

/// The lengths of an input's axes; absent ones are unknown.
fn lengths(input: &ValueInfoProto) -> Option<Vec<Option<usize>>> {
    let shape = input.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
    let length = |value: &Option<DimensionValue>| match value {
        Some(DimensionValue::DimValue(length)) => usize::try_from(*length).ok().filter(|&length| length > 0),
        _ => None,
    };
    Some(shape.dim.iter().map(|dim| length(&dim.value)).collect())
}

/// The shape of one picture, or of the batch that the file fixes; absent where a length stays open.
fn narrowed(shape: &[Option<usize>], side: Option<usize>) -> Option<Vec<usize>> {
    const CHANNELS: Option<usize> = Some(3);
    let picture = match shape {
        [_, CHANNELS, _, _] => [2, 3],
        [_, _, _, CHANNELS] => [1, 2],
        _ => return None,
    };
    let open = |axis: usize| match axis {
        0 => Some(1),
        axis if picture.contains(&axis) => side,
        _ => None,
    };
    shape.iter().enumerate().map(|(axis, length)| length.or_else(|| open(axis))).collect()
}
