//! `petrec dump`: the values of one stage, for holding petrec against any other framework.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::args::{Dump, Global};
use super::choices::Stage;
use super::convert::weights;
use super::stdout::stdout;
use super::{Outcome, UsageError, say, say_note};
use crate::engine::{self, EngineError, FeatureExtractor, ImageBatch};
use crate::image::{self, Picture, Reason, Recipe, Rejection};
use crate::model::{LocateError, Weights};
use crate::storage::atomic_file::AtomicFile;
use crate::text::{display_path, shape};
use crate::util::npy;
use crate::util::parallel;

/// The values of one stage of one image, row-major.
struct Array {
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

/// What is told of an array.
#[derive(Debug, Serialize)]
struct Description {
    /// Over the bytes of the array: u8, or little-endian f32.
    sha256: String,
    shape: Vec<usize>,
    min: f32,
    max: f32,
    mean: f64,
}

/// What is told of all images, for machines.
#[derive(Debug, Serialize)]
struct Answer {
    stage: &'static str,
    images: Vec<Dumped>,
}

#[derive(Debug, Serialize)]
struct Dumped {
    path: String,
    #[serde(flatten)]
    array: Option<Description>,
    /// Why there is no array.
    reason: Option<Reason>,
    detail: Option<String>,
}

const NO_CLASSIFIER: &str = "these weights have no classifier: import them with 'cargo xtask import-weights --with-top', from a \
    file that has one, or dump '--stage features'";

/// How to get from a picture to the stage, with what that takes.
enum Pipeline {
    Pixels,
    Resized(Recipe, usize),
    Input(Weights),
    Features(Weights),
    Logits(Weights),
}

pub(super) fn run(command: &Dump, global: &Global) -> anyhow::Result<Outcome> {
    if command.npy.is_some() {
        refuse_equal_stems(&command.images)?;
    }
    let pipeline = Pipeline::new(command)?;
    let engines = pipeline.engines(global)?;
    if let Some(dir) = &command.npy {
        fs::create_dir_all(dir).with_context(|| format!("{}: cannot be made", display_path(dir)))?;
    }

    let mut out = stdout();
    let mut outcome = Outcome::Done;
    let mut images = Vec::new();
    let dump = |engine: &mut Option<Box<dyn FeatureExtractor>>, index: usize| {
        let path = &command.images[index];
        let array =
            image::load(path, command.accept).map(|loaded| pipeline.apply(&loaded.picture, engine.as_deref_mut()));
        (path, array)
    };
    parallel::ordered(command.images.len(), engines, dump, |(path, array): (&PathBuf, Result<_, Rejection>)| {
        match array {
            Ok(array) => {
                let array: Array = array?;
                let description = array.describe();
                if command.json {
                    images.push(Dumped::new(path, Ok(description)));
                } else {
                    write!(out, "{description} ")?;
                    // As typed, in whatever encoding, but in one line.
                    let lines: Vec<_> = path.as_os_str().as_encoded_bytes().split(|byte| *byte == b'\n').collect();
                    out.write_all(&lines.join(&b"\\n"[..]))?;
                    writeln!(out)?;
                }
                if let Some(dir) = &command.npy {
                    array.save(&dir.join(stem(path)).with_added_extension("npy"))?;
                }
            }
            Err(rejection) => {
                say(&format!("{}: {rejection}", display_path(path)));
                images.push(Dumped::new(path, Err(rejection)));
                outcome = Outcome::Failed;
            }
        }
        Ok::<_, anyhow::Error>(())
    })?;
    if command.json {
        let answer = Answer { stage: command.stage.name(), images };
        out.json(&answer)?;
    }
    Ok(outcome)
}

fn stem(path: &Path) -> &Path {
    path.file_stem().unwrap_or(path.as_os_str()).as_ref()
}

/// Two images of one stem would be one .npy file.
fn refuse_equal_stems(images: &[PathBuf]) -> Result<(), UsageError> {
    let mut taken = HashMap::new();
    for path in images {
        if let Some(first) = taken.insert(stem(path).to_string_lossy().to_lowercase(), path) {
            let (first, second) = (display_path(first), display_path(path));
            return Err(UsageError(format!(
                "{first} and {second} would both become {}.npy: dump them into two folders",
                display_path(stem(path))
            )));
        }
    }
    Ok(())
}

impl Pipeline {
    fn new(command: &Dump) -> anyhow::Result<Self> {
        let network = &command.network;
        Ok(match command.stage {
            Stage::Pixels => Self::Pixels,
            Stage::Resized => match weights(network) {
                Ok(weights) => Self::Resized(weights.metadata().preprocess.resize, weights.network().side),
                // Resizing needs no weights; without them there is TensorFlow's way.
                Err(error) if is_missing(&error) => Self::Resized(Recipe::TfBilinear, network.model.network().side),
                Err(error) => return Err(error),
            },
            Stage::Input => Self::Input(weights(network)?),
            Stage::Features => Self::Features(weights(network)?),
            Stage::Logits => {
                let weights = weights(network)?;
                if weights.classifier().is_none() {
                    return Err(UsageError(NO_CLASSIFIER.into()).into());
                }
                Self::Logits(weights)
            }
        })
    }

    /// One worker's engine each; none where the stage comes before it.
    fn engines(&self, global: &Global) -> anyhow::Result<Vec<Option<Box<dyn FeatureExtractor>>>> {
        let threads = global.threads().get();
        match self {
            Self::Features(weights) | Self::Logits(weights) => {
                let engine = engine::open(&global.selection()?, weights, &mut |line| say_note(line, global))?;
                let workers = engine.workers(threads);
                Ok(engine.forks(workers).into_iter().map(Some).collect())
            }
            _ => Ok((0..threads).map(|_| None).collect()),
        }
    }

    fn apply(
        &self,
        picture: &Picture,
        engine: Option<&mut (dyn FeatureExtractor + 'static)>,
    ) -> Result<Array, EngineError> {
        let floats = |shape: &[usize], values| Array { shape: shape.to_vec(), values: Values::Floats(values) };
        let input = |weights: &Weights| {
            let side = weights.network().side;
            (side, weights.metadata().preprocess.input(picture, side))
        };
        Ok(match self {
            Self::Pixels => {
                Array { shape: vec![picture.height, picture.width, 3], values: Values::Bytes(picture.rgb.clone()) }
            }
            Self::Resized(recipe, side) => floats(&[*side, *side, 3], recipe.resize(picture, *side)),
            Self::Input(weights) => {
                let (side, input) = input(weights);
                floats(&[side, side, 3], input)
            }
            Self::Features(weights) | Self::Logits(weights) => {
                let (side, input) = input(weights);
                let engine = engine.expect("a pipeline to the features has engines");
                let features = engine.extract(ImageBatch::new(side, input))?;
                match (self, weights.classifier()) {
                    (Self::Logits(_), Some(classifier)) => {
                        let logits = classifier.logits(&features.data);
                        floats(&[logits.len()], logits)
                    }
                    _ => floats(&features.shape, features.data),
                }
            }
        })
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(LocateError::Missing { .. }))
}

impl Array {
    fn describe(&self) -> Description {
        let (min, max, mean) = match &self.values {
            Values::Bytes(values) => statistics(values.iter().map(|value| f32::from(*value))),
            Values::Floats(values) => statistics(values.iter().copied()),
        };
        let sha256 = crate::text::hex(&Sha256::digest(self.bytes()));
        Description { sha256, shape: self.shape.clone(), min, max, mean }
    }

    fn bytes(&self) -> Vec<u8> {
        match &self.values {
            Values::Bytes(values) => values.clone(),
            Values::Floats(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn save(&self, path: &Path) -> anyhow::Result<()> {
        let descr = match &self.values {
            Values::Bytes(_) => "|u1",
            Values::Floats(_) => "<f4",
        };
        AtomicFile::write(path, |file| npy::write(file, descr, &self.shape, &self.bytes()))
            .with_context(|| format!("{}: cannot be written", display_path(path)))
    }
}

impl fmt::Display for Description {
    /// `sha256 shape min max mean`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sha256, shape: axes, min, max, mean } = self;
        write!(f, "{sha256} {} {min} {max} {mean:.6}", shape(axes))
    }
}

impl Dumped {
    fn new(path: &Path, outcome: Result<Description, Rejection>) -> Self {
        let path = path.to_string_lossy().into_owned();
        match outcome {
            Ok(array) => Self { path, array: Some(array), reason: None, detail: None },
            Err(rejection) => {
                Self { path, array: None, reason: Some(rejection.reason), detail: Some(rejection.detail) }
            }
        }
    }
}

/// Smallest, largest, and the mean summed in f64.
fn statistics(values: impl Iterator<Item = f32> + Clone) -> (f32, f32, f64) {
    let count = values.clone().count() as f64;
    let min = values.clone().fold(f32::INFINITY, f32::min);
    let max = values.clone().fold(f32::NEG_INFINITY, f32::max);
    (min, max, values.map(f64::from).sum::<f64>() / count)
}
