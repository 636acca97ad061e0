//! Any bytes as an ONNX model, its weights in a second file of its own.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use petrec::import::Options;
use petrec::import::onnx::import_onnx;
use petrec::model::Preprocess;
use tempfile::TempDir;

/// The folder of the model, with a data file in it that is as long as EfficientNet's largest tensor.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let values = (0..1280 * 320).flat_map(|index: u32| (0.5 + (index % 97) as f32 / 194.0).to_le_bytes());
    fs::write(folder.path().join("data"), values.collect::<Vec<u8>>()).expect("writable");
    folder
});

/// Importing does not panic, and weights that were imported are whole: they can be written and read.
pub(crate) fn holds(data: &[u8]) {
    let path: PathBuf = FOLDER.path().join("model.onnx");
    fs::write(&path, data).expect("writable");
    // What is fed is said, so that a model without preprocessing of its own gets to its end.
    let options = Options { preprocess: Some(Preprocess::raw()), ..Options::default() };
    if let Ok(weights) = import_onnx(&path, &options) {
        weights.to_bytes().expect("what was imported can be written");
    }
}
