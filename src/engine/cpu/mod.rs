//! The network on the processor, in our own kernels: no library beneath them, one thread per picture.
//!
//! Maps are NHWC. A `plan` settles every shape and packs the weights once, shared by all workers; `scratch` is what a
//! worker owns; `forward` takes one picture through; `kernels` is where the time goes. The feature of a picture is
//! the same bytes whatever worker, batch or earlier picture: each of its values is computed by the same operations in the
//! same order, which depend on the network and the [`Isa`] alone.

mod ahead;
mod aligned;
mod build;
mod forward;
mod isa;
mod kernels;
mod pack;
mod plan;
#[doc(hidden)]
pub mod profile;
mod ring;
mod scratch;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use isa::Isa;

use super::{EngineError, FeatureBatch, FeatureExtractor, ImageBatch};
use crate::model::Weights;
use forward::forward;
#[cfg(target_arch = "x86_64")]
use kernels::{Avx2, Avx512};
use kernels::{Portable, Simd};
use plan::{COLORS, Plan};
use profile::{Profile, Unmeasured};
use scratch::Scratch;

const NAME: &str = "cpu";

/// A network on the processor.
pub struct CpuExtractor {
    isa: Isa,
    network: Arc<dyn Compiled>,
    scratch: Scratch,
}

impl CpuExtractor {
    /// Packs `weights` for the instructions that [`Isa::choose`] finds.
    ///
    /// # Errors
    /// `PETREC_ISA` names what this machine does not have, or the network is none that the kernels were written for.
    pub fn new(weights: &Weights) -> Result<Self, EngineError> {
        Self::with_isa(weights, Isa::choose()?)
    }

    /// Packs `weights` for these instructions.
    ///
    /// # Errors
    /// This machine does not have them, or the network is none that the kernels were written for.
    pub fn with_isa(weights: &Weights, isa: Isa) -> Result<Self, EngineError> {
        let network = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => compile(isa, Avx512::detect(), weights)?,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => compile(isa, Avx2::detect(), weights)?,
            Isa::Portable => compile(isa, Some(Portable), weights)?,
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx512 | Isa::Avx2 => compile(isa, None::<Portable>, weights)?,
        };
        let scratch = Scratch::new(network.plan());
        Ok(Self { isa, network, scratch })
    }

    /// Where the time of one picture goes, side x side x 3 values; the clock itself adds a few per cent.
    ///
    /// # Panics
    /// Where the picture is of another size.
    #[doc(hidden)]
    pub fn profile(&mut self, picture: &[f32]) -> Profile {
        let Plan { side, feature, .. } = *self.network.plan();
        assert_eq!(picture.len(), side * side * COLORS, "one whole picture");
        let mut profile = Profile::start();
        self.network.profile(&mut self.scratch, picture, &mut vec![0.0; feature.iter().product()], &mut profile);
        profile
    }
}

impl FeatureExtractor for CpuExtractor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn isa(&self) -> Option<&'static str> {
        Some(self.isa.name())
    }

    fn extract(&mut self, batch: ImageBatch) -> Result<FeatureBatch, EngineError> {
        let (count, side) = (batch.count(), batch.side());
        let Plan { side: expected, feature: shape, .. } = *self.network.plan();
        if side != expected {
            return Err(EngineError::Side { side, expected });
        }
        let pictures = batch.into_data();
        let length = shape.iter().product();
        let mut data = vec![0.0; count * length];
        for (picture, feature) in pictures.chunks_exact(side * side * COLORS).zip(data.chunks_exact_mut(length)) {
            self.network.forward(&mut self.scratch, picture, feature);
        }
        Ok(FeatureBatch { count, shape, data })
    }

    fn fork(&self) -> Box<dyn FeatureExtractor> {
        let network = Arc::clone(&self.network);
        let scratch = Scratch::new(network.plan());
        Box::new(Self { isa: self.isa, network, scratch })
    }
}

/// A plan together with the instructions that it was made for.
trait Compiled: Send + Sync {
    fn plan(&self) -> &Plan;
    fn forward(&self, scratch: &mut Scratch, picture: &[f32], feature: &mut [f32]);
    fn profile(&self, scratch: &mut Scratch, picture: &[f32], feature: &mut [f32], profile: &mut Profile);
}

impl<S: Simd> Compiled for (S, Plan) {
    fn plan(&self) -> &Plan {
        &self.1
    }

    fn forward(&self, scratch: &mut Scratch, picture: &[f32], feature: &mut [f32]) {
        forward(self.0, &self.1, scratch, picture, feature, &mut Unmeasured);
    }

    fn profile(&self, scratch: &mut Scratch, picture: &[f32], feature: &mut [f32], profile: &mut Profile) {
        forward(self.0, &self.1, scratch, picture, feature, profile);
    }
}

fn compile<S: Simd>(isa: Isa, simd: Option<S>, weights: &Weights) -> Result<Arc<dyn Compiled>, EngineError> {
    let problem = || format!("this machine does not have the instructions of {isa}");
    let simd = simd.ok_or_else(|| EngineError::Failed { engine: NAME, problem: problem() })?;
    Ok(Arc::new((simd, Plan::new::<S>(weights)?)))
}
