//! One line that moves while work goes on, and the lines that scroll past above it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{args::Global, say};
use crate::dataset::ImageFile;
use crate::image::Rejection;
use crate::report::rejection_line;

#[cfg(feature = "fetch")]
const TRANSFER_TEMPLATE: &str =
    "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left";
const TEMPLATE: &str = "{msg} {wide_bar} {human_pos}/{human_len} images  {per_sec}  {eta} left";

/// A bar of which nothing is seen where standard error is no terminal.
fn bar(template: &str, length: Option<u64>, quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(length, target).with_style(style)
}

/// A progress bar on standard error where that is a terminal, nothing elsewhere.
pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    rejected_ending: &'static str,
}

impl Progress {
    /// Begins a stage called `verb` over `images` images. `rejected_ending` ends the line about a rejected file.
    pub(super) fn new(verb: &'static str, images: usize, rejected_ending: &'static str, global: &Global) -> Self {
        let bar = bar(TEMPLATE, Some(images as u64), global.quiet).with_message(verb);
        Self { bar, quiet: global.quiet, rejected_ending }
    }

    /// There are so many images to look at, and not as many as was said before.
    pub(super) fn expect(&self, images: usize) {
        self.bar.set_length(images as u64);
    }

    /// So many images need not be looked at: they are through, and took no time.
    pub(super) fn skip(&self, images: usize) {
        self.bar.inc(images as u64);
        self.bar.reset_eta();
    }

    /// Tells one thing in one line above the bar.
    pub(super) fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| say(line));
        }
    }

    /// One more image is through.
    pub(super) fn image(&self, file: &ImageFile, rejection: Option<&Rejection>) {
        if let Some(rejection) = rejection.filter(|_| !self.quiet) {
            self.bar.suspend(|| say(&format!("{}{}", rejection_line(file, rejection), self.rejected_ending)));
        }
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The same for the bytes of one file.
#[cfg(feature = "fetch")]
pub(super) struct TransferBar(ProgressBar);

#[cfg(feature = "fetch")]
impl TransferBar {
    pub(super) fn new(name: String, quiet: bool) -> Self {
        Self(bar(TRANSFER_TEMPLATE, None, quiet).with_message(name))
    }

    /// So many bytes are here, of how many where that is known.
    pub(super) fn show(&self, done: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.0.set_length(total);
        }
        if self.0.position() == 0 && done > 0 {
            // What an earlier download left took no time.
            self.0.set_position(done);
            self.0.reset_eta();
        }
        self.0.set_position(done);
    }
}

#[cfg(feature = "fetch")]
impl Drop for TransferBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
