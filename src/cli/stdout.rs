//! Standard output. No name of a file, class or key can move the cursor or change the screen.

use std::io::{self, StdoutLock, Write};

use serde::Serialize;

use crate::storage::atomic_file;
use crate::text::one_line;

/// Standard output for people and, by [`Stdout::json`], for programs.
///
/// What is written as text ends lines and does nothing else to a terminal: any other control character is escaped, as
/// [`one_line`] does. Bytes that are no UTF-8 are left as they are, so that a name of another encoding is what it was; but for
/// those that some terminals take for control characters.
pub(super) struct Stdout(Escaping<StdoutLock<'static>>);

pub(super) fn stdout() -> Stdout {
    Stdout(Escaping(io::stdout().lock()))
}

impl Stdout {
    /// Writes a value as JSON, which has its own way to escape.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        atomic_file::fill_json(&mut self.0.0, value)
    }
}

impl Write for Stdout {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Text, escaped. Each write must end between two characters, as those of the macros of [`std::fmt`] do.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        for chunk in text.utf8_chunks() {
            for line in chunk.valid().split_inclusive('\n') {
                let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
                write!(self.0, "{}{end}", one_line(line))?;
            }
            for byte in chunk.invalid() {
                match byte {
                    0x80..=0x9f => write!(self.0, "\\x{byte:02x}")?,
                    _ => self.0.write_all(&[*byte])?,
                }
            }
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_lines_and_does_nothing_else_to_a_terminal() {
        let mut out = Escaping(Vec::new());

        out.write_all(b"\na\x1b[31m\rb\tc\xc2\x9bd\n\ne\xe9\x9b\n").expect("a vector takes all");
        write!(out, "caf\u{e9}\u{202e}").expect("a vector takes all");

        let expected = b"\na\\u{1b}[31m\\rb\\tc\\u{9b}d\n\ne\xe9\\x9b\ncaf\xc3\xa9\\u{202e}";
        assert_eq!(String::from_utf8_lossy(&out.0), String::from_utf8_lossy(expected));
    }
}
