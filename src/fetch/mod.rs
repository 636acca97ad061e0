//! Keras' own ImageNet weights, from where Keras publishes them.
//!
//! A download goes to `NAME.part`, goes on where an earlier one stopped, and gets its name when its MD5 is the one that
//! Keras' own source pins. What goes wrong deletes nothing.

mod download;
mod error;
mod part;
mod proxy;
mod source;

pub use download::download;
pub use error::FetchError;
pub use source::{Md5, Source};
