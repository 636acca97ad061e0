//! The files that make a folder of shards a data set of TensorFlow Datasets.
//!
//! Source of their form: what `tensorflow-datasets` 4.9 writes for a data set of its own with the same features.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

use super::{Layout, Manifest, Options, Splits, WrittenFile};
use crate::dataset::Dataset;
use crate::text::one_line;
use crate::tfrecord::framing::FRAMING_LEN;
use crate::tfrecord::{Compression, Extra};

/// The split of a data set that is not divided.
const ONLY_SPLIT: &str = "train";
/// How TFDS makes a shard's name of its parts; [`Tfds::shard_name`] does it for us.
const FILE_NAMES: &str = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}";

/// Under which name TFDS knows the data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tfds {
    /// Such as `pets`.
    pub name: String,
    /// Such as `1.0.0`.
    pub version: String,
}

/// Why a name and version are none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{}' is no data set of TFDS: write NAME:VERSION such as pets:1.0.0, the name in lower-case letters, digits and \
     underscores, a letter first",
    one_line(.0)
)]
pub struct ParseTfdsError(String);

/// Why a conversion cannot be read by TFDS.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TfdsError {
    /// A file for each image.
    #[error("--tfds does not go with --layout per-image: TFDS reads shards")]
    PerImage,
    /// Compressed files.
    #[error("--tfds does not go with --compression: TFDS reads no compressed files")]
    Compressed,
    /// A key that TFDS would make something else of.
    #[error("'{}' cannot be a key with --tfds: use letters, digits, underscores, hyphens and dots", one_line(.0))]
    Key(String),
    /// A class name that would not come back.
    #[error("the class '{}' begins or ends with a blank, which TFDS drops: rename its folder", one_line(.0))]
    ClassName(String),
}

impl FromStr for Tfds {
    type Err = ParseTfdsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, version) = text.split_once(':').ok_or_else(|| ParseTfdsError(text.to_owned()))?;
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let is_number = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'))
        };
        let is_version = version.split('.').count() == 3 && version.split('.').all(is_number);
        if is_name && is_version {
            Ok(Self { name: name.to_owned(), version: version.to_owned() })
        } else {
            Err(ParseTfdsError(text.to_owned()))
        }
    }
}

impl fmt::Display for Tfds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.version)
    }
}

impl Tfds {
    /// The split that everything is in where the data set is not divided: TFDS knows no data without one.
    #[must_use]
    pub fn only_split() -> Splits {
        Splits::whole(ONLY_SPLIT)
    }

    /// Refuses what TFDS could not read.
    pub(crate) fn check(dataset: &Dataset, options: &Options) -> Result<(), TfdsError> {
        if options.layout == Layout::PerImage {
            return Err(TfdsError::PerImage);
        }
        if options.compression != Compression::None {
            return Err(TfdsError::Compressed);
        }
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if let Some(key) = [&options.feature_key, &options.label_key].into_iter().find(|key| !key.bytes().all(is_fit)) {
            return Err(TfdsError::Key(key.clone()));
        }
        match dataset.classes.iter().find(|class| class.trim() != *class) {
            Some(class) => Err(TfdsError::ClassName(class.clone())),
            None => Ok(()),
        }
    }

    /// The name of a shard: `pets-train.tfrecord-00000-of-00004`.
    pub(crate) fn shard_name(&self, split: &str, index: usize, count: usize) -> String {
        format!("{}-{split}.tfrecord-{index:05}-of-{count:05}", self.name)
    }

    /// The files beside the records, by name, for what `manifest` says.
    pub(crate) fn files(&self, manifest: &Manifest) -> [(String, Vec<u8>); 3] {
        let labels: String = manifest.classes.iter().map(|class| format!("{class}\n")).collect();
        [
            ("dataset_info.json".to_owned(), text(&self.info(manifest))),
            ("features.json".to_owned(), text(&features_dict(manifest))),
            (format!("{}.labels.txt", manifest.record.label_key), labels.into_bytes()),
        ]
    }

    fn info(&self, manifest: &Manifest) -> Value {
        let split = |name: &str| {
            let files = manifest.files.iter().filter(|file| file.split.as_deref() == Some(name));
            let bytes = |file: &WrittenFile| file.bytes.saturating_sub(file.records.saturating_mul(FRAMING_LEN as u64));
            json!({
                "filepathTemplate": FILE_NAMES,
                "name": name,
                "numBytes": files.clone().map(bytes).sum::<u64>().to_string(),
                "shardLengths": files.map(|file| file.records.to_string()).collect::<Vec<_>>(),
            })
        };
        let record = &manifest.record;
        let supervised = [&record.feature_key, &record.label_key].map(|key| json!({ "featureKey": key }));
        json!({
            "fileFormat": "tfrecord",
            "name": self.name,
            "splits": manifest.splits().map(split).collect::<Vec<_>>(),
            "supervisedKeys": { "tuple": { "items": supervised } },
            "version": self.version,
        })
    }
}

/// What each record holds, as TFDS puts it.
fn features_dict(manifest: &Manifest) -> Value {
    let record = &manifest.record;
    let axes: Vec<_> = record.shape.iter().map(ToString::to_string).collect();
    let tensor = |dtype: &str, shape: Value| {
        json!({
            "pythonClassName": "tensorflow_datasets.core.features.tensor_feature.Tensor",
            "tensor": { "dtype": dtype, "encoding": "none", "shape": shape },
        })
    };
    let label = json!({
        "classLabel": { "numClasses": manifest.classes.len().to_string() },
        "pythonClassName": "tensorflow_datasets.core.features.class_label_feature.ClassLabel",
    });
    let mut features = serde_json::Map::new();
    features.insert(record.feature_key.clone(), tensor("float32", json!({ "dimensions": axes })));
    features.insert(record.label_key.clone(), label);
    for key in &record.with {
        // The image as bytes, because it may be of a format that TFDS' own image feature does not decode.
        let feature = if key == Extra::Image.key() {
            tensor("string", json!({}))
        } else {
            json!({ "pythonClassName": "tensorflow_datasets.core.features.text_feature.Text", "text": {} })
        };
        features.insert(key.clone(), feature);
    }
    json!({
        "featuresDict": { "features": features },
        "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
    })
}

fn text(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_version_are_read_as_tfds_has_them() {
        for text in ["pets:1.0.0", "cats_vs_dogs2:10.20.0"] {
            assert_eq!(text.parse::<Tfds>().expect(text).to_string(), text);
        }
        for text in ["", "pets", "pets:", ":1.0.0", "Pets:1.0.0", "2pets:1.0.0", "pe-ts:1.0.0", "pets/x:1.0.0"] {
            assert!(text.parse::<Tfds>().is_err(), "{text}");
        }
        for version in ["1", "1.0", "1.0.0.0", "1.0.x", "01.0.0", "1..0", "-1.0.0"] {
            assert!(format!("pets:{version}").parse::<Tfds>().is_err(), "{version}");
        }
    }
}
