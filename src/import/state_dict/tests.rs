use std::collections::BTreeMap;
use std::fs;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use tempfile::TempDir;

use super::*;
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
    state.insert("classifier.weight".into(), float32(&[2, 1280], vec![0.0; 2560]));
    state
}

fn import(state: &BTreeMap<String, Entry>, padding: Option<Padding>) -> Result<Weights, ImportError> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("state.safetensors");
    let views = state.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).expect("as many bytes as the shape has"))
    });
    fs::write(&path, safetensors::serialize(views, None).expect("serialises")).expect("writable");
    import_state_dict(&path, Format::Safetensors, padding, &Options::default())
}

fn refusal(state: &BTreeMap<String, Entry>, padding: Option<Padding>) -> String {
    import(state, padding).expect_err("must be refused").to_string()
}

#[test]
fn state_dicts_of_both_packages_are_read() {
    let cases = [
        (B0, Naming::Torchvision, None, Padding::Symmetric, 1e-5),
        (Architecture::EfficientNetB5, Naming::Torchvision, None, Padding::Symmetric, 1e-3),
        (B0, Naming::Timm, Some(Padding::Symmetric), Padding::Symmetric, 1e-5),
        (B0, Naming::Timm, Some(Padding::Same), Padding::Same, 1e-3),
        (LITE0, Naming::Timm, Some(Padding::Same), Padding::Same, 1e-3),
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

#[test]
fn each_network_gets_its_own_preprocessing() {
    let lite = |padding| {
        let weights = import(&state_dict(LITE0, Naming::Timm), Some(padding)).expect("is read");
        let mut values = [0.0, 127.5, 255.0];
        weights.metadata().preprocess.normalise(&mut values);
        values
    };

    assert_eq!(lite(Padding::Same), [-1.0, 0.0, 1.0]);
    assert!((lite(Padding::Symmetric)[0] + 0.485 / 0.229).abs() < 1e-6);
}

#[test]
fn a_checkpoint_has_its_state_dict_deeper() {
    let mut state: BTreeMap<_, _> = state_dict(LITE0, Naming::Timm)
        .into_iter()
        .map(|(name, entry)| (format!("state_dict.{name}"), entry))
        .collect();
    state.insert("optimizer.state.0.exp_avg".into(), float32(&[1], [0.0]));

    import(&state, Some(Padding::Same)).expect("is read");

    let second = state_dict(LITE0, Naming::Timm).into_iter().map(|(name, entry)| (format!("ema.{name}"), entry));
    state.extend(second);
    let message = refusal(&state, Some(Padding::Same));
    assert!(message.contains("more than one network, below 'ema.' and below 'state_dict.'"), "{message}");
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
            change(|state| drop(state.insert("features.0.1.bias".into(), (Dtype::F16, vec![32], vec![0; 64])))),
            "tensor features.0.1.bias: holds F16, expected float32",
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
            change(BTreeMap::clear),
            "of its 0 tensors none is features.0.0.weight (torchvision) or conv_stem.weight (timm)",
        ),
        (refusal(&state_dict(B0, Naming::Timm), None), "--padding same for tf_efficientnet_*"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message}");
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

    let file = File::open(Format::Pth, &path, &bytes).expect("a whole file");
    let weight = file.tensor("state_dict.conv_stem.weight", &[32, 3, 3, 3]).expect("is read");
    let error =
        import_state_dict(&path, Format::Pth, Some(Padding::Same), &Options::default()).expect_err("must be refused");

    assert!(weight.iter().copied().eq((0..864u16).map(f32::from)));
    let expected = "not efficientnet-b0 as petrec knows it: tensor state_dict.bn1.weight: has shape [7], expected [32]";
    assert!(error.to_string().contains(expected), "{error}");
}
