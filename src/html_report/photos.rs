//! The files of a report as a page shows them: by what name, and with which picture.

use std::borrow::Cow;

use super::html::{shown, text};
use super::thumbnail::Thumbnails;
use crate::results::{FileReport, Report};

/// The files of a report, with thumbnails of some.
pub(super) struct Photos<'r> {
    pub(super) report: &'r Report,
    pub(super) thumbnails: Thumbnails,
    /// Bytes of the path of the folder that all of them lie in, with the separator behind it.
    root: usize,
}

impl<'r> Photos<'r> {
    /// Those of `report`; `wanted` files get a thumbnail, those that come first first.
    pub(super) fn of(report: &'r Report, wanted: impl Iterator<Item = usize>, threads: usize) -> Self {
        let paths: Vec<Cow<'_, str>> = report.files.iter().map(FileReport::shown_path).collect();
        Self { report, thumbnails: Thumbnails::of(&report.files, wanted, threads), root: common_folder(&paths) }
    }

    /// The folder that all of them lie in, as plain text; nothing where there is none.
    pub(super) fn root(&self) -> String {
        self.report.files.first().map_or(String::new(), |file| shown(&file.shown_path()[..self.root]))
    }

    /// A file's path as plain text.
    pub(super) fn path(&self, file: usize) -> String {
        shown(&self.report.files[file].shown_path())
    }

    /// The same from the common folder on.
    pub(super) fn name(&self, file: usize) -> String {
        shown(&self.report.files[file].shown_path()[self.root..])
    }

    /// An item of a gallery: the picture, or words instead of it, the name, and a line about it.
    pub(super) fn item(&self, file: usize, instead: &str, about: &str) -> String {
        item(self.thumbnails.get(file), instead, &self.name(file), about)
    }
}

/// The same of an image whose file is not known.
pub(super) fn item(thumbnail: Option<&str>, instead: &str, name: &str, about: &str) -> String {
    let picture = match thumbnail {
        Some(jpeg) => format!(r#"<img alt="" src="data:image/jpeg;base64,{jpeg}">"#),
        None => format!("<span>{}</span>", text(instead)),
    };
    format!("<div class=\"picture\">{picture}</div><code>{}</code><br>{}", text(name), text(about))
}

/// How long the path of the folder is that all these files lie in, its separator included.
fn common_folder(paths: &[impl AsRef<str>]) -> usize {
    let is_separator = |character: char| character == '/' || cfg!(windows) && character == '\\';
    let Some((first, rest)) = paths.split_first() else { return 0 };
    let first = first.as_ref();
    let mut common = first.len();
    for path in rest {
        common = first.bytes().zip(path.as_ref().bytes()).take(common).take_while(|(a, b)| a == b).count();
    }
    first.char_indices().rfind(|(at, character)| *at < common && is_separator(*character)).map_or(0, |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_folder_ends_at_a_separator() {
        for (paths, common) in [
            (&["a/Cat/1.jpg", "a/Cow/2.jpg"][..], "a/"),
            (&["a/Cat/1.jpg"], "a/Cat/"),
            (&["a/Cat/1.jpg", "a/Cat/12.jpg"], "a/Cat/"),
            (&["é/1.jpg", "è/1.jpg"], ""),
            (&["1.jpg", "12.jpg"], ""),
            (&["/x/é/1.jpg", "/x/è/1.jpg"], "/x/"),
            (&[], ""),
        ] {
            assert_eq!(common_folder(paths), common.len(), "{paths:?}");
        }
    }
}
