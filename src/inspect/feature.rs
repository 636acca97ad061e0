//! What the values of one feature are like.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::tfrecord::message::{FeatureView, ListKind};

/// How many different values are counted one by one; what has more is no class.
const MOST_COUNTED: usize = 1000;

/// One key of the records with one kind of list, over all records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Feature {
    /// Records that have it.
    pub records: u64,
    /// Fewest values in a record.
    pub fewest: usize,
    /// Most values in a record.
    pub most: usize,
    /// The values themselves.
    #[serde(flatten)]
    pub values: Values,
}

/// The values of a feature, by its kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Values {
    /// No list: the writer named the feature and gave it no kind.
    None,
    /// A float list.
    Float(Floats),
    /// An int64 list.
    Int64(Counted<i64>),
    /// A bytes list, by the lengths of the byte strings.
    Bytes(Counted<usize>),
}

/// Statistics of floats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Floats {
    /// The smallest; null where there is none that is finite.
    pub min: Option<f32>,
    /// The largest.
    pub max: Option<f32>,
    /// The mean, summed in f64.
    pub mean: Option<f64>,
    /// How many are zero.
    pub zeros: u64,
    /// How many are a NaN or an infinity; these are in none of the above.
    pub not_finite: u64,
    /// How many there are.
    pub count: u64,
    #[serde(skip)]
    sum: f64,
}

/// Statistics of whole numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counted<T: Ord> {
    /// The smallest; null where there is none.
    pub min: Option<T>,
    /// The largest.
    pub max: Option<T>,
    /// How often each value occurs; null where there are more than a thousand different ones.
    pub counts: Option<BTreeMap<T, u64>>,
}

impl Feature {
    /// The feature of one record.
    pub(super) fn of(view: &FeatureView<'_>) -> Self {
        let values = match view.kind() {
            None => Values::None,
            Some(ListKind::Floats) => Values::Float(Floats::of(view.floats())),
            Some(ListKind::Integers) => Values::Int64(Counted::of(view.integers())),
            Some(ListKind::Bytes) => Values::Bytes(Counted::of(view.byte_strings().map(<[u8]>::len))),
        };
        let length = view.len();
        Self { records: 1, fewest: length, most: length, values }
    }

    /// Whether these are lists of one kind.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.values) == std::mem::discriminant(&other.values)
    }

    /// Adds the same feature of other records, of the same kind.
    pub(super) fn add(&mut self, other: Self) {
        self.records += other.records;
        self.fewest = self.fewest.min(other.fewest);
        self.most = self.most.max(other.most);
        match (&mut self.values, other.values) {
            (Values::None, Values::None) => {}
            (Values::Float(ours), Values::Float(theirs)) => ours.add(&theirs),
            (Values::Int64(ours), Values::Int64(theirs)) => ours.add(theirs),
            (Values::Bytes(ours), Values::Bytes(theirs)) => ours.add(theirs),
            _ => debug_assert!(false, "features are told apart by their kinds"),
        }
    }
}

impl Floats {
    fn of(values: impl Iterator<Item = f32>) -> Self {
        let mut all = Self { min: None, max: None, mean: None, zeros: 0, not_finite: 0, count: 0, sum: 0.0 };
        for value in values {
            all.count += 1;
            all.zeros += u64::from(value == 0.0);
            if value.is_finite() {
                all.min = Some(all.min.map_or(value, |min| min.min(value)));
                all.max = Some(all.max.map_or(value, |max| max.max(value)));
                all.sum += f64::from(value);
            } else {
                all.not_finite += 1;
            }
        }
        all.with_mean()
    }

    fn add(&mut self, other: &Self) {
        self.min = self.min.into_iter().chain(other.min).reduce(f32::min);
        self.max = self.max.into_iter().chain(other.max).reduce(f32::max);
        self.zeros += other.zeros;
        self.not_finite += other.not_finite;
        self.count += other.count;
        self.sum += other.sum;
        *self = self.clone().with_mean();
    }

    fn with_mean(self) -> Self {
        let finite = self.count - self.not_finite;
        Self { mean: (finite > 0).then(|| self.sum / finite as f64), ..self }
    }
}

impl<T: Ord + Copy> Counted<T> {
    fn of(values: impl Iterator<Item = T>) -> Self {
        let mut all = Self { min: None, max: None, counts: Some(BTreeMap::new()) };
        for value in values {
            all.min = Some(all.min.map_or(value, |min| min.min(value)));
            all.max = Some(all.max.map_or(value, |max| max.max(value)));
            if let Some(counts) = &mut all.counts {
                *counts.entry(value).or_default() += 1;
            }
            // A record can have hundreds of millions: what has too many is not kept until its end.
            all.counts = all.counts.filter(|counts| counts.len() <= MOST_COUNTED);
        }
        all
    }

    fn add(&mut self, other: Self) {
        self.min = self.min.into_iter().chain(other.min).min();
        self.max = self.max.into_iter().chain(other.max).max();
        self.counts = match (self.counts.take(), other.counts) {
            (Some(mut ours), Some(theirs)) => {
                for (value, count) in theirs {
                    *ours.entry(value).or_default() += count;
                }
                (ours.len() <= MOST_COUNTED).then_some(ours)
            }
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(values: Values) -> Feature {
        let count = match &values {
            Values::Float(floats) => floats.count as usize,
            _ => 0,
        };
        Feature { records: 1, fewest: count, most: count, values }
    }

    fn floats(values: &[f32]) -> Feature {
        feature(Values::Float(Floats::of(values.iter().copied())))
    }

    fn integers(values: impl IntoIterator<Item = i64>) -> Feature {
        feature(Values::Int64(Counted::of(values.into_iter())))
    }

    #[test]
    fn statistics_of_parts_add_up() {
        let mut sum = floats(&[0.0, 2.0, f32::NAN]);
        sum.add(floats(&[]));
        sum.add(floats(&[-1.0]));

        let Values::Float(values) = &sum.values else { panic!("floats") };
        assert_eq!((sum.records, sum.fewest, sum.most), (3, 0, 3));
        assert_eq!((values.min, values.max, values.mean), (Some(-1.0), Some(2.0), Some(1.0 / 3.0)));
        assert_eq!((values.zeros, values.not_finite, values.count), (1, 1, 4));
    }

    #[test]
    fn numbers_are_counted_as_long_as_there_are_few() {
        let mut few = integers([3, 3, -1]);
        few.add(integers([3]));
        let mut many = integers(0..900);
        many.add(integers(500..1500));

        let counts = BTreeMap::from([(-1, 1), (3, 3)]);
        assert_eq!(few.values, Values::Int64(Counted { min: Some(-1), max: Some(3), counts: Some(counts) }));
        assert_eq!(many.values, Values::Int64(Counted { min: Some(0), max: Some(1499), counts: None }));
    }
}
