//! The features of a finished conversion, averaged over the picture, with their labels: for those who look at them.

mod error;

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

pub use error::TableError;

use crate::convert::{Manifest, REPORT_NAME, WrittenFile};
use crate::engine::average;
use crate::inspect::InspectError;
use crate::parallel;
use crate::report::Verdict;
use crate::store;
use crate::tfrecord::{Example, Extra, Message, Reader, open};

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Every one.
    All,
    /// At most so many, evenly spaced, so that each class and each split has its share.
    AtMost(usize),
}

impl Sample {
    /// Whether record `number` of `records` is one of them.
    fn has(self, number: u64, records: u64) -> bool {
        match self {
            Self::AtMost(most) if (most as u64) < records => {
                let before = |number: u64| u128::from(number) * most as u128 / u128::from(records);
                before(number) != before(number + 1)
            }
            Self::All | Self::AtMost(_) => true,
        }
    }
}

/// Images of a conversion.
pub struct Table {
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// Values of a feature once it is averaged over height and width.
    pub channels: usize,
    /// The features, one after the other.
    features: Vec<f32>,
    /// Each image's class.
    pub labels: Vec<usize>,
    /// What each image is called: its path, or else where its record is.
    pub names: Vec<String>,
    /// Each image's split; `None` where the data set is not divided.
    pub splits: Vec<Option<String>>,
    /// Records that the conversion has, read or not.
    pub records: u64,
    /// The numbers of those that were read, counted from 0 through all record files.
    numbers: Vec<u64>,
}

/// What one record file holds.
#[derive(Default)]
struct Part {
    features: Vec<f32>,
    labels: Vec<usize>,
    names: Vec<String>,
    numbers: Vec<u64>,
}

impl Table {
    /// Reads records of the folder `out`, which `petrec convert` has finished. After each record file, `watch` is told how many
    /// there are. Names come from the conversion's report in that folder, where the records have none.
    ///
    /// # Errors
    /// There is no manifest, or a record file is damaged or not what the manifest says.
    pub fn read(out: &Path, sample: Sample, threads: usize, watch: &mut dyn FnMut(usize)) -> Result<Self, TableError> {
        Self::of(&Manifest::read(out)?, out, &out.join(REPORT_NAME), sample, threads, watch)
    }

    /// The same where the manifest has been read, and for a report wherever it is.
    pub(crate) fn of(
        manifest: &Manifest,
        out: &Path,
        report: &Path,
        sample: Sample,
        threads: usize,
        watch: &mut dyn FnMut(usize),
    ) -> Result<Self, TableError> {
        let channels = manifest.record.shape.last().copied().unwrap_or_default();
        let mut table = Self {
            classes: manifest.classes.clone(),
            channels,
            features: Vec::new(),
            labels: Vec::new(),
            names: Vec::new(),
            splits: Vec::new(),
            records: manifest.records(),
            numbers: Vec::new(),
        };
        let first = |next: &mut u64, file: &WrittenFile| Some(std::mem::replace(next, *next + file.records));
        let firsts: Vec<u64> = manifest.files.iter().scan(0, first).collect();
        let records = table.records;
        let is_wanted = |number: u64| sample.has(number, records);
        let read = |(): &mut (), number: usize| (number, read_file(out, manifest, number, firsts[number], is_wanted));
        parallel::ordered(manifest.files.len(), vec![(); threads], read, |(number, part)| {
            let part = part?;
            let split = &manifest.files[number].split;
            table.splits.extend(part.labels.iter().map(|_| split.clone()));
            table.features.extend(part.features);
            table.labels.extend(part.labels);
            table.names.extend(part.names);
            table.numbers.extend(part.numbers);
            watch(manifest.files.len());
            Ok::<_, TableError>(())
        })?;
        let has_paths = manifest.record.with.iter().any(|key| key == Extra::Path.key());
        if !has_paths && manifest.plan.is_sorted() {
            table.name_by_report(manifest, report);
        }
        Ok(table)
    }

    /// A table of images of one class.
    #[cfg(test)]
    pub(crate) fn of_features(features: Vec<Vec<f32>>) -> Self {
        let images = features.len();
        Self {
            classes: vec!["class".into()],
            channels: features[0].len(),
            labels: vec![0; images],
            names: (0..images).map(|image| image.to_string()).collect(),
            splits: vec![None; images],
            records: images as u64,
            numbers: (0..images as u64).collect(),
            features: features.concat(),
        }
    }

    /// All features, one after the other, each of [`channels`](Self::channels) values.
    #[must_use]
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// One image's feature.
    #[must_use]
    pub fn feature(&self, row: usize) -> &[f32] {
        &self.features[row * self.channels..][..self.channels]
    }

    /// Takes the paths from the conversion's report, whose accepted files are, split by split, the records in their order.
    fn name_by_report(&mut self, manifest: &Manifest, report: &Path) {
        #[derive(Deserialize)]
        struct Report {
            files: Vec<File>,
        }
        #[derive(Deserialize)]
        struct File {
            path: String,
            verdict: Verdict,
            split: Option<String>,
        }
        let report = store::read(report).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(Report { files }) = report else { return };
        let mut paths: HashMap<Option<String>, Vec<String>> = HashMap::new();
        for file in files.into_iter().filter(|file| file.verdict == Verdict::Accepted) {
            paths.entry(file.split).or_default().push(file.path);
        }
        let mut rest: HashMap<_, _> = paths.into_iter().map(|(split, paths)| (split, paths.into_iter())).collect();
        let mut names = Vec::new();
        for file in &manifest.files {
            let records = usize::try_from(file.records).unwrap_or(usize::MAX);
            names.extend(rest.get_mut(&file.split).into_iter().flatten().take(records));
        }
        if names.len() as u64 == self.records && rest.values().all(|rest| rest.len() == 0) {
            self.names = self.numbers.iter().map(|number| std::mem::take(&mut names[*number as usize])).collect();
        }
    }
}

/// Reads the wanted records of a file whose first one has the number `first` among all.
fn read_file(
    out: &Path,
    manifest: &Manifest,
    number: usize,
    first: u64,
    is_wanted: impl Fn(u64) -> bool,
) -> Result<Part, TableError> {
    let file = &manifest.files[number];
    // A manifest of ours names no file outside its folder; the folder itself is none that can be read.
    let path = out.join(file.relative().unwrap_or_default());
    let unreadable = |reason: InspectError| TableError::Read { path: path.clone(), reason };
    let mut part = Part::default();
    let (_, content) = open(&path).map_err(|error| unreadable(error.into()))?;
    let mut reader = Reader::new(content);
    loop {
        let number = reader.records();
        if !is_wanted(first + number) {
            let Some(passed) = reader.pass_over() else { break };
            passed.map_err(|error| unreadable(error.into()))?;
            continue;
        }
        let Some(record) = reader.next() else { break };
        let record = record.map_err(|error| unreadable(error.into()))?;
        let add = part.add(&record, manifest, || format!("{}, record {number}", file.path));
        add.map_err(|problem| TableError::Record { path: path.clone(), number, problem })?;
        part.numbers.push(first + number);
    }
    match reader.records() {
        found if found == file.records => Ok(part),
        found => Err(TableError::Count { path, found, expected: file.records }),
    }
}

impl Part {
    fn add(&mut self, record: &[u8], manifest: &Manifest, place: impl Fn() -> String) -> Result<(), String> {
        let example = Example::decode(record).map_err(|error| format!("no tf.train.Example ({error})"))?;
        let description = &manifest.record;
        let (values, channels) = (description.shape.iter().product::<usize>(), description.shape.last().copied());
        let feature = example.floats(&description.feature_key).filter(|floats| floats.len() == values && values > 0);
        let feature = feature.ok_or_else(|| format!("not {values} floats under '{}'", description.feature_key))?;
        if !feature.iter().all(|value| value.is_finite()) {
            return Err(format!("a value under '{}' is not finite", description.feature_key));
        }
        let label = match example.integers(&description.label_key) {
            Some(&[label]) => usize::try_from(label).ok().filter(|label| *label < manifest.classes.len()),
            _ => None,
        };
        let label = label.ok_or_else(|| format!("no label of a class under '{}'", description.label_key))?;

        self.features.extend(average(feature, channels.unwrap_or(values)));
        self.labels.push(label);
        let path = example.bytes(Extra::Path.key()).and_then(|values| values.first());
        self.names.push(path.map_or_else(place, |path| String::from_utf8_lossy(path).into_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_evenly_and_has_its_size() {
        for (most, records) in [(2000, 25_000), (2000, 2001), (3, 10), (1, 7)] {
            let taken: Vec<u64> = (0..records).filter(|number| Sample::AtMost(most).has(*number, records)).collect();
            assert_eq!(taken.len(), most, "{most} of {records}");
            let gaps: Vec<u64> = taken.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let spread = gaps.iter().max().zip(gaps.iter().min()).map_or(0, |(most, least)| most - least);
            assert!(spread <= 1, "{most} of {records}: {gaps:?}");
        }
        for sample in [Sample::All, Sample::AtMost(7), Sample::AtMost(8)] {
            assert!((0..7).all(|number| sample.has(number, 7)), "{sample:?}");
        }
    }
}
