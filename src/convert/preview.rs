//! What a conversion would do, without doing it: its plan, and an estimate from a few of its images.

use std::collections::HashSet;
use std::io::{self, Write};
use std::num::NonZero;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::earlier::Beginning;
use super::plan::PlannedFile;
use super::worker::Worker;
use super::{Content, Conversion, ConvertError, Part, Target, folder};
use crate::dataset::Dataset;
use crate::engine::FeatureExtractor;
use crate::manifest::{Options, RecordDescription, WorkerId};
use crate::model::{Architecture, Weights};
use crate::tfrecord::{Compression, Compressor, Writer};
use crate::util::parallel;

/// As many images are tried as go into this time, but one at least.
const TRIAL: Duration = Duration::from_secs(2);
/// The most images that are tried.
const MOST_TRIED: usize = 64;

/// What a conversion, or one worker's share of it, would do. Sizes are those of record files in which no image is rejected.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// Name of the data set's folder.
    pub dataset: String,
    /// Images that would be looked at: those of the data set, or of the worker's share.
    pub images: usize,
    /// The classes in label order, with those images.
    pub classes: Vec<PlannedClass>,
    /// The splits with those images; empty where the data set is not divided.
    pub splits: Vec<PlannedSplit>,
    /// The record files.
    pub files: Vec<PlannedRecords>,
    /// Bytes of all of them before they are compressed.
    pub bytes: u64,
    /// What each record would hold.
    pub record: RecordDescription,
    /// The network.
    pub model: Architecture,
    /// The engine.
    pub engine: &'static str,
    /// Its instructions, where it has several.
    pub isa: Option<&'static str>,
    /// Its device, where it is a GPU.
    pub device: Option<String>,
    /// Number of workers in this process.
    pub threads: NonZero<usize>,
    /// The output folder; bytes that are not UTF-8 are replaced.
    pub out: String,
    /// What lies there: nothing, or the same conversion, unfinished or finished.
    pub out_holds: Content,
    /// Which worker this would be, of how many; `None` for a run that does everything.
    pub worker: Option<WorkerId>,
    /// What it would take.
    pub estimate: Estimate,
}

/// One class of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedClass {
    /// Its name.
    pub name: String,
    /// Its label.
    pub label: usize,
    /// Its images.
    pub images: usize,
}

/// One split of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedSplit {
    /// Its name.
    pub name: String,
    /// Its images.
    pub images: usize,
}

/// One record file of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedRecords {
    /// Relative to the output folder, with forward slashes.
    pub path: String,
    /// The split that its records belong to, where the data set is divided.
    pub split: Option<String>,
    /// Images that it is for.
    pub images: usize,
    /// Its length before it is compressed.
    pub bytes: u64,
}

/// What a conversion would take, judged by some of its images.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Estimate {
    /// Images that were tried, spread evenly over all.
    pub tried: usize,
    /// How many of them were rejected.
    pub rejected: usize,
    /// How fast these were.
    pub images_per_second: f64,
    /// How long all images would take at that rate.
    pub seconds: f64,
    /// Bytes on disk, if all files are compressed as well as the records of these images are.
    pub bytes: u64,
}

/// Plans what [`convert`](super::convert) would do with the same arguments, tries a few images, and writes nothing.
///
/// # Errors
/// As [`convert`](super::convert) before it begins to write.
pub fn preview(
    dataset: &Dataset,
    weights: &Weights,
    engine: Box<dyn FeatureExtractor>,
    options: &Options,
    target: Target<'_>,
) -> Result<Preview, ConvertError> {
    let Target { out, part } = target;
    let options = options.completed(dataset)?;
    let Conversion { worker, plan, head, .. } = Conversion::plan(dataset, weights, &options)?;
    folder::refuse_inside(out, &dataset.root)?;
    let threads = options.threads;
    let out_holds = Beginning { dataset, plan: &plan, head: &head, out, threads }.look(part)?;
    let (engine_name, isa, device) = (engine.name(), engine.isa(), engine.device());

    let planned = plan.files.iter().enumerate().filter(|(place, _)| part.has(*place)).map(|(_, file)| file);
    let images: Vec<usize> = planned.clone().flat_map(|file| plan.images_of(file)).copied().collect();
    let of_file = |file: &PlannedFile| {
        let images = plan.images_of(file);
        let bytes = images.iter().map(|image| worker.record_len(&dataset.images[*image])).sum();
        PlannedRecords { path: file.name(), split: file.split.clone(), images: images.len(), bytes }
    };
    let files: Vec<_> = planned.map(of_file).collect();
    let of_split = |name: &str| {
        let files = files.iter().filter(|file| file.split.as_deref() == Some(name));
        PlannedSplit { name: name.to_owned(), images: files.map(|file| file.images).sum() }
    };
    let splits = head.manifest.splits().map(of_split).collect();
    let mut counts = vec![0; dataset.classes.len()];
    for label in images.iter().filter_map(|image| dataset.images[*image].label) {
        counts[label] += 1;
    }
    let class = |(label, (name, images)): (usize, (&String, usize))| PlannedClass { name: name.clone(), label, images };
    let bytes = files.iter().map(|file| file.bytes).sum();
    let trial = Trial::run(&worker, engine, &images, options.compression)?;

    Ok(Preview {
        dataset: dataset.name.clone(),
        images: images.len(),
        classes: dataset.classes.iter().zip(counts).enumerate().map(class).collect(),
        splits,
        files,
        bytes,
        model: weights.metadata().architecture,
        engine: engine_name,
        isa,
        device,
        threads,
        out: out.to_string_lossy().into_owned(),
        out_holds,
        worker: match part {
            Part::Whole { .. } => None,
            Part::Worker(share) => Some(share),
        },
        estimate: trial.estimate(images.len(), bytes),
        record: head.manifest.record,
    })
}

/// What came of trying some images.
#[derive(Debug, Default)]
struct Trial {
    tried: usize,
    rejected: usize,
    time: Duration,
    /// Bytes of their records, and what is left of these once they are compressed.
    plain: u64,
    compressed: u64,
}

impl Trial {
    /// Converts some of `images`, on all threads.
    fn run(
        worker: &Worker<'_>,
        mut engine: Box<dyn FeatureExtractor>,
        images: &[usize],
        compression: Compression,
    ) -> Result<Self, ConvertError> {
        let tried: Vec<usize> = spread(images.len()).into_iter().map(|place| images[place]).collect();
        if let Some(first) = tried.first() {
            // Only the first time do a GPU's kernels have to be compiled.
            worker.convert(engine.as_mut(), &worker.files(&[*first]), 0)?;
        }
        let in_order = worker.files(&tried);
        let workers = worker.count(engine.as_ref()).min(tried.len());
        let start = Instant::now();
        let mut records = Writer::new(Compressor::new(compression, Counter(0)));
        let mut trial = Self::default();
        let outcome = parallel::ordered(
            tried.len(),
            engine.forks(workers),
            |engine, place| worker.convert(engine.as_mut(), &in_order, place),
            |converted| {
                match converted.map_err(Some)?.record {
                    Ok(record) => records.write(&record).expect("a counter takes everything"),
                    Err(_) => trial.rejected += 1,
                }
                trial.tried += 1;
                trial.time = start.elapsed();
                if trial.time < TRIAL { Ok(()) } else { Err(None) }
            },
        );
        if let Err(Some(error)) = outcome {
            return Err(error);
        }
        trial.plain = records.bytes();
        let compressed = records.finish().and_then(Compressor::finish);
        trial.compressed = compressed.expect("a counter takes everything").0;
        Ok(trial)
    }

    /// What so many images, whose records have so many bytes, would take.
    fn estimate(&self, images: usize, bytes: u64) -> Estimate {
        let images_per_second = self.tried as f64 / self.time.as_secs_f64().max(f64::EPSILON);
        let compressed = u128::from(bytes) * u128::from(self.compressed) / u128::from(self.plain.max(1));
        Estimate {
            tried: self.tried,
            rejected: self.rejected,
            images_per_second,
            seconds: if images == 0 { 0.0 } else { images as f64 / images_per_second },
            bytes: if self.plain == 0 { bytes } else { u64::try_from(compressed).unwrap_or(u64::MAX) },
        }
    }
}

/// Places among `count`, in such an order that they are spread evenly however many of them are visited.
fn spread(count: usize) -> Vec<usize> {
    let bits = MOST_TRIED.ilog2();
    let mut seen = HashSet::new();
    let places = (0..MOST_TRIED).map(|number| (number.reverse_bits() >> (usize::BITS - bits)) * count / MOST_TRIED);
    places.filter(|place| *place < count && seen.insert(*place)).collect()
}

/// Counts the bytes that are written to it.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0 += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_to_try_are_spread_over_all_from_the_first_few_on() {
        assert_eq!(spread(1_000)[..4], [0, 500, 250, 750]);
        assert_eq!(spread(1_000).len(), MOST_TRIED);
        assert!(spread(0).is_empty());
        for count in [1, 2, 3, 15, 63, 64] {
            let mut all = spread(count);
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
}
