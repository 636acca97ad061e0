//! What is in record files, ours or anybody's: keys, kinds, lengths, and what the values are like.

mod feature;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

pub use feature::{Counted, Feature, Floats, Values};

use crate::store;
use crate::tfrecord::proto::Kind;
use crate::tfrecord::{Compression, Example, Message, ReadError, Reader, open};

/// Why a file could not be read to its end.
#[derive(Debug, Error)]
pub enum InspectError {
    /// It could not be opened.
    #[error("cannot be read: {0}; check the path and the permissions")]
    Unreadable(#[from] io::Error),
    /// A record is damaged.
    #[error("{0}; 'petrec verify' tells what lies behind it")]
    Damaged(#[from] ReadError),
}

/// What is in some record files.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Contents {
    /// Files that were read.
    pub files: usize,
    /// Their lengths together, as they lie on disk.
    pub bytes: u64,
    /// How many are compressed how.
    pub compression: BTreeMap<Compression, usize>,
    /// Records in them.
    pub records: u64,
    /// Records that are no `tf.train.Example`.
    pub not_examples: u64,
    /// By key: a feature for each kind of list that occurs under it.
    pub features: BTreeMap<String, Vec<Feature>>,
}

impl Contents {
    /// Reads a file to its end, or to the first damage, which is told beside what came before it.
    #[must_use]
    pub fn of(path: &Path) -> (Self, Option<InspectError>) {
        let mut contents = Self { files: 1, ..Self::default() };
        let error = contents.read(path).err();
        (contents, error)
    }

    /// Adds the contents of other files.
    pub fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        for (compression, files) in other.compression {
            *self.compression.entry(compression).or_default() += files;
        }
        self.records += other.records;
        self.not_examples += other.not_examples;
        for (key, features) in other.features {
            features.into_iter().for_each(|feature| self.add_feature(key.clone(), feature));
        }
    }

    fn read(&mut self, path: &Path) -> Result<(), InspectError> {
        self.bytes = store::metadata(path)?.bytes;
        let (compression, content) = open(path)?;
        self.compression.insert(compression, 1);
        for record in Reader::new(content) {
            self.add_record(&record?);
        }
        Ok(())
    }

    fn add_record(&mut self, record: &[u8]) {
        self.records += 1;
        let Ok(example) = Example::decode(record) else {
            self.not_examples += 1;
            return;
        };
        for (key, feature) in example.features.into_iter().flat_map(|features| features.feature) {
            if let Some(kind) = feature.kind {
                self.add_feature(key, Feature::of(&kind));
            }
        }
    }

    fn add_feature(&mut self, key: String, feature: Feature) {
        let features = self.features.entry(key).or_default();
        let is_same =
            |other: &&mut Feature| std::mem::discriminant(&other.values) == std::mem::discriminant(&feature.values);
        match features.iter_mut().find(is_same) {
            Some(same) => same.add(feature),
            None => features.push(feature),
        }
    }
}

/// One record, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The file it is in.
    pub path: PathBuf,
    /// Its features by their keys; none where it is no `tf.train.Example`.
    pub features: BTreeMap<String, Option<Kind>>,
}

/// Reads record `number`, counted from 0 through all of `files`, each with the number of its readable records; `None`
/// where there are not so many.
///
/// # Errors
/// The file cannot be read any more.
pub fn record(files: &[(&Path, u64)], number: u64) -> Result<Option<Record>, InspectError> {
    let mut before = 0;
    for (path, records) in files {
        if number - before < *records {
            let mut reader = Reader::new(open(path)?.1);
            let mut left = number - before;
            let data = loop {
                match (reader.next().transpose()?, left) {
                    (None, _) => return Ok(None),
                    (Some(data), 0) => break data,
                    (Some(_), _) => left -= 1,
                }
            };
            let example = Example::decode(&data[..]).unwrap_or_default();
            let features = example.features.into_iter().flat_map(|features| features.feature);
            let features = features.map(|(key, feature)| (key, feature.kind)).collect();
            return Ok(Some(Record { path: path.to_path_buf(), features }));
        }
        before += records;
    }
    Ok(None)
}
