//! Graphs that onnxruntime laid out in blocks of channels, made here as it makes them.

use std::collections::HashSet;

use petrec::import::onnx::proto::NodeProto;
use petrec::model::{Weights, seeded_b0};

use crate::model::{Model, assert_same, bytes, int, node};

const DOMAIN: &str = "com.microsoft.nchwc";

/// Puts every convolution into blocks of `block` channels, filled up with zeros, and reorders what others read.
fn put_into_blocks(model: &mut Model, block: usize) {
    let convolutions: Vec<NodeProto> =
        model.graph().node.iter().filter(|node| node.op_type == "Conv").cloned().collect();
    for conv in &convolutions {
        let [_, filter, bias] = &conv.input[..] else { panic!("a filter and a bias") };
        let filled = |length: usize| length.next_multiple_of(block);
        let tensor = model.tensor(filter);
        let shape: Vec<usize> = tensor.dims.iter().map(|length| *length as usize).collect();
        let [outer, inner, height, width] = shape[..] else { panic!("four axes") };
        let values: Vec<f32> =
            tensor.raw_data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four"))).collect();
        let (outputs, inputs, inner_block) =
            if inner < block { (filled(outer), inner, 1) } else { (filled(outer), filled(inner), block) };
        let mut laid_out = vec![0.0; outputs * inputs * height * width];
        let mut place = 0;
        for (o_block, i_block) in (0..outputs / block).flat_map(|o| (0..inputs / inner_block).map(move |i| (o, i))) {
            for at in 0..height * width {
                for (i, o) in (0..inner_block).flat_map(|i| (0..block).map(move |o| (i, o))) {
                    let (o, i) = (o_block * block + o, i_block * inner_block + i);
                    if o < outer && i < inner {
                        laid_out[place] = values[(o * inner + i) * height * width + at];
                    }
                    place += 1;
                }
            }
        }
        tensor.dims = [outputs, inputs, height, width].map(|length| length as i64).to_vec();
        tensor.raw_data = bytes(&laid_out);
        let tensor = model.tensor(bias);
        let mut values = tensor.raw_data.to_vec();
        values.resize(outputs * 4, 0);
        (tensor.dims, tensor.raw_data) = (vec![outputs as i64], values.into());
        let conv = model.at(&conv.name);
        conv.domain = DOMAIN.into();
        let is_depthwise = conv.attribute.iter().any(|attribute| attribute.name == "group" && attribute.i > 1);
        if is_depthwise {
            conv.attribute.retain(|attribute| attribute.name != "group");
            conv.attribute.push(int("group", outputs as i64));
        }
    }
    // Whatever else reads a convolution's value reads it reordered.
    let blocked: HashSet<String> = convolutions.iter().map(|conv| conv.name.clone()).collect();
    for name in blocked {
        let channels = model.at(&name).clone();
        let filter = model.tensor(&channels.input[1]).dims[0];
        let mut out = node("ReorderOutput", &format!("{name}/out"), &[&name]);
        out.domain = DOMAIN.into();
        out.attribute = vec![int("channels_last", 0), int("channels", filter)];
        model.insert_after(&name, out);
    }
    for pool in model.graph().node.iter_mut().filter(|node| node.op_type == "GlobalAveragePool") {
        pool.domain = DOMAIN.into();
    }
}

#[test]
fn a_network_in_blocks_of_channels_has_the_same_weights() {
    let seeded = seeded_b0();
    let lite0 = Weights::built_in_lite0().expect("the built-in weights are sound");
    for (weights, block) in [(&seeded, 16), (&seeded, 8), (&lite0, 16), (&lite0, 8)] {
        let mut model = Model::new(weights);
        put_into_blocks(&mut model, block);

        assert_same(&model.import().expect("imports"), weights);
    }
}

#[test]
fn blocks_that_are_parted_for_an_operator_and_joined_again_are_passed_over() {
    // Some versions of onnxruntime write -1 there, others the number of blocks.
    let seeded = seeded_b0();
    let mut model = Model::new(&seeded);
    put_into_blocks(&mut model, 16);
    model.integers("parted", &[0, -1, 0, 0, 16]);
    model.integers("joined", &[0, -1, 0, 0]);
    let sums: Vec<String> =
        model.graph().node.iter().filter(|node| node.op_type == "Add").map(|node| node.name.clone()).collect();
    for sum in &sums {
        for operand in model.at(sum).input.clone() {
            let parted = node("Reshape", &format!("{sum}/{operand}/parted"), &[&operand, "parted"]);
            let position = model.graph().node.iter().position(|node| node.name == *sum).expect("there");
            model.graph().node.insert(position, parted);
        }
        let operands = model.at(sum).input.iter().map(|operand| format!("{sum}/{operand}/parted")).collect();
        model.at(sum).input = operands;
        model.insert_after(sum, node("Reshape", &format!("{sum}/joined"), &[sum, "joined"]));
    }

    assert!(sums.len() > 5);
    assert_same(&model.import().expect("imports"), &seeded);
}

#[test]
fn a_value_with_its_channels_last_is_reordered_into_blocks() {
    let seeded = seeded_b0();
    let mut model = Model::new(&seeded);
    model.graph().input[0].r#type = Some(crate::model::picture([1, 224, 224, 3]));
    let mut first = node("ReorderInput", "image/blocks", &["image"]);
    (first.domain, first.attribute) = (DOMAIN.into(), vec![int("channels_last", 1)]);
    model.insert_after("image", first);

    assert_same(&model.import().expect("imports"), &seeded);
}

#[test]
fn blocks_that_are_none_of_onnxruntimes_are_refused_with_the_way_out() {
    let refused = |change: &dyn Fn(&mut Model)| {
        let mut model = Model::new(&seeded_b0());
        put_into_blocks(&mut model, 16);
        change(&mut model);
        model.assert_refused(&["com.microsoft.nchwc", "hint: import the model as it was before"]);
    };
    // 32 filters of 3 x 3 x 3 become 30, no whole blocks.
    refused(&|model| {
        let tensor = model.tensor("stem.weight");
        tensor.dims[0] = 30;
        tensor.raw_data.truncate(30 * 27 * 4);
    });
    refused(&|model| model.at("stem").op_type = "Upsample".into());
    refused(&|model| model.at("stem").input.truncate(1));
}
