//! The bytes of a model: the `.onnx` file and the data files beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use prost::Message;
use prost::bytes::Bytes;
use sha2::{Digest, Sha256};

use super::node::quoted;
use super::proto::{ModelProto, TensorProto};
use crate::import::lfs::refuse_pointer;
use crate::import::{ImportError, Refusal};

/// No protobuf message may be longer, and no weights of ours come near it.
const SIZE_LIMIT: u64 = 2 << 30;

/// A model with everything that belongs to it.
pub(super) struct ModelFile {
    /// The decoded `.onnx` file.
    pub(super) model: ModelProto,
    /// The files it refers to.
    pub(super) external: ExternalData,
    /// SHA-256 of the `.onnx` file followed by its data files, in hexadecimal.
    pub(super) sha256: String,
    /// Bytes of all of them together.
    pub(super) size: usize,
}

impl ModelFile {
    /// Reads the model at `path` and the data files that its tensors name.
    pub(super) fn read(path: &Path) -> Result<Self, ImportError> {
        let refused = |refusal| ImportError::Refused { path: path.into(), refusal };
        let bytes = read(path, SIZE_LIMIT).map_err(|source| ImportError::Io { path: path.into(), source })?;
        refuse_pointer(&bytes).map_err(refused)?;
        let model = ModelProto::decode(bytes.clone())
            .map_err(|error| refused(Refusal::Damaged { problem: error.to_string() }))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let external = ExternalData::read(&model, folder).map_err(refused)?;

        let mut hasher = Sha256::new();
        hasher.update(&bytes);
        external.files.values().for_each(|file| hasher.update(file));
        let size = bytes.len() + external.files.values().map(Bytes::len).sum::<usize>();
        Ok(Self { model, external, sha256: crate::text::hex(&hasher.finalize()), size })
    }
}

/// The data files of a model by the location that its tensors give, in the order of their names.
#[derive(Clone, Default)]
pub(super) struct ExternalData {
    files: BTreeMap<String, Bytes>,
}

impl ExternalData {
    fn read(model: &ModelProto, folder: &Path) -> Result<Self, Refusal> {
        let mut files = BTreeMap::new();
        // A file that is named in several ways is read once, and all files together have the size of one at most.
        let mut by_path: BTreeMap<PathBuf, Bytes> = BTreeMap::new();
        let mut left = SIZE_LIMIT;
        let initializers = model.graph.iter().flat_map(|graph| &graph.initializer);
        for tensor in initializers.filter(|tensor| tensor.data_location == TensorProto::EXTERNAL) {
            let location = entry(tensor, "location").unwrap_or_default();
            if files.contains_key(location) {
                continue;
            }
            let path = inside(folder, location).map_err(|problem| refuse(tensor, problem))?;
            let bytes = match by_path.get(&path) {
                Some(bytes) => bytes.clone(),
                None => {
                    let bytes = read(&path, left).map_err(|error| refuse(tensor, error.to_string()))?;
                    refuse_pointer(&bytes)?;
                    left -= bytes.len() as u64;
                    by_path.entry(path).or_insert(bytes).clone()
                }
            };
            files.insert(location.to_owned(), bytes);
        }
        Ok(Self { files })
    }

    /// The bytes of a tensor that lies in a data file.
    pub(super) fn bytes(&self, tensor: &TensorProto) -> Result<Bytes, Refusal> {
        let refuse = |problem: String| refuse(tensor, problem);
        let file = (entry(tensor, "location").and_then(|location| self.files.get(location)))
            .ok_or_else(|| refuse("it was not read, expected the data of an initializer".into()))?;
        let number = |key| match entry(tensor, key) {
            None => Ok(None),
            Some(text) => {
                text.parse().map(Some).map_err(|_| refuse(format!("its {key} {} is no number", quoted(text))))
            }
        };
        let start: usize = number("offset")?.unwrap_or(0);
        let end = match number("length")? {
            Some(length) => start.checked_add(length),
            None => Some(file.len()),
        };
        match end {
            Some(end) if start <= end && end <= file.len() => Ok(file.slice(start..end)),
            _ => Err(refuse(format!("its range reaches past the file's {} bytes (cut off?)", file.len()))),
        }
    }
}

fn refuse(tensor: &TensorProto, problem: String) -> Refusal {
    let location = quoted(entry(tensor, "location").unwrap_or_default());
    Refusal::ExternalData { tensor: quoted(&tensor.name), location, problem }
}

fn entry<'a>(tensor: &'a TensorProto, key: &str) -> Option<&'a str> {
    tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

/// Where `location` is, if that is inside `folder`: a model from the network must not make us read other files.
fn inside(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let outside = || "it lies outside the model's folder, expected a file in it".to_owned();
    let relative = Path::new(location);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if location.is_empty() || !plain {
        return Err(outside());
    }
    // Links are followed before the comparison, so that none leads out of the folder.
    let folder = folder.canonicalize().map_err(|error| error.to_string())?;
    let path = folder.join(relative).canonicalize().map_err(|error| error.to_string())?;
    if path.starts_with(&folder) { Ok(path) } else { Err(outside()) }
}

/// Reads a plain file of a sane size; a device or a pipe might never end.
fn read(path: &Path, limit: u64) -> io::Result<Bytes> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a plain file, expected an ONNX model or its data"));
    }
    if metadata.len() > limit {
        return Err(io::Error::other("longer than 2 GiB, expected the model of an EfficientNet"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?; // whoever makes it longer meanwhile gains nothing
    Ok(bytes.into())
}
