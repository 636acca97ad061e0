//! Pictures: from a file's bytes to the pixels that TensorFlow would see, and from those to the network's input.
//!
//! [`decode`] accepts, rejects and decodes exactly as `tf.image.decode_jpeg(data, channels=3)` of TensorFlow 2.21 does
//! (JPEG, PNG, single-frame GIF and WebP byte for byte), and [`resize`] scales exactly as `tf.image.resize` does. Both are tested against recorded decisions of TensorFlow (`tests/decode_parity.rs`).
//! A rejected file gets one [`Reason`] with a stable code.

mod folders;
mod gif;
mod jpeg;
mod limits;
mod load;
mod memory;
mod png;
mod read;
mod reject;
pub mod resize;
mod sniff;
mod system;
mod webp;

use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use limits::{Limits, Policy};
pub(crate) use load::{Files, NotLoaded};
pub use load::{Loaded, check_file, load};
pub use reject::{Reason, Rejection};
pub use resize::Recipe;
pub use sniff::Format;

use limits::Deadline;
use memory::Turn;

use crate::util::panics;

/// A decoded picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// What the file was.
    pub format: Format,
    /// Height x width x 3 bytes, row-major, red green blue, 0..=255.
    pub rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}, {} x {})", self.format, self.width, self.height)
    }
}

impl Picture {
    /// All but the pixels.
    #[must_use]
    pub fn outline(&self) -> Outline {
        Outline { width: self.width, height: self.height, format: self.format }
    }
}

/// What is known of a picture without its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// What the file was.
    pub format: Format,
}

/// Which files count as pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// What `tf.image.decode_jpeg(data, channels=3)` accepts: also PNG, single-frame GIF and WebP, and JPEGs with
    /// damage that libjpeg only warns about.
    #[default]
    TensorFlow,
    /// JPEG only, and without the slightest damage: whatever libjpeg would warn about is a rejection.
    Strict,
}

/// Decodes the bytes of an image file to RGB.
///
/// `data` is the whole file. The format is told from its first bytes. The pixels are those of
/// `tf.image.decode_jpeg(data, channels=3)`: Exif orientation, colour profiles and gamma are ignored, transparency is
/// dropped, grey becomes three equal channels, 16 bits become 8 by dropping the lower byte.
///
/// # Errors
///
/// A [`Rejection`] where TensorFlow would raise an error, and with [`Accept::Strict`] also for anything but a flawless
/// JPEG; and where the picture asks for more than the [`Limits`]. Never panics: a panic inside a decoder is caught and
/// becomes [`Reason::DecoderPanic`].
pub fn decode(data: &[u8], policy: impl Into<Policy>) -> Result<Picture, Rejection> {
    decode_since(Instant::now(), data, policy.into())
}

/// Accepts and rejects as [`decode`] does, with the same reasons, without making pixels that nobody wants.
///
/// Every bit of a JPEG's coded data is read; what is left out is what comes after it and cannot fail: the inverse DCT,
/// upsampling and colour conversion.
///
/// # Errors
///
/// As [`decode`].
pub fn check(data: &[u8], policy: impl Into<Policy>) -> Result<Outline, Rejection> {
    check_since(Instant::now(), data, policy.into())
}

/// [`decode`] of a file that was begun with at `start`.
fn decode_since(start: Instant, data: &[u8], policy: Policy) -> Result<Picture, Rejection> {
    by_format(start, data, policy, jpeg::decode, |picture| picture)
}

/// [`check`] of a file that was begun with at `start`.
fn check_since(start: Instant, data: &[u8], policy: Policy) -> Result<Outline, Rejection> {
    by_format(start, data, policy, jpeg::check, |picture| picture.outline())
}

/// What a decoder is told beside the file.
#[derive(Clone, Copy)]
struct Terms<'a> {
    policy: Policy,
    deadline: Deadline,
    turn: &'a Turn,
}

/// [`decode`] and [`check`]: `jpeg` does it for a JPEG, `of_picture` makes the result of another format's picture.
fn by_format<T>(
    start: Instant,
    data: &[u8],
    policy: Policy,
    jpeg: fn(&[u8], &Terms) -> Result<T, Rejection>,
    of_picture: fn(Picture) -> T,
) -> Result<T, Rejection> {
    let format = Format::of(data);
    let Policy { accept, limits } = policy;
    limits.admit_file(data.len() as u64).map_err(|(reason, detail)| Rejection::new(reason, format, detail))?;
    if data.is_empty() {
        return Err(Rejection::new(Reason::Empty, format, ""));
    }
    if accept == Accept::Strict && format != Format::Jpeg && format != Format::Unknown {
        return Err(Rejection::new(Reason::NotJpeg, format, format!("it is {}", article(format))));
    }
    let turn = Turn::begin();
    let terms = Terms { policy, deadline: Deadline::of(&limits, start), turn: &turn };
    let outcome = panics::catch(|| match format {
        Format::Jpeg => jpeg(data, &terms),
        Format::Png => png::decode(data, &terms).map(of_picture),
        Format::Gif => gif::decode(data, &terms).map(of_picture),
        Format::WebP => webp::decode(data, &terms).map(of_picture),
        Format::Unknown => Err(Rejection::new(Reason::NotAnImage, format, "the first bytes fit no image format")),
        other => Err(Rejection::new(Reason::UnsupportedFormat, other, format!("it is {}", article(other)))),
    });
    if terms.deadline.has_passed() {
        // Whatever came of it: a decoder that was stopped says what it likes.
        let detail = format!("more than {} s", limits.time.unwrap_or_default().as_secs_f64());
        return Err(Rejection::new(Reason::TimeLimit, format, detail));
    }
    outcome.unwrap_or_else(|message| Err(Rejection::new(Reason::DecoderPanic, format, message)))
}

/// `a png file`, `an ico file`.
fn article(format: Format) -> String {
    let a = if format == Format::Ico { "an" } else { "a" };
    format!("{a} {format} file")
}

#[cfg(test)]
mod tests;
