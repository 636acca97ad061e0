//! What can be wrong with a record.

use std::io;

use super::inflate::StreamDamage;

/// Bytes that a record's data may have: no message of protobuf is longer, and so no `tf.train.Example`.
pub const MAX_EXAMPLE_LEN: u64 = i32::MAX as u64;

/// A record that could not be read: which, where, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("record {record} (from byte {offset}): {damage}")]
pub struct ReadError {
    /// The record's number in its file, from 0.
    pub record: u64,
    /// Where the record starts: bytes from the start of the file.
    pub offset: u64,
    /// What is wrong; its text is part of this error's own.
    pub damage: Damage,
}

/// What can be wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file ends inside the 12 bytes before the data.
    #[error(
        "the file ends after {found} of the 12 header bytes: it was cut short; \
         write it again, or keep the records before this one"
    )]
    TruncatedHeader {
        /// Header bytes that are there.
        found: usize,
    },
    /// The length does not match its checksum.
    #[error(
        "the length's checksum is {computed:#010x}, the file says {stored:#010x}: \
         not an uncompressed TFRecord file, or damaged here; write it again"
    )]
    LengthChecksum {
        /// The masked checksum in the file.
        stored: u32,
        /// The masked checksum of the length in the file.
        computed: u32,
    },
    /// The length is more than [`MAX_EXAMPLE_LEN`].
    #[error(
        "a record of {length} bytes, and no tf.train.Example has more than {MAX_EXAMPLE_LEN}: \
         not a file of examples, or made up; it is not read"
    )]
    TooLong {
        /// The record's own length, which agrees with its checksum.
        length: u64,
    },
    /// The file ends inside the data or the checksum behind it.
    #[error(
        "the file ends after {found} of {expected} bytes of data and checksum: it was cut short; \
         write it again, or keep the records before this one"
    )]
    TruncatedData {
        /// Bytes of data and checksum that the header promises.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The data does not match its checksum.
    #[error(
        "the data's checksum is {computed:#010x}, the file says {stored:#010x}: \
         bytes changed after it was written; write it again"
    )]
    DataChecksum {
        /// The masked checksum in the file.
        stored: u32,
        /// The masked checksum of the data in the file.
        computed: u32,
    },
    /// The file is compressed as a whole, and its stream is cut or damaged.
    #[error(transparent)]
    Stream(StreamDamage),
    /// The record is longer than what is left of the memory.
    #[error("a record of {length} bytes, for which the system has no memory; read it on a machine with more")]
    NoMemory {
        /// The record's own length.
        length: u64,
    },
    /// The file could not be read.
    #[error("reading failed: {0}; check the disk and the file's permissions")]
    Io(io::Error),
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(damage) => Self::Stream(*damage),
            None => Self::Io(error),
        }
    }
}
