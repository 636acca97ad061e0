//! A weight file: safetensors that everybody can open, with one `petrec` entry of metadata that tells what it is.
//!
//! Promises: the same weights give the same bytes, a file that was cut or altered anywhere is refused by name, and a
//! [`Weights`] value holds every tensor of its architecture's table in the right shape, perhaps a classifier, and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tracing::info;

use super::metadata::NO_CHECKSUM;
use super::{Classifier, Convolution, Metadata, Network, classifier};
use crate::storage::atomic_file::AtomicFile;
use crate::storage::dirs::folder_of;

/// safetensors keeps its metadata in a hash map: more than one key would give other bytes on every run.
const METADATA_KEY: &str = "petrec";

/// EfficientNet-Lite0 with ImageNet weights, for a first run without any download.
// Not a constant, of which there can be a copy in each part of the program that is compiled by itself.
static LITE0: &[u8] = include_bytes!("../../model-weights/efficientnet-lite0.safetensors");

/// Why weights could not be read, checked or written.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The file could not be read or written.
    #[error("{}: {reason}; check the path", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// Not a whole weight file of ours.
    #[error("{name}: not a usable weight file: {problem}; import it again with 'cargo xtask import-weights'")]
    Damaged {
        /// The file, or `built-in weights`.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor is absent, superfluous, of another shape, or holds a NaN or an infinity.
    #[error("{tensor}: {problem}")]
    Tensor {
        /// Name of the tensor.
        tensor: String,
        /// What is wrong with it and what was expected.
        problem: String,
    },
}

/// One array of f32 in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length of each axis; OIHW for a weight, one axis for a bias.
    pub shape: Vec<usize>,
    /// As many values as the shape's product.
    pub values: Vec<f32>,
}

impl Tensor {
    /// Joins shape and values.
    #[must_use]
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { shape, values }
    }

    /// A classifier's weight (classes x channels) and bias under the names of a weight file.
    #[must_use]
    pub fn classifier(weight: Vec<f32>, bias: Vec<f32>) -> [(String, Self); 2] {
        let classes = bias.len();
        let channels = weight.len().checked_div(classes).unwrap_or_default();
        let weight = Self::new(vec![classes, channels], weight);
        [(classifier::WEIGHT.into(), weight), (classifier::BIAS.into(), Self::new(vec![classes], bias))]
    }
}

/// A network's numbers, complete and checked.
#[derive(Clone, Debug)]
pub struct Weights {
    metadata: Metadata,
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Checks `tensors` against the architecture's table.
    ///
    /// # Errors
    /// [`WeightsError::Tensor`] names the first tensor that is absent, superfluous, of another shape or not finite.
    pub fn new(metadata: Metadata, tensors: BTreeMap<String, Tensor>) -> Result<Self, WeightsError> {
        if !metadata.preprocess.is_sound() {
            let problem = "a step is not finite, or divides by zero".into();
            return Err(WeightsError::Tensor { tensor: "preprocess".into(), problem });
        }
        let network = metadata.network();
        if !Network::SIDES.contains(&network.side) {
            let (least, most) = Network::SIDES.into_inner();
            let problem = format!("pictures of {0} x {0}, expected {least} to {most} pixels", network.side);
            return Err(WeightsError::Tensor { tensor: "side".into(), problem });
        }
        check(&network, &tensors)?;
        Ok(Self { metadata, tensors })
    }

    /// EfficientNet-Lite0's ImageNet weights, which every petrec carries.
    ///
    /// # Errors
    /// None in a program that was built from an undamaged tree.
    pub fn built_in_lite0() -> Result<Self, WeightsError> {
        Self::from_bytes(Self::built_in_bytes(), "built-in weights")
    }

    /// The file that is built in.
    pub(super) fn built_in_bytes() -> &'static [u8] {
        LITE0
    }

    /// Reads a weight file.
    ///
    /// # Errors
    /// The file cannot be read, is not a weight file, was cut or altered, or does not hold its architecture.
    pub fn load(path: &Path) -> Result<Self, WeightsError> {
        let bytes = fs::read(path).map_err(|reason| WeightsError::Io { path: path.into(), reason })?;
        Self::from_bytes(&bytes, &path.display().to_string())
    }

    /// Reads the bytes of a weight file; `name` is what an error calls it.
    ///
    /// # Errors
    /// As [`Weights::load`].
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, WeightsError> {
        let damaged = |problem: String| WeightsError::Damaged { name: name.into(), problem };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
        let json = header.metadata().as_ref().and_then(|map| map.get(METADATA_KEY));
        let json = json.ok_or_else(|| damaged("it has no 'petrec' metadata (it may be another program's)".into()))?;
        let metadata = Metadata::parse(json).map_err(&damaged)?;
        if metadata.sha256.len() != NO_CHECKSUM.len() || checksum(bytes, &metadata.sha256) != metadata.sha256 {
            return Err(damaged("its checksum does not match its content (cut off or altered)".into()));
        }

        let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (tensor, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(damaged(format!("{tensor} holds {:?}, expected F32", view.dtype())));
            }
            let values = view.data().as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
            tensors.insert(tensor, Tensor::new(view.shape().to_vec(), values));
        }
        let weights = Self::new(metadata, tensors).map_err(|error| damaged(error.to_string()))?;
        info!(from = name, architecture = %weights.metadata.architecture, sha256 = weights.metadata.sha256, "read weights");
        Ok(weights)
    }

    /// The bytes of a weight file: the same for the same weights, on every machine.
    ///
    /// # Errors
    /// None that checked weights can cause; what safetensors reports is passed on.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let written = self.serialise(NO_CHECKSUM)?;
        self.serialise(&checksum(&written, NO_CHECKSUM))
    }

    /// Writes a weight file, whole or not at all, and returns its length; its folder is made where it is missing.
    ///
    /// # Errors
    /// The folder cannot be made, or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<usize, WeightsError> {
        let bytes = self.to_bytes()?;
        let written =
            fs::create_dir_all(folder_of(path)).and_then(|()| AtomicFile::write(path, |file| file.write_all(&bytes)));
        written.map_err(|reason| WeightsError::Io { path: path.into(), reason })?;
        Ok(bytes.len())
    }

    fn serialise(&self, sha256: &str) -> Result<Vec<u8>, WeightsError> {
        let failed = |problem: String| WeightsError::Damaged { name: "new weights".into(), problem };
        let metadata = Metadata { sha256: sha256.into(), ..self.metadata.clone() };
        let json = serde_json::to_string(&metadata).map_err(|error| failed(error.to_string()))?;
        let data: BTreeMap<&str, Vec<u8>> = (self.tensors.iter())
            .map(|(name, tensor)| (name.as_str(), tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
            .collect();
        let views = self.tensors.iter().map(|(name, tensor)| {
            TensorView::new(Dtype::F32, tensor.shape.clone(), &data[name.as_str()]).map(|view| (name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(|error| failed(error.to_string()))?;
        let header = HashMap::from([(METADATA_KEY.to_owned(), json)]);
        safetensors::serialize(views, Some(header)).map_err(|error| failed(error.to_string()))
    }

    /// What the file says of itself.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The table these weights belong to.
    #[must_use]
    pub fn network(&self) -> Network {
        self.metadata.network()
    }

    /// A convolution's weight (OIHW) and bias.
    ///
    /// # Panics
    /// Where `conv` is not of this architecture's table.
    #[must_use]
    pub fn of(&self, conv: &Convolution) -> (&Tensor, &Tensor) {
        (&self.tensors[&conv.weight_name()], &self.tensors[&conv.bias_name()])
    }

    /// The layer behind the features, where the weights were imported with it.
    #[must_use]
    pub fn classifier(&self) -> Option<Classifier<'_>> {
        let (weight, bias) = (self.tensors.get(classifier::WEIGHT)?, self.tensors.get(classifier::BIAS)?);
        Some(Classifier { weight, bias })
    }
}

/// SHA-256 of `bytes` with the first occurrence of `stored`, 64 characters, read as zeros.
fn checksum(bytes: &[u8], stored: &str) -> String {
    let mut hasher = Sha256::new();
    match bytes.windows(stored.len()).position(|window| window == stored.as_bytes()) {
        Some(at) => {
            hasher.update(&bytes[..at]);
            hasher.update(NO_CHECKSUM);
            hasher.update(&bytes[at + stored.len()..]);
        }
        None => hasher.update(bytes),
    }
    crate::text::hex(&hasher.finalize())
}

fn check(network: &Network, tensors: &BTreeMap<String, Tensor>) -> Result<(), WeightsError> {
    let refuse = |tensor: &str, problem: String| WeightsError::Tensor { tensor: tensor.into(), problem };
    let mut shapes: Vec<(String, Vec<usize>)> = (network.convolutions())
        .flat_map(|conv| [(conv.weight_name(), conv.weight_shape().to_vec()), (conv.bias_name(), vec![conv.output])])
        .collect();
    if let Some(tensor) = tensors.get(classifier::BIAS).or_else(|| tensors.get(classifier::WEIGHT)) {
        let classes = tensor.shape.first().copied().unwrap_or_default();
        shapes.push((classifier::WEIGHT.into(), vec![classes, network.head.output]));
        shapes.push((classifier::BIAS.into(), vec![classes]));
    }
    for (name, shape) in &shapes {
        let tensor = tensors.get(name).ok_or_else(|| refuse(name, format!("missing, expected {shape:?}")))?;
        if tensor.shape != *shape || tensor.values.len() != shape.iter().product::<usize>() || shape.contains(&0) {
            return Err(refuse(name, format!("has shape {:?}, expected {shape:?}", tensor.shape)));
        }
        if !tensor.values.iter().all(|value| value.is_finite()) {
            return Err(refuse(name, "holds a value that is not finite".into()));
        }
    }
    match tensors.keys().find(|name| !shapes.iter().any(|(known, _)| known == *name)) {
        Some(extra) => Err(refuse(extra, "is not part of this architecture".into())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Preprocess, seeded_b0};

    #[test]
    fn weights_survive_the_file_and_give_the_same_bytes_each_time() {
        let weights = seeded_b0();

        let bytes = weights.to_bytes().expect("serialises");
        let read = Weights::from_bytes(&bytes, "test").expect("reads back");

        assert_eq!(read.tensors, weights.tensors);
        assert_eq!(read.metadata.preprocess, weights.metadata.preprocess);
        assert_eq!(read.to_bytes().expect("serialises"), bytes);
    }

    #[test]
    fn a_flipped_bit_anywhere_is_refused() {
        let bytes = seeded_b0().to_bytes().expect("serialises");
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
        let positions = (0..header).step_by(97).chain((header..bytes.len()).step_by(bytes.len() / 20));

        for at in positions {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(Weights::from_bytes(&damaged, "test").is_err(), "byte {at}");
        }
        assert!(Weights::from_bytes(&bytes[..bytes.len() - 1], "test").is_err());
    }

    #[test]
    fn a_classifier_is_kept_if_it_fits_the_features() {
        let with = |weight: usize, bias: usize| {
            let Weights { metadata, mut tensors } = seeded_b0();
            tensors.extend(Tensor::classifier(vec![0.5; weight], vec![0.25; bias]));
            Weights::new(metadata, tensors)
        };

        let weights = with(3 * 1280, 3).expect("fits");
        let read = Weights::from_bytes(&weights.to_bytes().expect("serialises"), "test").expect("reads back");

        assert_eq!(read.classifier().expect("kept").weight.shape, [3, 1280]);
        assert!(seeded_b0().classifier().is_none());
        for (weight, bias) in [(3 * 1279, 3), (0, 0), (1280, 0)] {
            let error = with(weight, bias).expect_err("does not fit").to_string();
            assert!(error.starts_with("classifier.weight: has shape"), "{error}");
        }
    }

    #[test]
    fn a_checksum_of_no_length_is_refused() {
        let weights = seeded_b0().serialise("").expect("serialises");

        assert!(Weights::from_bytes(&weights, "test").is_err());
    }

    #[test]
    fn preprocessing_that_divides_by_zero_is_refused() {
        let weights = seeded_b0();
        let preprocess = Preprocess { divisor: [0.0; 3], ..Preprocess::keras() };

        let metadata = Metadata { preprocess, ..weights.metadata };

        assert!(Weights::new(metadata, weights.tensors).is_err());
    }

    #[test]
    fn the_side_of_the_picture_travels_with_the_weights() {
        let Weights { metadata, tensors } = seeded_b0();
        let at = |side| Weights::new(metadata.clone().with_side(side), tensors.clone());

        let larger = at(288).expect("a side that the network takes");
        let read = Weights::from_bytes(&larger.to_bytes().expect("serialises"), "test").expect("reads back");

        assert_eq!((read.network().side, read.network().feature_shape()), (288, [9, 9, 1280]));
        assert!(read.metadata().fed().contains("288 x 288"), "{}", read.metadata().fed());
        assert_eq!(at(224).expect("its own").metadata().side, None, "files of the usual size stay as they were");
        for side in [0, 31, 2049, usize::MAX] {
            assert!(at(side).is_err(), "{side}");
        }
    }

    #[test]
    fn another_format_version_is_refused_for_its_version() {
        let weights = seeded_b0();
        let metadata = Metadata { format: 2, ..weights.metadata.clone() };
        let newer = Weights { metadata, ..weights }.to_bytes().expect("serialises");

        let error = Weights::from_bytes(&newer, "test").expect_err("must be refused");

        assert!(error.to_string().contains("version 2"), "{error}");
    }
}
