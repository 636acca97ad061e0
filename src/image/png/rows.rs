//! Rows of a PNG: filters undone (PNG specification, section 9), samples turned into RGB of 8 bits.

use super::chunks::Palette;
use super::inflate::Inflater;
use super::stream::Stream;
use super::{Color, Damage, Header, Pass};
use crate::image::Reason;

/// The rows that are yet to be read.
pub(super) struct Rows<'c, 'a> {
    header: Header,
    /// Colours by index, of a grey picture of few bits, too.
    palette: Palette,
    stream: Stream<'c, 'a>,
    /// This row and the one above it in its pass, each with the byte of its filter.
    row: Vec<u8>,
    above: Vec<u8>,
}

impl<'c, 'a> Rows<'c, 'a> {
    /// What is needed beside the RGB bytes of the whole picture.
    pub(super) fn memory(header: &Header) -> u64 {
        let (bytes, colors) = (header.row_bytes(header.width), header.width * 3);
        (2 * (1 + bytes) + colors + Inflater::MEMORY) as u64
    }

    pub(super) fn new(header: &Header, palette: &Palette, stream: Stream<'c, 'a>) -> Self {
        let palette = match (header.color, header.depth) {
            (Color::Gray, 1 | 2 | 4) => grays(header.depth),
            _ => *palette,
        };
        let empty = vec![0; 1 + header.row_bytes(header.width)];
        Self { header: *header, palette, stream, row: empty.clone(), above: empty }
    }

    /// Fills the picture, which has three bytes per pixel, and reads to the end of the compressed data.
    pub(super) fn fill(mut self, rgb: &mut [u8]) -> Result<(), Damage> {
        let width = self.header.width * 3;
        let mut colors = vec![0; if self.header.interlaced { width } else { 0 }];
        for pass in self.header.passes() {
            let bytes = 1 + self.header.row_bytes(pass.columns);
            self.row.truncate(bytes);
            self.row.resize(bytes, 0);
            self.above.clear();
            self.above.resize(bytes, 0);
            let lines = rgb[pass.top * width..].chunks_exact_mut(width).step_by(pass.step_y).take(pass.rows);
            for line in lines {
                self.stream.row(&mut self.row)?;
                unfilter(&mut self.row, &self.above, self.header.bits_per_pixel().div_ceil(8))?;
                if self.header.interlaced {
                    let colors = &mut colors[..pass.columns * 3];
                    expand(&self.header, &self.palette, &self.row[1..], colors);
                    spread(&pass, colors, line);
                } else {
                    expand(&self.header, &self.palette, &self.row[1..], line);
                }
                std::mem::swap(&mut self.row, &mut self.above);
            }
        }
        self.stream.finish()
    }
}

/// The colours of a grey picture of 1, 2 or 4 bits: its values stretched to 0..=255.
fn grays(depth: usize) -> Palette {
    let most = (1 << depth) - 1;
    let mut palette = [[0; 3]; 256];
    for (value, color) in palette.iter_mut().enumerate().take(most + 1) {
        *color = [(value * 255 / most) as u8; 3];
    }
    palette
}

/// Puts the pixels of a pass where they belong in a row of the picture.
fn spread(pass: &Pass, colors: &[u8], line: &mut [u8]) {
    let places = line.as_chunks_mut::<3>().0[pass.left..].iter_mut().step_by(pass.step_x);
    for (place, color) in places.zip(colors.as_chunks::<3>().0) {
        *place = *color;
    }
}

/// Undoes the filter of a row, whose pixels begin `step` bytes apart.
fn unfilter(row: &mut [u8], above: &[u8], step: usize) -> Result<(), Damage> {
    match step {
        1 => unfilter_pixels::<1>(row, above),
        2 => unfilter_pixels::<2>(row, above),
        3 => unfilter_pixels::<3>(row, above),
        4 => unfilter_pixels::<4>(row, above),
        6 => unfilter_pixels::<6>(row, above),
        _ => unfilter_pixels::<8>(row, above),
    }
}

/// The filters for pixels of `N` bytes. Each byte is predicted from those of the pixel at the left (a), above (b) and at the left
/// of that (c), all zero outside the picture; a row has the difference.
fn unfilter_pixels<const N: usize>(row: &mut [u8], above: &[u8]) -> Result<(), Damage> {
    let (Some((&mut filter, row)), Some((_, above))) = (row.split_first_mut(), above.split_first()) else {
        return Ok(());
    };
    let pixels = row.as_chunks_mut::<N>().0;
    let pairs = pixels.iter_mut().zip(above.as_chunks::<N>().0);
    match filter {
        0 => (),
        1 => {
            let mut a = [0; N];
            for pixel in pixels {
                for i in 0..N {
                    a[i] = pixel[i].wrapping_add(a[i]);
                }
                *pixel = a;
            }
        }
        2 => {
            for (byte, b) in row.iter_mut().zip(above) {
                *byte = byte.wrapping_add(*b);
            }
        }
        3 => {
            let mut a = [0; N];
            for (pixel, b) in pairs {
                for i in 0..N {
                    a[i] = pixel[i].wrapping_add(((u16::from(a[i]) + u16::from(b[i])) / 2) as u8);
                }
                *pixel = a;
            }
        }
        4 => {
            let (mut a, mut c) = ([0; N], [0; N]);
            for (pixel, b) in pairs {
                for i in 0..N {
                    a[i] = pixel[i].wrapping_add(paeth(a[i], b[i], c[i]));
                }
                *pixel = a;
                c = *b;
            }
        }
        _ => return Err((Reason::CorruptData, format!("there is no filter {filter}").into())),
    }
    Ok(())
}

/// Whichever of the three is nearest to a + b - c, the first of those that are equally near; without branches.
fn paeth(a: u8, b: u8, c: u8) -> u8 {
    let (low, high) = (i16::from(a.min(b)), i16::from(a.max(b)));
    let c = i16::from(c);
    let bound = 3 * c - low - high;
    let at_least = if high <= bound { low } else { c };
    (if bound <= low { high } else { at_least }) as u8
}

/// Turns the samples of a row into three bytes per pixel.
fn expand(header: &Header, palette: &Palette, row: &[u8], rgb: &mut [u8]) {
    match (header.color, header.depth) {
        (Color::Rgb, 8) => rgb.copy_from_slice(row),
        (Color::Rgb, _) => pick::<6>(row, rgb, |s| [s[0], s[2], s[4]]),
        (Color::Rgba, 8) => pick::<4>(row, rgb, |s| [s[0], s[1], s[2]]),
        (Color::Rgba, _) => pick::<8>(row, rgb, |s| [s[0], s[2], s[4]]),
        (Color::GrayAlpha, 8) | (Color::Gray, 16) => pick::<2>(row, rgb, |s| [s[0]; 3]),
        (Color::GrayAlpha, _) => pick::<4>(row, rgb, |s| [s[0]; 3]),
        (Color::Gray, 8) => pick::<1>(row, rgb, |s| [s[0]; 3]),
        (Color::Indexed, 8) => pick::<1>(row, rgb, |s| palette[usize::from(s[0])]),
        (Color::Gray | Color::Indexed, depth) => {
            let per_byte = 8 / depth;
            for (pixels, &byte) in rgb.as_chunks_mut::<3>().0.chunks_mut(per_byte).zip(row) {
                for (place, pixel) in pixels.iter_mut().enumerate() {
                    let value = byte >> (8 - depth * (place + 1)) & ((1 << depth) - 1);
                    *pixel = palette[usize::from(value)];
                }
            }
        }
    }
}

/// Makes a pixel of every `N` bytes.
fn pick<const N: usize>(row: &[u8], rgb: &mut [u8], color: impl Fn(&[u8; N]) -> [u8; 3]) {
    for (pixel, samples) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(row.as_chunks::<N>().0) {
        *pixel = color(samples);
    }
}
