//! How far a stage is, on standard error: one line that moves on a terminal, a plain line now and then elsewhere, or objects
//! for programs; and the lines that scroll past above it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::args::Global;
use super::{say, tell};
use crate::dataset::ImageFile;
use crate::image::{Reason, Rejection};
use crate::results::rejection_line;
use crate::text::thousands;

#[cfg(feature = "fetch")]
const TRANSFER_TEMPLATE: &str =
    "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left";
const TEMPLATE: &str = "{msg} {wide_bar} {human_pos}/{human_len} {prefix}";

/// How often a plain line is written.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// How often an object is written.
const OBJECT_EVERY: Duration = Duration::from_secs(1);

/// How progress is shown, as typed after `--progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A line that moves where standard error is a terminal, plain lines elsewhere.
    Auto,
    /// Not at all.
    Never,
    /// An object per line.
    Json,
}

/// The bar that moves, for all who write a line from wherever they are.
static ON_SCREEN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A bar of which nothing is seen where standard error is no terminal.
fn bar(template: &str, length: Option<u64>, is_hidden: bool) -> ProgressBar {
    let target = if is_hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(length, target).with_style(style);
    *ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    bar
}

/// Runs `write`, which writes lines to standard error, so that they come above the bar, if there is one.
pub(super) fn above_bar<T>(write: impl FnOnce() -> T) -> T {
    let bar = ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Counts record files, of which it is told how many there are when the first is through.
pub(super) struct FileProgress<'a> {
    stage: &'static str,
    global: &'a Global,
    progress: Option<Progress>,
}

impl<'a> FileProgress<'a> {
    pub(super) fn new(stage: &'static str, global: &'a Global) -> Self {
        Self { stage, global, progress: None }
    }

    /// One more of so many is through.
    pub(super) fn step(&mut self, total: usize) {
        let Self { stage, global, progress } = self;
        progress.get_or_insert_with(|| Progress::new(stage, (total, Unit::Files), "", global)).step();
    }
}

/// What a stage works through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Images,
    Files,
}

impl Unit {
    fn plural(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Files => "files",
        }
    }
}

/// How far one stage is.
#[derive(Clone, Debug, Serialize)]
struct State {
    /// The stage: the command's name.
    stage: &'static str,
    unit: &'static str,
    done: usize,
    total: usize,
    rejected: usize,
    /// Since it began.
    seconds: f64,
    /// Of those that were not done before.
    per_second: f64,
    seconds_left: Option<f64>,
}

impl State {
    /// `images  187.3/s  2 min left  3 rejected`.
    fn rate(&self) -> String {
        let mut text = format!("{}  {:.1}/s", self.unit, self.per_second);
        if let Some(left) = self.seconds_left {
            text.push_str(&format!("  {} left", duration(left)));
        }
        if self.rejected > 0 {
            text.push_str(&format!("  {} rejected", thousands(self.rejected)));
        }
        text
    }

    /// The plain line: `convert 1,234/25,000 images  187.3/s  2 min left  3 rejected`.
    fn line(&self) -> String {
        format!("{} {}/{} {}", self.stage, thousands(self.done), thousands(self.total), self.rate())
    }
}

/// `42 s`, `12 min`, `2.5 h`.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds > 0.0 && seconds < 1.0 => "1 s".to_owned(),
        seconds if seconds < 99.5 => format!("{seconds:.0} s"),
        seconds if seconds < 5_970.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3_600.0),
    }
}

/// Something that is due again and again.
#[derive(Debug)]
struct Pace {
    every: Duration,
    next: Instant,
}

impl Pace {
    fn new(every: Duration, start: Instant) -> Self {
        Self { every, next: start + every }
    }

    /// Whether it is due now, which then counts as done.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next;
        if is_due {
            self.next = now + self.every;
        }
        is_due
    }
}

/// Where progress goes.
enum Display {
    Bar(ProgressBar),
    Lines(Pace),
    Objects(Pace),
    Nothing,
}

/// The progress of one stage on standard error.
pub(super) struct Progress {
    display: Display,
    is_quiet: bool,
    rejected_ending: &'static str,
    stage: &'static str,
    unit: Unit,
    start: Instant,
    total: usize,
    /// Done by an earlier run.
    skipped: usize,
    done: usize,
    rejected: usize,
}

impl Progress {
    /// Begins a stage called `stage` over so many images or files. `rejected_ending` ends the line about a rejected file.
    pub(super) fn new(
        stage: &'static str,
        (total, unit): (usize, Unit),
        rejected_ending: &'static str,
        global: &Global,
    ) -> Self {
        let start = Instant::now();
        let display = match global.progress() {
            Shown::Never => Display::Nothing,
            Shown::Json => Display::Objects(Pace::new(OBJECT_EVERY, start)),
            Shown::Auto => {
                let bar = bar(TEMPLATE, Some(total as u64), false).with_message(stage);
                if bar.is_hidden() { Display::Lines(Pace::new(LINE_EVERY, start)) } else { Display::Bar(bar) }
            }
        };
        let is_quiet = global.quiet;
        Self { display, is_quiet, rejected_ending, stage, unit, start, total, skipped: 0, done: 0, rejected: 0 }
    }

    /// There are so many to do, and not as many as was said before, and so many of them were done by an earlier run.
    pub(super) fn expect(&mut self, total: usize, skipped: usize) {
        (self.total, self.skipped, self.done) = (total, skipped, skipped);
        self.start = Instant::now();
        if let Display::Bar(bar) = &self.display {
            bar.set_length(total as u64);
            bar.set_position(skipped as u64);
        }
    }

    /// Tells one thing in one line above the bar, unless nobody wants to hear of it.
    pub(super) fn say(&self, line: &str) {
        if !self.is_quiet {
            self.alert(line);
        }
    }

    /// The same for what must be heard.
    pub(super) fn alert(&self, line: &str) {
        above_bar(|| say(line));
    }

    /// One more image is through.
    pub(super) fn image(&mut self, file: &ImageFile, rejection: Option<&Rejection>) {
        if let Some(rejection) = rejection {
            self.rejected += usize::from(rejection.reason != Reason::Unreachable);
            self.say(&format!("{}{}", rejection_line(file, rejection), self.rejected_ending));
        }
        self.step();
    }

    /// One more is through.
    pub(super) fn step(&mut self) {
        self.done += 1;
        let now = Instant::now();
        let state = self.state(now);
        match &mut self.display {
            Display::Bar(bar) => {
                bar.set_prefix(state.rate());
                bar.inc(1);
            }
            Display::Lines(pace) => {
                if pace.is_due(now) {
                    say(&state.line());
                }
            }
            Display::Objects(pace) => {
                if pace.is_due(now) {
                    tell_object(&state);
                }
            }
            Display::Nothing => {}
        }
    }

    fn state(&self, now: Instant) -> State {
        let seconds = now.duration_since(self.start).as_secs_f64();
        let per_second = (self.done - self.skipped) as f64 / seconds.max(f64::EPSILON);
        let left = self.total.saturating_sub(self.done) as f64 / per_second;
        State {
            stage: self.stage,
            unit: self.unit.plural(),
            done: self.done,
            total: self.total,
            rejected: self.rejected,
            seconds,
            per_second,
            seconds_left: left.is_finite().then_some(left),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        match &self.display {
            Display::Bar(bar) => bar.finish_and_clear(),
            // However short it was, a program hears of its end.
            Display::Objects(_) => tell_object(&self.state(Instant::now())),
            Display::Lines(_) | Display::Nothing => {}
        }
    }
}

fn tell_object(state: &State) {
    if let Ok(object) = serde_json::to_string(state) {
        tell(&object);
    }
}

/// The same for the bytes of one file.
#[cfg(feature = "fetch")]
pub(super) struct TransferBar(ProgressBar);

#[cfg(feature = "fetch")]
impl TransferBar {
    pub(super) fn new(name: String, is_hidden: bool) -> Self {
        Self(bar(TRANSFER_TEMPLATE, None, is_hidden).with_message(name))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(display: Display) -> Progress {
        Progress {
            display,
            is_quiet: false,
            rejected_ending: "",
            stage: "convert",
            unit: Unit::Images,
            start: Instant::now(),
            total: 25_000,
            skipped: 1_000,
            done: 3_000,
            rejected: 3,
        }
    }

    #[test]
    fn a_line_tells_count_rate_time_left_and_what_was_rejected() {
        let progress = progress(Display::Nothing);

        let state = progress.state(progress.start + Duration::from_secs(10));

        assert_eq!(state.line(), "convert 3,000/25,000 images  200.0/s  2 min left  3 rejected");
    }

    #[test]
    fn no_time_left_is_told_while_nothing_is_known_of_the_speed() {
        let mut progress = progress(Display::Nothing);
        (progress.done, progress.rejected) = (1_000, 0);

        let state = progress.state(progress.start + Duration::from_secs(10));

        assert_eq!((state.seconds_left, &*state.line()), (None, "convert 1,000/25,000 images  0.0/s"));
    }

    #[test]
    fn something_is_due_when_its_time_has_passed_and_not_again_before_the_next() {
        let start = Instant::now();
        let mut pace = Pace::new(LINE_EVERY, start);
        let mut due = |seconds| pace.is_due(start + Duration::from_secs(seconds));

        assert_eq!([0, 9, 10, 11, 19, 25, 30, 35].map(&mut due), [false, false, true, false, false, true, false, true]);
    }

    #[test]
    fn times_read_easily() {
        let texts = [0.2, 42.4, 99.4, 99.6, 3_600.0, 9_000.0].map(duration);

        assert_eq!(texts, ["1 s", "42 s", "99 s", "2 min", "60 min", "2.5 h"]);
    }
}
