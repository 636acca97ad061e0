//! The fastest of several kernels, tried on the device: the feature `autotune`.

use std::env;
use std::path::PathBuf;
use std::sync::LazyLock;

use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, cache::CacheConfig};

use super::remembered::folder;

/// What makes the first use of a device slow, for a message.
pub(super) const NOTICE: &str = "trying which kernels are the fastest, which can take minutes, and ";

/// Whether what was tried before is not there any more, as it was when the first device was opened.
static IS_FORGOTTEN: LazyLock<bool> = LazyLock::new(|| !kernels().is_some_and(|kernels| kernels.exists()));

/// Has what was tried kept beside petrec's other things that can be made again. CubeCL itself would look for a project of Rust's
/// around the current folder. To be called before a device is opened, which makes the folder.
pub(super) fn keep() {
    LazyLock::force(&IS_FORGOTTEN);
    let mut config = CubeClRuntimeConfig::default().override_from_env();
    if let Some(kernels) = kernels() {
        config.environment.path = CacheConfig::Directory(kernels);
    }
    CubeClRuntimeConfig::try_set(config); // the first of several devices has set it
}

fn kernels() -> Option<PathBuf> {
    Some(folder()?.join("kernels"))
}

/// Whether other kernels may be chosen now than those that were compared with the processor.
pub(super) fn is_forgotten() -> bool {
    *IS_FORGOTTEN
}

/// How the kernels are chosen, as a mark for what is remembered of a device.
pub(super) fn how() -> String {
    format!(" autotune {}", env::var("CUBECL_AUTOTUNE_LEVEL").unwrap_or_default())
}
