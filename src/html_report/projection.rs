//! Features in two dimensions: their first two principal components.
//!
//! Block power iteration in f64, with a Rayleigh-Ritz step after each round. The start is fixed and sums are added in a fixed
//! order, so the result is the same on every run and for any number of threads.

use std::convert::Infallible;

use crate::features::Table;
use crate::util::parallel;

/// Directions that are iterated for the two that are wanted: the more, the sooner those two settle.
const BLOCK: usize = 8;
/// Images that the directions are computed from; all are projected.
const FITTED: usize = 2_000;
/// Images that one piece of work adds up.
const PIECE: usize = 64;
/// Rounds, if the directions do not settle before.
const ROUNDS: usize = 100;
/// They have when the two variances change by less than this share of them. A direction is then off by the root of that, far
/// less than a point on the page is wide.
const SETTLED: f64 = 1e-9;
/// A direction of which less than this share is left, once those before it are taken out, is rounding.
const NOTHING: f64 = 1e-10;

/// A row for each channel, a column for each direction.
type Directions = Vec<[f64; BLOCK]>;

/// Where each image lies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Projection {
    /// Along the first direction and the second, the mean at 0.
    pub(super) points: Vec<[f64; 2]>,
    /// Shares of the variance that the two have, 0 to 1.
    pub(super) explained: [f64; 2],
}

impl Projection {
    /// Projects all images of `table`.
    pub(super) fn of(table: &Table, threads: usize) -> Self {
        let images = table.labels.len();
        let fitted: Vec<usize> = (0..images.min(FITTED)).map(|k| k * images / images.min(FITTED)).collect();
        let cloud = Cloud::new(table, fitted, threads);
        let (mut directions, mut variances) = (start(table.channels), [0.0; 2]);
        for _ in 0..ROUNDS {
            let (next, found) = cloud.round(&directions);
            directions = next;
            let has_settled = found.iter().zip(variances).all(|(new, old)| (new - old).abs() <= SETTLED * new.abs());
            variances = found;
            if has_settled {
                break;
            }
        }
        turn_positive(&mut directions);
        let total = cloud.variance();
        let share = |variance: f64| if total > 0.0 { (variance / total).clamp(0.0, 1.0) } else { 0.0 };
        let point = |row: usize| {
            let along = cloud.along(row, &directions);
            [along[0], along[1]]
        };
        Self { points: (0..images).map(point).collect(), explained: variances.map(share) }
    }
}

/// The images that the directions are computed from.
struct Cloud<'t> {
    table: &'t Table,
    rows: Vec<usize>,
    mean: Vec<f64>,
    threads: usize,
}

impl<'t> Cloud<'t> {
    fn new(table: &'t Table, rows: Vec<usize>, threads: usize) -> Self {
        let mut mean = vec![0.0; table.channels];
        for &row in &rows {
            mean.iter_mut().zip(table.feature(row)).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= rows.len().max(1) as f64);
        Self { table, rows, mean, threads }
    }

    /// An image, the mean taken away, along each direction.
    fn along(&self, row: usize, directions: &Directions) -> [f64; BLOCK] {
        let mut along = [0.0; BLOCK];
        for ((value, mean), direction) in self.table.feature(row).iter().zip(&self.mean).zip(directions) {
            add(&mut along, f64::from(*value) - mean, direction);
        }
        along
    }

    /// The sum of all channels' variances.
    fn variance(&self) -> f64 {
        let square = |(value, mean): (&f32, &f64)| (f64::from(*value) - mean).powi(2);
        let squares = |&row: &usize| self.table.feature(row).iter().zip(&self.mean).map(square).sum::<f64>();
        self.rows.iter().map(squares).sum::<f64>() / self.rows.len().max(1) as f64
    }

    /// Multiplies orthonormal directions by the covariance, and makes of the outcome the best approximations to its
    /// eigenvectors, the largest first. Tells the variance along the first two.
    fn round(&self, directions: &Directions) -> (Directions, [f64; 2]) {
        let image = self.covariance_times(directions);
        let mut small = [[0.0; BLOCK]; BLOCK];
        for (left, right) in directions.iter().zip(&image) {
            small.iter_mut().zip(left).for_each(|(sums, factor)| add(sums, *factor, right));
        }
        let (values, vectors) = eigen(small);
        let turned = |row: &[f64; BLOCK]| {
            let mut turned = [0.0; BLOCK];
            row.iter().zip(&vectors).for_each(|(factor, vector)| add(&mut turned, *factor, vector));
            turned
        };
        let mut next: Directions = image.iter().map(turned).collect();
        orthonormalize(&mut next);
        (next, [values[0], values[1]])
    }

    fn covariance_times(&self, directions: &Directions) -> Directions {
        let channels = self.table.channels;
        let piece = |(): &mut (), number: usize| {
            let mut sums = vec![[0.0; BLOCK]; channels];
            for &row in self.rows.iter().skip(number * PIECE).take(PIECE) {
                let along = self.along(row, directions);
                for ((value, mean), sum) in self.table.feature(row).iter().zip(&self.mean).zip(&mut sums) {
                    add(sum, f64::from(*value) - mean, &along);
                }
            }
            sums
        };
        let mut product = vec![[0.0; BLOCK]; channels];
        let pieces = self.rows.len().div_ceil(PIECE);
        let done: Result<(), Infallible> = parallel::ordered(pieces, vec![(); self.threads], piece, |sums| {
            product.iter_mut().zip(&sums).for_each(|(product, sum)| add(product, 1.0, sum));
            Ok(())
        });
        match done {
            Ok(()) => {}
        }
        let images = self.rows.len().max(1) as f64;
        product.iter_mut().flatten().for_each(|value| *value /= images);
        product
    }
}

fn add(sums: &mut [f64; BLOCK], factor: f64, values: &[f64; BLOCK]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
}

/// Orthonormal directions that lie anyhow, the same on every run (splitmix64).
fn start(channels: usize) -> Directions {
    let mut state = 0u64;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let mut directions: Directions = (0..channels).map(|_| std::array::from_fn(|_| random())).collect();
    orthonormalize(&mut directions);
    directions
}

/// Gram and Schmidt, each column twice; a column of which nothing is left becomes 0.
fn orthonormalize(directions: &mut Directions) {
    for column in 0..BLOCK {
        let norm = |directions: &Directions| directions.iter().map(|row| row[column] * row[column]).sum::<f64>().sqrt();
        let before = norm(directions);
        for earlier in (0..column).chain(0..column) {
            let overlap: f64 = directions.iter().map(|row| row[earlier] * row[column]).sum();
            directions.iter_mut().for_each(|row| row[column] -= overlap * row[earlier]);
        }
        let left = norm(directions);
        let scale = if left > NOTHING * before { left.recip() } else { 0.0 };
        directions.iter_mut().for_each(|row| row[column] *= scale);
    }
}

/// Turns each direction so that its largest component is positive: its opposite would do as well.
fn turn_positive(directions: &mut Directions) {
    for column in 0..BLOCK {
        let largest =
            directions.iter().map(|row| row[column]).fold(0.0f64, |a, b| if b.abs() > a.abs() { b } else { a });
        if largest < 0.0 {
            directions.iter_mut().for_each(|row| row[column] = -row[column]);
        }
    }
}

/// Eigenvalues of a symmetric matrix, the largest first, and its eigenvectors as columns: Jacobi's rotations.
fn eigen(mut matrix: [[f64; BLOCK]; BLOCK]) -> ([f64; BLOCK], [[f64; BLOCK]; BLOCK]) {
    const SWEEPS: usize = 30; // it converges quadratically; ten do
    let mut vectors: [[f64; BLOCK]; BLOCK] = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(i == j)));
    for _ in 0..SWEEPS {
        for p in 0..BLOCK {
            for q in p + 1..BLOCK {
                if matrix[p][q] == 0.0 {
                    continue;
                }
                let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
                let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cosine = (tangent * tangent + 1.0).sqrt().recip();
                let sine = tangent * cosine;
                for row in &mut matrix {
                    (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
                }
                let (above, below) = matrix.split_at_mut(q);
                for (a, b) in above[p].iter_mut().zip(&mut below[0]) {
                    (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
                }
                for row in &mut vectors {
                    (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
                }
            }
        }
    }
    let mut order: [usize; BLOCK] = std::array::from_fn(|i| i);
    order.sort_by(|a, b| matrix[*b][*b].total_cmp(&matrix[*a][*a]));
    (order.map(|i| matrix[i][i]), vectors.map(|row| order.map(|i| row[i])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images whose channels are sums of `axes`, each as far along them as a fixed recipe says.
    fn cloud(images: usize, axes: &[(f64, Vec<f64>)]) -> Table {
        let rows = (0..images).map(|image| {
            let mut row = vec![1.0; axes[0].1.len()];
            for (number, (length, axis)) in axes.iter().enumerate() {
                let along = length * ((image * (2 * number + 1)) as f64 * 1.234 + number as f64).sin();
                row.iter_mut().zip(axis).for_each(|(value, axis)| *value += along * axis);
            }
            row
        });
        Table::of_features(rows.map(|row| row.into_iter().map(|value| value as f32).collect()).collect())
    }

    fn unit(channels: usize, at: usize) -> Vec<f64> {
        (0..channels).map(|channel| f64::from(channel == at)).collect()
    }

    #[test]
    fn the_two_widest_directions_are_found() {
        let axes: Vec<_> =
            [(9.0, 17), (5.0, 3), (1.0, 8), (0.5, 20), (0.25, 1)].map(|(l, at)| (l, unit(24, at))).into();
        let table = cloud(300, &axes);

        let projection = Projection::of(&table, 2);

        let mean = |at: usize| (0..300).map(|row| f64::from(table.feature(row)[at])).sum::<f64>() / 300.0;
        for (row, point) in projection.points.iter().enumerate() {
            for (along, channel) in point.iter().zip([17, 3]) {
                let expected = f64::from(table.feature(row)[channel]) - mean(channel);
                assert!((along - expected).abs() < 0.05, "{row}: {along} is not {expected}");
            }
        }
        let [first, second] = projection.explained;
        assert!(first > 0.7 && second > 0.2 && first + second < 1.0, "{first} {second}");
    }

    #[test]
    fn it_does_not_depend_on_threads() {
        let axes: Vec<_> = (0..12).map(|at| (12.0 - at as f64, unit(40, 3 * at))).collect();
        let table = cloud(500, &axes);

        assert_eq!(Projection::of(&table, 1), Projection::of(&table, 5));
    }

    #[test]
    fn images_that_are_all_alike_lie_in_one_place() {
        let projection = Projection::of(&Table::of_features(vec![vec![0.5; 10]; 4]), 1);

        assert_eq!(projection, Projection { points: vec![[0.0; 2]; 4], explained: [0.0; 2] });
    }

    #[test]
    fn one_image_and_fewer_channels_than_directions_are_no_problem() {
        let one = Projection::of(&Table::of_features(vec![vec![1.0, 2.0]]), 1);
        let line = Projection::of(&Table::of_features((0..5).map(|k| vec![k as f32, 7.0]).collect()), 1);

        assert_eq!(one.points, [[0.0; 2]]);
        let along: Vec<f64> = line.points.iter().map(|point| point[0].round()).collect();
        assert_eq!(along, [-2.0, -1.0, 0.0, 1.0, 2.0]);
        assert!((line.explained[0] - 1.0).abs() < 1e-9, "{:?}", line.explained);
    }
}
