//! Which engine runs.

use std::num::NonZero;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tracing::info;

use super::{DeviceChoice, EngineError, FeatureExtractor};
use crate::model::Weights;

/// Which engine to run, as typed after `--backend`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// A GPU if there is one, else the processor.
    #[default]
    Auto,
    /// petrec's own kernels on the processor.
    Cpu,
    /// Any GPU that Vulkan, Metal or DirectX 12 drives.
    Wgpu,
    /// Burn's pure-Rust CPU back end, for holding the others against it.
    Flex,
    /// Burn's older CPU back end, for the same.
    Ndarray,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Cpu, Self::Wgpu, Self::Flex, Self::Ndarray];

    /// The name as typed: `flex`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
        }
    }
}

impl FromStr for Backend {
    type Err = &'static str;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|backend| backend.name() == typed)
            .ok_or("not an engine: auto, cpu, wgpu, flex or ndarray")
    }
}

/// How a GPU holds the weights and what is between layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits, as every other engine.
    #[default]
    F32,
    /// 16 bits, IEEE 754's half: less to move, and features that differ in the third digit.
    F16,
}

impl Precision {
    /// The name as typed: `f16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// What somebody wants to run on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Selection {
    /// The engine.
    pub backend: Backend,
    /// The GPU; where there is none said, the fastest that is one. Naming one turns `Auto` into `Wgpu`.
    pub device: Option<DeviceChoice>,
    /// Pictures that a GPU computes at a time, where not as many as it has room for.
    pub batch: Option<NonZero<usize>>,
    /// How a GPU holds values. Half precision turns `Auto` into `Wgpu`: no other engine has it.
    pub precision: Precision,
}

impl From<Backend> for Selection {
    fn from(backend: Backend) -> Self {
        Self { backend, ..Self::default() }
    }
}

/// Opens an engine for `weights`. A GPU is tried against the CPU engine before it is used, once; `tell` hears of that, and of
/// a GPU that `Backend::Auto` gives up.
///
/// # Errors
/// The engine is not built in, or its device is not there, cannot be used or computes wrong features.
pub fn open(
    selection: &Selection,
    weights: &Weights,
    tell: &mut dyn FnMut(&str),
) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    let wants_gpu = selection.device.is_some() || selection.precision == Precision::F16;
    let engine = match selection.backend {
        Backend::Wgpu => open_gpu(selection, weights, tell),
        Backend::Auto if wants_gpu => open_gpu(selection, weights, tell),
        Backend::Auto => match open_gpu(selection, weights, tell) {
            Err(EngineError::NoDevice { .. } | EngineError::NotBuilt(_)) => open_processor(weights),
            Err(error @ (EngineError::Device { .. } | EngineError::Lost { .. } | EngineError::WrongDevice { .. })) => {
                tell(&format!("the processor takes over, because {error}"));
                open_processor(weights)
            }
            opened => opened,
        },
        Backend::Cpu => open_cpu(weights),
        Backend::Flex => open_flex(weights),
        Backend::Ndarray => open_ndarray(weights),
    }?;
    info!(engine = engine.name(), isa = engine.isa(), device = engine.device(), "opened the engine");
    Ok(engine)
}

/// Opens the best engine that needs nothing but the processor.
///
/// # Errors
/// None is built in, or `PETREC_ISA` names what this machine does not have.
pub fn open_processor(weights: &Weights) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    if cfg!(feature = "cpu") { open_cpu(weights) } else { open_flex(weights) }
}

#[cfg(feature = "wgpu")]
fn open_gpu(
    selection: &Selection,
    weights: &Weights,
    tell: &mut dyn FnMut(&str),
) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    use super::gpu;

    let adapter = gpu::choose(selection.device.as_ref())?;
    Ok(Box::new(gpu::open_checked(weights, adapter, selection.batch, selection.precision, tell)?))
}

#[cfg(not(feature = "wgpu"))]
fn open_gpu(_: &Selection, _: &Weights, _: &mut dyn FnMut(&str)) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    Err(EngineError::NotBuilt("wgpu"))
}

#[cfg(feature = "cpu")]
fn open_cpu(weights: &Weights) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    Ok(Box::new(super::cpu::CpuExtractor::new(weights)?))
}

#[cfg(not(feature = "cpu"))]
fn open_cpu(_: &Weights) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    Err(EngineError::NotBuilt("cpu"))
}

#[cfg(feature = "flex")]
fn open_flex(weights: &Weights) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    Ok(Box::new(super::burn::BurnExtractor::flex(weights)))
}

#[cfg(not(feature = "flex"))]
fn open_flex(_: &Weights) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    Err(EngineError::NotBuilt("flex"))
}

#[cfg(feature = "ndarray")]
fn open_ndarray(weights: &Weights) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    Ok(Box::new(super::burn::BurnExtractor::ndarray(weights)))
}

#[cfg(not(feature = "ndarray"))]
fn open_ndarray(_: &Weights) -> Result<Box<dyn FeatureExtractor>, EngineError> {
    Err(EngineError::NotBuilt("ndarray"))
}
