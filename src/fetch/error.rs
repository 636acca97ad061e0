//! Why a download came to nothing, in words that lead on.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::Md5;
use crate::text::bytes;

/// Why there is no file. What has come so far is kept, and the same download goes on from there.
#[derive(Debug, Error)]
pub enum FetchError {
    /// A file could not be made, written, read or renamed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the unfinished file.
    #[error("{}: another petrec is downloading to it: wait until that has ended", path.display())]
    Busy {
        /// The unfinished file.
        path: PathBuf,
    },
    /// There is a file of that name already, and it is not the one that is wanted.
    #[error("{}: its MD5 is {found}, not {expected}: it is another file; move it away", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: Md5,
        /// What it should have.
        expected: Md5,
    },
    /// A proxy's address in the environment makes no sense.
    #[error("{variable}: not the address of an HTTP proxy: set it like http://proxy.example.com:3128, or unset it")]
    Proxy {
        /// The variable.
        variable: String,
    },
    /// No connection came about.
    #[error("{url}: cannot be reached: {reason} (behind a proxy: set HTTPS_PROXY)")]
    Unreachable {
        /// The address.
        url: String,
        /// What stood in the way.
        reason: String,
    },
    /// The server answers, but not with the file.
    #[error("{url}: the server answers '{status}'; check the address")]
    Status {
        /// The address.
        url: String,
        /// Number and words.
        status: String,
    },
    /// The server says nothing for too long.
    #[error(
        "{url}: nothing came for {} s, {}: the same command goes on from there, with --timeout it waits for longer",
        patience.as_secs_f64(),
        so_far(*done, *total)
    )]
    Stalled {
        /// The address.
        url: String,
        /// For how long.
        patience: Duration,
        /// Bytes that are here.
        done: u64,
        /// Bytes of the whole file, as far as the server told.
        total: Option<u64>,
    },
    /// The transfer ended too early.
    #[error("{url}: the transfer was cut off ({reason}), {}: the same command goes on from there", so_far(*done, *total))]
    CutOff {
        /// The address.
        url: String,
        /// What the system said.
        reason: String,
        /// Bytes that are here.
        done: u64,
        /// Bytes of the whole file, as far as the server told.
        total: Option<u64>,
    },
    /// All of it came, but it is not what Keras published.
    #[error("{url}: what came has the MD5 {found}, expected {expected}: it is another file, left as {}; check the address", part.display())]
    Other {
        /// The address.
        url: String,
        /// Where it lies.
        part: PathBuf,
        /// What it has.
        found: Md5,
        /// What it should have.
        expected: Md5,
    },
}

impl FetchError {
    /// Whether the network is at fault, so that another way to the weights may help.
    #[must_use]
    pub fn is_of_the_network(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Status { .. } | Self::Stalled { .. } | Self::Proxy { .. })
    }
}

fn so_far(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{} of {} are here", bytes(done), bytes(total)),
        None => format!("{} are here", bytes(done)),
    }
}
