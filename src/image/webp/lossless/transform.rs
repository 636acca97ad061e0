//! The transforms of a whole picture, backwards (RFC 9649, section 4).

use super::pixels::Tiles;

/// What was done to the pixels before they were coded.
pub(super) enum Transform {
    /// Each pixel is a difference from a prediction.
    Predict { width: usize, tiles: Tiles },
    /// Red and blue are differences from parts of green and red.
    Color { width: usize, tiles: Tiles },
    /// Red and blue are differences from green.
    AddGreen,
    /// Green is an index into a palette; of small ones, several are packed into a pixel.
    Palette { width: usize, height: usize, bits: usize, colors: Vec<u32> },
}

impl Transform {
    /// The palette of `colors`, each of which is a difference from the one before.
    pub(super) fn palette(width: usize, height: usize, mut colors: Vec<u32>) -> Self {
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
        Self::Palette { width, height, bits, colors }
    }

    /// How wide the picture is where the palette's indices are packed.
    pub(super) fn packed_width(&self) -> usize {
        match self {
            Self::Palette { width, bits, .. } => super::tiles(*width, *bits),
            Self::Predict { width, .. } | Self::Color { width, .. } => *width,
            Self::AddGreen => 0,
        }
    }

    /// Undoes the transform.
    pub(super) fn invert(&self, mut pixels: Vec<u32>) -> Vec<u32> {
        match self {
            Self::Predict { width, tiles } => predict(&mut pixels, *width, tiles),
            Self::Color { width, tiles } => color(&mut pixels, *width, tiles),
            Self::AddGreen => pixels.iter_mut().for_each(|pixel| *pixel = add(*pixel, green(*pixel) * 0x0001_0001)),
            Self::Palette { width, height, bits, colors } => {
                if *bits == 0 {
                    pixels.iter_mut().for_each(|pixel| *pixel = colors[green(*pixel) as usize]);
                } else {
                    return unpack(&pixels, *width, *height, *bits, colors);
                }
            }
        }
        pixels
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
fn unpack(packed: &[u32], width: usize, height: usize, bits: usize, colors: &[u32]) -> Vec<u32> {
    let mut pixels = vec![0; width * height];
    let index_bits = 8 >> bits;
    let rows = packed.chunks_exact(super::tiles(width, bits)).zip(pixels.chunks_exact_mut(width));
    for (packed, row) in rows {
        for (&packed, pixels) in packed.iter().zip(row.chunks_mut(1 << bits)) {
            let mut indices = green(packed) as usize;
            for pixel in pixels {
                *pixel = colors[indices & (colors.len() - 1)];
                indices >>= index_bits;
            }
        }
    }
    pixels
}

/// Undoes the colour transform (section 4.2).
fn color(pixels: &mut [u32], width: usize, tiles: &Tiles) {
    for (y, row) in pixels.chunks_exact_mut(width).enumerate() {
        let (codes, length) = tiles.row(y);
        for (code, pixels) in codes.iter().zip(row.chunks_mut(length)) {
            let [green_to_red, green_to_blue, red_to_blue, _] = code.to_le_bytes();
            let part = |factor: u8, channel: u8| ((i32::from(factor as i8) * i32::from(channel as i8)) >> 5) as u8;
            for pixel in pixels {
                let [blue, green, red, alpha] = pixel.to_le_bytes();
                let red = red.wrapping_add(part(green_to_red, green));
                let blue = blue.wrapping_add(part(green_to_blue, green)).wrapping_add(part(red_to_blue, red));
                *pixel = u32::from_le_bytes([blue, green, red, alpha]);
            }
        }
    }
}

/// Undoes the prediction (section 4.1).
fn predict(pixels: &mut [u32], width: usize, tiles: &Tiles) {
    const BLACK: u32 = 0xff00_0000;
    let mut rows = pixels.chunks_exact_mut(width);
    let Some(first) = rows.next() else { return };
    let mut left = BLACK;
    for pixel in first.iter_mut() {
        left = add(*pixel, left);
        *pixel = left;
    }
    // The row above, and after it the first pixel of the row itself: what is right above the last pixel.
    let mut above = first.to_vec();
    above.push(0);
    for (y, row) in (1..).zip(rows) {
        let (modes, length) = tiles.row(y);
        row[0] = add(row[0], above[0]);
        above[width] = row[0];
        let mut x = 1;
        for (index, &mode) in modes.iter().enumerate() {
            let end = ((index + 1) * length).min(width);
            if x < end {
                run(green(mode) & 15, &above[x - 1..=end], &mut row[x - 1..end]);
            }
            x = end.max(1);
        }
        above[..width].copy_from_slice(row);
    }
}

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
        11 => each(above, row, select),
        12 => each(above, row, |left, corner, top, _| {
            channels(left, top, corner, |left, top, corner| left + top - corner)
        }),
        13 => each(above, row, |left, corner, top, _| {
            let mean = mean(left, top);
            channels(mean, corner, 0, |mean, corner, _| mean + (mean - corner) / 2)
        }),
        _ => each(above, row, |_, _, _, _| 0xff00_0000),
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

/// The left or the upper pixel: whichever is nearer to left plus upper minus corner.
#[inline(always)]
fn select(left: u32, corner: u32, top: u32, _: u32) -> u32 {
    let distance = |a: u32, b: u32| -> i32 {
        a.to_le_bytes().iter().zip(b.to_le_bytes()).map(|(&a, b)| i32::from(a.abs_diff(b))).sum()
    };
    // How far the estimate is from the left pixel is how far the upper one is from the corner.
    if distance(top, corner) < distance(left, corner) { left } else { top }
}

/// A pixel whose channels are each made of those of three others, and cut to 0..=255.
#[inline(always)]
fn channels(a: u32, b: u32, c: u32, value: impl Fn(i16, i16, i16) -> i16) -> u32 {
    let [a, b, c] = [a, b, c].map(u32::to_le_bytes);
    let mut out = [0; 4];
    for index in 0..4 {
        out[index] = value(a[index].into(), b[index].into(), c[index].into()).clamp(0, 255) as u8;
    }
    u32::from_le_bytes(out)
}
