//! The images of each class that are least like the others of it.

use super::alike::unit;
use crate::features::Table;

/// Below this number of images a class has no type.
const FEWEST: usize = 3;

/// For each class up to `most` of its images, and at most half of them, as rows of the table with the cosine between their feature and the class's
/// mean, the least alike first. A class of one or two images has none.
pub(super) fn atypical(table: &Table, most: usize) -> Vec<Vec<(usize, f64)>> {
    let mut sums = vec![vec![0f64; table.channels]; table.classes.len()];
    for (row, &label) in table.labels.iter().enumerate() {
        sums[label].iter_mut().zip(unit(table.feature(row))).for_each(|(sum, value)| *sum += f64::from(value));
    }
    let lengths: Vec<f64> = sums.iter().map(|sum| sum.iter().map(|value| value * value).sum::<f64>().sqrt()).collect();
    let mut images = vec![Vec::new(); table.classes.len()];
    for (row, &label) in table.labels.iter().enumerate() {
        let product: f64 = sums[label].iter().zip(unit(table.feature(row))).map(|(a, b)| a * f64::from(b)).sum();
        images[label].push((row, if lengths[label] > 0.0 { product / lengths[label] } else { 0.0 }));
    }
    for images in &mut images {
        images.sort_by(|(a, first), (b, second)| first.total_cmp(second).then(a.cmp(b)));
        images.truncate(if images.len() < FEWEST { 0 } else { most.min(images.len() / 2) });
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_alike_of_each_class_come_first() {
        let rows = [[1.0, 0.1, 0.0], [1.0, 0.0, 0.0], [0.2, 1.0, 0.0], [1.0, 0.0, 0.1], [0.0, 0.0, 1.0]];
        let mut table = Table::of_features(rows.map(Vec::from).into());
        table.classes.push("single".into());
        table.labels[4] = 1;

        let [first, second] = &atypical(&table, 2)[..] else { panic!("two classes") };

        assert_eq!(first.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [2, 3]);
        assert!(first[0].1 < 0.7 && first[1].1 > 0.9, "{first:?}");
        assert!(second.is_empty(), "one image is no type");
    }
}
