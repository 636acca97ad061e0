//! ONNX models made in the test: a network of petrec's table as a graph, to be changed at will.

use std::fs;
use std::path::{Path, PathBuf};

use petrec::import::ImportError;
use petrec::import::Options;
use petrec::import::onnx::import_onnx;
use petrec::import::onnx::proto::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};
use petrec::model::{Activation, Convolution, Network, Preprocess, Weights};
use prost::Message as _;
use prost::bytes::Bytes;
use tempfile::TempDir;

/// A model in the making. A node's name is its convolution's with the operator behind it; its output is its name.
pub(crate) struct Model {
    pub(crate) proto: ModelProto,
}

impl Model {
    /// `weights`' network as PyTorch's newer exporter writes it: N, C, H, W, everything folded, pads in the `Conv`.
    pub(crate) fn new(weights: &Weights) -> Self {
        let network = weights.network();
        let input = ValueInfoProto { name: "image".into(), r#type: Some(picture([1, 3, 224, 224])) };
        let graph = GraphProto { input: vec![input], ..GraphProto::default() };
        let proto = ModelProto {
            ir_version: 8,
            producer_name: "the test".into(),
            producer_version: "1".into(),
            graph: Some(graph),
            opset_import: vec![],
        };
        let mut model = Self { proto };
        let features = model.network(&network, weights);
        model.graph().output = vec![ValueInfoProto { name: features, r#type: None }];
        model
    }

    fn network(&mut self, network: &Network, weights: &Weights) -> String {
        let mut side = network.side;
        let mut conv = |model: &mut Self, conv: &Convolution, from: &str| {
            let (before, after) = weights.metadata().padding.amounts(side, conv.kernel, conv.stride);
            side = side.div_ceil(conv.stride);
            model.convolution(conv, weights, from, [before, before, after, after].map(|amount| amount as i64))
        };
        let act = network.activation;
        let stem = conv(self, &network.stem, "image");
        let mut value = self.activation(act, &stem);
        for block in &network.blocks {
            let input = value.clone();
            if let Some(expand) = &block.expand {
                let wide = conv(self, expand, &value);
                value = self.activation(act, &wide);
            }
            let filtered = conv(self, &block.depthwise, &value);
            value = self.activation(act, &filtered);
            if let Some(se) = &block.squeeze_excite {
                let mean = self.node("GlobalAveragePool", &format!("{}/mean", block.name), &[&value]);
                let none = [0; 4];
                let reduced = self.convolution(&se.reduce, weights, &mean, none);
                let reduced = self.activation(act, &reduced);
                let gate = self.convolution(&se.expand, weights, &reduced, none);
                let gate = self.node("Sigmoid", &format!("{}/gate", block.name), &[&gate]);
                value = self.node("Mul", &format!("{}/excite", block.name), &[&gate, &value]);
            }
            value = conv(self, &block.project, &value);
            if block.residual {
                value = self.node("Add", &format!("{}/add", block.name), &[&value, &input]);
            }
        }
        let head = conv(self, &network.head, &value);
        self.activation(act, &head)
    }

    fn convolution(&mut self, conv: &Convolution, weights: &Weights, from: &str, pads: [i64; 4]) -> String {
        let (weight, bias) = weights.of(conv);
        let [weight_name, bias_name] = [conv.weight_name(), conv.bias_name()];
        self.floats(&weight_name, &weight.shape, &weight.values);
        self.floats(&bias_name, &bias.shape, &bias.values);
        let output = self.node("Conv", &conv.name, &[from, &weight_name, &bias_name]);
        let stride = conv.stride as i64;
        let node = self.at(&conv.name);
        node.attribute =
            vec![ints("strides", &[stride, stride]), ints("pads", &pads), int("group", conv.groups as i64)];
        output
    }

    fn activation(&mut self, activation: Activation, from: &str) -> String {
        match activation {
            Activation::Swish => {
                let gate = self.node("Sigmoid", &format!("{from}/sigmoid"), &[from]);
                self.node("Mul", &format!("{from}/swish"), &[from, &gate])
            }
            Activation::Relu6 => {
                self.floats(&format!("{from}/low"), &[], &[0.0]);
                self.floats(&format!("{from}/high"), &[], &[6.0]);
                self.node("Clip", &format!("{from}/clip"), &[from, &format!("{from}/low"), &format!("{from}/high")])
            }
        }
    }

    pub(crate) fn graph(&mut self) -> &mut GraphProto {
        self.proto.graph.as_mut().expect("a model has a graph")
    }

    /// Adds a node at the end; its output is called as it is.
    pub(crate) fn node(&mut self, operator: &str, name: &str, inputs: &[&str]) -> String {
        self.graph().node.push(node(operator, name, inputs));
        name.to_owned()
    }

    /// The node of that name.
    pub(crate) fn at(&mut self, name: &str) -> &mut NodeProto {
        self.graph().node.iter_mut().find(|node| node.name == name).expect("a node of that name")
    }

    /// The weight of that name.
    pub(crate) fn tensor(&mut self, name: &str) -> &mut TensorProto {
        self.graph().initializer.iter_mut().find(|tensor| tensor.name == name).expect("a tensor of that name")
    }

    /// Pads every convolution as PyTorch does.
    pub(crate) fn pad_symmetrically(&mut self) {
        let attributes = self.graph().node.iter_mut().flat_map(|node| &mut node.attribute);
        for pads in attributes.filter(|attribute| attribute.name == "pads") {
            let most = pads.ints.iter().copied().max().unwrap_or_default();
            pads.ints = vec![most; 4];
        }
    }

    /// Removes the weight of that name.
    pub(crate) fn remove_tensor(&mut self, name: &str) {
        self.graph().initializer.retain(|tensor| tensor.name != name);
    }

    /// Puts `new` behind the value `value`, so that whoever used that uses `new`'s output instead.
    pub(crate) fn insert_after(&mut self, value: &str, new: NodeProto) {
        let nodes = &mut self.graph().node;
        let output = &new.output[0];
        for input in nodes.iter_mut().flat_map(|node| &mut node.input).filter(|input| *input == value) {
            input.clone_from(output);
        }
        let position = nodes.iter().position(|node| node.name == value).map_or(0, |index| index + 1);
        for given in self.graph().output.iter_mut().filter(|given| given.name == value) {
            given.name.clone_from(output);
        }
        self.graph().node.insert(position, new);
    }

    /// Adds a float32 tensor.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let tensor = TensorProto {
            name: name.into(),
            dims: shape.iter().map(|&length| length as i64).collect(),
            data_type: TensorProto::FLOAT,
            raw_data: bytes(values),
            ..TensorProto::default()
        };
        self.graph().initializer.push(tensor);
    }

    /// Adds an int64 tensor of one axis.
    pub(crate) fn integers(&mut self, name: &str, values: &[i64]) {
        let tensor = TensorProto {
            name: name.into(),
            dims: vec![values.len() as i64],
            data_type: TensorProto::INT64,
            int64_data: values.to_vec(),
            ..TensorProto::default()
        };
        self.graph().initializer.push(tensor);
    }

    /// Scales a tensor's values.
    pub(crate) fn scale(&mut self, name: &str, factor: f32) {
        let tensor = self.tensor(name);
        let values = tensor.raw_data.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value) * factor);
        tensor.raw_data = bytes(&values.collect::<Vec<_>>());
    }

    /// Writes the model into `folder`.
    pub(crate) fn save(&self, folder: &Path) -> PathBuf {
        let path = folder.join("model.onnx");
        fs::write(&path, self.proto.encode_to_vec()).expect("the folder is writable");
        path
    }

    /// Imports the model as it is now, which does nothing to the picture itself.
    pub(crate) fn import(&self) -> Result<Weights, ImportError> {
        self.import_as(&prepared())
    }

    /// The same where the model does something to the picture, and nothing is said of it.
    pub(crate) fn import_unsaid(&self) -> Result<Weights, ImportError> {
        self.import_as(&Options::default())
    }

    /// Subtracts and divides in front of everything else.
    pub(crate) fn put_in_front(&mut self, mean: [f32; 3], std: [f32; 3]) {
        self.floats("front/mean", &[1, 3, 1, 1], &mean);
        self.floats("front/std", &[1, 3, 1, 1], &std);
        self.insert_after("image", node("Div", "front/divided", &["front/centred", "front/std"]));
        self.graph().node.insert(0, node("Sub", "front/centred", &["image", "front/mean"]));
    }

    pub(crate) fn import_as(&self, options: &Options) -> Result<Weights, ImportError> {
        let folder = TempDir::new().expect("a temporary folder");
        import_onnx(&self.save(folder.path()), options)
    }

    /// The message with which the model is refused; it must hold every one of `parts`.
    pub(crate) fn assert_refused(&self, parts: &[&str]) {
        let message = self.import().expect_err("must be refused").to_string();
        for part in parts {
            assert!(message.contains(part), "no '{part}' in: {message}");
        }
    }
}

/// What is said of a model that does nothing to the picture itself.
pub(crate) fn prepared() -> Options {
    Options { preprocess: Some(Preprocess::keras()), ..Options::default() }
}

pub(crate) fn node(operator: &str, name: &str, inputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: operator.into(),
        name: name.into(),
        input: inputs.iter().map(|&input| input.into()).collect(),
        output: vec![name.into()],
        ..NodeProto::default()
    }
}

pub(crate) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i: value, r#type: 2, ..AttributeProto::default() }
}

pub(crate) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), ints: values.to_vec(), r#type: 7, ..AttributeProto::default() }
}

pub(crate) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f: value, r#type: 1, ..AttributeProto::default() }
}

pub(crate) fn text(name: &str, value: &'static str) -> AttributeProto {
    AttributeProto { name: name.into(), s: Bytes::from_static(value.as_bytes()), r#type: 3, ..Default::default() }
}

/// The type of a float32 tensor of that shape.
pub(crate) fn picture(shape: [i64; 4]) -> TypeProto {
    let dim = shape.iter().map(|&length| DimensionProto { value: Some(DimensionValue::DimValue(length)) });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    TypeProto { tensor_type: Some(TensorTypeProto { elem_type: TensorProto::FLOAT, shape }) }
}

pub(crate) fn bytes(values: &[f32]) -> Bytes {
    values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>().into()
}

/// Asserts that two sets of weights hold the same numbers, bit for bit.
pub(crate) fn assert_same(a: &Weights, b: &Weights) {
    assert_eq!(a.metadata().architecture, b.metadata().architecture);
    for conv in a.network().convolutions() {
        assert!(a.of(conv) == b.of(conv), "{} differs", conv.name);
    }
}
