//! What Keras calls the layers of EfficientNet, and how it lays out their kernels.

use super::Convolution;

/// Keras' `BatchNormalization(epsilon=1e-3)` throughout EfficientNet.
pub(crate) const EPSILON: f64 = 1e-3;

/// `stem` -> `stem_conv`, `block2a.depthwise` -> `block2a_dwconv`, as Keras names the layers.
pub(crate) fn layer(name: &str) -> String {
    match name.split_once('.') {
        None if name == "stem" => "stem_conv".into(),
        None => "top_conv".into(),
        Some((block, "expand")) => format!("{block}_expand_conv"),
        Some((block, "depthwise")) => format!("{block}_dwconv"),
        Some((block, "project")) => format!("{block}_project_conv"),
        Some((block, squeeze_excite)) => format!("{block}_{squeeze_excite}"),
    }
}

/// The batch normalisation after a convolution, as Keras names it; squeeze-excite has none.
pub(crate) fn batch_norm(name: &str) -> Option<String> {
    match name.split_once('.') {
        None if name == "stem" => Some("stem_bn".into()),
        None => Some("top_bn".into()),
        Some((block, "expand")) => Some(format!("{block}_expand_bn")),
        Some((block, "depthwise")) => Some(format!("{block}_bn")),
        Some((block, "project")) => Some(format!("{block}_project_bn")),
        Some(_) => None,
    }
}

/// Brings a kernel of Keras' into OIHW.
///
/// Keras has HWIO, or H, W, C, 1 for a depthwise one: in both cases the row-major order is kernel row, kernel column, then
/// input by output channel.
pub(crate) fn to_oihw(conv: &Convolution, values: &[f32]) -> Vec<f32> {
    let [output, input, height, width] = conv.weight_shape();
    let taps = height * width;
    let mut weight = vec![0.0; values.len()];
    for (i, &value) in values.iter().enumerate() {
        let (tap, channel) = (i / (input * output), i % (input * output));
        let (from, to) = (channel / output, channel % output);
        weight[(to * input + from) * taps + tap] = value;
    }
    weight
}
