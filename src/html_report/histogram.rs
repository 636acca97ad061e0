//! How often values lie where.

/// Columns of a histogram, beside the two that are open at their ends.
const COLUMNS: usize = 20;

/// The sides of a picture, the longer to the shorter, at which a column of the aspect ratios ends. A square has a column.
const RATIOS: [f64; 6] = [1.05, 1.25, 1.45, 1.65, 2.0, 3.0];

/// One column of a histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Which values it counts, for people: `400–449`.
    pub(super) label: String,
    /// The same for the axis below it: `400`.
    pub(super) tick: String,
    pub(super) count: usize,
}

/// Pixels, in equal steps of a round number that leave at most a hundredth at either end to columns of their own.
pub(super) fn of_lengths(lengths: impl Iterator<Item = usize>) -> Vec<Column> {
    let mut lengths: Vec<usize> = lengths.collect();
    lengths.sort_unstable();
    let Some(last) = lengths.len().checked_sub(1) else { return Vec::new() };
    let (low, high) = (lengths[last / 100], lengths[last - last / 100]);
    let step = round_step((high - low) / COLUMNS + 1);
    let first = low / step;
    let count = |from: usize, to: usize| {
        lengths.partition_point(|length| *length < to) - lengths.partition_point(|length| *length < from)
    };
    let mut columns = Vec::new();
    let below = count(0, first * step);
    if below > 0 {
        columns.push(Column {
            label: format!("below {}", first * step),
            tick: format!("<{}", first * step),
            count: below,
        });
    }
    for number in first..=high / step {
        let (from, to) = (number * step, (number + 1) * step);
        let label = if step == 1 { from.to_string() } else { format!("{from}–{}", to - 1) };
        columns.push(Column { label, tick: from.to_string(), count: count(from, to) });
    }
    let end = (high / step + 1) * step;
    let above = count(end, usize::MAX);
    if above > 0 {
        columns.push(Column { label: format!("{end} and more"), tick: format!("≥{end}"), count: above });
    }
    columns
}

/// The smallest of 1, 2, 5, 10, 20, 50, ... that is not below `least`.
fn round_step(least: usize) -> usize {
    let mut power = 1;
    loop {
        if let Some(step) = [1, 2, 5].into_iter().map(|digit| digit * power).find(|step| *step >= least) {
            return step;
        }
        power *= 10;
    }
}

/// Width to height of pictures: upright ones, squares in the middle, and wide ones.
pub(super) fn of_ratios(sizes: impl Iterator<Item = (usize, usize)>) -> Vec<Column> {
    let places = RATIOS.len();
    let mut counts = vec![0; 2 * places + 1];
    for (width, height) in sizes {
        let ratio = width.max(height) as f64 / width.min(height).max(1) as f64;
        let place = RATIOS.iter().position(|end| ratio < *end).unwrap_or(places);
        counts[if width < height { places - place } else { places + place }] += 1;
    }
    let range = |place: usize| match place {
        0 => (String::new(), "1:1".to_owned()),
        place if place == places => (format!("more than {}", RATIOS[place - 1]), format!(">{}", RATIOS[place - 1])),
        place => (format!("{} to {}", RATIOS[place - 1], RATIOS[place]), RATIOS[place - 1].to_string()),
    };
    let column = |(at, count): (usize, usize)| {
        let (label, tick) = range(at.abs_diff(places));
        match at.cmp(&places) {
            std::cmp::Ordering::Equal => Column { label: "about square".to_owned(), tick, count },
            std::cmp::Ordering::Less => Column { label: format!("upright, {label}"), tick, count },
            std::cmp::Ordering::Greater => Column { label: format!("wide, {label}"), tick, count },
        }
    };
    counts.into_iter().enumerate().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(columns: &[Column]) -> Vec<(&str, usize)> {
        columns.iter().map(|column| (&column.label[..], column.count)).collect()
    }

    #[test]
    fn every_length_is_in_one_column() {
        let lengths = (0..500).map(|k| 300 + k % 200).chain([3, 9000]);

        let columns = of_lengths(lengths);

        assert_eq!(columns.iter().map(|column| column.count).sum::<usize>(), 502);
        let (first, last) = (&columns[0], &columns[columns.len() - 1]);
        assert_eq!(shown(std::slice::from_ref(first)), [("below 300", 1)]);
        assert_eq!(shown(&columns[1..2]), [("300–309", 30)]);
        assert_eq!(shown(std::slice::from_ref(last)), [("500 and more", 1)]);
    }

    #[test]
    fn equal_lengths_are_one_column_and_none_are_none() {
        assert_eq!(shown(&of_lengths([500; 7].into_iter())), [("500", 7)]);
        assert_eq!(of_lengths(std::iter::empty()), []);
    }

    #[test]
    fn upright_and_wide_pictures_mirror_each_other() {
        let columns = of_ratios([(100, 100), (104, 100), (400, 300), (300, 400), (10, 100), (500, 333)].into_iter());

        let counted: Vec<_> = columns.iter().filter(|column| column.count > 0).cloned().collect();
        let expected = [
            ("upright, more than 3", 1),
            ("upright, 1.25 to 1.45", 1),
            ("about square", 2),
            ("wide, 1.25 to 1.45", 1),
            ("wide, 1.45 to 1.65", 1),
        ];
        assert_eq!(shown(&counted), expected);
    }
}
