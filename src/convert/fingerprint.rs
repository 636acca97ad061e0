//! What the bytes of a conversion depend on, so that a second run can tell whether it would write the same files.
//!
//! Engine, device, batch and threads are not in it: a conversion may go on where and however it can.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Options;
use super::changed::named;
use super::plan::{Layout, Order, Plan};
use super::split::Division;
use super::worker::portable;
use crate::dataset::{Dataset, ImageFile};
use crate::engine::Pool;
use crate::image::Accept;
use crate::model::Weights;
use crate::storage::dirs::StoredPath;
use crate::text::one_line;

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

    /// The fingerprint of converting `dataset` like this.
    pub(super) fn new(dataset: &Dataset, weights: &Weights, options: &Options, plan: &Plan) -> Self {
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
            ("record-files", plan.files.len().to_string()),
            ("compression", options.compression.name().to_owned()),
            ("feature-key", options.feature_key.clone()),
            ("label-key", options.label_key.clone()),
            ("with", with.join(",")),
        ];
        Self(entries.map(|(word, value)| (word.to_owned(), value)).into())
    }

    /// Describes how `now` differs; `None` where it does not. `images` gets how many images there were and are, in words, and
    /// describes how they differ.
    pub(super) fn difference(&self, now: &Self, images: impl Fn(String) -> String) -> Option<String> {
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
pub(super) fn pool_name(pool: Pool) -> &'static str {
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

/// The images of a conversion under way, each as far as it can be told without reading it.
///
/// The time of change is in here and not in the [`Fingerprint`]: it is the one cheap sign that an image was replaced by
/// another of its length, and worth a false alarm while records of the old one and the new one could be mixed. In a
/// finished conversion it would only tell copies of one data set apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Images(Vec<Image>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Image {
    path: StoredPath,
    size: u64,
    /// Nanoseconds since 1970, where the system tells.
    modified: Option<u64>,
}

impl Images {
    pub(super) fn of(dataset: &Dataset) -> Self {
        let image = |file: &ImageFile| Image {
            path: StoredPath::of_bytes(portable(&file.relative)),
            size: file.size,
            modified: file.modified,
        };
        Self(dataset.images.iter().map(image).collect())
    }

    /// The paths below the data set's folder, with forward slashes.
    pub(super) fn paths(&self) -> impl Iterator<Item = &StoredPath> {
        self.0.iter().map(|image| &image.path)
    }

    /// What `now` has otherwise, one image by name; `None` where it has nothing otherwise.
    pub(super) fn difference(&self, now: &Self) -> Option<String> {
        if self == now {
            return None;
        }
        let by_path = |images: &'_ Self| -> HashMap<StoredPath, Image> {
            images.0.iter().map(|image| (image.path.clone(), image.clone())).collect()
        };
        let (then, current) = (by_path(self), by_path(now));
        let gone = self.0.iter().filter(|image| !current.contains_key(&image.path)).map(|image| (image, "was removed"));
        let new = now.0.iter().filter(|image| !then.contains_key(&image.path)).map(|image| (image, "was added"));
        let other = now.0.iter().filter(|image| then.get(&image.path).is_some_and(|before| before != *image));
        let mut changes = gone.chain(new).chain(other.map(|image| (image, "was changed")));
        let (first, what) = changes.next()?;
        Some(named(&one_line(&first.path.shown()).to_string(), what, changes.count()))
    }
}
