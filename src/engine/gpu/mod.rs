//! The network on any GPU that Vulkan, Metal or DirectX 12 drives: Burn's modules through wgpu.
//!
//! There is one device, one thread that talks to it, and one size of batch, so that its kernels are compiled once. Workers
//! bring a picture each and get its feature; that of a picture does not depend on who else is in its batch. From the
//! uploaded picture to the feature in H, W, C order everything stays on the device.

mod adapters;
mod batches;
mod extractor;
mod loss;
mod remembered;
mod self_check;
#[cfg(feature = "autotune")]
mod tuning;
#[cfg(not(feature = "autotune"))]
#[path = "no_tuning.rs"]
mod tuning;

use std::num::NonZero;

pub use extractor::GpuExtractor;
pub use self_check::{SelfCheck, self_check};

pub(super) use adapters::adapters;

use super::{Adapter, DeviceChoice, EngineError, Precision, best_hardware};
use crate::model::Weights;

/// The adapter that is wanted; without a choice the fastest that is a GPU, and none that computes on the processor.
pub(super) fn choose(choice: Option<&DeviceChoice>) -> Result<Adapter, EngineError> {
    let all = adapters();
    let has_software = all.iter().any(|adapter| !adapter.kind.is_hardware());
    let list = all.iter().map(|adapter| format!("{} {adapter}", adapter.index)).collect::<Vec<_>>().join(", ");
    let found = match choice {
        Some(choice) => all.iter().find(|adapter| choice.is(adapter)),
        None => best_hardware(&all),
    };
    found.cloned().ok_or_else(|| {
        let wanted = choice.map_or("GPU".to_owned(), |choice| format!("device '{choice}'"));
        let apis = adapters::api_names();
        let there_is = if list.is_empty() { format!("{apis} shows none") } else { format!("{apis} shows {list}") };
        EngineError::NoDevice { problem: format!("no {wanted} was found: {there_is}"), has_software }
    })
}

/// Opens a device, and tries it where it has not been tried before. Where it fails, as it does without room for a batch, it is
/// tried with half as many pictures, down to one.
pub(super) fn open_checked(
    weights: &Weights,
    adapter: Adapter,
    batch: Option<NonZero<usize>>,
    precision: Precision,
    tell: &mut dyn FnMut(&str),
) -> Result<GpuExtractor, EngineError> {
    let mut engine = GpuExtractor::new(weights, adapter.clone(), batch, precision)?;
    if !remembered::has_passed(&engine, weights) {
        tell(&format!("first use of {adapter}: {}comparing it with the processor", tuning::NOTICE));
    }
    loop {
        let smaller = match try_out(&mut engine, weights) {
            Ok(()) => return Ok(engine),
            Err(EngineError::Device { problem, .. }) if engine.batch() > 1 => {
                let half = engine.batch() / 2;
                tell(&format!("{adapter} fails with batches of {} ({problem}): trying {half}", engine.batch()));
                NonZero::new(half)
            }
            Err(error) => return Err(error),
        };
        // Its memory is wanted.
        drop(engine);
        engine = GpuExtractor::new(weights, adapter.clone(), smaller, precision)?;
    }
}

/// Sees whether the device can do a batch, and the first time whether it is right.
fn try_out(engine: &mut GpuExtractor, weights: &Weights) -> Result<(), EngineError> {
    if remembered::has_passed(engine, weights) {
        return engine.warm_up();
    }
    self_check(engine, weights)?;
    remembered::remember(engine, weights);
    Ok(())
}
