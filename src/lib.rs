//! petrec turns a folder of photos into training-ready TFRecord features.
//!
//! The data flows one way: [`dataset`] finds classes and files, [`image`] decodes and resizes a picture exactly as
//! TensorFlow does, [`engine`] runs the network that [`model`] describes, [`tfrecord`] writes what comes out, and
//! [`convert`] drives them. Nothing knows anything of what comes after it.

pub mod cli;
pub mod convert;
mod crash_point;
pub mod dataset;
pub mod engine;
#[cfg(feature = "fetch")]
pub mod fetch;
mod hashing;
pub mod image;
#[cfg(feature = "import")]
pub mod import;
pub mod inspect;
mod locks;
pub mod model;
pub mod npy;
mod number;
pub mod page;
pub mod parallel;
mod paths;
pub mod probe;
pub mod report;
pub mod table;
pub mod tfrecord;
pub mod validate;
pub mod verify;
pub mod whole_file;

use std::fmt::Write as _;

/// Bytes as lower-case hexadecimal, two digits each: how every hash is shown and stored.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
