//! Folding batch normalisation into the convolution before it, so that no engine ever sees one.

/// The four vectors of one batch normalisation, one value per channel, and its epsilon.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a> {
    /// Learned scale.
    pub gamma: &'a [f32],
    /// Learned offset.
    pub beta: &'a [f32],
    /// Mean of the training data.
    pub mean: &'a [f32],
    /// Variance of the training data.
    pub variance: &'a [f32],
    /// Added to the variance before the root is taken.
    pub epsilon: f64,
}

impl BatchNorm<'_> {
    /// Folds this into `weight` (OIHW, as many output channels as `bias` has values) and `bias`.
    ///
    /// In f64, rounded to f32 once at the end. Source: `y = gamma * (w*x + b - mean) / sqrt(variance + epsilon) + beta`.
    pub fn fold(&self, weight: &mut [f32], bias: &mut [f32]) {
        let per_channel = weight.len() / bias.len().max(1);
        for (channel, (weights, bias)) in weight.chunks_exact_mut(per_channel).zip(bias).enumerate() {
            let scale = f64::from(self.gamma[channel]) / (f64::from(self.variance[channel]) + self.epsilon).sqrt();
            for weight in weights {
                *weight = (f64::from(*weight) * scale) as f32;
            }
            let centred = f64::from(*bias) - f64::from(self.mean[channel]);
            *bias = (centred * scale + f64::from(self.beta[channel])) as f32;
        }
    }
}
