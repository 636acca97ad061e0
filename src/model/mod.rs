//! What the network is, apart from any engine that runs it.
//!
//! [`Architecture`] names a network, [`Network`] is its table of convolutions, [`Weights`] holds its numbers together with the
//! recipe that turns a picture into its input. Every engine is built from these three and from nothing else.

mod batch_norm;
mod config;
mod locate;
mod preprocess;
mod seeded;
mod weights;

pub use batch_norm::BatchNorm;
pub use config::{Activation, Architecture, Block, Convolution, Network, Padding, SqueezeExcite};
pub use locate::{LocateError, locate};
pub use preprocess::Preprocess;
pub use seeded::seeded_b0;
pub use weights::{Metadata, Provenance, Tensor, Weights, WeightsError};
