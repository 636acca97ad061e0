//! The fastest of several kernels, where petrec was built to try them on the device: the feature `autotune`.

use std::env;
#[cfg(feature = "autotune")]
use std::{path::PathBuf, sync::LazyLock};

#[cfg(feature = "autotune")]
use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, cache::CacheConfig};

#[cfg(feature = "autotune")]
use super::remembered::folder;

/// What makes the first use of a device slow, for a message.
pub(super) const NOTICE: &str =
    if cfg!(feature = "autotune") { "trying which kernels are the fastest, which can take minutes, and " } else { "" };

/// Has what was tried kept beside petrec's other things that can be made again. CubeCL itself would look for a project of Rust's
/// around the current folder. To be called before a device is opened.
#[cfg(feature = "autotune")]
pub(super) fn keep() {
    is_forgotten(); // asked for now
    let mut config = CubeClRuntimeConfig::default().override_from_env();
    if let Some(kernels) = kernels() {
        config.environment.path = CacheConfig::Directory(kernels);
    }
    CubeClRuntimeConfig::try_set(config); // the first of several devices has set it
}

#[cfg(feature = "autotune")]
fn kernels() -> Option<PathBuf> {
    Some(folder()?.join("kernels"))
}

/// Whether what was tried before is not there any more. To be asked before a device is opened, which makes the folder.
#[cfg(feature = "autotune")]
pub(super) fn is_forgotten() -> bool {
    static IS_FORGOTTEN: LazyLock<bool> = LazyLock::new(|| !kernels().is_some_and(|kernels| kernels.exists()));
    *IS_FORGOTTEN
}

/// How the kernels were chosen, as a mark for what is remembered of a device.
pub(super) fn how() -> String {
    match cfg!(feature = "autotune") {
        true => format!(" autotune {}", env::var("CUBECL_AUTOTUNE_LEVEL").unwrap_or_default()),
        false => String::new(),
    }
}

#[cfg(not(feature = "autotune"))]
pub(super) fn keep() {}

#[cfg(not(feature = "autotune"))]
pub(super) fn is_forgotten() -> bool {
    false
}
