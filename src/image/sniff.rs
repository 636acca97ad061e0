//! What a file is, by its first bytes and never by its name.
//!
//! The order and the exact magic bytes for JPEG, PNG, GIF, BMP and WebP are TensorFlow's: a file is decoded as what
//! TensorFlow would take it for. The other formats are told apart only to say something helpful.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The container format of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// JPEG (ITU-T T.81), with or without JFIF, Exif or Adobe headers.
    Jpeg,
    /// PNG.
    Png,
    /// GIF 87a or 89a.
    Gif,
    /// WebP, lossy or lossless.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// TIFF, either byte order.
    Tiff,
    /// JPEG 2000, boxed or bare codestream.
    Jp2,
    /// JPEG XL, boxed or bare codestream.
    Jxl,
    /// HEIF or AVIF.
    Heif,
    /// Windows icon or cursor.
    Ico,
    /// Adobe Photoshop.
    Psd,
    /// A portable anymap, `P1` to `P7`.
    Pnm,
    /// None of these.
    #[default]
    Unknown,
}

impl Format {
    /// Tells the format from the first bytes of a file.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        const TABLE: [(&[u8], Format); 18] = [
            (b"\xff\xd8\xff", Format::Jpeg),
            (b"\x89PNG\r\n\x1a\n", Format::Png),
            (b"GIF8", Format::Gif),
            (b"BM", Format::Bmp),
            (b"II*\0", Format::Tiff),
            (b"MM\0*", Format::Tiff),
            (b"II+\0", Format::Tiff),
            (b"MM\0+", Format::Tiff),
            (b"\0\0\0\x0cjP  \r\n\x87\n", Format::Jp2),
            (b"\xff\x4f\xff\x51", Format::Jp2),
            (b"\0\0\0\x0cJXL \r\n\x87\n", Format::Jxl),
            (b"\xff\x0a", Format::Jxl),
            (b"\0\0\x01\0", Format::Ico),
            (b"\0\0\x02\0", Format::Ico),
            (b"8BPS", Format::Psd),
            (b"P4", Format::Pnm),
            (b"P5", Format::Pnm),
            (b"P6", Format::Pnm),
        ];
        if let Some((_, format)) = TABLE.iter().find(|(magic, _)| data.starts_with(magic)) {
            return *format;
        }
        // TensorFlow wants more than the twelve bytes of the signature itself.
        if data.len() > 12 && data.starts_with(b"RIFF") && &data[8..12] == b"WEBP" {
            return Self::WebP;
        }
        if data.len() >= 12 && &data[4..8] == b"ftyp" {
            let brand = &data[8..12];
            if [b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"].iter().any(|known| *known == brand) {
                return Self::Heif;
            }
        }
        Self::Unknown
    }

    /// The name that reports use: `jpeg`, `png`, ...
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Jp2 => "jp2",
            Self::Jxl => "jxl",
            Self::Heif => "heif",
            Self::Ico => "ico",
            Self::Psd => "psd",
            Self::Pnm => "pnm",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        assert_eq!(Format::of(b"\xff\xd8\xff\xe0"), Format::Jpeg);
        assert_eq!(Format::of(b"GIF89a"), Format::Gif);
        assert_eq!(Format::of(b"RIFF\x10\0\0\0WEBPVP8 "), Format::WebP);
        assert_eq!(Format::of(b"\n\xff\xd8\xff\xe0"), Format::Unknown);
        assert_eq!(Format::of(b"\xff\xd8"), Format::Unknown);
        assert_eq!(Format::of(b""), Format::Unknown);
    }

    #[test]
    fn serde_writes_the_name() {
        assert_eq!(serde_json::to_string(&Format::WebP).expect("a unit variant serialises"), "\"webp\"");
        assert_eq!(Format::WebP.to_string(), "webp");
    }
}
