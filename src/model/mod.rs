//! What the network is, apart from any engine that runs it.
//!
//! [`Architecture`] names a network, [`Network`] is its table of convolutions, [`Weights`] holds its numbers together with the
//! recipe that turns a picture into its input. Every engine is built from these three and from nothing else.

mod architecture;
mod batch_norm;
mod catalogue;
mod classifier;
mod config;
pub(crate) mod keras;
mod locate;
mod metadata;
mod preprocess;
mod seeded;
mod weights;

pub use architecture::{Architecture, UnknownArchitecture};
pub use batch_norm::BatchNorm;
pub use catalogue::{Catalogue, Model, WeightFile};
pub use classifier::Classifier;
pub use config::{Activation, Block, Convolution, Network, Padding, SqueezeExcite};
pub use locate::{LocateError, Place, file_name, locate, user_folder};
pub use metadata::{Metadata, Provenance};
pub use preprocess::Preprocess;
pub use seeded::{seeded, seeded_b0};
pub use weights::{Tensor, Weights, WeightsError};
