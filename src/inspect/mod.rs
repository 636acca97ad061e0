//! What is in record files, ours or anybody's: keys, kinds, lengths, and what the values are like.
//!
//! Memory is bounded whatever the files hold: values are looked at where they lie, and of keys and of one record's values so many
//! are kept and the rest is counted.

mod feature;
mod record;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Serialize;
use thiserror::Error;

pub use feature::{Counted, Feature, Floats, Values};
pub use record::{Record, Shown, record};

use crate::storage;
use crate::tfrecord::message::{Message, Steps};
use crate::tfrecord::{Compression, ReadError, Reader, open};

/// Different keys that are told apart, and their bytes together: more is no table that anybody reads.
const MOST_KEYS: usize = 10_000;
const MOST_KEY_BYTES: usize = 16 << 20;

/// Why a file could not be read to its end.
#[derive(Debug, Error)]
pub enum InspectError {
    /// It could not be opened.
    #[error("cannot be read: {0}; check the path and the permissions")]
    Unreadable(io::Error),
    /// A record is damaged.
    #[error("{0}; 'petrec verify' tells what lies behind it")]
    Damaged(ReadError),
}

impl From<io::Error> for InspectError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<ReadError> for InspectError {
    fn from(error: ReadError) -> Self {
        Self::Damaged(error)
    }
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
    /// Records that are neither a `tf.train.Example` nor a `tf.train.SequenceExample`.
    pub not_examples: u64,
    /// Records that are a `tf.train.SequenceExample`: with feature lists.
    pub sequence_examples: u64,
    /// Fields, at any depth, that these messages do not have.
    pub unknown_fields: u64,
    /// By key: a feature for each kind of list that occurs under it, [`Values::None`] being one. Of a `SequenceExample` these are
    /// the features of its context.
    pub features: BTreeMap<String, Vec<Feature>>,
    /// The feature lists of `SequenceExample`s, by key.
    pub feature_lists: BTreeMap<String, FeatureList>,
    /// Features and feature lists under further keys, of which nothing was kept.
    pub under_more_keys: u64,
}

/// One feature list of the records, over all records.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FeatureList {
    /// Records that have it.
    pub records: u64,
    /// Fewest steps in a record.
    pub fewest: usize,
    /// Most steps in a record.
    pub most: usize,
    /// The features of the steps, one for each kind; their `records` are steps.
    pub steps: Vec<Feature>,
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
        self.sequence_examples += other.sequence_examples;
        self.unknown_fields += other.unknown_fields;
        self.under_more_keys += other.under_more_keys;
        for (key, features) in other.features {
            features.into_iter().for_each(|feature| self.add_feature(&key, feature));
        }
        for (key, list) in other.feature_lists {
            self.add_list(&key, list);
        }
    }

    fn read(&mut self, path: &Path) -> Result<(), InspectError> {
        self.bytes = storage::metadata(path)?.bytes;
        let (compression, content) = open(path)?;
        self.compression.insert(compression, 1);
        for record in Reader::taking_turns(content) {
            self.add_record(&record?);
        }
        Ok(())
    }

    fn add_record(&mut self, record: &[u8]) {
        self.records += 1;
        let Ok(message) = Message::parse(record) else {
            self.not_examples += 1;
            return;
        };
        self.unknown_fields += message.unknown;
        self.sequence_examples += u64::from(message.lists.is_some());
        for (key, view) in &message.features {
            self.add_feature(key, Feature::of(view));
        }
        for (key, steps) in message.lists.iter().flatten() {
            self.add_list(key, FeatureList::of(steps));
        }
    }

    fn add_feature(&mut self, key: &str, feature: Feature) {
        if let Some(features) = self.features.get_mut(key) {
            add_to(features, feature);
        } else if self.has_room(key) {
            self.features.insert(key.to_owned(), vec![feature]);
        } else {
            self.under_more_keys += feature.records;
        }
    }

    fn add_list(&mut self, key: &str, list: FeatureList) {
        if let Some(known) = self.feature_lists.get_mut(key) {
            known.add(list);
        } else if self.has_room(key) {
            self.feature_lists.insert(key.to_owned(), list);
        } else {
            self.under_more_keys += list.records;
        }
    }

    /// Whether one more key can be kept.
    fn has_room(&self, key: &str) -> bool {
        let keys = || self.features.keys().chain(self.feature_lists.keys());
        let is_room = self.features.len() + self.feature_lists.len() < MOST_KEYS;
        is_room && keys().map(String::len).sum::<usize>() + key.len() <= MOST_KEY_BYTES
    }
}

impl FeatureList {
    /// The list of one record.
    fn of(steps: &Steps<'_>) -> Self {
        let mut list = Self { records: 1, ..Self::default() };
        for step in steps.iter() {
            list.most += 1;
            add_to(&mut list.steps, Feature::of(&step));
        }
        Self { fewest: list.most, ..list }
    }

    /// Adds the same list of other records.
    fn add(&mut self, other: Self) {
        self.records += other.records;
        self.fewest = self.fewest.min(other.fewest);
        self.most = self.most.max(other.most);
        other.steps.into_iter().for_each(|step| add_to(&mut self.steps, step));
    }
}

/// Adds a feature to those of its key.
fn add_to(features: &mut Vec<Feature>, feature: Feature) {
    match features.iter_mut().find(|other| other.is_like(&feature)) {
        Some(same) => same.add(feature),
        None => features.push(feature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tfrecord::Message as _;
    use crate::tfrecord::proto::{Example, Features};

    #[test]
    fn keys_without_end_are_counted_and_not_kept() {
        let mut contents = Contents::default();
        let record = |number: usize| {
            let key = format!("{number:>2000}");
            let feature = [(key, crate::tfrecord::proto::Feature::default())].into();
            Example { features: Some(Features { feature }) }.encode_to_vec()
        };

        (0..9_000).for_each(|number| contents.add_record(&record(number)));
        let kept = contents.features.len();
        let mut twice = contents.clone();
        twice.add(contents);

        assert_eq!(kept, MOST_KEY_BYTES / 2_000);
        assert_eq!((twice.features.len(), twice.under_more_keys), (kept, 2 * (9_000 - kept as u64)));
    }
}
