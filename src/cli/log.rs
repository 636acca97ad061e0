//! What petrec does in detail, on standard error, for those who want to know: `-v` and the variable `PETREC_LOG`.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use tracing::Level;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::uptime;
use tracing_subscriber::prelude::*;

use super::UsageError;
use super::progress::above_bar;
use crate::text::one_line;

/// The variable that says what is wanted, where `-v` does not: `info`, or `petrec=debug,wgpu_core=warn`.
const VARIABLE: &str = "PETREC_LOG";

/// Begins to write what is wanted; nothing, unless somebody asked for it.
pub(super) fn begin(verbose: u8) -> Result<(), UsageError> {
    let filter = match verbose {
        0 => match wanted_by_variable()? {
            Some(filter) => filter,
            None => return Ok(()),
        },
        1 => Targets::new().with_target("petrec", Level::INFO),
        2 => Targets::new().with_target("petrec", Level::DEBUG),
        _ => Targets::new().with_default(Level::DEBUG).with_target("petrec", Level::TRACE),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_timer(uptime())
        .with_ansi(io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()))
        .fmt_fields(debug_fn(write_field).delimited(" "))
        .with_writer(|| AboveBar);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(())
}

/// Writes `name=value`, or a message as it is, in one line whatever the value holds.
fn write_field(out: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(out, "{}=", field.name())?;
    }
    write!(out, "{}", one_line(&format!("{value:?}")))
}

fn wanted_by_variable() -> Result<Option<Targets>, UsageError> {
    let Some(typed) = env::var_os(VARIABLE).filter(|typed| !typed.is_empty()) else { return Ok(None) };
    let filter = typed.to_str().and_then(|typed| typed.parse().ok());
    let wrong = || {
        UsageError(format!(
            "{VARIABLE}: '{}' is no filter: say error, warn, info, debug or trace, or such a level for one part, as in \
             petrec=debug",
            typed.to_string_lossy()
        ))
    };
    filter.map(Some).ok_or_else(wrong)
}

/// Standard error, without a hole in the bar that moves there.
struct AboveBar;

impl Write for AboveBar {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        above_bar(|| io::stderr().write_all(lines))?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
