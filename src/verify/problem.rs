//! What can be wrong with a record file, in one line each.

use std::io;

use thiserror::Error;

use crate::storage::machine;
use crate::text::{counted, one_line, thousands};
use crate::tfrecord::{ReadError, Rest};

/// One thing that is wrong with a file; its text says where in the file.
#[derive(Debug, Error)]
pub enum Problem {
    /// It could not be opened or read, by its own fault.
    #[error("cannot be read: {0}; check the path, the disk and the permissions")]
    Unreadable(io::Error),
    /// The machine, or a store, failed to read it.
    #[error(
        "cannot be read, and may be whole: {reason}; hint: {}, then run the same command again",
        machine::hint(reason)
    )]
    Unreachable {
        /// What the system or the store said.
        reason: io::Error,
    },
    /// Bytes that hold no intact record.
    #[error("{error}; {}", lost(*bytes, *rest))]
    Damaged {
        /// What is wrong at the first of them.
        error: ReadError,
        /// How many; of a compressed file, bytes of its content.
        bytes: u64,
        /// Whether what follows is lost, too.
        rest: Rest,
    },
    /// Further such places of a file, that are too many for a line each.
    #[error("{} more places of this file are damaged; {}", thousands(*places), lost(*bytes, *rest))]
    MoreDamage {
        /// How many.
        places: usize,
        /// Bytes in all of them.
        bytes: u64,
        /// Whether what follows the last of them is lost, too.
        rest: Rest,
    },
    /// A record whose checksums hold, and whose content is not what it should be.
    #[error("record {record}: {fault}{}{}", and_more(*more), fault.advice())]
    Content {
        /// The first such record of the file, from 0.
        record: u64,
        /// What is wrong with it.
        fault: Fault,
        /// How many more there are with the same fault.
        more: usize,
    },
    /// The manifest tells nothing.
    #[error("{}; the records were checked without it: salvage them, or convert into a new folder", one_line(.0))]
    Manifest(String),
    /// The manifest names it, and it is not there.
    #[error("named in the manifest and missing; 'petrec convert' with the same arguments makes it again")]
    Missing,
    /// The manifest does not name it.
    #[error("not named in the manifest: it belongs to something else; move it away")]
    NotInManifest,
    /// The manifest has another length for it.
    #[error(
        "is {found} bytes long, the manifest says {expected}; 'petrec convert' with the same arguments makes it again"
    )]
    Bytes {
        /// What the manifest says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The manifest has another hash for it.
    #[error("its SHA-256 is not the manifest's; 'petrec convert' with the same arguments makes it again")]
    Sha256,
    /// The manifest has another number of records for it.
    #[error("holds {found} intact records, the manifest says {expected}")]
    Records {
        /// What the manifest says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The manifest has it in a split that it does not have, or in none.
    #[error("the manifest does not say which of its splits this is; it was altered")]
    Split,
    /// Its index is not there, or tells of other records.
    #[error("its index is missing or not that of its records; 'petrec convert' with the same arguments makes it again")]
    Index,
    /// A file of TFDS is not there, or is another one.
    #[error(
        "missing, or not what TFDS must read of these records; 'petrec convert' with the same arguments makes it again"
    )]
    Companion,
    /// There is no manifest, but the journal of a conversion.
    #[error("holds an unfinished conversion; 'petrec convert' with the same arguments finishes it")]
    Unfinished,
}

/// What can be wrong with the content of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Fault {
    /// It does not parse.
    #[error("not a tf.train.Example")]
    NotAnExample,
    /// It would take too much memory to tell its keys apart.
    #[error("has more than a million keys, and was not checked")]
    TooManyKeys,
    /// The features are missing, or more or fewer than the manifest says.
    #[error("its features are not of the shape that the manifest says")]
    Features,
    /// The label is missing, or no index into the manifest's classes.
    #[error("its label is none of the manifest's classes")]
    Label,
    /// An extra feature is missing.
    #[error("a feature that the manifest names is missing")]
    Extra,
    /// The record's path belongs to another split than its file.
    #[error("its path belongs into another split")]
    Split,
    /// A float is a NaN or an infinity.
    #[error("holds a value that is not finite")]
    NotFinite,
}

impl Problem {
    /// What a failed read says of the file.
    pub(super) fn of_read(error: io::Error) -> Self {
        if machine::is_of_file(&error) { Self::Unreadable(error) } else { Self::Unreachable { reason: error } }
    }

    /// Whether it says something about the file, and not about the machine alone.
    #[must_use]
    pub fn is_of_file(&self) -> bool {
        !matches!(self, Self::Unreachable { .. })
    }

    /// Whether bytes were lost that [`salvage`](super::salvage) can be used against.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

impl Fault {
    /// What to do about it, where that is not for the manifest's owner to know.
    fn advice(self) -> &'static str {
        match self {
            Self::NotAnExample => "; hint: 'petrec verify --framing' checks lengths and checksums alone",
            _ => "",
        }
    }
}

fn lost(bytes: u64, rest: Rest) -> String {
    let lost = match bytes {
        0 => String::new(),
        1 => "1 byte holds no intact record".to_owned(),
        _ => format!("{bytes} bytes hold no intact record"),
    };
    let comma = if bytes == 0 { "" } else { ", and " };
    match rest {
        Rest::Read if bytes == 0 => "nothing is lost".to_owned(),
        Rest::Read => lost,
        Rest::Lost => format!("{lost}{comma}what follows is lost: the file is compressed"),
    }
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {} more)", counted(more, "record")) }
}
