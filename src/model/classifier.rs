//! The dense layer behind the features. It comes with weights that were imported with their top.

use super::Tensor;

/// Name of the weight in a weight file: classes x channels.
pub(crate) const WEIGHT: &str = "classifier.weight";
/// Name of the bias in a weight file: one value per class.
pub(crate) const BIAS: &str = "classifier.bias";

/// One output per class from the mean over the feature's positions.
#[derive(Clone, Copy, Debug)]
pub struct Classifier<'w> {
    /// Classes x channels.
    pub weight: &'w Tensor,
    /// One value per class.
    pub bias: &'w Tensor,
}

impl Classifier<'_> {
    /// The classes' outputs before any softmax, for a feature of height x width x channels.
    ///
    /// In f64, rounded to f32 once at the end.
    #[must_use]
    pub fn logits(&self, feature: &[f32]) -> Vec<f32> {
        let channels = self.weight.values.len() / self.bias.values.len();
        let mut mean = vec![0.0; channels];
        for position in feature.chunks_exact(channels) {
            mean.iter_mut().zip(position).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let positions = (feature.len() / channels) as f64;
        mean.iter_mut().for_each(|sum| *sum /= positions);
        let classes = self.weight.values.chunks_exact(channels).zip(&self.bias.values);
        let dot = |row: &[f32]| row.iter().zip(&mean).map(|(weight, mean)| f64::from(*weight) * mean).sum::<f64>();
        classes.map(|(row, bias)| (dot(row) + f64::from(*bias)) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_are_the_dense_layer_of_the_mean() {
        let weight = Tensor::new(vec![3, 2], vec![1.0, 0.0, 0.0, 1.0, 2.0, -1.0]);
        let bias = Tensor::new(vec![3], vec![0.0, 10.0, 0.5]);

        let logits = Classifier { weight: &weight, bias: &bias }.logits(&[1.0, 2.0, 3.0, 6.0]);

        assert_eq!(logits, [2.0, 14.0, 0.5]);
    }
}
