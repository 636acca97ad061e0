//! Readers of other programs' weight files, for `cargo xtask import-weights`.
//!
//! An importer ends in [`Weights`](crate::model::Weights), so whatever a source calls its tensors, and however it pads,
//! normalises and lays out its data, nothing behind this module knows of it.

mod beside;
pub mod check;
pub mod compare;
mod error;
mod half;
pub mod keras;
mod lfs;
mod matched;
mod number;
pub mod onnx;
mod options;
pub mod state_dict;
mod zip;

pub use beside::Beside;
pub use error::{ImportError, Refusal};
pub use options::{InputRange, Options};
