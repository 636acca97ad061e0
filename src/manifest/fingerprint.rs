//! What the bytes of a conversion depend on, so that a second run can tell whether it would write the same files.
//!
//! Engine, device, batch and threads are not in it: a conversion may go on where and however it can.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Division, Layout, Options, Order};
use crate::dataset::Dataset;
use crate::engine::Pool;
use crate::image::Accept;
use crate::model::Weights;
use crate::storage::dirs::portable;

/// The key of the images' own hash.
const IMAGES: &str = "images";
/// The key of the records' order, and its usual value.
const ORDER: &str = "order";
const SORTED: &str = "sorted";

/// Everything that decides about the bytes, by the word that a person has for it: `pool` is `avg`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(BTreeMap<String, String>);

impl Fingerprint {
    /// Whether the records are in the order of the data set, and not shuffled.
    pub(crate) fn is_sorted(&self) -> bool {
        self.0.get(ORDER).is_some_and(|order| order == SORTED)
    }

    /// How many images, and of how many bytes; the hash says nothing to a person.
    fn images(&self) -> &str {
        let images = self.0.get(IMAGES).map_or("unknown", String::as_str);
        images.split_once(", ").map_or(images, |(counts, _)| counts)
    }

    /// The fingerprint of converting `dataset` like this, into so many record files.
    pub(crate) fn new(dataset: &Dataset, weights: &Weights, options: &Options, record_files: usize) -> Self {
        let accept = match options.policy.accept {
            Accept::TensorFlow => "tensorflow",
            Accept::Strict => "strict",
        };
        let layout = match options.layout {
            Layout::Shards { .. } | Layout::ShardCount(_) => "shards",
            Layout::PerImage => "per-image",
        };
        let order = match options.order {
            Order::Sorted => SORTED.to_owned(),
            Order::Shuffled { seed } => format!("shuffled by seed {seed}"),
        };
        let division = options.division.as_ref();
        let division = division.map(|Division { seed, splits }| format!("{splits} by seed {seed}")).unwrap_or_default();
        let with: Vec<_> = options.extras.iter().map(ToString::to_string).collect();
        let entries = [
            ("petrec", env!("CARGO_PKG_VERSION").to_owned()), // another version may decode or encode otherwise
            ("dataset", dataset.name.clone()),
            ("classes", dataset.classes.join(",")),
            (IMAGES, hash_of_images(dataset)),
            ("accept", accept.to_owned()),
            ("limits", options.policy.limits.to_string()),
            ("model", weights.metadata().architecture.to_string()),
            ("weights", weights.metadata().sha256.clone()),
            ("pool", pool_name(options.pool).to_owned()),
            ("layout", layout.to_owned()),
            (ORDER, order),
            ("split", division),
            ("tfds", options.tfds.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("index", if options.index { "yes" } else { "" }.to_owned()),
            ("record-files", record_files.to_string()),
            ("compression", options.compression.name().to_owned()),
            ("feature-key", options.feature_key.clone()),
            ("label-key", options.label_key.clone()),
            ("with", with.join(",")),
        ];
        Self(entries.map(|(word, value)| (word.to_owned(), value)).into())
    }

    /// Describes how `now` differs; `None` where it does not. `images` gets how many images there were and are, in words, and
    /// describes how they differ.
    pub(crate) fn difference(&self, now: &Self, images: impl Fn(String) -> String) -> Option<String> {
        let words: BTreeSet<_> = self.0.keys().chain(now.0.keys()).collect();
        let value = |of: &Self, word: &str| of.0.get(word).filter(|value| !value.is_empty()).cloned();
        let differing = words.into_iter().filter(|word| value(self, word) != value(now, word));
        let told = differing.map(|word| match word.as_str() {
            IMAGES => images(format!("the images were {} and are {}", self.images(), now.images())),
            _ => {
                let [then, now] = [self, now].map(|of| value(of, word).unwrap_or_else(|| "nothing".to_owned()));
                format!("{word} was {then} and is {now}")
            }
        });
        let told: Vec<_> = told.collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

/// The word that is typed for it.
pub(crate) fn pool_name(pool: Pool) -> &'static str {
    match pool {
        Pool::None => "none",
        Pool::Avg => "avg",
    }
}

/// Number, bytes, and a hash over name and length of each image, in order.
fn hash_of_images(dataset: &Dataset) -> String {
    let mut hash = Sha256::new();
    for file in &dataset.images {
        hash.update(portable(&file.relative));
        hash.update([0]);
        hash.update(file.size.to_le_bytes());
    }
    let bytes: u64 = dataset.images.iter().map(|file| file.size).sum();
    format!("{} of {bytes} bytes, sha256 {}", dataset.images.len(), crate::text::hex(&hash.finalize()))
}
