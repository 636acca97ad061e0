//! Colour spaces: which one a file means, and from there to RGB.

use super::{
    super::Reason,
    frame::Frame,
    markers::Headers,
    source::{Halt, Warnings},
};

/// The colour space of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Grey,
    Rgb,
    YCbCr,
    Cmyk,
    /// CMYK whose first three were turned into YCbCr.
    Ycck,
}

impl Space {
    /// libjpeg's guess, from JFIF and Adobe headers and the component identifiers.
    pub(super) fn guess(headers: &Headers, frame: &Frame, warnings: &mut Warnings) -> Result<Self, Halt> {
        let mut odd_transform = |space| {
            warnings.note("an unknown Adobe colour transform");
            space
        };
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        Ok(match (ids.len(), headers.adobe) {
            (1, _) => Self::Grey,
            (3, _) if headers.jfif => Self::YCbCr,
            (3, Some(0)) => Self::Rgb,
            (3, Some(1)) => Self::YCbCr,
            (3, Some(_)) => odd_transform(Self::YCbCr),
            (3, None) if ids == *b"RGB" => Self::Rgb,
            (3, None) => Self::YCbCr,
            (4, Some(0) | None) => Self::Cmyk,
            (4, Some(2)) => Self::Ycck,
            (4, Some(_)) => odd_transform(Self::Ycck),
            (count, _) => {
                let detail = format!("{count} colour components; 1, 3 and 4 are supported");
                return Err(Halt::failed(Reason::UnsupportedCoding, detail));
            }
        })
    }

    /// Converts one row of full-size components to `out`, three bytes per pixel. `adobe` tells whether the file has an
    /// Adobe header, which TensorFlow takes to mean that CMYK is stored inverted.
    pub(super) fn convert(self, rows: &[&[u8]], adobe: bool, out: &mut [u8]) {
        match (self, rows) {
            (Self::Grey, [grey, ..]) => {
                out.chunks_exact_mut(3).zip(*grey).for_each(|(pixel, &grey)| pixel.fill(grey));
            }
            (Self::Rgb, [red, green, blue, ..]) => {
                for (((pixel, &r), &g), &b) in out.chunks_exact_mut(3).zip(*red).zip(*green).zip(*blue) {
                    pixel.copy_from_slice(&[r, g, b]);
                }
            }
            (Self::YCbCr, [y, cb, cr, ..]) => ycc(y, cb, cr, out),
            (Self::Cmyk, [c, m, y, k, ..]) => {
                for ((((pixel, &c), &m), &y), &k) in out.chunks_exact_mut(3).zip(*c).zip(*m).zip(*y).zip(*k) {
                    pixel.copy_from_slice(&[c, m, y].map(|ink| paint(ink, k, adobe)));
                }
            }
            (Self::Ycck, [y, cb, cr, k, ..]) => {
                ycc(y, cb, cr, out);
                for (pixel, &k) in out.chunks_exact_mut(3).zip(*k) {
                    pixel.iter_mut().for_each(|value| *value = paint(255 - *value, k, adobe));
                }
            }
            _ => {} // `guess` fits the space to the number of components
        }
    }
}

/// TensorFlow's own conversion of one ink and black to a primary colour.
fn paint(ink: u8, black: u8, adobe: bool) -> u8 {
    let (ink, black) = (u16::from(ink), u16::from(black));
    (if adobe { black * ink / 255 } else { (255 - black) * (255 - ink) / 255 }) as u8
}

/// Pixels that are converted together.
const CHUNK: usize = 16;

/// YCbCr to RGB (JFIF, full range) with libjpeg's rounding: 16 fractional bits, half added.
fn ycc(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    let whole = out.len() / (3 * CHUNK);
    let (body, tail) = out.split_at_mut(whole * 3 * CHUNK);
    for (index, out) in body.chunks_exact_mut(3 * CHUNK).enumerate() {
        let at = index * CHUNK;
        ycc_chunk(&lanes(&y[at..]), &lanes(&cb[at..]), &lanes(&cr[at..]), out);
    }
    if !tail.is_empty() {
        let (at, mut padded) = (whole * CHUNK, [0; 3 * CHUNK]);
        ycc_chunk(&lanes(&y[at..]), &lanes(&cb[at..]), &lanes(&cr[at..]), &mut padded);
        tail.copy_from_slice(&padded[..tail.len()]);
    }
}

/// The first [`CHUNK`] samples of a row, padded with zeroes at its end.
fn lanes(samples: &[u8]) -> [u8; CHUNK] {
    samples.first_chunk().copied().unwrap_or_else(|| {
        let mut padded = [0; CHUNK];
        padded[..samples.len()].copy_from_slice(samples);
        padded
    })
}

/// The factors are those of JFIF less a whole number, so that they fit 16 bits: 1.402 - 1, 1.772 - 2, -0.71414 + 1.
#[inline]
fn ycc_chunk(y: &[u8; CHUNK], cb: &[u8; CHUNK], cr: &[u8; CHUNK], out: &mut [u8]) {
    const CR_TO_RED: i32 = 91_881 - (1 << 16);
    const CB_TO_BLUE: i32 = 116_130 - (2 << 16);
    const CB_TO_GREEN: i32 = -22_554;
    const CR_TO_GREEN: i32 = -46_802 + (1 << 16);
    let clamp = |value: i16| value.clamp(0, 255) as u8;
    let (mut red, mut green, mut blue) = ([0; CHUNK], [0; CHUNK], [0; CHUNK]);
    for lane in 0..CHUNK {
        let y = i16::from(y[lane]);
        let (cb, cr) = (i16::from(cb[lane]) - 128, i16::from(cr[lane]) - 128);
        // The upper half of twice the product, then a rounding shift by one: the same as rounding at once.
        let r = ((((i32::from(2 * cr) * CR_TO_RED) >> 16) as i16) + 1) >> 1;
        let b = ((((i32::from(2 * cb) * CB_TO_BLUE) >> 16) as i16) + 1) >> 1;
        let g = ((i32::from(cb) * CB_TO_GREEN + i32::from(cr) * CR_TO_GREEN + (1 << 15)) >> 16) as i16;
        red[lane] = clamp(y + cr + r);
        green[lane] = clamp(y - cr + g);
        blue[lane] = clamp(y + 2 * cb + b);
    }
    // Four bytes at a time, of which the next pixel overwrites the last, are faster than three.
    let mut interleaved = [0; 3 * CHUNK + 1];
    for lane in 0..CHUNK {
        interleaved[3 * lane..][..4].copy_from_slice(&[red[lane], green[lane], blue[lane], 0]);
    }
    out.copy_from_slice(&interleaved[..3 * CHUNK]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ycc_is_the_rounded_formula_everywhere() {
        for luma in [0, 1, 17, 128, 200, 255] {
            for cb in 0..=255u8 {
                let cr: Vec<u8> = (0..=255).collect();
                let mut out = vec![0; 3 * 256];
                ycc(&[luma; 256], &[cb; 256], &cr, &mut out);

                for (pixel, cr) in out.chunks_exact(3).zip(0i64..) {
                    let (u, v) = (i64::from(cb) - 128, cr - 128);
                    let y = i64::from(luma);
                    let expected = [
                        y + ((91_881 * v + 32_768) >> 16),
                        y + ((-22_554 * u - 46_802 * v + 32_768) >> 16),
                        y + ((116_130 * u + 32_768) >> 16),
                    ];
                    let expected = expected.map(|value| value.clamp(0, 255) as u8);
                    assert_eq!(pixel, expected, "Y {luma} Cb {cb} Cr {cr}");
                }
            }
        }
    }
}
