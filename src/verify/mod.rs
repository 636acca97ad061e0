//! Reading records back: is everything there, and is it what was written?
//!
//! Framing and both checksums of every record, the `tf.train.Example` in it, that floats are finite; where a manifest
//! lies beside the records also shapes, labels, counts, lengths and hashes. Damage does not end the reading: what comes
//! behind it is read too.

mod check;
mod files;
mod index;
mod names;
mod problem;
mod salvage;

pub use check::{Checked, check, check_framing};
pub(crate) use files::below;
pub use files::{FilesError, Listing, RecordFile, record_files};
pub use problem::{Fault, Problem};
pub use salvage::{SalvageError, Salvaged, salvage};
