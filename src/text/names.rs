//! Showing names that other people chose, so that a message stays one honest line.

use std::fmt::{self, Write};
use std::path::Path;

use super::counted;

// A line with more names than this is not read.
const NAMES_SHOWN: usize = 8;

/// Shows a path in one line: what is not UTF-8 becomes the replacement character, control characters and others that
/// would break or turn the line are escaped, and a relative path has forward slashes on every system.
pub fn display_path(path: &Path) -> impl fmt::Display {
    let text = path.to_string_lossy();
    // A backslash is a separator on Windows only; elsewhere it is a character of the name.
    OneLine(if cfg!(windows) && path.is_relative() { text.replace('\\', "/") } else { text.into_owned() })
}

/// Shows any text in one line, escaped as [`display_path`] does.
pub fn one_line(text: &str) -> impl fmt::Display {
    OneLine(text.to_owned())
}

/// The text that bytes are, and what is not UTF-8 in them as `\xE9`.
pub(crate) fn text_of_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02X}")));
    }
    text
}

/// The names in one line, the rest of a long list as a number.
pub(crate) fn some_of(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let mut text = names.take(NAMES_SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// One image by name, and how many more there are.
pub(crate) fn named(first: &str, what: &str, more: usize) -> String {
    match more {
        0 => format!("{first} {what}"),
        more => format!("{first} {what} (and {} more)", counted(more, "image")),
    }
}

struct OneLine(String);

impl fmt::Display for OneLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if turns_or_breaks(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Control characters, line and paragraph separators, and the marks that change the direction of writing.
fn turns_or_breaks(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_line() {
        let shown = |name: &str| display_path(Path::new(name)).to_string();

        assert_eq!(shown("Cat/grey one.jpg"), "Cat/grey one.jpg");
        assert_eq!(shown("a\nb\r\tc\u{1b}[31m"), "a\\nb\\r\\tc\\u{1b}[31m");
        assert_eq!(shown("gpj\u{202e}.exe\u{2028}"), "gpj\\u{202e}.exe\\u{2028}");
        assert_eq!(shown("Katze \u{1f408} \u{fc}"), "Katze \u{1f408} \u{fc}");
    }

    #[test]
    fn a_relative_path_has_forward_slashes() {
        let path: std::path::PathBuf = ["Cat", "in", "1.jpg"].iter().collect();

        assert_eq!(display_path(&path).to_string(), "Cat/in/1.jpg");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf_8_is_shown_as_far_as_possible() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let path = Path::new(OsStr::from_bytes(b"caf\xe9.jpg"));

        assert_eq!(display_path(path).to_string(), "caf\u{fffd}.jpg");
    }
}
