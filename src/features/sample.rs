//! Which records of a conversion are looked at.

use std::ops::Range;

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Every one.
    All,
    /// At most so many, evenly spaced, so that each class and each split has its share.
    AtMost(usize),
    /// The same at little cost: compressed files, unless they are small, are read from their beginnings only, from each as many
    /// records as are wanted of it.
    Brief(usize),
}

/// Records of one file, by their numbers in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Every one.
    All,
    /// These, in ascending order.
    Some(Vec<u64>),
}

impl Sample {
    /// Those of a file that has the records `range`, of `records` in all.
    pub(super) fn of(self, range: Range<u64>, records: u64, is_cheap: bool) -> Wanted {
        let (most, is_spread) = match self {
            Self::All => return Wanted::All,
            Self::AtMost(most) => (most as u64, true),
            Self::Brief(most) => (most as u64, is_cheap),
        };
        if most >= records {
            return Wanted::All;
        }
        // Record n is one of them where n * most / records, rounded down, is another number than that of n + 1.
        let before = |number: u64| (u128::from(number) * u128::from(most) / u128::from(records.max(1))) as u64;
        let places = before(range.start)..before(range.end);
        let place = |number: u64| {
            let end = (u128::from(number + 1) * u128::from(records)).div_ceil(u128::from(most)) as u64;
            end - 1 - range.start
        };
        let numbers: Vec<u64> = match is_spread {
            true => places.map(place).collect(),
            false => (0..places.end - places.start).collect(),
        };
        if numbers.len() as u64 == range.end - range.start { Wanted::All } else { Wanted::Some(numbers) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wanted ones of files of these many records.
    fn numbers(sample: Sample, files: &[u64], is_cheap: bool) -> Vec<u64> {
        let records = files.iter().sum();
        let mut first = 0;
        let mut all = Vec::new();
        for file in files {
            let range = first..first + file;
            match sample.of(range.clone(), records, is_cheap) {
                Wanted::All => all.extend(range),
                Wanted::Some(numbers) => all.extend(numbers.into_iter().map(|number| first + number)),
            }
            first += file;
        }
        all
    }

    #[test]
    fn a_sample_is_spread_evenly_and_has_its_size() {
        for (most, records) in [(2000, 25_000), (2000, 2001), (3, 10), (1, 7)] {
            let taken = numbers(Sample::AtMost(most), &[records / 3, 0, records - records / 3], true);
            assert_eq!(taken.len(), most, "{most} of {records}");
            let gaps: Vec<u64> = taken.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let spread = gaps.iter().max().zip(gaps.iter().min()).map_or(0, |(most, least)| most - least);
            assert!(spread <= 1, "{most} of {records}: {gaps:?}");
        }
        for sample in [Sample::All, Sample::AtMost(7), Sample::AtMost(8), Sample::Brief(7)] {
            assert_eq!(numbers(sample, &[3, 4], false), [0, 1, 2, 3, 4, 5, 6], "{sample:?}");
        }
    }

    #[test]
    fn a_brief_sample_of_compressed_files_is_their_beginnings() {
        let files = [1000, 500, 10, 2000];

        let taken = numbers(Sample::Brief(35), &files, false);

        let of = |range: Range<u64>| taken.iter().filter(|number| range.contains(number)).count();
        assert_eq!(taken.len(), 35);
        assert_eq!([of(0..9), of(1000..1006), of(1510..1531)], [9, 5, 20].map(|count: usize| count.min(count)));
        assert_eq!(numbers(Sample::Brief(35), &files, true), numbers(Sample::AtMost(35), &files, false));
    }
}
