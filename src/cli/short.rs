//! Texts of others' choosing in columns of ours: one line each, and never longer than a screen is wide.

use std::path::PathBuf;

use crate::text::{display_path, one_line, thousands};

/// Characters of a key or a class's name that are shown.
const MOST: usize = 60;
/// Files that are named in one line.
const NAMED: usize = 5;

/// A text in one line, cut where it is too long for a column.
pub(super) fn short(text: &str) -> String {
    let line = one_line(text).to_string();
    match line.char_indices().nth(MOST) {
        None => line,
        Some((end, _)) => format!("{}... ({} characters)", &line[..end], thousands(text.chars().count())),
    }
}

/// That files in the folders that were named were skipped; `None` where none was.
pub(super) fn skipped(files: &[PathBuf]) -> Option<String> {
    let named: Vec<_> = files.iter().take(NAMED).map(|file| display_path(file).to_string()).collect();
    let more = match files.len() - named.len() {
        0 => String::new(),
        more => format!(" and {} more", thousands(more)),
    };
    let what = if files.len() == 1 { "1 file is" } else { &format!("{} files are", thousands(files.len())) };
    (!files.is_empty()).then(|| format!("{what} skipped, being no record files: {}{more}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_fits_a_column() {
        let long = short(&"k".repeat(100_000));

        assert_eq!(short("label\u{1b}[31m"), "label\\u{1b}[31m");
        assert!(long.ends_with("k... (100,000 characters)") && long.len() < 100, "{long}");
        assert_eq!(format!("{:<1$}", short(&"é".repeat(70_000)), MOST).lines().count(), 1);
    }
}
