//! The fastest of several kernels, where petrec was built to try them on the device: the feature `autotune`.

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
    let mut config = CubeClRuntimeConfig::default().override_from_env();
    if let Some(folder) = folder() {
        config.environment.path = CacheConfig::Directory(folder.join("kernels"));
    }
    CubeClRuntimeConfig::try_set(config); // the first of several devices has set it
}

#[cfg(not(feature = "autotune"))]
pub(super) fn keep() {}
