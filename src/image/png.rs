//! PNG, as TensorFlow reads it through libpng: transparency dropped, gamma ignored, 16 bits cut to 8.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, codecs::png::PngDecoder, error::ImageError};

use super::{Format, MAX_SAMPLES, Picture, Reason, Rejection};

/// The largest side libpng reads unless told otherwise (`PNG_USER_WIDTH_MAX`).
const MAX_SIDE: u32 = 1_000_000;

/// Decodes a PNG file.
pub(super) fn decode(data: &[u8]) -> Result<Picture, Rejection> {
    let decoder = PngDecoder::new(Cursor::new(data)).map_err(|error| reject(&error, None))?;
    let (width, height) = decoder.dimensions();
    let size = Some((width as usize, height as usize));
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) >= MAX_SAMPLES {
        let detail = format!("{width} x {height} pixels");
        return Err(Rejection::new(Reason::TooLarge, Format::Png, detail).with_size(size));
    }
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

/// The upper byte, as `png_set_strip_16` keeps it.
#[allow(clippy::cast_possible_truncation)] // the shift leaves eight bits
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
