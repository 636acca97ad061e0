//! Which files of a data set are taken, as every command that reads one has it.

use std::num::NonZero;
use std::time::Duration;

use super::choices::{POLICIES, choice};
use super::size::parse_size;
use crate::dataset::{self, Extensions};
use crate::image::{self, Accept, Limits};

/// Which files of a data set are taken.
#[derive(Debug, clap::Args)]
pub(super) struct Listing {
    /// Classes in label order [default: every sub-folder, sorted]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    classes: Option<Vec<String>>,
    /// File extensions to take, any case, or 'any'
    #[arg(long, value_name = "LIST", default_value_t)]
    ext: Extensions,
}

impl Listing {
    pub(super) fn options(&self) -> dataset::Options {
        dataset::Options { classes: self.classes.clone(), extensions: self.ext.clone() }
    }
}

/// What is done about files that are not good.
#[derive(Debug, clap::Args)]
pub(super) struct Policy {
    /// Which files are good: what TensorFlow decodes, or flawless JPEGs only
    #[arg(long, default_value = "tensorflow", value_parser = choice(POLICIES))]
    accept: Accept,
    /// Pixels, width times height, that an image may have [default: TensorFlow's limit, less than 2^29 samples]
    #[arg(long, value_name = "N")]
    max_pixels: Option<NonZero<u64>>,
    /// Pixels that an image may be wide or high [default: TensorFlow's limit, 65500 for a JPEG]
    #[arg(long, value_name = "N")]
    max_side: Option<NonZero<u64>>,
    /// Length that an image file may have [default: TensorFlow's limit, 2 GiB less a byte]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_file_size: Option<u64>,
    /// Time that reading and decoding an image may take [default: any]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    time_limit: Option<Duration>,
}

impl Policy {
    pub(super) fn policy(&self) -> image::Policy {
        let limits = Limits {
            pixels: self.max_pixels.map(NonZero::get),
            side: self.max_side.map(NonZero::get),
            file_size: self.max_file_size,
            time: self.time_limit,
        };
        image::Policy { accept: self.accept, limits }
    }
}

/// Reads `10` or `0.5`.
pub(super) fn parse_seconds(typed: &str) -> Result<Duration, &'static str> {
    let seconds = typed.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| !time.is_zero()).ok_or("not a time: type seconds, like 10 or 0.5")
}
