//! The devices that have passed the self-check on this machine, so that it runs once for each.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use etcetera::BaseStrategy;

use super::{GpuExtractor, tuning};
use crate::model::{Metadata, Weights};
use crate::storage::atomic_file::AtomicFile;

/// One line for each, in the order in which they passed.
const FILE: &str = "checked-devices.txt";

/// Returns what can change the kernels, or what they compute: the driver, petrec (and Burn with it), the network with its
/// padding and the size of its picture, the precision and the batch, and whether the fastest kernels were chosen.
fn line(engine: &GpuExtractor, weights: &Weights) -> String {
    let (adapter, precision, batch) = (engine.adapter(), engine.precision().name(), engine.batch());
    let (version, driver) = (env!("CARGO_PKG_VERSION"), &adapter.driver);
    let network = network(weights.metadata(), weights.network().side);
    let line = format!("petrec {version} {adapter} {driver} {network} {precision} {batch}{}", tuning::how());
    line.replace(['\n', '\r'], " ")
}

/// Returns the network as far as it decides on kernels and shapes: `efficientnet-b0 same 224`.
fn network(metadata: &Metadata, side: usize) -> String {
    format!("{} {} {side}", metadata.architecture, metadata.padding)
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
    let _ = AtomicFile::write(&file, |file| file.write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Padding, seeded_b0};

    #[test]
    fn another_padding_or_size_is_another_network_to_check() {
        let same = seeded_b0().metadata().clone();
        let symmetric = Metadata { padding: Padding::Symmetric, ..same.clone() };

        assert_ne!(network(&same, 224), network(&symmetric, 224));
        assert_ne!(network(&same, 224), network(&same, 240));
    }
}
