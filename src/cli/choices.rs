//! The words that options are chosen by.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::progress::Shown;
use super::worker_env::WorkerEnv;
use crate::engine::{Backend, Pool, Precision};
use crate::image::Accept;
use crate::model::Architecture;
use crate::tfrecord::Compression;

/// The layouts by name; the library's own carries the shard size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LayoutName {
    Shards,
    PerImage,
}

/// A stage on the way from file to feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Pixels,
    Resized,
    Input,
    Features,
    Logits,
}

impl Stage {
    /// The word that is typed for it.
    pub(super) fn name(self) -> &'static str {
        STAGES.iter().find(|(_, stage)| *stage == self).map_or("", |(word, _)| word)
    }
}

pub(super) const PROGRESS: &[(&str, Shown)] = &[("auto", Shown::Auto), ("never", Shown::Never), ("json", Shown::Json)];
pub(super) const WORKER_ENVS: &[(&str, WorkerEnv)] =
    &[("slurm", WorkerEnv::Slurm), ("kubernetes", WorkerEnv::Kubernetes)];
pub(super) const POLICIES: &[(&str, Accept)] = &[("tensorflow", Accept::TensorFlow), ("strict", Accept::Strict)];
pub(super) const LAYOUTS: &[(&str, LayoutName)] =
    &[("shards", LayoutName::Shards), ("per-image", LayoutName::PerImage)];
pub(super) const POOLS: &[(&str, Pool)] = &[("none", Pool::None), ("avg", Pool::Avg)];
pub(super) const PRECISIONS: &[(&str, Precision)] = &[("f32", Precision::F32), ("f16", Precision::F16)];
pub(super) const COMPRESSIONS: &[(&str, Compression)] =
    &[("none", Compression::None), ("gzip", Compression::Gzip), ("zlib", Compression::Zlib)];
pub(super) const STAGES: &[(&str, Stage)] = &[
    ("pixels", Stage::Pixels),
    ("resized", Stage::Resized),
    ("input", Stage::Input),
    ("features", Stage::Features),
    ("logits", Stage::Logits),
];

/// A parser for one of a few words, which help and errors list.
pub(super) fn choice<T: Copy + Send + Sync + 'static>(
    table: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let words = PossibleValuesParser::new(table.iter().map(|(word, _)| *word));
    words.try_map(|typed| {
        let entry = table.iter().find(|(word, _)| *word == typed);
        entry.map(|(_, value)| *value).ok_or("not in the list")
    })
}

/// A parser for the name of a network.
pub(super) fn model() -> impl TypedValueParser<Value = Architecture> {
    let words = PossibleValuesParser::new(Architecture::ALL.map(Architecture::name));
    words.try_map(Architecture::try_from)
}

/// A parser for the name of an engine.
pub(super) fn backend() -> impl TypedValueParser<Value = Backend> {
    let words = PossibleValuesParser::new(Backend::ALL.map(Backend::name));
    words.try_map(|typed| typed.parse::<Backend>())
}
