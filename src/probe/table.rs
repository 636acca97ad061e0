//! The features of a finished conversion, averaged over the picture, with their labels.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::error::ProbeError;
use super::ridge::Rows;
use crate::convert::{Manifest, REPORT_NAME};
use crate::inspect::InspectError;
use crate::parallel;
use crate::report::Verdict;
use crate::tfrecord::{Example, Extra, Message, Reader, open};

/// Every image of a conversion.
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
}

/// What one record file holds.
#[derive(Default)]
struct Part {
    features: Vec<f32>,
    labels: Vec<usize>,
    names: Vec<String>,
}

impl Table {
    /// Reads the records of the folder `out`, which `petrec convert` has finished.
    ///
    /// # Errors
    /// There is no manifest, or a record file is damaged or not what the manifest says.
    pub fn read(out: &Path, threads: usize) -> Result<Self, ProbeError> {
        let manifest = Manifest::read(out)?;
        let channels = manifest.record.shape.last().copied().unwrap_or_default();
        let mut table = Self {
            classes: manifest.classes.clone(),
            channels,
            features: Vec::new(),
            labels: Vec::new(),
            names: Vec::new(),
            splits: Vec::new(),
        };
        let read = |(): &mut (), number: usize| (number, read_file(out, &manifest, number));
        parallel::ordered(manifest.files.len(), vec![(); threads], read, |(number, part)| {
            let part = part?;
            let split = &manifest.files[number].split;
            table.splits.extend(part.labels.iter().map(|_| split.clone()));
            table.features.extend(part.features);
            table.labels.extend(part.labels);
            table.names.extend(part.names);
            Ok::<_, ProbeError>(())
        })?;
        let has_paths = manifest.record.with.iter().any(|key| key == Extra::Path.key());
        if !has_paths && manifest.plan.is_sorted() {
            table.name_by_report(out);
        }
        Ok(table)
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { channels: self.channels, features: &self.features, labels: &self.labels }
    }

    /// Takes the paths from the conversion's report, whose accepted files are, split by split, the records in their order.
    fn name_by_report(&mut self, out: &Path) {
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
        let report = fs::read(out.join(REPORT_NAME)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(Report { files }) = report else { return };
        let mut paths: HashMap<Option<String>, Vec<String>> = HashMap::new();
        for file in files.into_iter().filter(|file| file.verdict == Verdict::Accepted) {
            paths.entry(file.split).or_default().push(file.path);
        }
        let mut next: HashMap<&Option<String>, std::vec::IntoIter<String>> = HashMap::new();
        for split in &self.splits {
            next.entry(split).or_insert_with(|| paths.remove(split).unwrap_or_default().into_iter());
        }
        let found: Option<Vec<String>> = self.splits.iter().map(|split| next.get_mut(split)?.next()).collect();
        if let Some(names) = found.filter(|_| next.values().all(|rest| rest.len() == 0)) {
            self.names = names;
        }
    }
}

fn read_file(out: &Path, manifest: &Manifest, number: usize) -> Result<Part, ProbeError> {
    let file = &manifest.files[number];
    // A manifest of ours names no file outside its folder; the folder itself is none that can be read.
    let path = out.join(file.relative().unwrap_or_default());
    let unreadable = |reason: InspectError| ProbeError::Read { path: path.clone(), reason };
    let mut part = Part::default();
    let (_, content) = open(&path).map_err(|error| unreadable(error.into()))?;
    for (number, record) in Reader::new(content).enumerate() {
        let record = record.map_err(|error| unreadable(error.into()))?;
        let add = part.add(&record, manifest, || format!("{}, record {number}", file.path));
        add.map_err(|problem| ProbeError::Record { path: path.clone(), number, problem })?;
    }
    Ok(part)
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

        let channels = channels.unwrap_or(values);
        let mut mean = vec![0f64; channels];
        for position in feature.chunks_exact(channels) {
            mean.iter_mut().zip(position).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let positions = (values / channels) as f64;
        self.features.extend(mean.into_iter().map(|sum| (sum / positions) as f32));
        self.labels.push(label);
        let path = example.bytes(Extra::Path.key()).and_then(|values| values.first());
        self.names.push(path.map_or_else(place, |path| String::from_utf8_lossy(path).into_owned()));
        Ok(())
    }
}
