//! The features of a finished conversion, averaged over the picture, with their labels: for those who look at them.

mod error;
mod sample;
mod seek;

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

pub use error::TableError;
pub use sample::Sample;

use crate::engine::average;
use crate::inspect::InspectError;
use crate::manifest::{Manifest, REPORT_NAME, WrittenFile};
use crate::results::{Verdict, shown_path};
use crate::storage;
use crate::text::{one_line, text_of_bytes};
use crate::tfrecord::message::Message;
use crate::tfrecord::{Compression, Extra, Reader, open, open_briefly};
use crate::util::parallel;
use sample::Wanted;
use seek::{Jumps, Seeker};

/// Bytes of the features of all records up to which compressed files are read to their ends for any sample: a second's work.
const SMALL: u64 = 64 << 20;
/// Bytes of a record below which a file in a store is read through rather than in a request for each record.
const WORTH_A_REQUEST: u64 = 64 << 10;

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
        let wanted = |number: usize| {
            let range = firsts[number]..firsts[number] + manifest.files[number].records;
            sample.of(range, table.records, is_cheap_to_read_through(manifest))
        };
        let source = Source { out, manifest };
        let read = |(): &mut (), number: usize| (number, source.read(number, firsts[number], wanted(number)));
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
            path_bytes: Option<String>,
            verdict: Verdict,
            split: Option<String>,
        }
        let report = storage::read(report).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(Report { files }) = report else { return };
        let mut paths: HashMap<Option<String>, Vec<String>> = HashMap::new();
        for file in files.into_iter().filter(|file| file.verdict == Verdict::Accepted) {
            paths.entry(file.split).or_default().push(shown_path(&file.path, file.path_bytes.as_deref()).into_owned());
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

/// Whether reading all records costs so little that a sample can be spread over compressed files.
fn is_cheap_to_read_through(manifest: &Manifest) -> bool {
    let values = manifest.record.values().unwrap_or_default() as u64;
    manifest.record.compression == Compression::None.name()
        || manifest.records().saturating_mul(values).saturating_mul(size_of::<f32>() as u64) <= SMALL
}

/// The record files of a conversion.
struct Source<'a> {
    out: &'a Path,
    manifest: &'a Manifest,
}

impl Source<'_> {
    /// Reads the wanted records of a file, whose first record has the number `first` among all.
    fn read(&self, number: usize, first: u64, wanted: Wanted) -> Result<Part, TableError> {
        let Self { out, manifest } = self;
        let file = &manifest.files[number];
        // A manifest of ours names no file outside its folder; the folder itself is none that can be read.
        let path = out.join(file.relative().unwrap_or_default());
        let unreadable = |reason: InspectError| TableError::Read { path: path.clone(), reason };
        let mut part = Part::default();
        let mut take = |number: u64, record: &[u8]| {
            let add = part.add(record, manifest, || format!("{}, record {number}", file.path));
            add.map_err(|problem| TableError::Record { path: path.clone(), number, problem })?;
            part.numbers.push(first + number);
            Ok::<_, TableError>(())
        };
        let numbers = match wanted {
            Wanted::All => {
                let mut reader = Reader::taking_turns(open(&path).map_err(|error| unreadable(error.into()))?.1);
                while let Some(record) = reader.next() {
                    take(reader.records() - 1, &record.map_err(|error| unreadable(error.into()))?)?;
                }
                return match reader.records() {
                    found if found == file.records => Ok(part),
                    found => Err(TableError::Count { path, found, expected: file.records }),
                };
            }
            Wanted::Some(numbers) => numbers,
        };
        // What is not read is there all the same; of a store that would be a request for each file.
        if !storage::is_url(&path) {
            let found = storage::metadata(&path).map_err(|error| unreadable(error.into()))?.bytes;
            if found != file.bytes {
                return Err(TableError::Length { path, found, expected: file.bytes });
            }
        }
        if numbers.is_empty() {
            return Ok(part);
        }
        if self.can_seek(file, &path) {
            let mut seeker = Seeker::open(&path, self.jumps()).map_err(|error| unreadable(error.into()))?;
            for number in numbers {
                take(number, &seeker.record(number).map_err(|error| unreadable(error.into()))?)?;
            }
            return Ok(part);
        }
        let mut reader = Reader::taking_turns(open_briefly(&path).map_err(|error| unreadable(error.into()))?);
        for number in numbers {
            let record = loop {
                let passes = reader.records() < number;
                let read = if passes {
                    reader.pass_over().map(|passed| passed.map(|()| None))
                } else {
                    reader.next().map(|record| record.map(Some))
                };
                match read {
                    None => return Err(TableError::Count { path, found: reader.records(), expected: file.records }),
                    Some(record) => {
                        if let Some(record) = record.map_err(|error| unreadable(error.into()))? {
                            break record;
                        }
                    }
                }
            };
            take(number, &record)?;
        }
        Ok(part)
    }

    /// Whether single records of a file can be had for less than all of them.
    fn can_seek(&self, file: &WrittenFile, path: &Path) -> bool {
        let is_plain = self.manifest.record.compression == Compression::None.name();
        let is_small = file.bytes / file.records.max(1) < WORTH_A_REQUEST;
        is_plain && !(storage::is_url(path) && is_small && self.jumps() == Jumps::None)
    }

    /// Records without extras are equally long but for their labels' bytes, which grow with the label: between two equally long
    /// ones of a sorted file lie others of that length.
    fn jumps(&self) -> Jumps {
        const ONE_BYTE: usize = 128; // the first label of two bytes
        let is_uniform = self.manifest.plan.is_sorted() || self.manifest.classes.len() <= ONE_BYTE;
        if self.manifest.record.with.is_empty() && is_uniform { Jumps::OverEqual } else { Jumps::None }
    }
}

impl Part {
    fn add(&mut self, record: &[u8], manifest: &Manifest, place: impl Fn() -> String) -> Result<(), String> {
        let description = &manifest.record;
        let [feature_key, label_key] = [&description.feature_key, &description.label_key].map(|key| one_line(key));
        let message = Message::parse(record).map_err(|error| error.to_string())?;
        let (values, channels) = (description.values(), description.shape.last().copied().unwrap_or_default());
        let feature = message.floats(&description.feature_key).filter(|floats| Some(floats.len()) == values);
        let feature =
            feature.ok_or_else(|| format!("not {} floats under '{feature_key}'", values.unwrap_or_default()))?;
        let feature: Vec<f32> = feature.floats().collect();
        if !feature.iter().all(|value| value.is_finite()) {
            return Err(format!("a value under '{feature_key}' is not finite"));
        }
        let label = message.integer(&description.label_key).and_then(|label| usize::try_from(label).ok());
        let label = label.filter(|label| *label < manifest.classes.len());
        let label = label.ok_or_else(|| format!("no label of a class under '{label_key}'"))?;

        self.features.extend(average(&feature, channels));
        self.labels.push(label);
        let path = message.byte_string(Extra::Path.key());
        self.names.push(path.map_or_else(place, text_of_bytes));
        Ok(())
    }
}
