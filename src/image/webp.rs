//! WebP. TensorFlow accepts it (as a batch of one); the lossy pixels here may differ from libwebp's by a few levels.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, codecs::webp::WebPDecoder, error::ImageError};

use super::limits::Timed;
use super::{Format, Picture, Reason, Rejection, Terms};

/// Decodes a WebP file of one frame.
pub(super) fn decode(data: &[u8], terms: &Terms) -> Result<Picture, Rejection> {
    let announced = data.get(4..8).map_or(0, |n| u64::from(u32::from_le_bytes([n[0], n[1], n[2], n[3]])) + 8);
    if announced > data.len() as u64 {
        let detail = format!("the file has {} of {announced} bytes", data.len());
        return Err(Rejection::new(Reason::Truncated, Format::WebP, detail));
    }
    let decoder =
        WebPDecoder::new(Timed::new(Cursor::new(data), terms.deadline)).map_err(|error| reject(&error, None))?;
    let (width, height) = decoder.dimensions();
    let size = Some((width as usize, height as usize));
    let refuse = |(reason, detail)| Rejection::new(reason, Format::WebP, detail).with_size(size);
    let pixels = u64::from(width) * u64::from(height);
    let limits = &terms.policy.limits;
    limits.admit_sides(width as usize, height as usize, u64::MAX).map_err(refuse)?;
    limits.admit_pixels(width as usize, height as usize, pixels).map_err(refuse)?;
    if decoder.has_animation() {
        return Err(Rejection::new(Reason::Animated, Format::WebP, "").with_size(size));
    }
    terms.turn.room(decoder.total_bytes() + pixels * 3, Format::WebP, size)?;
    let rgb = match DynamicImage::from_decoder(decoder).map_err(|error| reject(&error, size))? {
        DynamicImage::ImageRgb8(pixels) => pixels.into_raw(),
        DynamicImage::ImageRgba8(pixels) => pixels.pixels().flat_map(|p| [p[0], p[1], p[2]]).collect(),
        other => other.into_rgb8().into_raw(),
    };
    Ok(Picture { width: width as usize, height: height as usize, format: Format::WebP, rgb })
}

fn reject(error: &ImageError, size: Option<(usize, usize)>) -> Rejection {
    let reason = match error {
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => Reason::Truncated,
        ImageError::Limits(_) => Reason::TooLarge,
        _ => Reason::CorruptData,
    };
    Rejection::new(reason, Format::WebP, error.to_string()).with_size(size)
}
