//! The devices that have passed the self-check on this machine, so that it runs once for each.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use etcetera::BaseStrategy;

use super::{GpuExtractor, tuning};
use crate::model::Weights;
use crate::whole_file::WholeFile;

/// One line for each, in the order in which they passed.
const FILE: &str = "checked-devices.txt";

/// What can change the kernels, or what they compute: the driver, petrec (and Burn with it), the network with its padding and the
/// size of its picture, the precision and the batch, and whether the fastest kernels were chosen.
fn line(engine: &GpuExtractor, weights: &Weights) -> String {
    let (architecture, padding, side) =
        (weights.metadata().architecture, weights.metadata().padding, weights.network().side);
    let (adapter, precision, batch) = (engine.adapter(), engine.precision().name(), engine.batch());
    let (version, driver) = (env!("CARGO_PKG_VERSION"), &adapter.driver);
    let line = format!(
        "petrec {version} {adapter} {driver} {architecture} {padding} {side} {precision} {batch}{}",
        tuning::how()
    );
    line.replace(['\n', '\r'], " ")
}

/// `petrec/` in the user's folder for what can be made again.
pub(super) fn folder() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("petrec"))
}

fn file() -> Option<PathBuf> {
    Some(folder()?.join(FILE))
}

/// Whether the device has passed before.
pub(super) fn has_passed(engine: &GpuExtractor, weights: &Weights) -> bool {
    if tuning::is_forgotten() {
        return false; // other kernels may be chosen now
    }
    let text = file().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    text.lines().any(|passed| passed == line(engine, weights))
}

/// Remembers that it has. Where that cannot be written, it is checked again the next time: nothing is lost but that time.
pub(super) fn remember(engine: &GpuExtractor, weights: &Weights) {
    let Some(file) = file() else { return };
    let text = fs::read_to_string(&file).unwrap_or_default();
    let _ = file.parent().map(fs::create_dir_all);
    let text = format!("{text}{}\n", line(engine, weights));
    let _ = WholeFile::write(&file, |file| file.write_all(text.as_bytes()));
}
