//! Networks with weights that any language can make again bit for bit, so that parity tests need no weight file.
//!
//! Each Keras variable is a splitmix64 stream seeded by the FNV-1a hash of its name; no transcendental function is
//! involved. `tests/reference/seeded_b0.py` is the same recipe on the Keras side.

use std::collections::BTreeMap;

use super::{Architecture, BatchNorm, Convolution, Metadata, Padding, Preprocess, Provenance, Tensor, Weights, keras};

const SEED: u64 = 20_210_513;
/// What the residual branches of all networks but B0 are scaled by. As the recipe gives them, each adds to the variance, until
/// B7 ends at 2e4 and saturated sigmoids blow up any difference: rounding nothing but each layer's result to f32 then moves
/// float64's feature of B5 by 3e-5 and of B7 by 0.7, so that no engine could be told right from wrong.
const RESIDUAL_SCALE: f32 = 0.25;
/// What a uniform number in 0..1 becomes for gamma and variance.
const POSITIVE: fn(f64) -> f64 = |u| 0.5 + u;
/// And for beta, mean and bias.
const SMALL: fn(f64) -> f64 = |u| 0.4 * (u - 0.5);

/// [`seeded`] EfficientNetB0.
#[must_use]
pub fn seeded_b0() -> Weights {
    seeded(Architecture::EfficientNetB0)
}

/// Makes a network with the seeded recipe's weights, TensorFlow's padding and the family's preprocessing.
#[must_use]
pub fn seeded(architecture: Architecture) -> Weights {
    let mut tensors = BTreeMap::new();
    let network = architecture.network();
    for conv in network.convolutions() {
        let (mut weight, mut bias) = (kernel(conv), vec![0.0; conv.output]);
        match keras::batch_norm(&conv.name) {
            Some(name) => {
                let variable = |variable, recipe| vector(&format!("{name}/{variable}"), conv.output, recipe);
                let norm = BatchNorm {
                    gamma: &variable("gamma", POSITIVE),
                    beta: &variable("beta", SMALL),
                    mean: &variable("moving_mean", SMALL),
                    variance: &variable("moving_variance", POSITIVE),
                    epsilon: keras::EPSILON,
                };
                norm.fold(&mut weight, &mut bias);
            }
            None => bias = vector(&format!("{}/bias", keras::layer(&conv.name)), conv.output, SMALL),
        }
        if architecture != Architecture::EfficientNetB0 && network.ends_residual_branch(conv) {
            weight.iter_mut().chain(&mut bias).for_each(|value| *value *= RESIDUAL_SCALE);
        }
        tensors.insert(conv.weight_name(), Tensor::new(conv.weight_shape().to_vec(), weight));
        tensors.insert(conv.bias_name(), Tensor::new(vec![conv.output], bias));
    }
    let metadata = Metadata::new(
        architecture,
        Padding::Same,
        Preprocess::usual(architecture, Padding::Same),
        Provenance {
            exporter: "petrec's seeded recipe".into(),
            file: "none".into(),
            license: "MIT OR Apache-2.0".into(),
            sha256: String::new(),
        },
    );
    Weights::new(metadata, tensors).expect("the recipe makes every tensor of the table")
}

/// The kernel in OIHW, from a stream in Keras' order.
fn kernel(conv: &Convolution) -> Vec<f32> {
    let [output, input, height, width] = conv.weight_shape();
    let fan_in = height * width * input;
    let limit = (6.0 / fan_in as f64).sqrt();
    let stream = Stream::new(&format!("{}/kernel", keras::layer(&conv.name)));
    let values: Vec<f32> = stream.take(output * fan_in).map(|u| ((2.0 * u - 1.0) * limit) as f32).collect();
    keras::to_oihw(conv, &values)
}

fn vector(key: &str, count: usize, recipe: fn(f64) -> f64) -> Vec<f32> {
    Stream::new(key).take(count).map(|u| recipe(u) as f32).collect()
}

/// Numbers in 0..1 with 24 bits each: splitmix64 (Steele et al. 2014) from a state that is the key's FNV-1a hash.
struct Stream(u64);

impl Stream {
    fn new(key: &str) -> Self {
        let hash = key
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        Self(hash ^ SEED)
    }
}

impl Iterator for Stream {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        Some((z >> 40) as f64 / f64::from(1 << 24))
    }
}
