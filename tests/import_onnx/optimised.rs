//! What onnxruntime's optimiser makes of a graph, newer operators, and pads that are computed.

use petrec::import::onnx::proto::{AttributeProto, NodeProto};
use petrec::model::{Padding, Weights, seeded_b0};

use crate::model::{Model, assert_same, float, int, ints, node, picture, text};

/// Replaces every `Sigmoid` and `Mul` that are a swish by one node.
fn fuse_swish(model: &mut Model, one: fn(&str, &str) -> NodeProto) {
    let nodes = &mut model.graph().node;
    nodes.retain(|node| !node.name.ends_with("/sigmoid"));
    for node in nodes.iter_mut().filter(|node| node.name.ends_with("/swish")) {
        *node = one(&node.name, &node.input[0]);
    }
}

fn quick_gelu(name: &str, from: &str) -> NodeProto {
    let attribute = vec![float("alpha", 1.0)];
    NodeProto { domain: "com.microsoft".into(), attribute, ..node("QuickGelu", name, &[from]) }
}

#[test]
fn a_quick_gelu_of_alpha_1_is_a_swish() {
    let seeded = seeded_b0();
    for one in [quick_gelu, |name: &str, from: &str| node("Swish", name, &[from])] {
        let mut model = Model::new(&seeded);
        fuse_swish(&mut model, one);

        assert_same(&model.import().expect("imports"), &seeded);
    }
}

#[test]
fn a_quick_gelu_of_another_alpha_is_named() {
    let mut model = Model::new(&seeded_b0());
    fuse_swish(&mut model, quick_gelu);
    model.at("stem/swish").attribute = vec![float("alpha", 1.702)];

    model.assert_refused(&[r#"QuickGelu "stem/swish""#, "swish) after stem"]);
}

#[test]
fn a_convolution_fused_with_its_activation_is_taken_apart() {
    let lite0 = Weights::built_in_lite0().expect("the built-in weights are sound");
    let mut model = Model::new(&lite0);
    let nodes = &mut model.graph().node;
    let clipped: Vec<String> =
        nodes.iter().filter(|node| node.op_type == "Clip").map(|node| node.input[0].clone()).collect();
    nodes.retain(|node| node.op_type != "Clip");
    for node in nodes.iter_mut() {
        for input in node.input.iter_mut().filter(|input| clipped.contains(input)) {
            *input = format!("{input}/clip");
        }
        if clipped.contains(&node.name) {
            node.output = vec![format!("{}/clip", node.name)];
            (node.op_type, node.domain) = ("FusedConv".into(), "com.microsoft".into());
            let bounds = AttributeProto {
                name: "activation_params".into(),
                floats: vec![0.0, 6.0],
                r#type: 6,
                ..Default::default()
            };
            node.attribute.extend([text("activation", "Clip"), bounds]);
        }
    }

    assert_same(&model.import().expect("imports"), &lite0);
}

#[test]
fn a_gate_fused_with_its_convolution_is_taken_apart() {
    let seeded = seeded_b0();
    let mut model = Model::new(&seeded);
    model.graph().node.retain(|node| node.name != "block4b/gate");
    let gate = model.at("block4b.se_expand");
    (gate.op_type, gate.domain) = ("FusedConv".into(), "com.microsoft".into());
    gate.output = vec!["block4b/gate".into()];
    gate.attribute.push(text("activation", "Sigmoid"));

    assert_same(&model.import().expect("imports"), &seeded);
}

/// Puts a `Pad` in front of the stem whose amounts are computed from the size of the picture as timm does it:
/// `max((ceil(size / 2) - 1) * 2 + 3 - size, 0)`, the smaller half before.
fn compute_the_stems_pads(model: &mut Model) {
    model.at("stem").attribute = vec![ints("strides", &[2, 2])];
    for (name, value) in [("two", 2.0), ("three", 3.0), ("one", 1.0), ("nought", 0.0)] {
        model.floats(name, &[], &[value]);
    }
    model.integers("axis", &[2]);
    model.integers("halves", &[2]);
    model.integers("zeros", &[0, 0]);
    let typed = |name: &str, operator: &str, from: &str, to: i64| {
        let mut cast = node(operator, name, &[from]);
        cast.attribute = vec![int("to", to)];
        cast
    };
    let chain = [
        node("Shape", "shape", &["image"]),
        node("Gather", "height", &["shape", "axis"]),
        typed("size", "Cast", "height", 1),
        node("Div", "half", &["size", "two"]),
        node("Ceil", "steps", &["half"]),
        node("Sub", "last", &["steps", "one"]),
        node("Mul", "reach", &["last", "two"]),
        node("Add", "end", &["reach", "three"]),
        node("Sub", "over", &["end", "size"]),
        node("Clip", "pad", &["over", "nought"]),
        typed("whole", "Cast", "pad", 7),
        node("Div", "before", &["whole", "halves"]),
        node("Sub", "after", &["whole", "before"]),
        node("Concat", "pads", &["zeros", "before", "before", "zeros", "after", "after"]),
    ];
    model.insert_after("image", node("Pad", "padded", &["image", "pads"]));
    for (at, mut step) in chain.into_iter().enumerate() {
        if step.op_type == "Concat" {
            step.attribute = vec![int("axis", 0)];
        }
        model.graph().node.insert(at, step);
    }
}

#[test]
fn pads_that_are_computed_from_the_pictures_size_are_folded() {
    let seeded = seeded_b0();
    for shape in [[1, 3, 224, 224], [0, 3, 224, 224], [0, 3, 0, 0]] {
        let mut model = Model::new(&seeded);
        model.graph().input[0].r#type = Some(picture(shape));
        compute_the_stems_pads(&mut model);

        let imported = model.import().unwrap_or_else(|error| panic!("{shape:?}: {error}"));

        assert_same(&imported, &seeded);
        assert_eq!(imported.metadata().padding, Padding::Same);
    }
}

#[test]
fn pads_that_cannot_be_folded_lead_on() {
    let mut model = Model::new(&seeded_b0());
    compute_the_stems_pads(&mut model);
    model.at("steps").op_type = "Round".into();

    model.assert_refused(&[r#"Pad "padded""#, "its pads are computed", "dynamo=True", "onnxsim"]);
}

#[test]
fn a_pool_over_everything_is_the_mean() {
    // Hugging Face's classifier takes the mean with a window of 1280 x 1280, cut off at the edges.
    let seeded = seeded_b0();
    for (window, mode, is_mean) in [([1280, 1280], 1, true), ([7, 7], 0, true), ([5, 5], 0, false), ([9, 9], 0, false)]
    {
        let mut model = Model::new(&seeded);
        let mean = model.node("AveragePool", "mean", &["head/swish"]);
        model.at("mean").attribute = vec![ints("kernel_shape", &window), int("ceil_mode", mode)];
        model.floats("classes", &[1280, 2], &[0.5; 2560]);
        let flat = model.node("Flatten", "flat", &[&mean]);
        let logits = model.node("MatMul", "logits", &[&flat, "classes"]);
        model.graph().output[0].name = logits;
        let with_top = petrec::import::Options { with_top: true, ..crate::model::prepared() };

        assert_eq!(model.import_as(&with_top).is_ok(), is_mean, "{window:?}");
    }
}
