//! Half precision is widened to float32, value by value; other data types are refused by their names.

use petrec::import::onnx::proto::{TensorProto, TensorShapeProto};
use petrec::model::seeded_b0;

use crate::model::{Model, int, node};

/// Cuts every tensor of floats to its upper 16 bits, which is bfloat16, and gives it that type.
fn narrow(model: &mut Model, keep_raw: bool) {
    for tensor in &mut model.graph().initializer {
        if tensor.data_type != TensorProto::FLOAT {
            continue;
        }
        tensor.data_type = TensorProto::BFLOAT16;
        let halves: Vec<[u8; 2]> = tensor.raw_data.as_chunks().0.iter().map(|&[_, _, low, high]| [low, high]).collect();
        if keep_raw {
            tensor.raw_data = halves.concat().into();
        } else {
            tensor.raw_data.clear();
            tensor.int32_data = halves.iter().map(|&bits| i32::from(u16::from_le_bytes(bits))).collect();
        }
    }
}

#[test]
fn bfloat16_is_widened_wherever_its_bits_are() {
    let seeded = seeded_b0();
    for keep_raw in [true, false] {
        let mut model = Model::new(&seeded);
        narrow(&mut model, keep_raw);

        let imported = model.import().expect("imports");

        for conv in imported.network().convolutions() {
            for (found, original) in imported.of(conv).0.values.iter().zip(&seeded.of(conv).0.values) {
                assert_eq!(found.to_bits(), original.to_bits() & 0xFFFF_0000, "{}", conv.name);
            }
        }
    }
}

#[test]
fn float16_weights_behind_casts_are_taken() {
    let mut model = Model::new(&seeded_b0());
    let bias = model.tensor("stem.bias");
    (bias.data_type, bias.raw_data) = (TensorProto::FLOAT16, [0x00, 0x3C].repeat(32).into());
    // What a converter that keeps the types of inputs and outputs writes: to float16 behind the input and back at the end.
    for (value, to) in [("image", TensorProto::FLOAT16), ("head/swish", TensorProto::FLOAT)] {
        let name = format!("{value}/cast");
        let mut cast = node("Cast", &name, &[value]);
        cast.attribute = vec![int("to", to.into())];
        model.insert_after(value, cast);
    }

    let imported = model.import().expect("imports");

    let stem = imported.network().stem;
    assert!(imported.of(&stem).1.values.iter().all(|&value| value == 1.0));
}

#[test]
fn quantised_weights_are_refused_by_their_kind() {
    let mut model = Model::new(&seeded_b0());
    let weight = model.tensor("stem.weight");
    (weight.data_type, weight.raw_data) = (3, vec![1; 864].into());

    model.assert_refused(&[r#"tensor "stem.weight""#, "quantised to whole numbers", "expected floating point"]);
}

#[test]
fn a_float16_input_in_the_pictures_order_is_no_matter_of_its_shape() {
    let mut model = Model::new(&seeded_b0());
    let of = model.graph().input[0].r#type.as_mut().and_then(|of| of.tensor_type.as_mut()).expect("a tensor");
    of.elem_type = TensorProto::FLOAT16;
    let TensorShapeProto { dim } = of.shape.as_mut().expect("a shape");
    dim.rotate_left(2); // [3, 224 ...] to [224, 224, 1, 3] and on to N, H, W, C
    dim.swap(0, 2);
    dim.swap(1, 2);
    let mut transpose = node("Transpose", "nchw", &["narrow"]);
    transpose.attribute = vec![crate::model::ints("perm", &[0, 3, 1, 2])];
    model.insert_after("image", transpose);
    let mut cast = node("Cast", "narrow", &["image"]);
    cast.attribute = vec![int("to", TensorProto::FLOAT16.into())];
    model.graph().node.insert(0, cast);

    model.import().expect("imports");
}
