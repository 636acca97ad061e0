//! Whether a reference can show anything: a network that ignores its picture agrees with any import.

use std::collections::BTreeMap;

use petrec::model::{Tensor, Weights};
use petrec::util::npy::Npy;

/// How far another photo must move a reference, and a missing stem our features: relative l2. Trained and calibrated
/// networks move by 0.5 to 2, and the tolerance of the comparison is 2e-5.
pub(crate) const LEAST: f64 = 0.1;

/// How far the other pictures move the reference of each picture at most, for the picture that is moved the least.
pub(crate) fn moved(reference: &Npy) -> f64 {
    let rows: Vec<&[f64]> = reference.values.chunks_exact(reference.values.len() / reference.shape[0]).collect();
    let norm = |row: &[f64]| row.iter().map(|value| value * value).sum::<f64>().sqrt();
    let apart = |a: &[f64], b: &[f64]| norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()) / norm(a);
    let most = |one: &&[f64]| rows.iter().map(|other| apart(one, other)).fold(0.0, f64::max);
    rows.iter().map(most).fold(f64::INFINITY, f64::min)
}

/// Another photo moves the reference.
pub(crate) fn assert_looks(name: &str, reference: &Npy) {
    let moved = moved(reference);
    assert!(moved > LEAST, "{name}: another photo moves the reference by {moved:.1e}: it shows nothing");
}

/// The same weights, but for a stem of zeros: they ignore the picture.
pub(crate) fn without_stem(weights: &Weights) -> Weights {
    let network = weights.network();
    let mut tensors = BTreeMap::new();
    for conv in network.convolutions() {
        let (weight, bias) = weights.of(conv);
        let mut weight = weight.clone();
        if conv.name == network.stem.name {
            weight.values.fill(0.0);
        }
        tensors.insert(conv.weight_name(), Tensor::new(weight.shape.clone(), weight.values));
        tensors.insert(conv.bias_name(), bias.clone());
    }
    Weights::new(weights.metadata().clone(), tensors).expect("a whole set of weights")
}
