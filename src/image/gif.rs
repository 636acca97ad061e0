//! GIF (first version, through the `image` crate).

use std::io::Cursor;

use image::{AnimationDecoder, codecs::gif::GifDecoder};

use super::{Format, Picture, Reason, Rejection};

/// Decodes a GIF file of one frame.
pub(super) fn decode(data: &[u8]) -> Result<Picture, Rejection> {
    let corrupt = |error: image::ImageError| Rejection::new(Reason::CorruptData, Format::Gif, error.to_string());
    let frames = GifDecoder::new(Cursor::new(data)).map_err(corrupt)?.into_frames();
    let mut frames = frames.collect_frames().map_err(corrupt)?;
    if frames.len() > 1 {
        return Err(Rejection::new(Reason::Animated, Format::Gif, ""));
    }
    let Some(frame) = frames.pop() else {
        return Err(Rejection::new(Reason::CorruptData, Format::Gif, "no frame"));
    };
    let pixels = frame.into_buffer();
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let rgb = pixels.pixels().flat_map(|p| if p[3] == 0 { [0; 3] } else { [p[0], p[1], p[2]] }).collect();
    Ok(Picture { width, height, format: Format::Gif, rgb })
}
