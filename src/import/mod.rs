//! Readers of other programs' weight files, for `cargo xtask import-weights`.
//!
//! An importer ends in [`Weights`](crate::model::Weights), so whatever a source calls its tensors, and however it pads,
//! normalises and lays out its data, nothing behind this module knows of it.

pub mod check;
pub mod compare;
mod error;
pub mod h5;
mod half;
mod lfs;
mod matched;
pub mod onnx;
mod options;
pub mod state_dict;

pub use error::{ImportError, Refusal};
pub use options::{InputRange, Options};
