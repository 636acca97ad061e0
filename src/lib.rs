//! petrec turns a folder of photos into training-ready TFRecord features.
//!
//! The data flows one way: [`dataset`] finds classes and files, [`image`] decodes and resizes a picture exactly as
//! TensorFlow does, [`engine`] runs the network that [`model`] describes, [`tfrecord`] writes what comes out, and
//! [`convert`] drives them. Nothing knows anything of what comes after it.
//!
//! # What is in a data set
//!
//! ```
//! use std::path::Path;
//! use petrec::dataset::{self, Options};
//! use petrec::image::{self, Accept};
//!
//! let dataset = dataset::discover(Path::new("examples/photos"), &Options::default())?;
//! assert_eq!(dataset.classes, ["Cat", "Coffee"]);
//!
//! let broken = dataset.images.iter().filter_map(|file| image::check_file(&file.path, Accept::TensorFlow).err());
//! let codes: Vec<_> = broken.map(|rejection| rejection.reason.code()).collect();
//! assert_eq!(codes, ["E_EMPTY", "E_TRUNCATED", "E_NOT_AN_IMAGE"]);
//! # Ok::<_, dataset::DatasetError>(())
//! ```
//!
//! # Features of a picture
//!
//! ```
//! use std::path::Path;
//! use petrec::engine::{self, ImageBatch};
//! use petrec::image::{self, Accept};
//! use petrec::model::Weights;
//!
//! let weights = Weights::built_in_lite0()?; // for any other network: `petrec::model::locate`
//! let side = weights.network().side;
//! let mut engine = engine::open_processor(&weights)?; // for a GPU: `petrec::engine::open`
//!
//! let picture = image::load(Path::new("examples/photos/Cat/chelsea.jpg"), Accept::TensorFlow)?.picture;
//! let input = weights.metadata().preprocess.input(&picture, side);
//! let features = engine.extract(ImageBatch::new(side, input))?;
//! assert_eq!(features.shape, [7, 7, 1280]);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Records, written and read
//!
//! ```
//! use petrec::tfrecord::{Example, Message, Reader, RecordLayout, Writer};
//!
//! let layout = RecordLayout::new("Feature", "Label", &[])?;
//! let mut example = Vec::new();
//! layout.encode(&[0.5, 0.25], 1, &[], &mut example);
//! let mut writer = Writer::new(Vec::new()); // or a file
//! writer.write(&example)?;
//! let file = writer.finish()?;
//!
//! for record in Reader::new(&file[..]) { // `petrec::tfrecord::open` reads files, compressed ones too
//!     let example = Example::decode(&record?[..])?;
//!     assert_eq!(example.floats("Feature"), Some(&[0.5, 0.25][..]));
//!     assert_eq!(example.integers("Label"), Some(&[1][..]));
//! }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! The folder `examples` has the same as programs.

pub mod cli;
pub mod convert;
pub mod dataset;
pub mod engine;
pub mod features;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod html_report;
pub mod image;
#[cfg(feature = "import")]
pub mod import;
pub mod inspect;
pub mod manifest;
pub mod model;
pub mod probe;
pub mod results;
pub mod storage;
pub mod text;
pub mod tfrecord;
pub mod util;
pub mod validate;
pub mod verify;
