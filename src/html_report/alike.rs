//! Images that are nearly the same, by the cosine between their features.

use crate::features::Table;
use crate::util::parallel;

/// From this cosine on two images are near-duplicates.
///
/// Tried with Lite0. Of the 179,700 pairs among 600 photos of cats and dogs, all of different animals, the largest is 0.83.
/// 80 of them against their own copies: saved again at quality 50 all are above 0.94; mirrored 99 % are above 0.9, with a
/// border of 5 % cut off 98 %, at half the size 95 %, 30 % brighter 93 %. (Crops to 70 % and grey copies are mostly below.)
const COSINE: f32 = 0.9;
/// Channels after which two images that already differ too much are left alone.
const STEP: usize = 64;
/// Sums that are kept apart, as many as a vector of the processor holds.
const LANES: usize = 8;
/// Images that are compared with another one while that is in the processor's cache.
const BLOCK: usize = 32;

/// Images each of which is a near-duplicate of another one in the group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// Rows of the table, at least two, in its order.
    pub(super) rows: Vec<usize>,
    /// The largest cosine in it.
    pub(super) cosine: f32,
    /// Whether they are of more than one class: a label may be wrong.
    pub(super) across_classes: bool,
    /// Whether they are in more than one split: what is trained on is tested, too.
    pub(super) across_splits: bool,
}

/// The groups of near-duplicates: those across classes come first, then those across splits, then the most alike.
pub(super) fn groups(table: &Table, threads: usize) -> Vec<Group> {
    let images = table.labels.len();
    let units = Units::of(table);
    let alike = |(): &mut (), block: usize| {
        let rows = block * BLOCK..((block + 1) * BLOCK).min(images);
        let pairs =
            (rows.start..images).flat_map(|other| (rows.start..rows.end.min(other)).map(move |row| (row, other)));
        pairs.filter_map(|(row, other)| Some((row, other, units.cosine(row, other)?))).collect::<Vec<_>>()
    };
    let (mut leaders, mut cosines) = ((0..images).collect::<Vec<_>>(), vec![0f32; images]);
    let done = parallel::ordered(images.div_ceil(BLOCK), vec![(); threads], alike, |pairs| {
        for (row, other, cosine) in pairs {
            let (a, b) = (leader(&mut leaders, row), leader(&mut leaders, other));
            leaders[a.max(b)] = a.min(b);
            cosines[row] = cosines[row].max(cosine);
        }
        Ok::<_, std::convert::Infallible>(())
    });
    match done {
        Ok(()) => {}
    }
    let mut members = vec![Vec::new(); images];
    for row in 0..images {
        members[leader(&mut leaders, row)].push(row);
    }
    let mut groups: Vec<Group> = members
        .into_iter()
        .filter(|rows| rows.len() > 1)
        .map(|rows| {
            let first = rows[0];
            Group {
                cosine: rows.iter().map(|row| cosines[*row]).fold(0.0, f32::max),
                across_classes: rows.iter().any(|row| table.labels[*row] != table.labels[first]),
                across_splits: rows.iter().any(|row| table.splits[*row] != table.splits[first]),
                rows,
            }
        })
        .collect();
    groups.sort_by(|a, b| {
        let rank = |group: &Group| (!group.across_classes, !group.across_splits);
        rank(a).cmp(&rank(b)).then(b.cosine.total_cmp(&a.cosine)).then(a.rows.cmp(&b.rows))
    });
    groups
}

/// The first row of a row's group so far.
fn leader(leaders: &mut [usize], mut row: usize) -> usize {
    while leaders[row] != row {
        leaders[row] = leaders[leaders[row]];
        row = leaders[row];
    }
    row
}

/// A feature of length 1; one that is all 0 stays so, and is like nothing.
pub(super) fn unit(feature: &[f32]) -> impl Iterator<Item = f32> {
    let length = feature.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let scale = if length > 0.0 { length.recip() } else { 0.0 };
    feature.iter().map(move |value| (f64::from(*value) * scale) as f32)
}

/// The features of all images, of length 1.
struct Units {
    /// Values of each, a multiple of [`LANES`].
    channels: usize,
    /// One after the other, the channels in which images differ most first, and zeros behind them.
    values: Vec<f32>,
}

impl Units {
    fn of(table: &Table) -> Self {
        let images = table.labels.len();
        let (mut sums, mut squares) = (vec![0f64; table.channels], vec![0f64; table.channels]);
        for row in 0..images {
            for ((value, sum), square) in unit(table.feature(row)).zip(&mut sums).zip(&mut squares) {
                *sum += f64::from(value);
                *square += f64::from(value).powi(2);
            }
        }
        let variance = |channel: usize| squares[channel] - sums[channel].powi(2) / images as f64;
        let mut order: Vec<usize> = (0..table.channels).collect();
        order.sort_by(|a, b| variance(*b).total_cmp(&variance(*a)));
        let channels = table.channels.next_multiple_of(LANES);
        let mut values = Vec::with_capacity(images * channels);
        for row in 0..images {
            let unit: Vec<f32> = unit(table.feature(row)).collect();
            values.extend(order.iter().map(|channel| unit[*channel]));
            values.resize((row + 1) * channels, 0.0);
        }
        Self { channels, values }
    }

    /// The cosine between two images' features; `None` where it is below [`COSINE`].
    ///
    /// Computed from the distance, which only grows: most pairs are done with after the first channels.
    fn cosine(&self, row: usize, other: usize) -> Option<f32> {
        const FARTHEST: f32 = 2.0 - 2.0 * COSINE; // the square of it
        let [a, b] = [row, other].map(|row| &self.values[row * self.channels..][..self.channels]);
        let mut sum = 0f32;
        for (a, b) in a.chunks(STEP).zip(b.chunks(STEP)) {
            let mut lanes = [0f32; LANES];
            for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
                lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += (a - b) * (a - b));
            }
            sum += lanes.iter().sum::<f32>();
            if sum > FARTHEST {
                return None;
            }
        }
        let is_zero = a.iter().all(|value| *value == 0.0);
        (!is_zero).then_some(1.0 - sum / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors at these angles, in degrees, in a plane of 100 dimensions; the same length would not matter.
    fn at(angles: &[f64]) -> Table {
        let feature = |(row, angle): (usize, &f64)| {
            let (sine, cosine) = angle.to_radians().sin_cos();
            let scale = 1.0 + row as f64;
            (0..100).map(|channel| (scale * if channel % 2 == 0 { cosine } else { sine }) as f32).collect()
        };
        Table::of_features(angles.iter().enumerate().map(feature).collect())
    }

    #[test]
    fn images_are_grouped_through_one_another() {
        // Cosines: 20 degrees 0.940, 25 degrees 0.906, 26 degrees 0.899.
        let mut table = at(&[0.0, 90.0, 25.0, 51.1, 60.0, 89.0]);
        table.labels[5] = 1;
        table.classes.push("other".into());

        let groups = groups(&table, 2);

        let rows: Vec<_> = groups.iter().map(|group| (&group.rows[..], group.across_classes)).collect();
        assert_eq!(rows, [(&[1, 5][..], true), (&[3, 4], false), (&[0, 2], false)]);
        assert!((groups[0].cosine - 1f32.to_radians().cos()).abs() < 1e-5, "{}", groups[0].cosine);
    }

    #[test]
    fn those_in_two_splits_come_before_those_in_one() {
        let mut table = at(&[0.0, 0.0, 70.0, 90.0]);
        table.splits = ["train", "train", "train", "test"].map(|split| Some(split.to_owned())).into();

        let groups = groups(&table, 1);

        let splits: Vec<_> = groups.iter().map(|group| (&group.rows[..], group.across_splits)).collect();
        assert_eq!(splits, [(&[2, 3][..], true), (&[0, 1], false)]);
        assert_eq!(groups[1].cosine, 1.0);
    }

    #[test]
    fn features_that_are_all_zero_are_like_nothing() {
        assert_eq!(groups(&Table::of_features(vec![vec![0.0; 9]; 3]), 1), []);
    }
}
