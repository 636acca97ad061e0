//! Operators that stand for several of ONNX's plain ones, written out: what onnxruntime's optimiser puts into a graph.

use super::proto::{AttributeProto, NodeProto};

/// onnxruntime's default for `QuickGelu`, which is no swish.
const QUICK_GELU: f32 = 1.702;

/// `node` as plain operators; most are plain already.
pub(super) fn plain(node: NodeProto) -> Vec<NodeProto> {
    match (node.domain.as_str(), node.op_type.as_str()) {
        ("com.microsoft", "QuickGelu") if alpha(&node, QUICK_GELU) == 1.0 => swish(&node),
        ("" | "ai.onnx", "Swish") if alpha(&node, 1.0) == 1.0 => swish(&node),
        ("com.microsoft", "FusedConv") => fused_convolution(node),
        _ => vec![node],
    }
}

fn alpha(node: &NodeProto, default: f32) -> f32 {
    node.attribute("alpha").map_or(default, |attribute| attribute.f)
}

/// `x * sigmoid(x)`, as exporters write it.
fn swish(node: &NodeProto) -> Vec<NodeProto> {
    let value = node.input_name(0).unwrap_or_default();
    let sigmoid = part(node, "Sigmoid", &[value], "sigmoid");
    let product = NodeProto {
        op_type: "Mul".into(),
        input: vec![value.to_owned(), sigmoid.first_output().to_owned()],
        domain: String::new(),
        attribute: Vec::new(),
        ..node.clone()
    };
    vec![sigmoid, product]
}

/// A convolution, the sum with a fourth input if there is one, and the activation.
fn fused_convolution(node: NodeProto) -> Vec<NodeProto> {
    let mut nodes = Vec::new();
    let inputs: Vec<&str> = node.input.iter().take(3).map(String::as_str).collect();
    let mut conv = part(&node, "Conv", &inputs, "conv");
    let is_own = |attribute: &&AttributeProto| !attribute.name.starts_with("activation");
    conv.attribute = node.attribute.iter().filter(is_own).cloned().collect();
    let mut value = conv.first_output().to_owned();
    nodes.push(conv);
    if let Some(other) = node.input_name(3) {
        let sum = part(&node, "Add", &[&value, other], "sum");
        sum.first_output().clone_into(&mut value);
        nodes.push(sum);
    }
    let activation = match node.text("activation") {
        "" => "Identity".to_owned(),
        activation => activation.to_owned(),
    };
    let parameters = node.attribute("activation_params").map_or(&[][..], |attribute| &attribute.floats);
    // Clip's bounds were attributes before they were inputs; other activations end the walk by their name.
    let names = if activation == "Clip" { &["min", "max"][..] } else { &[] };
    let bound = |(name, &bound): (&&str, &f32)| AttributeProto {
        name: (*name).into(),
        f: bound,
        r#type: 1,
        ..AttributeProto::default()
    };
    let attribute = names.iter().zip(parameters).map(bound).collect();
    nodes.push(NodeProto { op_type: activation, input: vec![value], domain: String::new(), attribute, ..node });
    nodes
}

/// One of the nodes that `node` stands for, with an output of its own.
fn part(node: &NodeProto, operator: &str, inputs: &[&str], what: &str) -> NodeProto {
    NodeProto {
        op_type: operator.into(),
        name: node.name.clone(),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![format!("{}/petrec-{what}", node.first_output())],
        ..NodeProto::default()
    }
}
