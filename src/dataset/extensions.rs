//! Which files count as images, by the end of their names: `--ext`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::text::one_line;

// The endings under which JPEG files go about.
const JPEG: [&str; 4] = ["jpg", "jpeg", "jpe", "jfif"];

/// The extensions to take; upper and lower case are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extensions {
    /// Every file, also one without an extension.
    Any,
    /// Files with one of these extensions, given without the dot.
    Only(Vec<String>),
}

impl Default for Extensions {
    /// `jpg`, `jpeg`, `jpe` and `jfif`.
    fn default() -> Self {
        Self::Only(JPEG.map(str::to_owned).to_vec())
    }
}

impl Extensions {
    /// Whether a file of this name is taken.
    pub fn takes(&self, name: &Path) -> bool {
        match self {
            Self::Any => true,
            Self::Only(list) => {
                name.extension().is_some_and(|found| list.iter().any(|wanted| found.eq_ignore_ascii_case(wanted)))
            }
        }
    }
}

impl fmt::Display for Extensions {
    /// As in a sentence: `.jpg, .png`, or `any extension`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any extension"),
            Self::Only(list) => {
                for (index, extension) in list.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}.{extension}")?;
                }
                Ok(())
            }
        }
    }
}

/// A list of extensions that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is no file extension: write a list such as jpg,png, or any", one_line(.0))]
pub struct ParseExtensionsError(String);

impl FromStr for Extensions {
    type Err = ParseExtensionsError;

    /// Reads `jpg,png` or `any`; a leading dot and spaces around an extension are tolerated, repeats are dropped.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut list: Vec<String> = Vec::new();
        for part in text.split(',') {
            let part = part.trim();
            let extension = part.strip_prefix('.').unwrap_or(part).to_ascii_lowercase();
            // A dot inside (`tar.gz`) could never match: a file's extension is what follows its last dot.
            let misplaced = |c: char| matches!(c, '.' | '/' | '\\') || c.is_whitespace() || c.is_control();
            if extension.is_empty() || extension.contains(misplaced) {
                return Err(ParseExtensionsError(part.to_owned()));
            }
            if extension == "any" {
                return Ok(Self::Any);
            }
            if !list.contains(&extension) {
                list.push(extension);
            }
        }
        Ok(Self::Only(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(list: &[&str]) -> Extensions {
        Extensions::Only(list.iter().map(|&extension| extension.to_owned()).collect())
    }

    #[test]
    fn a_list_is_read_as_typed() {
        assert_eq!("jpg,png".parse(), Ok(only(&["jpg", "png"])));
        assert_eq!(" .JPG, Png,.jpg".parse(), Ok(only(&["jpg", "png"])));
        assert_eq!("any".parse(), Ok(Extensions::Any));
        assert_eq!("Any".parse(), Ok(Extensions::Any));
    }

    #[test]
    fn what_can_be_no_extension_is_refused_in_one_line() {
        for text in ["", ",", "jpg,", "a b", "tar.gz", "..", "a/b", "j\npg"] {
            let error = text.parse::<Extensions>().expect_err(text).to_string();

            assert!(error.ends_with("write a list such as jpg,png, or any"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_usual_jpeg_names_are_taken_by_default_in_any_case() {
        let extensions = Extensions::default();
        let takes = |name: &str| extensions.takes(Path::new(name));

        assert!(["a.jpg", "a.JPEG", "a.Jpe", "a.b.jfif"].into_iter().all(takes));
        assert!(!["a.png", "a.jpg.txt", "jpg", "a.", "a"].into_iter().any(takes));
    }

    #[test]
    fn a_list_reads_like_a_sentence() {
        assert_eq!(Extensions::default().to_string(), ".jpg, .jpeg, .jpe, .jfif");
        assert_eq!(Extensions::Any.to_string(), "any extension");
    }
}
