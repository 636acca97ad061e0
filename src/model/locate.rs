//! Finding the weights of an architecture.

use std::env;
use std::path::PathBuf;

use etcetera::BaseStrategy;
use serde::Serialize;
use thiserror::Error;

use super::{Architecture, Weights, WeightsError};

/// The folder that weight files lie in, wherever that folder is.
const FOLDER: &str = "model-weights";

/// Where weights lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// `model-weights/` in the current folder.
    WorkingFolder,
    /// `model-weights/` beside the program.
    ProgramFolder,
    /// [`user_folder`].
    UserFolder,
    /// In the program itself.
    BuiltIn,
    /// Where the user says.
    Named,
}

/// Why there are no weights to run.
#[derive(Debug, Error)]
pub enum LocateError {
    /// No weight file of that name where petrec looks.
    #[error(
        "no weights for {architecture} (looked for {}): run {}, or use --model efficientnet-lite0, whose weights are built in",
        looked(places),
        ways_on(*architecture)
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

/// The user's own folder for weights, found from every current folder: `petrec/model-weights` in `$XDG_DATA_HOME` or else
/// `~/.local/share`, on Windows in `%APPDATA%`. `None` where the system knows of no home.
#[must_use]
pub fn user_folder() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.data_dir().join("petrec").join(FOLDER))
}

/// The name of an architecture's file in each of the folders.
#[must_use]
pub fn file_name(architecture: Architecture) -> String {
    format!("{architecture}.safetensors")
}

/// The files that are looked for, the one that goes before all others first.
pub(super) fn places(architecture: Architecture) -> Vec<(Place, PathBuf)> {
    let folders = [
        (Place::WorkingFolder, Some(PathBuf::from(FOLDER))),
        (Place::ProgramFolder, env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(FOLDER)))),
        (Place::UserFolder, user_folder()),
    ];
    let files = folders.into_iter().filter_map(|(place, folder)| Some((place, folder?.join(file_name(architecture)))));
    files.collect()
}

/// Finds `architecture`'s weights: `model-weights/<name>.safetensors` in the current folder, then the same beside the
/// program, then that file in [`user_folder`], then what is built in.
///
/// # Errors
/// [`LocateError::Missing`] names where it looked and both ways on.
pub fn locate(architecture: Architecture) -> Result<Weights, LocateError> {
    let places: Vec<PathBuf> = places(architecture).into_iter().map(|(_, path)| path).collect();
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

/// The commands that bring weights, as far as this petrec has them. Keras publishes none for the Lite variants.
fn ways_on(architecture: Architecture) -> String {
    let import = "cargo xtask import-weights";
    match architecture.is_lite() {
        true => format!("'{import} --onnx FILE' in a clone of petrec"),
        false if cfg!(feature = "fetch") => {
            format!("'petrec models fetch {architecture}', or '{import} --onnx FILE' in a clone of petrec")
        }
        false => format!("'{import} --model {architecture}' in a clone of petrec"),
    }
}

fn looked(places: &[PathBuf]) -> String {
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    places.join(", ")
}
