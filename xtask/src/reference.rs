//! `--check`: freshly imported weights beside features that another program dumped.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use petrec::image::{Accept, Picture, load};
use petrec::import::compare::{TOLERANCE, distances};
use petrec::model::Weights;
use petrec::util::npy::Npy;

use crate::check;

/// What was typed.
#[derive(Args, Debug)]
pub(crate) struct Reference {
    /// Compare with features that another program made of the same pictures (.npy, float32 or float64, NHWC or NCHW)
    #[arg(long, value_name = "FEATURES.npy")]
    check: Option<PathBuf>,
    /// Pictures of --check in the order of its rows: files, or a folder's files by name [default: those of names.txt
    /// beside FEATURES.npy, in images/ beside it; for a single row the built-in one, examples/photos/Cat/chelsea.jpg]
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "check")]
    pictures: Vec<PathBuf>,
    /// The largest relative l2 distance of a picture's features that passes
    #[arg(long, value_name = "NUMBER", default_value_t = TOLERANCE, requires = "check")]
    tolerance: f64,
}

impl Reference {
    /// Compares, if that was asked for; says how far the features are apart.
    ///
    /// # Errors
    /// A file cannot be read, the shapes do not fit, or a distance is above the tolerance.
    pub(crate) fn agree(&self, weights: &Weights) -> Result<Option<String>> {
        let Some(path) = &self.check else { return Ok(None) };
        let reference = Npy::read(path)?;
        let (names, pictures): (Vec<_>, Vec<_>) = self.pictures(path, &reference)?.into_iter().unzip();
        let distances = distances(weights, &pictures, &reference).with_context(|| path.display().to_string())?;

        let (worst, name) = (distances.iter().copied().zip(&names))
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .context("--pictures names no picture")?;
        let (tolerance, count) = (self.tolerance, names.len());
        let found = format!("rel-l2 at most {worst:.1e} ({name}, of {count}), tolerance {tolerance:.1e}");
        ensure!(
            worst <= tolerance,
            "{}: the features differ, {found}: nothing was written; were these made by this model from these pictures?",
            path.display()
        );
        Ok(Some(found))
    }

    fn pictures(&self, path: &Path, reference: &Npy) -> Result<Vec<(String, Picture)>> {
        let listed = path.with_file_name("names.txt");
        let paths = match self.pictures.as_slice() {
            [] if listed.is_file() => named_beside(&listed)?,
            [] if matches!(reference.shape.as_slice(), [_, _, _] | [1, _, _, _]) => {
                return Ok(vec![("the built-in picture".into(), check::picture()?)]);
            }
            [] => bail!("{}: name the pictures of its rows with --pictures", path.display()),
            [folder] if folder.is_dir() => files(folder)?,
            files => files.to_vec(),
        };
        paths.iter().map(|path| read(path)).collect()
    }
}

/// The pictures of a names.txt, a name without its ending on each line.
fn named_beside(list: &Path) -> Result<Vec<PathBuf>> {
    let names = fs::read_to_string(list).with_context(|| list.display().to_string())?;
    let folder = list.with_file_name("images");
    Ok(names.lines().map(|name| folder.join(format!("{name}.jpg"))).collect())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.with_context(|| folder.display().to_string())?;
    let mut files: Vec<_> = entries.iter().map(fs::DirEntry::path).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<(String, Picture)> {
    let loaded = load(path, Accept::TensorFlow).with_context(|| path.display().to_string())?;
    Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), loaded.picture))
}
