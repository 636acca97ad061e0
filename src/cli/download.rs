//! What can be typed about a download, and the line that moves while it goes on; `cargo xtask import-weights` has the same.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::parse_seconds;
use super::progress::TransferBar;
use crate::fetch::{FetchError, Md5, Source, download};

/// A download of Keras' weights.
#[derive(Debug, clap::Args)]
pub struct Download {
    /// Download from here, from a mirror for example, and not from Keras' own address
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The MD5 that the file of --url must have [default: that of Keras' file]
    #[arg(long, value_name = "HEX", requires = "url")]
    md5: Option<Md5>,
    /// How long the server may say nothing
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    timeout: Duration,
}

impl Download {
    /// `keras`, with what was typed in its place.
    #[must_use]
    pub fn source(&self, keras: Source) -> Source {
        let Source { architecture, url, md5 } = keras;
        Source { architecture, url: self.url.clone().unwrap_or(url), md5: self.md5.unwrap_or(md5) }
    }

    /// Downloads into `folder`, with progress on standard error where that is a terminal, unless `quiet`.
    ///
    /// # Errors
    /// As [`download`].
    pub fn run(&self, source: &Source, folder: &Path, quiet: bool) -> Result<PathBuf, FetchError> {
        let bar = TransferBar::new(source.file_name(), quiet);
        download(source, folder, self.timeout, &mut |done, total| bar.show(done, total))
    }
}
