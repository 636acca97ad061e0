//! What a network is fed: said by the graph, or asked for, and never guessed.

use petrec::import::{Beside, InputRange, Options};
use petrec::model::{Architecture, Preprocess, Weights, seeded, seeded_b0};

use crate::model::{Model, ints, node, picture};

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// What a picture of one grey value becomes.
fn fed(preprocess: &Preprocess, value: f32) -> [f32; 3] {
    let mut values = [value; 3];
    preprocess.normalise(&mut values);
    values
}

#[test]
fn normalisation_inside_means_that_the_file_takes_0_to_1() {
    let mut model = Model::new(&seeded_b0());
    model.put_in_front(MEAN, STD);

    let imported = model.import_unsaid().expect("imports");

    assert_eq!(imported.metadata().preprocess, Preprocess::keras());
    let black = [0, 1, 2].map(|channel| -MEAN[channel] / STD[channel]);
    for (found, expected) in fed(&imported.metadata().preprocess, 0.0).iter().zip(black) {
        assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
    }
}

#[test]
fn half_inside_means_0_to_1_for_lite_too() {
    let mut model = Model::new(&Weights::built_in_lite0().expect("the built-in weights are sound"));
    model.put_in_front([0.5; 3], [0.5; 3]);

    let imported = model.import_unsaid().expect("imports");

    assert_eq!(fed(&imported.metadata().preprocess, 255.0), [1.0; 3]);
    assert_eq!(fed(&imported.metadata().preprocess, 0.0), [-1.0; 3]);
}

#[test]
fn multiplied_by_255_means_0_to_1() {
    let mut model = Model::new(&seeded_b0());
    model.floats("whole", &[], &[255.0]);
    model.insert_after("image", node("Mul", "bytes", &["image", "whole"]));

    let imported = model.import_unsaid().expect("imports");

    assert_eq!(fed(&imported.metadata().preprocess, 255.0), [255.0; 3]);
}

#[test]
fn a_file_that_leaves_the_preprocessing_open_is_refused_with_what_to_type() {
    let lite0 = Weights::built_in_lite0().expect("the built-in weights are sound");
    for weights in [seeded_b0(), lite0] {
        let message = Model::new(&weights).import_unsaid().expect_err("must not be guessed").to_string();

        assert!(message.contains("it does nothing to a picture before its first convolution"), "{message}");
        assert!(message.contains("hint: ") && message.contains("--preprocess imagenet"), "{message}");
    }
}

#[test]
fn what_was_asked_for_is_what_the_network_is_fed() {
    let asked = Options { preprocess: Some(Preprocess::half()), ..Options::default() };

    let imported = Model::new(&seeded_b0()).import_as(&asked).expect("imports");

    assert_eq!(imported.metadata().preprocess, Preprocess::half());
    assert_eq!(
        imported.metadata().fed(),
        "(x/255 - 0.5) / 0.5, x = 0..255; 224 x 224, bilinear as tf.image.resize; padding same"
    );
}

#[test]
fn an_unknown_front_is_asked_about_and_follows_the_range() {
    let mut model = Model::new(&seeded_b0());
    model.put_in_front([0.7, 0.6, 0.4], [0.16, 0.2, 0.25]);
    let message = model.import_unsaid().expect_err("its range cannot be known").to_string();
    assert!(message.contains("hint: say which values its input takes: --input-range 0..1"), "{message}");

    let said = Options { input_range: Some(InputRange::Unit), ..Options::default() };
    let imported = model.import_as(&said).expect("imports");

    for (found, expected) in fed(&imported.metadata().preprocess, 0.0).iter().zip([-4.375, -3.0, -1.6]) {
        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
    }
}

#[test]
fn an_input_of_bytes_needs_no_words() {
    let mut model = Model::new(&seeded_b0());
    let mut of = picture([1, 3, 224, 224]);
    of.tensor_type.as_mut().expect("a tensor").elem_type = 2;
    model.graph().input[0].r#type = Some(of);
    let mut cast = node("Cast", "float", &["image"]);
    cast.attribute = vec![crate::model::int("to", 1)];
    model.insert_after("image", cast);

    let imported = model.import_unsaid().expect("imports");

    assert_eq!(imported.metadata().preprocess, Preprocess::raw());
}

#[test]
fn a_node_that_is_no_preprocessing_is_named_in_either_layout() {
    for shape in [[1, 224, 224, 3], [1, 3, 224, 224]] {
        let mut model = Model::new(&seeded_b0());
        model.graph().input[0].r#type = Some(picture(shape));
        let mut transpose = node("Transpose", "nchw", &["changed"]);
        transpose.attribute = vec![ints("perm", &[0, 3, 1, 2])];
        model.insert_after("image", if shape[3] == 3 { transpose } else { node("Identity", "nchw", &["changed"]) });
        model.graph().node.insert(0, node("Exp", "changed", &["image"]));

        model.assert_refused(&[r#"Exp "changed" (output "changed"): comes next, expected stem: 3x3 Conv"#]);
    }
}

#[test]
fn an_open_batch_and_an_open_size_are_taken() {
    let b1 = seeded(Architecture::EfficientNetB1);
    for shape in [[0, 3, 240, 240], [0, 3, 0, 0], [4, 3, 240, 240]] {
        let mut model = Model::new(&b1);
        model.graph().input[0].r#type = Some(picture(shape));

        let imported = model.import().unwrap_or_else(|error| panic!("{shape:?}: {error}"));

        assert_eq!(imported.metadata().architecture, Architecture::EfficientNetB1);
    }
}

#[test]
fn a_picture_of_another_size_is_taken_at_its_size() {
    let mut model = Model::new(&seeded_b0());
    model.pad_symmetrically(); // the same for every size
    model.graph().input[0].r#type = Some(picture([1, 3, 288, 288]));

    let imported = model.import().expect("imports");

    assert_eq!(imported.network().feature_shape(), [9, 9, 1280]);
    let other = Options { side: Some(224), ..crate::model::prepared() };
    let message = model.import_as(&other).expect_err("contradicts the file").to_string();
    assert!(message.contains("it takes pictures of 288 x 288, but --size 224"), "{message}");
}

#[test]
fn a_configuration_beside_the_file_says_what_the_file_does_not() {
    let half = Beside { preprocess: Some(Preprocess::half()), ..Beside::default() };
    let options = Options { beside: Some(half), ..Options::default() };

    let imported = Model::new(&seeded_b0()).import_as(&options).expect("imports");

    assert_eq!(imported.metadata().preprocess, Preprocess::half());
}
