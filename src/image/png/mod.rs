//! PNG, as TensorFlow reads it through libpng 1.6.43 and zlib 1.3.1.
//!
//! Transparency is dropped, gamma and colour profiles are ignored, 16 bits become 8 by dropping the lower byte. What libpng
//! calls a benign error passes here, too; what ends libpng's decoding is a rejection. The reader is our own, because
//! libpng's verdict depends on details that other readers cannot be asked for: where the end of the compressed data is seen
//! ([`stream`]), and which chunks are looked at at all ([`chunks`]). Chunks that do not change a pixel are stepped over
//! unread, so that memory is bounded by the picture: its RGB bytes and a few rows.

mod adler;
mod chunks;
mod huffman;
mod inflate;
mod rows;
mod stream;

use std::borrow::Cow;

use super::{Format, Picture, Reason, Rejection, Terms};
use chunks::Chunks;
use rows::Rows;
use stream::Stream;

/// The largest side libpng reads unless set differently (`PNG_USER_WIDTH_MAX`).
const MAX_SIDE: u64 = 1_000_000;

/// What ends the decoding, and why.
type Damage = (Reason, Cow<'static, str>);

/// Decodes a PNG file.
pub(super) fn decode(data: &[u8], terms: &Terms) -> Result<Picture, Rejection> {
    let mut chunks = Chunks::of(data, terms.deadline);
    let header = chunks.header().map_err(|damage| reject(damage, None))?;
    let (width, height) = (header.width, header.height);
    let size = Some((width, height));
    let refuse = |(reason, detail)| Rejection::new(reason, Format::Png, detail).with_size(size);
    let pixels = width as u64 * height as u64;
    let limits = &terms.policy.limits;
    limits.admit_sides(width, height, MAX_SIDE).map_err(refuse)?;
    limits.admit_pixels(width, height, pixels).map_err(refuse)?;
    let palette = chunks.palette(&header).map_err(|damage| reject(damage, size))?;
    terms.turn.room(pixels * 3 + Rows::memory(&header), Format::Png, size)?;
    let mut rgb = vec![0; width * height * 3];
    let stream = Stream::of(&mut chunks, &header);
    Rows::new(&header, &palette, stream).fill(&mut rgb).map_err(|damage| reject(damage, size))?;
    chunks.end().map_err(|damage| reject(damage, size))?;
    Ok(Picture { width, height, format: Format::Png, rgb })
}

fn reject((reason, detail): Damage, size: Option<(usize, usize)>) -> Rejection {
    Rejection::new(reason, Format::Png, detail).with_size(size)
}

/// What the chunk `IHDR` says.
#[derive(Clone, Copy)]
struct Header {
    width: usize,
    height: usize,
    color: Color,
    /// Bits per sample: 1, 2, 4, 8 or 16.
    depth: usize,
    interlaced: bool,
}

/// The colour types.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Color {
    Gray,
    Rgb,
    Indexed,
    GrayAlpha,
    Rgba,
}

impl Header {
    fn bits_per_pixel(&self) -> usize {
        let channels = match self.color {
            Color::Gray | Color::Indexed => 1,
            Color::GrayAlpha => 2,
            Color::Rgb => 3,
            Color::Rgba => 4,
        };
        channels * self.depth
    }

    /// The bytes of a row of that many pixels, without the byte of its filter.
    fn row_bytes(&self, pixels: usize) -> usize {
        (pixels * self.bits_per_pixel()).div_ceil(8)
    }

    /// The parts in which the pixels are stored that have any.
    fn passes(&self) -> impl Iterator<Item = Pass> + use<> {
        let &Self { width, height, interlaced, .. } = self;
        let origins: &[_] = if interlaced { &ADAM7 } else { &[(0, 0, 1, 1)] };
        let pass = move |&(left, top, step_x, step_y): &(usize, usize, usize, usize)| Pass {
            left,
            top,
            step_x,
            step_y,
            columns: width.saturating_sub(left).div_ceil(step_x),
            rows: height.saturating_sub(top).div_ceil(step_y),
        };
        origins.iter().map(pass).filter(|pass| pass.columns > 0 && pass.rows > 0)
    }
}

/// Left, top, and the steps to the right and down of each pass of an interlaced picture.
const ADAM7: [(usize, usize, usize, usize); 7] =
    [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

/// A part of the pixels that is stored like a picture of its own.
#[derive(Clone, Copy)]
struct Pass {
    left: usize,
    top: usize,
    step_x: usize,
    step_y: usize,
    columns: usize,
    rows: usize,
}

#[cfg(test)]
mod tests;
