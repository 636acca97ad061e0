//! The GPU engine against the CPU engine, on a real device: skipped where there is none.
#![cfg(feature = "wgpu")]

#[path = "common/device.rs"]
mod device;
#[path = "common/places.rs"]
mod places;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};

use petrec::engine::cpu::CpuExtractor;
use petrec::engine::gpu::{GpuExtractor, self_check};
use petrec::engine::{EngineError, FeatureExtractor, ImageBatch, Precision};
use petrec::image::{Accept, load};
use petrec::model::{Tensor, Weights, seeded_b0};
use places::{photos, repository};

const SIDE: usize = 224;
const FEATURE: usize = 7 * 7 * 1280;
/// Sums of f32 in another order: the engines differ by 2.4e-6 on lavapipe; flex and the CPU engine by as much.
const REL_L2: f64 = 1e-5;

/// Half precision keeps 11 bits: each of some 60 layers rounds what it hands on, and lavapipe is off by 1.0e-2 to 1.1e-2 (B0) and
/// 2.3e-2 to 2.5e-2 (Lite0) in the end.
const REL_L2_F16: f64 = 5e-2;

/// A software device takes seconds for each of these tests, and all cores for each.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn open(weights: &Weights, batch: usize) -> Option<GpuExtractor> {
    open_in(Precision::F32, weights, batch)
}

fn open_in(precision: Precision, weights: &Weights, batch: usize) -> Option<GpuExtractor> {
    let engine = GpuExtractor::new(weights, device::device()?, NonZero::new(batch), precision);
    Some(engine.expect("the device opens"))
}

/// The inputs of the first `count` example photos, one after the other.
fn inputs(weights: &Weights, count: usize) -> Vec<f32> {
    let input = |name: String| {
        let loaded = load(&repository("examples/photos").join(name), Accept::TensorFlow).expect("a photo");
        weights.metadata().preprocess.input(&loaded.picture, SIDE)
    };
    photos().into_iter().take(count).flat_map(input).collect()
}

fn extract(engine: &mut dyn FeatureExtractor, inputs: &[f32]) -> Vec<f32> {
    engine.extract(ImageBatch::new(SIDE, inputs.to_vec())).expect("the engine runs").data
}

/// The norm of the difference over that of the truth.
fn rel_l2(ours: &[f32], truth: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let mut differences = ours.iter().zip(truth).map(|(a, b)| f64::from(*a) - f64::from(*b));
    norm(&mut differences) / norm(&mut truth.iter().copied().map(f64::from))
}

fn check_parity(what: &str, weights: &Weights) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // Three pictures in batches of two: the last one is padded.
    let Some(mut gpu) = open(weights, 2) else { return };
    let inputs = inputs(weights, 3);
    let mut cpu = CpuExtractor::new(weights).expect("the CPU engine opens");

    let (ours, truth) = (extract(&mut gpu, &inputs), extract(&mut cpu, &inputs));
    let last_alone = extract(&mut gpu, &inputs[2 * inputs.len() / 3..]);

    assert_eq!(ours.len(), 3 * FEATURE);
    for (picture, (ours, truth)) in ours.chunks(FEATURE).zip(truth.chunks(FEATURE)).enumerate() {
        let rel_l2 = rel_l2(ours, truth);
        eprintln!("{what}, picture {picture} on {}: rel-l2 {rel_l2:.1e}", gpu.adapter());
        assert!(rel_l2 <= REL_L2, "{what}, picture {picture}: rel-l2 {rel_l2:e}");
    }
    assert!(ours[2 * FEATURE..] == last_alone, "{what}: a feature does not depend on what else was asked for");
}

#[test]
fn seeded_b0_agrees_with_the_cpu_engine() {
    check_parity("seeded B0", &seeded_b0());
}

#[test]
fn built_in_lite0_agrees_with_the_cpu_engine() {
    check_parity("Lite0", &Weights::built_in_lite0().expect("whole weights"));
}

#[test]
fn half_precision_is_off_by_what_it_leaves_out_and_no_more() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for (what, weights) in [("seeded B0", seeded_b0()), ("Lite0", Weights::built_in_lite0().expect("whole weights"))] {
        let Some(mut gpu) = open_in(Precision::F16, &weights, 1) else { return };
        let inputs = inputs(&weights, 2);
        let truth = extract(&mut CpuExtractor::new(&weights).expect("the CPU engine opens"), &inputs);

        let ours = extract(&mut gpu, &inputs);

        for (ours, truth) in ours.chunks(FEATURE).zip(truth.chunks(FEATURE)) {
            let rel_l2 = rel_l2(ours, truth);
            eprintln!("{what} in f16: rel-l2 {rel_l2:.1e}");
            assert!((1e-4..REL_L2_F16).contains(&rel_l2), "{what}: rel-l2 {rel_l2:e}");
        }
        assert!(gpu.device().is_some_and(|device| device.ends_with(", f16")));
        self_check(&mut gpu, &weights).expect("it is as right as half precision can be");
    }
}

#[test]
fn a_device_that_computes_something_else_is_refused() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let right = Weights::built_in_lite0().expect("whole weights");
    // One weight of some hundred thousand, in the first layer that a broken shader would hit.
    let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
    for conv in right.network().convolutions() {
        let (weight, bias) = right.of(conv);
        tensors.extend([(conv.weight_name(), weight.clone()), (conv.bias_name(), bias.clone())]);
    }
    tensors.get_mut("block2a.expand.weight").expect("the first wide layer").values[5] += 1.0;
    let wrong = Weights::new(right.metadata().clone(), tensors).expect("the same tensors");
    let Some(mut gpu) = open(&wrong, 1) else { return };

    let found = self_check(&mut gpu, &wrong).expect("what it has is what it is compared with");
    let refused = self_check(&mut gpu, &right).expect_err("a wrong weight");

    assert!(found.error <= REL_L2, "{found:?}");
    assert!(matches!(refused, EngineError::WrongDevice { error, .. } if error > 1e-3), "{refused}");
    assert!(refused.to_string().contains("--backend cpu"), "{refused}");
}

#[test]
fn pictures_of_another_side_are_refused() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut gpu) = open(&Weights::built_in_lite0().expect("whole weights"), 1) else { return };

    let error = gpu.extract(ImageBatch::new(8, vec![0.0; 8 * 8 * 3])).expect_err("must be refused");

    assert!(matches!(error, EngineError::Side { side: 8, expected: SIDE }), "{error}");
}
