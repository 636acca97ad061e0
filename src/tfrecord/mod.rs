//! TFRecord files and the `tf.train.Example` messages in them, without TensorFlow and without protoc.
//!
//! The framing (lengths and checksums) is in [`framing`], the messages are in [`proto`], [`Writer`] and [`Reader`] move
//! whole records, [`Scanner`] reads on after damage, and [`RecordLayout`] is the fast way from one picture's features to the bytes of its `Example`: the
//! same bytes that the general encoder makes. Sources: TensorFlow's `record_writer.cc`, `crc32c.h`, `example.proto` and
//! `feature.proto`.

mod compression;
mod damage;
mod example;
pub mod framing;
mod index;
mod inflate;
pub(crate) mod message;
pub mod proto;
mod reader;
mod scan;
mod stream;
mod turn;
mod writer;

pub use compression::{Compression, Compressor, open, stretches};
pub(crate) use compression::{begins_with_record, is_compressed_ending, open_briefly};
pub use damage::{Damage, MAX_EXAMPLE_LEN, ReadError};
pub use example::{Extra, LayoutError, ParseExtraError, RecordLayout};
pub use index::Index;
pub use inflate::{StreamDamage, StreamFault};
/// The trait behind `Example::decode` and `encode_to_vec`, so that readers need no prost of their own.
pub use prost::Message;
pub use proto::Example;
pub use reader::Reader;
pub use scan::{Rest, Scanner, Stretch};
pub use writer::Writer;
