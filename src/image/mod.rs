//! Pictures: from a file's bytes to the pixels that TensorFlow would see, and from those to the network's input.
//!
//! [`decode`] accepts, rejects and decodes exactly as `tf.image.decode_jpeg(data, channels=3)` of TensorFlow 2.21 does
//! (JPEG, PNG and single-frame GIF byte for byte, WebP within a few levels), and [`resize`] scales exactly as
//! `tf.image.resize` does. Both are tested against recorded decisions of TensorFlow (`tests/decode_parity.rs`).
//! A rejected file gets one [`Reason`] with a stable code.

mod gif;
mod jpeg;
mod load;
mod memory;
mod png;
mod reject;
pub mod resize;
mod silence;
mod sniff;
mod webp;

use serde::{Deserialize, Serialize};

pub use load::{Loaded, check_file, load};
pub use reject::{Reason, Rejection};
pub use resize::Recipe;
pub use sniff::Format;

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

/// TensorFlow refuses pictures of 2^29 samples and more; so do we, before anything is allocated.
const MAX_SAMPLES: u64 = 1 << 29;

/// Decodes the bytes of an image file to RGB.
///
/// `data` is the whole file. The format is told from its first bytes. The pixels are those of
/// `tf.image.decode_jpeg(data, channels=3)`: Exif orientation, colour profiles and gamma are ignored, transparency is
/// dropped, grey becomes three equal channels, 16 bits become 8 by dropping the lower byte.
///
/// # Errors
///
/// A [`Rejection`] where TensorFlow would raise an error, and with [`Accept::Strict`] also for anything but a flawless
/// JPEG. Never panics: a panic inside a decoder is caught and becomes [`Reason::DecoderPanic`].
pub fn decode(data: &[u8], accept: Accept) -> Result<Picture, Rejection> {
    by_format(data, accept, jpeg::decode, |picture| picture)
}

/// Accepts and rejects as [`decode`] does, with the same reasons, without making pixels that nobody wants.
///
/// Every bit of a JPEG's coded data is read; what is left out is what comes after it and cannot fail: the inverse DCT,
/// upsampling and colour conversion.
///
/// # Errors
///
/// As [`decode`].
pub fn check(data: &[u8], accept: Accept) -> Result<Outline, Rejection> {
    by_format(data, accept, jpeg::check, |picture| picture.outline())
}

/// [`decode`] and [`check`]: `jpeg` does it for a JPEG, `of_picture` makes the result of another format's picture.
fn by_format<T>(
    data: &[u8],
    accept: Accept,
    jpeg: fn(&[u8], Accept) -> Result<T, Rejection>,
    of_picture: fn(Picture) -> T,
) -> Result<T, Rejection> {
    let format = Format::of(data);
    if data.is_empty() {
        return Err(Rejection::new(Reason::Empty, format, ""));
    }
    if accept == Accept::Strict && format != Format::Jpeg && format != Format::Unknown {
        return Err(Rejection::new(Reason::NotJpeg, format, format!("it is {}", article(format))));
    }
    let outcome = silence::catch(|| match format {
        Format::Jpeg => jpeg(data, accept),
        Format::Png => png::decode(data).map(of_picture),
        Format::Gif => gif::decode(data).map(of_picture),
        Format::WebP => webp::decode(data).map(of_picture),
        Format::Unknown => Err(Rejection::new(Reason::NotAnImage, format, "the first bytes fit no image format")),
        other => Err(Rejection::new(Reason::UnsupportedFormat, other, format!("it is {}", article(other)))),
    });
    outcome.unwrap_or_else(|message| Err(Rejection::new(Reason::DecoderPanic, format, message)))
}

/// `a png file`, `an ico file`.
fn article(format: Format) -> String {
    let a = if format == Format::Ico { "an" } else { "a" };
    format!("{a} {format} file")
}

#[cfg(test)]
mod tests;
