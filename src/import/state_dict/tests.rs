use std::collections::BTreeMap;
use std::fs;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use tempfile::TempDir;

use super::*;
use crate::import::Beside;
use crate::model::{Weights, seeded};

const B0: Architecture = Architecture::EfficientNetB0;
const LITE0: Architecture = Architecture::EfficientNetLite0;

/// A tensor of a state dict.
type Entry = (Dtype, Vec<usize>, Vec<u8>);

fn float32(shape: &[usize], values: impl IntoIterator<Item = f32>) -> Entry {
    (Dtype::F32, shape.to_vec(), values.into_iter().flat_map(f32::to_le_bytes).collect())
}

/// The seeded network as a package saves it, with batch normalisations that leave what they get, but for the epsilon.
fn state_dict(architecture: Architecture, naming: Naming) -> BTreeMap<String, Entry> {
    let (weights, network) = (seeded(architecture), architecture.network());
    let mut state = BTreeMap::new();
    for Names { conv, layer, norm } in naming.names(&network) {
        let (weight, bias) = weights.of(conv);
        let (shape, vector) = (&conv.weight_shape(), [conv.output]);
        state.insert(format!("{layer}.weight"), float32(shape, weight.values.clone()));
        let bias = float32(&vector, bias.values.clone());
        let Some(norm) = norm else {
            state.insert(format!("{layer}.bias"), bias);
            continue;
        };
        state.insert(format!("{norm}.bias"), bias);
        for (name, value) in [("weight", 1.0), ("running_mean", 0.0), ("running_var", 1.0)] {
            state.insert(format!("{norm}.{name}"), float32(&vector, vec![value; conv.output]));
        }
        state.insert(format!("{norm}.num_batches_tracked"), (Dtype::I64, vec![], vec![0; 8]));
    }
    let top = naming.classifier();
    state.insert(format!("{top}.weight"), float32(&[2, network.head.output], vec![0.25; 2 * network.head.output]));
    state.insert(format!("{top}.bias"), float32(&[2], [1.0, 2.0]));
    state
}

/// What most networks are fed; a package whose networks differ must be asked.
fn imagenet() -> Options {
    Options { preprocess: Some(Preprocess::torch()), ..Options::default() }
}

fn below(prefix: &str, state: BTreeMap<String, Entry>) -> BTreeMap<String, Entry> {
    state.into_iter().map(|(name, entry)| (format!("{prefix}{name}"), entry)).collect()
}

fn import(state: &BTreeMap<String, Entry>, padding: Option<Padding>) -> Result<Weights, ImportError> {
    import_with(state, padding, &imagenet())
}

fn import_with(
    state: &BTreeMap<String, Entry>,
    padding: Option<Padding>,
    options: &Options,
) -> Result<Weights, ImportError> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("state.safetensors");
    let views = state.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).expect("as many bytes as the shape has"))
    });
    fs::write(&path, safetensors::serialize(views, None).expect("serialises")).expect("writable");
    import_state_dict(&path, Format::Safetensors, padding, options)
}

fn refusal(state: &BTreeMap<String, Entry>, padding: Option<Padding>) -> String {
    import(state, padding).expect_err("must be refused").to_string()
}

#[test]
fn state_dicts_of_every_package_are_read() {
    let cases = [
        (B0, Naming::Torchvision, None, Padding::Symmetric, 1e-5),
        (Architecture::EfficientNetB5, Naming::Torchvision, None, Padding::Symmetric, 1e-3),
        (B0, Naming::Timm, Some(Padding::Symmetric), Padding::Symmetric, 1e-5),
        (B0, Naming::Timm, Some(Padding::Same), Padding::Same, 1e-3),
        (LITE0, Naming::Timm, Some(Padding::Same), Padding::Same, 1e-3),
        (Architecture::EfficientNetB2, Naming::Transformers, None, Padding::Same, 1e-3),
        (Architecture::EfficientNetB1, Naming::Lukemelas, None, Padding::Same, 1e-3),
        (LITE0, Naming::Lukemelas, None, Padding::Same, 1e-3),
        (LITE0, Naming::RangiLyu, None, Padding::Symmetric, 1e-3),
    ];
    for (architecture, naming, given, padding, epsilon) in cases {
        let weights = import(&state_dict(architecture, naming), given).unwrap_or_else(|error| panic!("{error}"));

        assert_eq!((weights.metadata().architecture, weights.metadata().padding), (architecture, padding));
        let scale = 1.0 / f64::sqrt(1.0 + epsilon);
        let (ours, seeded) = (weights.of(&weights.network().head), seeded(architecture));
        let (weight, bias) = seeded.of(&seeded.network().head);
        assert_eq!(ours.1, bias, "{architecture}, {naming:?}");
        let folded: Vec<f32> = weight.values.iter().map(|&value| (f64::from(value) * scale) as f32).collect();
        assert_eq!(ours.0.values, folded, "{architecture}, {naming:?}");
    }
}

/// The first value of every channel of a white picture.
fn white(weights: &Weights) -> [f32; 3] {
    let mut values = [255.0; 3];
    weights.metadata().preprocess.normalise(&mut values);
    values
}

#[test]
fn a_package_with_several_recipes_is_never_guessed() {
    let silent = Options::default();
    for naming in [Naming::Timm, Naming::Transformers, Naming::Lukemelas] {
        let state = state_dict(LITE0, naming);

        let error = import_with(&state, Some(Padding::Same), &silent).expect_err("must ask").to_string();

        assert!(error.contains("--preprocess imagenet") && error.contains("config.json"), "{naming:?}: {error}");
        let half = Options { preprocess: Some(Preprocess::half()), ..Options::default() };
        let weights = import_with(&state, Some(Padding::Same), &half).expect("is read");
        assert_eq!(white(&weights), [1.0; 3], "{naming:?}");
    }
    for naming in [Naming::Torchvision, Naming::RangiLyu] {
        import_with(&state_dict(LITE0, naming), None, &silent).expect("there is one way only");
    }
}

#[test]
fn the_configuration_beside_a_state_dict_is_used_and_one_of_another_network_is_not() {
    let beside = |name: &str| Beside {
        files: vec!["config.json".into()],
        name: Some(name.into()),
        padding: Some(Padding::Same),
        preprocess: Some(Preprocess::half()),
        side: Some(256),
        unmet: vec![],
    };
    let options = |name| Options { beside: Some(beside(name)), ..Options::default() };
    let state = state_dict(LITE0, Naming::Timm);

    let weights = import_with(&state, None, &options("tf_efficientnet_lite0")).expect("is read");
    let larger = Options { side: Some(288), preprocess: Some(Preprocess::torch()), ..options("tf_efficientnet_lite0") };
    let asked = import_with(&state, Some(Padding::Symmetric), &larger).expect("is read");
    let error = import_with(&state, None, &options("tf_efficientnet_b3")).expect_err("another's").to_string();

    assert_eq!((weights.metadata().padding, weights.network().side, white(&weights)), (Padding::Same, 256, [1.0; 3]));
    assert_eq!((asked.metadata().padding, asked.network().side), (Padding::Symmetric, 288), "what is typed goes first");
    assert_ne!(white(&asked), [1.0; 3]);
    assert!(error.contains("config.json beside it is of efficientnet-b3") && error.contains("lite0"), "{error}");
}

#[test]
fn a_package_that_pads_for_its_own_size_is_refused_where_that_matters() {
    let b2 = state_dict(Architecture::EfficientNetB2, Naming::Lukemelas);
    let at = |side| import_with(&b2, None, &Options { side: Some(side), ..imagenet() });

    // Maps of 260, 130, 65, 33 and 17 pixels: the third and the two after it are odd, those of 256 are all even.
    let error = at(256).expect_err("pads for 260").to_string();

    assert!(error.contains("pads for pictures of 260 x 260"), "{error}");
    assert_eq!(at(260).expect("its own size").network().side, 260);
    let b0 = state_dict(B0, Naming::Lukemelas);
    import_with(&b0, None, &Options { side: Some(256), ..imagenet() }).expect("even throughout, as 224 is");
}

#[test]
fn a_checkpoint_has_its_state_dict_deeper_and_of_two_one_is_chosen() {
    let mut state = below("state_dict.module.", state_dict(LITE0, Naming::Timm));
    state.insert("optimizer.state.0.exp_avg".into(), float32(&[1], [0.0]));
    import(&state, Some(Padding::Same)).expect("is read");
    let mut average = state_dict(LITE0, Naming::Timm);
    average.insert("bn1.bias".into(), float32(&[32], [7.0; 32]));
    state.extend(below("state_dict_ema.", average));

    let message = refusal(&state, Some(Padding::Same));
    let chosen = |prefix: &str| {
        let options = Options { prefix: Some(prefix.into()), ..imagenet() };
        let weights = import_with(&state, Some(Padding::Same), &options)?;
        Ok::<_, ImportError>(weights.of(&weights.network().stem).1.values[0])
    };

    assert!(message.contains("it holds 2 networks") && message.contains("--prefix: "), "{message}");
    assert!(message.contains("state_dict.module") && message.contains("state_dict_ema"), "{message}");
    assert_eq!(chosen("state_dict_ema").expect("is read"), 7.0);
    assert_ne!(chosen("state_dict").expect("is read"), 7.0);
    assert_ne!(chosen("state_dict.module.").expect("is read"), 7.0);
    assert!(chosen("nothing").expect_err("not there").to_string().contains("no network below 'nothing'"));
}

#[test]
fn encoders_and_wrapped_networks_are_found_with_their_classifier() {
    let with_top = Options { with_top: true, ..imagenet() };
    // segmentation_models_pytorch: the encoder has no classifier, the decoder is another's.
    let mut unet = below("encoder.", state_dict(B0, Naming::Lukemelas));
    unet.retain(|name, _| !name.contains("_fc"));
    unet.insert("decoder.blocks.0.conv1.0.weight".into(), float32(&[1], [0.0]));
    import(&unet, None).expect("is read");
    // transformers: the classifier is beside the network.
    let mut transformers = state_dict(B0, Naming::Transformers);
    let top: Vec<_> = ["classifier.weight", "classifier.bias"]
        .map(|name| (name.to_owned(), transformers.remove(name).expect("there")))
        .into();
    let mut transformers = below("efficientnet.", transformers);
    transformers.extend(top);

    let weights = import_with(&transformers, None, &with_top).expect("is read");

    assert_eq!(weights.classifier().expect("kept").bias.values, [1.0, 2.0]);
    assert!(import_with(&unet, None, &with_top).expect_err("no classifier").to_string().contains("--with-top"));
}

#[test]
fn half_precision_and_double_precision_are_widened_or_rounded() {
    let exact = import(&state_dict(LITE0, Naming::Timm), Some(Padding::Same)).expect("is read");
    let read = |dtype: Dtype, narrow: fn(f32) -> Vec<u8>| {
        let mut state = state_dict(LITE0, Naming::Timm);
        for (kind, _, bytes) in state.values_mut().filter(|(kind, ..)| *kind == Dtype::F32) {
            *kind = dtype;
            *bytes = bytes.as_chunks().0.iter().flat_map(|value| narrow(f32::from_le_bytes(*value))).collect();
        }
        import(&state, Some(Padding::Same)).expect("is read")
    };
    // The upper half of a float32: at most a part in 128 is lost.
    let bf16 = read(Dtype::BF16, |value| ((value.to_bits() >> 16) as u16).to_le_bytes().into());
    let double = read(Dtype::F64, |value| f64::from(value).to_le_bytes().into());

    for conv in exact.network().convolutions() {
        let (ours, theirs) = (exact.of(conv).0, bf16.of(conv).0);
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= a.abs() / 100.0;
        assert!(ours.values.iter().zip(&theirs.values).all(close), "{}", conv.name);
        assert_eq!(exact.of(conv), double.of(conv), "{}", conv.name);
    }
}

#[test]
fn what_is_no_such_network_is_refused_by_its_tensor() {
    let change = |change: fn(&mut BTreeMap<String, Entry>)| {
        let mut state = state_dict(B0, Naming::Torchvision);
        change(&mut state);
        refusal(&state, None)
    };
    let cases = [
        (
            change(|state| drop(state.remove("features.3.1.block.2.fc1.bias"))),
            "not efficientnet-b0 as petrec knows it: tensor features.3.1.block.2.fc1.bias: not in the file, expected float32 \
             of shape [10]",
        ),
        (
            change(|state| drop(state.insert("features.8.1.running_var".into(), float32(&[3], [1.0; 3])))),
            "tensor features.8.1.running_var: has shape [3], expected [1280]",
        ),
        (
            change(|state| drop(state.insert("features.0.1.bias".into(), (Dtype::I16, vec![32], vec![0; 64])))),
            "tensor features.0.1.bias: holds I16, expected float32",
        ),
        (
            change(|state| drop(state.insert("features.0.1.bias".into(), float32(&[32], [f32::NAN; 32])))),
            "tensor features.0.1.bias: holds a value that is not finite",
        ),
        (
            change(|state| drop(state.insert("features.9.0.weight".into(), float32(&[1], [0.0])))),
            "tensor features.9.0.weight: a tensor that the network does not have",
        ),
        (
            change(|state| {
                state.clear();
                state.insert("layer1.0.conv1.weight".into(), float32(&[1], [0.0]));
            }),
            "it holds no EfficientNet that petrec knows: its first of 1 tensors is layer1.0.conv1.weight; hint: petrec takes",
        ),
        (change(BTreeMap::clear), "it holds no EfficientNet that petrec knows: it has no tensors"),
        (refusal(&state_dict(B0, Naming::Timm), None), "--padding same for tf_efficientnet_*"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("sound float32 weights") && !message.contains("alone"), "{message}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("state.safetensors");
    let whole = safetensors::serialize([("conv_stem.weight", view())], None).expect("serialises");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("writable");
        for format in [Format::Safetensors, Format::Pth] {
            let error = import_state_dict(&path, format, None, &Options::default()).expect_err("must be refused");

            assert!(error.to_string().contains("not a whole state dict"), "{length}, {format:?}: {error}");
        }
    }
}

fn view() -> TensorView<'static> {
    TensorView::new(Dtype::F32, vec![1], &[0; 4]).expect("one value")
}

/// The first tensors of a checkpoint as `torch.save` wrote them (`{"state_dict": {"conv_stem.weight": ..., "bn1.weight": ...}}`).
#[test]
fn what_torch_saves_is_read_up_to_the_first_tensor_that_is_wrong() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stem.pth");
    let bytes = fs::read(&path).expect("readable");

    let file = File::open(Format::Pth, &bytes).expect("a whole file");
    let weight = file.tensor("state_dict.conv_stem.weight", &[32, 3, 3, 3]).expect("is read");
    let error =
        import_state_dict(&path, Format::Pth, Some(Padding::Same), &Options::default()).expect_err("must be refused");

    assert!(weight.iter().copied().eq((0..864u16).map(f32::from)));
    let expected = "not efficientnet-b0 as petrec knows it: tensor state_dict.bn1.weight: has shape [7], expected [32]";
    assert!(error.to_string().contains(expected), "{error}");
}
