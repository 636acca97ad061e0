//! The CPU engine through its public face: right on every set of instructions, the same bytes whoever asks.
//!
//! Its kernels have tests of their own beside them, against plain arithmetic.

mod family;
#[path = "../common/places.rs"]
mod places;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{env, thread};

use petrec::engine::cpu::{CpuExtractor, Isa};
use petrec::engine::{EngineError, FeatureExtractor, ImageBatch};
use petrec::image::{Accept, load};
use petrec::model::{Metadata, Padding, Tensor, Weights, seeded_b0};
use petrec::util::npy::Npy;
use places::{photos, repository};

const SIDE: usize = 224;
const FEATURE: usize = 7 * 7 * 1280;
/// The fixtures keep every 61st value of a feature.
const STEP: usize = 61;
/// As in `feature_parity`: TensorFlow's own f32 is 1.0e-4 and 2.9e-6 away from the float64 truth.
const ABSOLUTE: f64 = 1e-4;
const RELATIVE: f64 = 1e-4;
const REL_L2: f64 = 1e-5;

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.available())
}

/// The inputs of the first `count` example photos, one after the other.
fn inputs(weights: &Weights, count: usize) -> Vec<f32> {
    let paths = photos().into_iter().take(count).map(|name| repository("examples/photos").join(name));
    let input = |path: &Path| {
        let loaded = load(path, Accept::TensorFlow).unwrap_or_else(|rejection| panic!("{rejection}"));
        weights.metadata().preprocess.input(&loaded.picture, SIDE)
    };
    paths.flat_map(|path| input(&path)).collect()
}

fn extract(engine: &mut dyn FeatureExtractor, input: &[f32]) -> Vec<f32> {
    engine.extract(ImageBatch::new(SIDE, input.to_vec())).expect("the engine runs").data
}

/// Exact equality that also tells 0.0 from -0.0.
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn check(what: &str, ours: &[f64], truth: &[f64]) {
    assert_eq!(ours.len(), truth.len(), "{what}");
    let pairs = || ours.iter().zip(truth);
    let worst = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let square: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
    let rel_l2 = (square / truth.iter().map(|b| b * b).sum::<f64>()).sqrt();
    eprintln!("{what}: rel-l2 {rel_l2:.1e}, largest difference {worst:.1e}");
    assert!(pairs().all(|(a, b)| (a - b).abs() <= ABSOLUTE + RELATIVE * b.abs()), "{what}: {worst:e}");
    assert!(rel_l2 <= REL_L2, "{what}: rel-l2 {rel_l2:e}");
}

fn widened<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<f64> {
    values.into_iter().copied().map(f64::from).collect()
}

fn check_photos(weights: &Weights, fixture: &str) {
    let truth = Npy::read(&repository("tests/fixtures").join(fixture)).expect("a reference");
    let names = photos();
    assert_eq!(truth.shape, [names.len(), FEATURE.div_ceil(STEP)]);
    let inputs = inputs(weights, names.len());

    for isa in available() {
        let mut engine = CpuExtractor::with_isa(weights, isa).expect("the engine opens");
        let features = extract(&mut engine, &inputs);

        let features = features.chunks(FEATURE).map(|feature| widened(feature.iter().step_by(STEP)));
        for ((name, feature), truth) in names.iter().zip(features).zip(truth.values.chunks(truth.shape[1])) {
            check(&format!("{isa}, {name}"), &feature, truth);
        }
    }
}

#[test]
fn seeded_b0_agrees_with_the_float64_truth_on_every_isa() {
    check_photos(&seeded_b0(), "seeded_b0_f64.npy");
}

#[test]
fn built_in_lite0_agrees_with_onnxruntime_on_every_isa() {
    check_photos(&Weights::built_in_lite0().expect("whole weights"), "lite0_onnxruntime.npy");
}

#[test]
fn symmetric_padding_agrees_between_the_isas() {
    let same = seeded_b0();
    let metadata = Metadata { padding: Padding::Symmetric, ..same.metadata().clone() };
    let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
    for conv in same.network().convolutions() {
        let (weight, bias) = same.of(conv);
        tensors.extend([(conv.weight_name(), weight.clone()), (conv.bias_name(), bias.clone())]);
    }
    let symmetric = Weights::new(metadata, tensors).expect("the same tensors");
    let input = inputs(&symmetric, 1);
    let feature = |weights, isa| extract(&mut CpuExtractor::with_isa(weights, isa).expect("the engine opens"), &input);

    let portable = widened(&feature(&symmetric, Isa::Portable));

    for isa in available() {
        let ours = feature(&symmetric, isa);
        check(&format!("{isa}, symmetric"), &widened(&ours), &portable);
        assert_ne!(ours, feature(&same, isa), "{isa}: the padding matters");
    }
}

#[test]
fn a_feature_is_the_same_bytes_whoever_computes_it_in_whatever_company() {
    let weights = seeded_b0();
    let inputs = inputs(&weights, 3);
    let pictures: Vec<&[f32]> = inputs.chunks(SIDE * SIDE * 3).collect();
    for isa in available() {
        let mut engine = CpuExtractor::with_isa(&weights, isa).expect("the engine opens");

        let alone: Vec<_> = pictures.iter().map(|picture| bits(&extract(&mut engine, picture))).collect();
        let batch = bits(&extract(&mut engine, &inputs));
        let again = bits(&extract(&mut engine, pictures[0]));
        let forks: Vec<_> = thread::scope(|scope| {
            let start = |engine| scope.spawn(|| backwards(engine, &pictures));
            let workers = [engine.fork(), engine.fork()].map(start);
            workers.map(|worker| worker.join().expect("no panic")).into()
        });

        assert_eq!(batch, alone.concat(), "{isa}: a batch of three");
        assert_eq!(again, alone[0], "{isa}: after other pictures");
        assert!(forks.iter().all(|features| *features == alone), "{isa}: two forks at the same time");
    }
}

/// The features of the pictures, computed in the opposite order.
fn backwards(mut engine: Box<dyn FeatureExtractor>, pictures: &[&[f32]]) -> Vec<Vec<u32>> {
    let mut features: Vec<_> = pictures.iter().rev().map(|picture| bits(&extract(engine.as_mut(), picture))).collect();
    features.reverse();
    features
}

#[test]
fn pictures_of_another_side_are_refused() {
    let weights = Weights::built_in_lite0().expect("whole weights");
    let mut engine = CpuExtractor::with_isa(&weights, Isa::Portable).expect("the engine opens");

    let error = engine.extract(ImageBatch::new(8, vec![0.0; 8 * 8 * 3])).expect_err("must be refused");

    assert!(matches!(error, EngineError::Side { side: 8, expected: SIDE }), "{error}");
}

/// What [`petrec_isa_forces_the_kernels_or_is_refused`] runs in a process of its own.
#[test]
fn the_chosen_isa_is_reported() {
    match CpuExtractor::new(&Weights::built_in_lite0().expect("whole weights")) {
        Ok(engine) => eprintln!("chosen: {}", engine.isa().expect("it has several")),
        Err(error) => eprintln!("refused: {error}"),
    }
}

#[test]
fn petrec_isa_forces_the_kernels_or_is_refused() {
    let child = |isa: &str| {
        let program = env::current_exe().expect("this test's program");
        let args = ["the_chosen_isa_is_reported", "--exact", "--nocapture"];
        let run = Command::new(program).args(args).env("PETREC_ISA", isa).output().expect("it runs");
        String::from_utf8_lossy(&run.stderr).into_owned()
    };

    for isa in Isa::ALL {
        let output = child(isa.name());
        let expected = if isa.available() { format!("chosen: {isa}") } else { "this machine does not have".into() };
        assert!(output.contains(&expected), "{isa}: {output}");
    }
    for wrong in ["neon", "AVX2", ""] {
        let output = child(wrong);
        assert!(output.contains(&format!("refused: engine cpu: PETREC_ISA={wrong}: ")), "{output}");
    }
}
