//! Finding the weights of an architecture.

use std::env;
use std::path::PathBuf;

use thiserror::Error;

use super::{Architecture, Weights, WeightsError};

/// Why there are no weights to run.
#[derive(Debug, Error)]
pub enum LocateError {
    /// No weight file of that name where petrec looks.
    #[error(
        "no weights for {architecture} (looked for {}): run 'cargo xtask import-weights --onnx FILE' in a clone of petrec, \
         or use --model efficientnet-lite0, whose weights are built in",
        looked(places)
    )]
    Missing {
        /// The network that was asked for.
        architecture: Architecture,
        /// The files that would have been taken.
        places: Vec<PathBuf>,
    },
    /// There is a file of that name, but it holds another network.
    #[error("{}: holds {found}, not {architecture}; use it with --weights, or move it away", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The network that was asked for.
        architecture: Architecture,
        /// The network that it holds.
        found: Architecture,
    },
    /// There is a file but it cannot be used.
    #[error(transparent)]
    Unusable(#[from] WeightsError),
}

/// Finds `architecture`'s weights: `model-weights/<name>.safetensors` in the current folder, then the same beside the
/// program, then what is built in.
///
/// # Errors
/// [`LocateError::Missing`] names where it looked and both ways on.
pub fn locate(architecture: Architecture) -> Result<Weights, LocateError> {
    let file = PathBuf::from("model-weights").join(format!("{architecture}.safetensors"));
    let program = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(&file)));
    let places: Vec<PathBuf> = [file].into_iter().chain(program).collect();
    if let Some(path) = places.iter().find(|path| path.exists()) {
        let weights = Weights::load(path)?;
        let found = weights.metadata().architecture;
        if found != architecture {
            return Err(LocateError::Other { path: path.clone(), architecture, found });
        }
        return Ok(weights);
    }
    match architecture {
        Architecture::EfficientNetLite0 => Ok(Weights::built_in_lite0()?),
        _ => Err(LocateError::Missing { architecture, places }),
    }
}

fn looked(places: &[PathBuf]) -> String {
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    places.join(", ")
}
