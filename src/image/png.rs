//! PNG, as TensorFlow reads it through libpng: transparency dropped, gamma ignored, 16 bits cut to 8.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, codecs::png::PngDecoder, error::ImageError};

use super::limits::Timed;
use super::{Format, Picture, Reason, Rejection, Terms};

/// The largest side libpng reads unless told otherwise (`PNG_USER_WIDTH_MAX`).
const MAX_SIDE: u64 = 1_000_000;

/// Decodes a PNG file.
pub(super) fn decode(data: &[u8], terms: &Terms) -> Result<Picture, Rejection> {
    let decoder =
        PngDecoder::new(Timed::new(Cursor::new(data), terms.deadline)).map_err(|error| reject(&error, None))?;
    let (width, height) = decoder.dimensions();
    let size = Some((width as usize, height as usize));
    let refuse = |(reason, detail)| Rejection::new(reason, Format::Png, detail).with_size(size);
    let pixels = u64::from(width) * u64::from(height);
    let limits = &terms.policy.limits;
    limits.admit_sides(width as usize, height as usize, MAX_SIDE).map_err(refuse)?;
    limits.admit_pixels(width as usize, height as usize, pixels).map_err(refuse)?;
    terms.turn.room(decoder.total_bytes() + pixels * 3, Format::Png, size)?;
    check_chunks(data).map_err(refuse)?;
    let decoded = DynamicImage::from_decoder(decoder).map_err(|error| reject(&error, size))?;
    let rgb = match decoded {
        DynamicImage::ImageRgb8(pixels) => pixels.into_raw(),
        DynamicImage::ImageRgba8(pixels) => pixels.pixels().flat_map(|p| [p[0], p[1], p[2]]).collect(),
        DynamicImage::ImageLuma8(pixels) => pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
        DynamicImage::ImageLumaA8(pixels) => pixels.pixels().flat_map(|p| [p[0]; 3]).collect(),
        DynamicImage::ImageRgb16(pixels) => pixels.iter().map(|&value| high(value)).collect(),
        DynamicImage::ImageRgba16(pixels) => {
            pixels.pixels().flat_map(|p| [high(p[0]), high(p[1]), high(p[2])]).collect()
        }
        DynamicImage::ImageLuma16(pixels) => pixels.iter().flat_map(|&grey| [high(grey); 3]).collect(),
        DynamicImage::ImageLumaA16(pixels) => pixels.pixels().flat_map(|p| [high(p[0]); 3]).collect(),
        other => other.into_rgb8().into_raw(),
    };
    Ok(Picture { width: width as usize, height: height as usize, format: Format::Png, rgb })
}

/// Walks the chunks to the end, because the `image` crate stops after the last pixel and libpng does not.
///
/// TensorFlow wants the whole file up to and including `IEND`. A wrong checksum is an error in a chunk that the picture
/// depends on; in others it is not. What is not checked is the checksum inside the compressed data (Adler-32), which
/// libpng looks at and the `image` crate cannot be told to.
fn check_chunks(data: &[u8]) -> Result<(), (Reason, String)> {
    let cut = || (Reason::Truncated, "the file stops before its IEND chunk".to_owned());
    let mut rest = data.get(8..).unwrap_or_default();
    let (mut headers, mut palettes) = (0, 0);
    loop {
        let (head, after) = rest.split_at_checked(8).ok_or_else(cut)?;
        let (length, kind) = head.split_at(4);
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        let name = kind.escape_ascii();
        if !kind.iter().all(u8::is_ascii_alphabetic) || length > i32::MAX as u32 {
            return Err((Reason::CorruptData, format!("a chunk {name} of {length} bytes")));
        }
        let (content, after) = after.split_at_checked(length as usize).ok_or_else(cut)?;
        let (sum, after) = after.split_at_checked(4).ok_or_else(cut)?;
        let critical = kind[0].is_ascii_uppercase();
        if critical && u32::from_be_bytes([sum[0], sum[1], sum[2], sum[3]]) != crc(kind, content) {
            return Err((Reason::CorruptData, format!("the checksum of chunk {name} is wrong")));
        }
        if critical && ![b"IHDR", b"PLTE", b"IDAT", b"IEND"].iter().any(|known| known[..] == *kind) {
            return Err((Reason::UnsupportedCoding, format!("an unknown chunk {name}, which may not be passed over")));
        }
        headers += usize::from(kind == b"IHDR");
        palettes += usize::from(kind == b"PLTE");
        if headers > 1 || palettes > 1 {
            return Err((Reason::CorruptData, format!("a second chunk {name}")));
        }
        if kind == b"IEND" {
            return Ok(());
        }
        rest = after;
    }
}

/// The CRC-32 of a chunk (PNG specification, annex D).
fn crc(kind: &[u8], content: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut n = 0;
        while n < 256 {
            let mut value = n as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[n] = value;
            n += 1;
        }
        table
    };
    !kind.iter().chain(content).fold(!0, |crc, &byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

/// The upper byte, as `png_set_strip_16` keeps it.
fn high(value: u16) -> u8 {
    (value >> 8) as u8
}

fn reject(error: &ImageError, size: Option<(usize, usize)>) -> Rejection {
    let reason = match error {
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => Reason::Truncated,
        ImageError::Limits(_) => Reason::TooLarge,
        ImageError::Unsupported(_) => Reason::UnsupportedCoding,
        _ => Reason::CorruptData,
    };
    Rejection::new(reason, Format::Png, error.to_string()).with_size(size)
}
