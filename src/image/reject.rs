//! Why a file is left out: one stable code per cause.
//!
//! The codes go into reports and `docs/files.md`. They are never renamed and never change their meaning;
//! what may grow is the list. The sentence that goes with a code may be improved at any time.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

use super::Format;
use crate::storage::machine;

/// The cause of a rejection. [`Reason::code`] is its stable name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// The file has no bytes.
    #[serde(rename = "E_EMPTY")]
    Empty,
    /// The file could not be read from disk, by its own fault: missing, no permission, a folder, a link that leads nowhere.
    #[serde(rename = "E_UNREADABLE")]
    Unreadable,
    /// The store that has the file did not answer, or the machine failed to read it, however often it was tried. That says
    /// nothing about the file.
    #[serde(rename = "E_UNREACHABLE")]
    Unreachable,
    /// The first bytes belong to no image format that we know.
    #[serde(rename = "E_NOT_AN_IMAGE")]
    NotAnImage,
    /// An image, but of a format that TensorFlow's `decode_jpeg` refuses too (BMP, TIFF, JPEG 2000, ...).
    #[serde(rename = "E_FORMAT")]
    UnsupportedFormat,
    /// Not a JPEG although only JPEG is accepted ([`Accept::Strict`](super::Accept::Strict)).
    #[serde(rename = "E_NOT_JPEG")]
    NotJpeg,
    /// More than one frame.
    #[serde(rename = "E_ANIMATED")]
    Animated,
    /// The data stops before the picture's end marker.
    #[serde(rename = "E_TRUNCATED")]
    Truncated,
    /// The headers are damaged, contradictory or incomplete: no frame, no scan, no tables, a bad table.
    #[serde(rename = "E_HEADER")]
    BadHeader,
    /// The header says that the picture is zero pixels wide or high.
    #[serde(rename = "E_ZERO_SIZE")]
    ZeroSize,
    /// More than TensorFlow takes (a side over 65,500, 2^29 samples and more), than this system's memory holds, or more work
    /// than any picture needs.
    #[serde(rename = "E_TOO_LARGE")]
    TooLarge,
    /// A side is longer than the user allows ([`Limits::side`](super::Limits::side)).
    #[serde(rename = "E_MAX_SIDE")]
    SideLimit,
    /// More pixels than the user allows ([`Limits::pixels`](super::Limits::pixels)).
    #[serde(rename = "E_MAX_PIXELS")]
    PixelLimit,
    /// The file is longer than the user allows ([`Limits::file_size`](super::Limits::file_size)).
    #[serde(rename = "E_MAX_FILE_SIZE")]
    FileSizeLimit,
    /// It took longer than the user allows ([`Limits::time`](super::Limits::time)).
    #[serde(rename = "E_TIME_LIMIT")]
    TimeLimit,
    /// A legal coding that the decoder has no part for: lossless, hierarchical, 12 bits, odd sampling ratios.
    #[serde(rename = "E_CODING")]
    UnsupportedCoding,
    /// The compressed picture data is damaged so that no picture comes out.
    #[serde(rename = "E_CORRUPT")]
    CorruptData,
    /// TensorFlow would decode it with warnings; [`Accept::Strict`](super::Accept::Strict) takes only flawless files.
    #[serde(rename = "E_DAMAGED")]
    Damaged,
    /// The decoder stopped with a bug of its own. Please report the file.
    #[serde(rename = "E_DECODER_PANIC")]
    DecoderPanic,
}

impl Reason {
    /// Every reason, in the order of `docs/files.md`.
    pub const ALL: [Self; 19] = [
        Self::Empty,
        Self::Unreadable,
        Self::Unreachable,
        Self::NotAnImage,
        Self::UnsupportedFormat,
        Self::NotJpeg,
        Self::Animated,
        Self::Truncated,
        Self::BadHeader,
        Self::ZeroSize,
        Self::TooLarge,
        Self::SideLimit,
        Self::PixelLimit,
        Self::FileSizeLimit,
        Self::TimeLimit,
        Self::UnsupportedCoding,
        Self::CorruptData,
        Self::Damaged,
        Self::DecoderPanic,
    ];

    /// The stable name, `E_EMPTY` and so on.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "E_EMPTY",
            Self::Unreadable => "E_UNREADABLE",
            Self::Unreachable => "E_UNREACHABLE",
            Self::NotAnImage => "E_NOT_AN_IMAGE",
            Self::UnsupportedFormat => "E_FORMAT",
            Self::NotJpeg => "E_NOT_JPEG",
            Self::Animated => "E_ANIMATED",
            Self::Truncated => "E_TRUNCATED",
            Self::BadHeader => "E_HEADER",
            Self::ZeroSize => "E_ZERO_SIZE",
            Self::TooLarge => "E_TOO_LARGE",
            Self::SideLimit => "E_MAX_SIDE",
            Self::PixelLimit => "E_MAX_PIXELS",
            Self::FileSizeLimit => "E_MAX_FILE_SIZE",
            Self::TimeLimit => "E_TIME_LIMIT",
            Self::UnsupportedCoding => "E_CODING",
            Self::CorruptData => "E_CORRUPT",
            Self::Damaged => "E_DAMAGED",
            Self::DecoderPanic => "E_DECODER_PANIC",
        }
    }

    /// One plain sentence for people, without a full stop.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Empty => "the file is empty",
            Self::Unreadable => "the file cannot be read",
            Self::Unreachable => "the file is unreachable",
            Self::NotAnImage => "the file is not an image",
            Self::UnsupportedFormat => "images of this format are not accepted",
            Self::NotJpeg => "the file is not a JPEG, and only JPEG is accepted",
            Self::Animated => "the image is animated",
            Self::Truncated => "the image data ends too early",
            Self::BadHeader => "the image header is damaged",
            Self::ZeroSize => "the image has no pixels",
            Self::TooLarge => "the image is too large",
            Self::SideLimit => "the image is wider or higher than --max-side allows",
            Self::PixelLimit => "the image has more pixels than --max-pixels allows",
            Self::FileSizeLimit => "the file is longer than --max-file-size allows",
            Self::TimeLimit => "reading and decoding took longer than --time-limit allows",
            Self::UnsupportedCoding => "the image uses a coding that is not supported",
            Self::CorruptData => "the image data is corrupt",
            Self::Damaged => "the image is damaged",
            Self::DecoderPanic => "the decoder failed on this image; please report the file",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// Why one file is not a picture for us, with what is known about it.
///
/// Displays as `the image data ends too early: no end marker after the last scan (E_TRUNCATED)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The cause.
    pub reason: Reason,
    /// What exactly was found, in plain words; may be empty.
    pub detail: String,
    /// The format that the first bytes tell.
    pub format: Format,
    /// Width and height in pixels, when the header was read that far.
    pub size: Option<(usize, usize)>,
}

impl Rejection {
    /// A rejection without a size.
    pub(crate) fn new(reason: Reason, format: Format, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), format, size: None }
    }

    /// The same with the size from the header.
    pub(crate) fn with_size(mut self, size: Option<(usize, usize)>) -> Self {
        self.size = size;
        self
    }

    /// The rejection of a file that could not be read by its own fault.
    #[must_use]
    pub fn unreadable(error: &io::Error) -> Self {
        Self::new(Reason::Unreadable, Format::Unknown, error.to_string())
    }
}

impl From<io::Error> for Rejection {
    /// [`Reason::Unreadable`] where it is the file's own fault, and [`Reason::Unreachable`] where it is the machine's.
    fn from(error: io::Error) -> Self {
        let reason = if machine::is_of_file(&error) { Reason::Unreadable } else { Reason::Unreachable };
        Self::new(reason, Format::Unknown, error.to_string())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.sentence())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        write!(f, " ({})", self.reason.code())
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_are_what_serde_writes() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();

        for reason in Reason::ALL {
            let json = serde_json::to_string(&reason).expect("a unit variant serialises");
            assert_eq!(json, format!("\"{}\"", reason.code()));
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
    }

    #[test]
    fn a_rejection_reads_as_a_sentence_with_its_code() {
        let bare = Rejection::new(Reason::Empty, Format::Unknown, "");
        let told = Rejection::new(Reason::Truncated, Format::Jpeg, "no end marker");

        assert_eq!(bare.to_string(), "the file is empty (E_EMPTY)");
        assert_eq!(told.to_string(), "the image data ends too early: no end marker (E_TRUNCATED)");
    }

    #[test]
    fn an_io_error_becomes_unreadable() {
        let rejection = Rejection::from(io::Error::new(io::ErrorKind::PermissionDenied, "permission denied"));

        assert_eq!(rejection.reason, Reason::Unreadable);
        assert_eq!(rejection.to_string(), "the file cannot be read: permission denied (E_UNREADABLE)");
    }
}
