//! What is asked of a conversion: which files are written, in which order, and what is in each record.

use std::num::NonZero;

use super::{Division, Tfds};
use crate::engine::Pool;
use crate::image::Policy;
use crate::tfrecord::{Compression, Extra};

/// Which record files a conversion writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `<data set>-00000-of-00010.tfrecord` and so on, each of about this many bytes. Where the data set is divided:
    /// `<data set>-<split>-00000-of-00010.tfrecord`.
    Shards {
        /// Bytes that a shard aims at, before it is compressed.
        target: u64,
    },
    /// The same, so many of them in each split; fewer where there are not so many images.
    ShardCount(NonZero<usize>),
    /// `<Class>/TFRecord/<stem>.tfrecord`, below `<split>` where the data set is divided: one file of one record per image.
    PerImage,
}

/// In which order the images of a split are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The order of the data set: by class, then by name.
    Sorted,
    /// All classes mixed; other images that come or go leave the others in their order.
    Shuffled {
        /// Another seed gives another order.
        seed: u64,
    },
}

/// How pictures become records.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which files are taken.
    pub policy: Policy,
    /// Which files are written.
    pub layout: Layout,
    /// In which order the records are.
    pub order: Order,
    /// How the images are divided, if they are.
    pub division: Option<Division>,
    /// What becomes of a feature.
    pub pool: Pool,
    /// Key of the features.
    pub feature_key: String,
    /// Key of the label.
    pub label_key: String,
    /// What else goes into each record.
    pub extras: Vec<Extra>,
    /// How each file is compressed.
    pub compression: Compression,
    /// Whether each file gets an index beside it.
    pub index: bool,
    /// The name in TFDS, for a folder that `tfds.builder_from_directory` loads. Without a division everything is in one split.
    pub tfds: Option<Tfds>,
    /// Whether each file is read back before it gets its name.
    pub read_back: bool,
    /// Number of workers; the bytes do not depend on it.
    pub threads: NonZero<usize>,
}
