//! One line that moves while work goes on, and the lines that scroll past above it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{args::Global, say};
use crate::dataset::ImageFile;
use crate::image::Rejection;
use crate::report::rejection_line;

const TEMPLATE: &str = "{msg} {wide_bar} {human_pos}/{human_len} images  {per_sec}  {eta} left";

/// A progress bar on standard error where that is a terminal, nothing elsewhere.
pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    rejected_ending: &'static str,
}

impl Progress {
    /// Begins a stage called `verb` over `images` images. `rejected_ending` ends the line about a rejected file.
    pub(super) fn new(verb: &'static str, images: usize, rejected_ending: &'static str, global: &Global) -> Self {
        let target = if global.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(images as u64), target).with_style(style).with_message(verb);
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
