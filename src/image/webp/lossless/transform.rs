//! The transforms of a whole picture, backwards (RFC 9649, section 4), some rows at a time.

use super::pixels::Tiles;

/// What was done to the pixels before they were coded.
pub(super) enum Transform {
    /// Each pixel is a difference from a prediction.
    Predict(Prediction),
    /// Red and blue are differences from parts of green and red.
    Color { width: usize, tiles: Tiles },
    /// Red and blue are differences from green.
    AddGreen,
    /// Green is an index into a palette; of small ones, several are packed into a pixel.
    Palette { width: usize, bits: usize, colors: Vec<u32> },
}

impl Transform {
    /// The prediction of a picture `width` pixels wide, with a mode for each tile.
    pub(super) fn predict(width: usize, tiles: Tiles) -> Self {
        Self::Predict(Prediction { width, tiles, above: Vec::new() })
    }

    /// The palette of `colors`, each of which is a difference from the one before.
    pub(super) fn palette(width: usize, mut colors: Vec<u32>) -> Self {
        let bits = match colors.len() {
            17.. => 0,
            5.. => 1,
            3.. => 2,
            _ => 3,
        };
        let mut color = 0;
        for entry in &mut colors {
            color = add(color, *entry);
            *entry = color;
        }
        colors.resize(1 << (8 >> bits), 0);
        Self::Palette { width, bits, colors }
    }

    /// Undoes the transform in the rows from `y` on. `spare` is memory to use.
    pub(super) fn invert(&mut self, y: usize, rows: &mut Vec<u32>, spare: &mut Vec<u32>) {
        match self {
            Self::Predict(prediction) => prediction.invert(y, rows),
            Self::Color { width, tiles } => color(y, rows, *width, tiles),
            Self::AddGreen => rows.iter_mut().for_each(|pixel| *pixel = add(*pixel, green(*pixel) * 0x0001_0001)),
            Self::Palette { bits: 0, colors, .. } => {
                rows.iter_mut().for_each(|pixel| *pixel = colors[green(*pixel) as usize]);
            }
            Self::Palette { width, bits, colors } => {
                unpack(rows, *width, *bits, colors, spare);
                std::mem::swap(rows, spare);
            }
        }
    }
}

/// The green of a pixel.
#[inline(always)]
fn green(pixel: u32) -> u32 {
    pixel >> 8 & 0xff
}

/// The sum of two pixels, each channel for itself.
#[inline(always)]
fn add(a: u32, b: u32) -> u32 {
    let alpha_green = (a & 0xff00_ff00).wrapping_add(b & 0xff00_ff00) & 0xff00_ff00;
    let red_blue = (a & 0x00ff_00ff).wrapping_add(b & 0x00ff_00ff) & 0x00ff_00ff;
    alpha_green | red_blue
}

/// Resolves a palette whose indices are packed.
fn unpack(packed: &[u32], width: usize, bits: usize, colors: &[u32], pixels: &mut Vec<u32>) {
    let packed_width = super::tiles(width, bits);
    let index_bits = 8 >> bits;
    pixels.clear();
    pixels.resize(packed.len() / packed_width * width, 0);
    for (packed, row) in packed.chunks_exact(packed_width).zip(pixels.chunks_exact_mut(width)) {
        for (&packed, pixels) in packed.iter().zip(row.chunks_mut(1 << bits)) {
            let mut indices = green(packed) as usize;
            for pixel in pixels {
                *pixel = colors[indices & (colors.len() - 1)];
                indices >>= index_bits;
            }
        }
    }
}

/// Undoes the colour transform (section 4.2) in the rows from `y` on.
fn color(y: usize, rows: &mut [u32], width: usize, tiles: &Tiles) {
    for (y, row) in (y..).zip(rows.chunks_exact_mut(width)) {
        let (codes, length) = tiles.row(y);
        for (code, pixels) in codes.iter().zip(row.chunks_mut(length)) {
            let [green_to_red, green_to_blue, red_to_blue, _] = code.to_le_bytes();
            let part = |factor: u8, channel: u8| ((i16::from(factor as i8) * i16::from(channel as i8)) >> 5) as u8;
            for pixel in pixels {
                let [blue, green, red, alpha] = pixel.to_le_bytes();
                let red = red.wrapping_add(part(green_to_red, green));
                let blue = blue.wrapping_add(part(green_to_blue, green)).wrapping_add(part(red_to_blue, red));
                *pixel = u32::from_le_bytes([blue, green, red, alpha]);
            }
        }
    }
}

/// The prediction of each pixel from its neighbours (section 4.1).
pub(super) struct Prediction {
    width: usize,
    /// The modes, in their green.
    tiles: Tiles,
    /// The row above, and after it the first pixel of the row itself: what is right above the last pixel.
    above: Vec<u32>,
}

impl Prediction {
    /// Adds the prediction to the rows from `y` on.
    fn invert(&mut self, y: usize, rows: &mut [u32]) {
        let width = self.width;
        for (y, row) in (y..).zip(rows.chunks_exact_mut(width)) {
            if y == 0 {
                let mut left = BLACK;
                for pixel in row.iter_mut() {
                    left = add(*pixel, left);
                    *pixel = left;
                }
                self.above.resize(width + 1, 0);
            } else {
                row[0] = add(row[0], self.above[0]);
                self.above[width] = row[0];
                let (modes, length) = self.tiles.row(y);
                let mut begin = 1;
                for (index, &mode) in modes.iter().enumerate() {
                    let end = ((index + 1) * length).min(width);
                    if begin < end {
                        run(green(mode) & 15, &self.above[begin - 1..=end], &mut row[begin - 1..end]);
                    }
                    begin = end;
                }
            }
            self.above[..width].copy_from_slice(row);
        }
    }
}

/// What is predicted where there is nothing to predict from.
const BLACK: u32 = 0xff00_0000;

/// Predicts all but the first of `row`; `above` begins above it and is one longer.
fn run(mode: u32, above: &[u32], row: &mut [u32]) {
    match mode {
        1 => each(above, row, |left, _, _, _| left),
        2 => each(above, row, |_, _, top, _| top),
        3 => each(above, row, |_, _, _, right| right),
        4 => each(above, row, |_, corner, _, _| corner),
        5 => each(above, row, |left, _, top, right| mean(mean(left, right), top)),
        6 => each(above, row, |left, corner, _, _| mean(left, corner)),
        7 => each(above, row, |left, _, top, _| mean(left, top)),
        8 => each(above, row, |_, corner, top, _| mean(corner, top)),
        9 => each(above, row, |_, _, top, right| mean(top, right)),
        10 => each(above, row, |left, corner, top, right| mean(mean(left, corner), mean(top, right))),
        11 => each_in_lanes(above, row, select),
        12 => each_in_lanes(above, row, |left, corner, top| clamped(left + (top + ONE * 256 - corner))),
        13 => each_in_lanes(above, row, |left, corner, top| {
            let mean = (left + top) >> 1 & CHANNELS;
            let difference = mean + ONE * 256 - corner;
            let negative = !(difference >> 8) & ONE;
            // Half of it, rounded towards zero, plus 128.
            let half = (difference + negative) >> 1 & (ONE * 0x1ff);
            clamped(mean + half + ONE * 128)
        }),
        _ => each(above, row, |_, _, _, _| BLACK),
    }
}

/// Adds to each pixel but the first what `prediction` makes of the left, above left, above and above right ones.
#[inline(always)]
fn each(above: &[u32], row: &mut [u32], prediction: impl Fn(u32, u32, u32, u32) -> u32) {
    let Some((&mut first, rest)) = row.split_first_mut() else { return };
    let mut left = first;
    for (pixel, above) in rest.iter_mut().zip(above.windows(3)) {
        left = add(*pixel, prediction(left, above[0], above[1], above[2]));
        *pixel = left;
    }
}

/// The mean of two pixels, each channel rounded down.
#[inline(always)]
fn mean(a: u32, b: u32) -> u32 {
    (((a ^ b) & 0xfefe_fefe) >> 1) + (a & b)
}

/// Does as [`each`] with pixels whose channels are kept apart, and without the one above right.
///
/// Each pixel waits for the one before, so that what counts is how long a prediction takes from the left pixel on.
#[inline(always)]
fn each_in_lanes(above: &[u32], row: &mut [u32], prediction: impl Fn(u64, u64, u64) -> u64) {
    let Some((&mut first, rest)) = row.split_first_mut() else { return };
    let (mut left, mut corner) = (spread(first), spread(above[0]));
    for (pixel, &top) in rest.iter_mut().zip(&above[1..]) {
        let top = spread(top);
        left = (prediction(left, corner, top) + spread(*pixel)) & CHANNELS;
        *pixel = gather(left);
        corner = top;
    }
}

/// The left or the upper pixel: whichever is nearer to left plus upper minus corner.
#[inline(always)]
fn select(left: u64, corner: u64, top: u64) -> u64 {
    // How far the estimate is from the left pixel is how far the upper one is from the corner. No branch: none could be
    // foretold.
    let (from_left, from_top) = (distance(top, corner), distance(left, corner));
    let takes_left = (from_left.wrapping_sub(from_top) as i64 >> 63) as u64;
    top ^ ((top ^ left) & takes_left)
}

/// 1 in each of four lanes of 16 bits.
const ONE: u64 = 0x0001_0001_0001_0001;

/// All bits of a channel in each lane.
const CHANNELS: u64 = ONE * 0xff;

/// The channels of a pixel, one in each lane.
#[inline(always)]
fn spread(pixel: u32) -> u64 {
    u64::from(pixel & 0x00ff_00ff) | u64::from(pixel >> 8 & 0x00ff_00ff) << 32
}

/// What the lanes are above 256, cut to 0..=255; they hold 0 to 767.
#[inline(always)]
fn clamped(lanes: u64) -> u64 {
    let (inside, above) = (lanes >> 8 & ONE, lanes >> 9 & ONE);
    lanes & ((inside << 8) - inside) | ((above << 8) - above)
}

/// A pixel of the channels in the lanes.
#[inline(always)]
fn gather(lanes: u64) -> u32 {
    lanes as u32 | (lanes >> 24) as u32
}

/// The sum of how much the channels of two pixels differ.
#[inline(always)]
fn distance(a: u64, b: u64) -> u64 {
    let difference = a + ONE * 256 - b;
    let negative = !(difference >> 8) & ONE;
    let absolute = ((difference ^ ((negative << 9) - negative)) + negative) & CHANNELS;
    absolute.wrapping_mul(ONE) >> 48
}
