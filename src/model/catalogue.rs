//! What networks there are, what each costs, and which weights for it are here, sound or not.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::locate::places;
use super::{Architecture, Metadata, Place, Weights, WeightsError};

/// All networks and all weights.
#[derive(Clone, Debug, Serialize)]
pub struct Catalogue {
    /// The petrec that looked.
    pub petrec: &'static str,
    /// Every architecture, in the order of [`Architecture::ALL`].
    pub models: Vec<Model>,
    /// Every weight file: those of each architecture in the order in which they are looked for, then those that were named.
    pub weights: Vec<WeightFile>,
}

/// One architecture in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    /// As typed.
    pub name: Architecture,
    /// Height and width of its picture, in pixels.
    pub side: usize,
    /// Height, width and channels of a picture's feature.
    pub feature_shape: [usize; 3],
    /// Weights and biases as petrec has them: batch normalisation folded, no classifier.
    pub parameters: usize,
    /// Multiply-adds of all convolutions for one picture.
    pub multiply_adds: usize,
}

/// A weight file, or the weights that are built in.
#[derive(Clone, Debug, Serialize)]
pub struct WeightFile {
    /// What its name says that it holds, or, of a file that was named, what it does hold; `None` where that cannot be told.
    pub architecture: Option<Architecture>,
    /// Where it lies.
    pub place: Place,
    /// `None` where it is built in; bytes that are not UTF-8 are replaced.
    pub path: Option<String>,
    /// Whether `--model` takes it; a file that goes before another does even where it is unusable.
    pub used: bool,
    /// Length of the file; `None` where it could not be read, as the hash.
    pub bytes: Option<u64>,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: Option<String>,
    /// Why it cannot be used.
    pub problem: Option<String>,
    /// What the file says of itself: source, preprocessing, padding.
    pub metadata: Option<Metadata>,
}

impl Catalogue {
    /// Looks where `--model` looks, and at the files of `named` besides. A file that cannot be used is told as such.
    #[must_use]
    pub fn look(named: &[PathBuf]) -> Self {
        let of_all = Architecture::ALL.into_iter().flat_map(weights_of);
        let weights = of_all.chain(named.iter().map(|path| weight_file(path, Place::Named, None))).collect();
        Self { petrec: env!("CARGO_PKG_VERSION"), models: Architecture::ALL.map(Model::new).into(), weights }
    }
}

impl Model {
    fn new(name: Architecture) -> Self {
        let network = name.network();
        Self {
            name,
            side: network.side,
            feature_shape: network.feature_shape(),
            parameters: network.parameters(),
            multiply_adds: network.multiply_adds(),
        }
    }
}

/// The weights that `--model` finds for one architecture, the ones it takes first.
fn weights_of(architecture: Architecture) -> Vec<WeightFile> {
    let mut files: Vec<WeightFile> = Vec::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    for (place, path) in places(architecture).into_iter().filter(|(_, path)| path.exists()) {
        // The program may lie in the current folder.
        if !seen.iter().any(|earlier| same_file::is_same_file(earlier, &path).unwrap_or(false)) {
            files.push(weight_file(&path, place, Some(architecture)));
            seen.push(path);
        }
    }
    if architecture == Architecture::EfficientNetLite0 {
        let name = Some(architecture);
        files.push(read(Weights::built_in_bytes(), None, Place::BuiltIn, name));
    }
    if let Some(first) = files.first_mut() {
        first.used = true;
    }
    files
}

fn weight_file(path: &Path, place: Place, architecture: Option<Architecture>) -> WeightFile {
    match fs::read(path) {
        Ok(bytes) => read(&bytes, Some(path), place, architecture),
        Err(error) => {
            WeightFile { problem: Some(error.to_string()), ..WeightFile::new(Some(path), place, architecture) }
        }
    }
}

/// What the bytes of a weight file tell.
fn read(bytes: &[u8], path: Option<&Path>, place: Place, architecture: Option<Architecture>) -> WeightFile {
    let mut file = WeightFile {
        bytes: Some(bytes.len() as u64),
        sha256: Some(crate::text::hex(&Sha256::digest(bytes))),
        ..WeightFile::new(path, place, architecture)
    };
    match Weights::from_bytes(bytes, "") {
        Ok(weights) => {
            let found = weights.metadata().architecture;
            let wanted = *file.architecture.get_or_insert(found);
            file.problem = (found != wanted).then(|| format!("holds {found}, not {wanted}"));
            file.metadata = Some(weights.metadata().clone());
        }
        Err(WeightsError::Damaged { problem, .. }) => file.problem = Some(problem),
        Err(other) => file.problem = Some(other.to_string()),
    }
    file
}

impl WeightFile {
    fn new(path: Option<&Path>, place: Place, architecture: Option<Architecture>) -> Self {
        let path = path.map(|path| path.to_string_lossy().into_owned());
        Self { architecture, place, path, used: false, bytes: None, sha256: None, problem: None, metadata: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_weights_are_listed_with_their_source() {
        let catalogue = Catalogue::look(&[]);

        let built_in = catalogue.weights.iter().find(|file| file.place == Place::BuiltIn).expect("Lite0");
        assert_eq!(built_in.architecture, Some(Architecture::EfficientNetLite0));
        assert_eq!(built_in.problem, None);
        // As `sha256sum` prints it, and model-weights/README.md has it.
        let sha256 = "af9616efc1405a193f5ab3ded943a622cb9306c38cf9ee0dcafad4191a7021d8";
        assert_eq!(built_in.sha256.as_deref(), Some(sha256));
        let source = built_in.metadata.as_ref().map(|metadata| metadata.source.license.as_str());
        assert_eq!(source, Some("Apache-2.0"));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_listed_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let (cut, missing) = (folder.path().join("cut"), folder.path().join("missing"));
        let bytes = Weights::built_in_bytes();
        fs::write(&cut, &bytes[..bytes.len() / 2]).expect("writable");

        let catalogue = Catalogue::look(&[cut, missing]);

        let named: Vec<_> = catalogue.weights.iter().filter(|file| file.place == Place::Named).collect();
        assert_eq!(named[0].bytes, Some(bytes.len() as u64 / 2));
        assert!(named.iter().all(|file| file.problem.is_some() && file.architecture.is_none() && !file.used));
    }
}
