//! From a picture of any size to the square that a network wants.
//!
//! [`tf_bilinear`] equals `tf.image.resize(pixels, (side, side))` bit for bit; the antialiased recipes serve weights
//! that were trained with torchvision's or timm's preprocessing.

use std::fmt;

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::F32x3,
};
use serde::{Deserialize, Serialize};

use super::Picture;

/// How a picture becomes a square: part of the preprocessing that travels with the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// `tf.image.resize(..., method="bilinear", antialias=False)`, bit for bit.
    #[default]
    TfBilinear,
    /// A triangle filter as wide as the scale (torchvision's and PIL's `BILINEAR`).
    AntialiasBilinear,
    /// A cubic filter with a = -0.5 as wide as the scale (torchvision's and PIL's `BICUBIC`).
    AntialiasBicubic,
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TfBilinear => "tf-bilinear",
            Self::AntialiasBilinear => "antialias-bilinear",
            Self::AntialiasBicubic => "antialias-bicubic",
        })
    }
}

impl Recipe {
    /// Names the filter and the program that has it, for a line that people read.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::TfBilinear => "bilinear as tf.image.resize",
            Self::AntialiasBilinear => "bilinear with antialiasing as PIL",
            Self::AntialiasBicubic => "bicubic with antialiasing as PIL",
        }
    }

    /// Scales the whole `picture` to `side` x `side`, without keeping its proportions.
    ///
    /// Returns `side * side * 3` values, row-major, red green blue, in 0..255, neither rounded nor clipped (the cubic
    /// filter overshoots a little).
    #[must_use]
    pub fn resize(&self, picture: &Picture, side: usize) -> Vec<f32> {
        match self {
            Self::TfBilinear => {
                let mut out = Vec::new();
                tf_bilinear(&picture.rgb, picture.width, picture.height, side, &mut out);
                out
            }
            Self::AntialiasBilinear => convolve(picture, side, FilterType::Bilinear),
            Self::AntialiasBicubic => convolve(picture, side, FilterType::CatmullRom),
        }
    }
}

/// Rows that are scaled in x together: a multiple of the four that the kernels take at a time, so that strips give the
/// bits of the whole picture.
const STRIP: usize = 64;

/// Scales with a filter that widens with the scale, in f32: first in x, strip by strip, because a whole picture in f32
/// takes four times the memory of its bytes; then in y.
fn convolve(picture: &Picture, side: usize, filter: FilterType) -> Vec<f32> {
    let pixel = |rgb: &[u8]| F32x3::new([f32::from(rgb[0]), f32::from(rgb[1]), f32::from(rgb[2])]);
    let length = |pixels: usize| u32::try_from(pixels).expect("decode limits the sides, and a network's are short");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
    let mut resizer = Resizer::new();
    let mut resize = |pixels: &[F32x3], (width, height): (usize, usize), target: &mut TypedImage<F32x3>| {
        let source = TypedImageRef::new(length(width), length(height), pixels).expect("width x height pixels");
        resizer.resize_typed(&source, target, &options).expect("both images have a non-zero size");
    };

    let mut columns = Vec::with_capacity(side * picture.height);
    for strip in picture.rgb.chunks(STRIP * picture.width * 3) {
        let pixels: Vec<F32x3> = strip.chunks_exact(3).map(pixel).collect();
        let height = pixels.len() / picture.width;
        let mut scaled = TypedImage::new(length(side), length(height));
        resize(&pixels, (picture.width, height), &mut scaled);
        columns.extend_from_slice(scaled.pixels());
    }
    let mut target = TypedImage::new(length(side), length(side));
    resize(&columns, (side, picture.height), &mut target);
    target.pixels().iter().flat_map(|pixel| pixel.0).collect()
}

/// Resizes an RGB picture to `side` x `side`, bit for bit as `tf.image.resize(img, (side, side))` does.
///
/// `rgb` is `height` x `width` x 3, row-major, 0..=255. `out` is emptied and gets `side * side * 3` values in the same
/// layout and range, neither rounded nor clipped. Source: half-pixel bilinear without antialiasing, in f32, without
/// fused multiply-add (fusing changes the last bit of 159 of 171 test pictures).
///
/// # Panics
///
/// When `rgb` is not `height * width * 3` long or a length is zero.
pub fn tf_bilinear(rgb: &[u8], width: usize, height: usize, side: usize, out: &mut Vec<f32>) {
    assert!(width > 0 && height > 0 && side > 0, "a picture and its target have at least one pixel");
    assert_eq!(rgb.len(), width * height * 3, "a picture is height x width x 3 bytes");
    out.clear();
    if width == side && height == side {
        out.extend(rgb.iter().map(|&value| f32::from(value)));
        return;
    }
    out.reserve(side * side * 3);

    let columns = Columns::new(width, side);
    // Every source row is scaled in x at most once: going down, an output row needs the last two rows or newer ones.
    let mut upper = Row::new(side);
    let mut lower = Row::new(side);
    for Weight { low, high, fraction } in weights(height, side) {
        let source = |row: usize| &rgb[row * width * 3..][..width * 3];
        if lower.source == Some(low) {
            std::mem::swap(&mut upper, &mut lower);
        }
        upper.fill(low, source(low), &columns);
        if high == low {
            // The lower row is the upper one: the formula would add its difference of exactly zero.
            out.extend_from_slice(upper.pixels());
            continue;
        }
        lower.fill(high, source(high), &columns);
        let blend = |(&top, &bottom): (&f32, &f32)| top + (bottom - top) * fraction;
        out.extend(upper.pixels().iter().zip(lower.pixels()).map(blend));
    }
}

/// Where the samples of an output row come from, which is the same for all rows.
struct Columns {
    samples: Vec<Sample>,
}

/// Where one pixel comes from.
struct Sample {
    /// Byte offset of the pixel at its left.
    left: usize,
    /// Byte offset of the pixel at its right.
    right: usize,
    /// How far it is from the first.
    fraction: f32,
}

impl Columns {
    fn new(width: usize, side: usize) -> Self {
        let sample = |Weight { low, high, fraction }| Sample { left: low * 3, right: high * 3, fraction };
        Self { samples: weights(width, side).into_iter().map(sample).collect() }
    }
}

/// One source row, scaled in x.
struct Row {
    /// Which source row this is.
    source: Option<usize>,
    /// The scaled pixels, and one value more.
    values: Vec<f32>,
}

impl Row {
    fn new(side: usize) -> Self {
        Self { source: None, values: vec![0.0; side * 3 + 1] }
    }

    fn pixels(&self) -> &[f32] {
        &self.values[..self.values.len() - 1]
    }

    /// Makes this the source row `index`, whose pixels are `rgb`.
    fn fill(&mut self, index: usize, rgb: &[u8], columns: &Columns) {
        if self.source == Some(index) {
            return;
        }
        self.source = Some(index);
        // Four values are one vector; the next pixel overwrites the fourth, which the picture's last pixel has not.
        let inner = columns.samples.partition_point(|sample| sample.right + 4 <= rgb.len());
        for (at, sample) in columns.samples.iter().enumerate() {
            if at < inner {
                let out = between::<4>(&rgb[sample.left..], &rgb[sample.right..], sample.fraction);
                self.values[at * 3..][..4].copy_from_slice(&out);
            } else {
                let out = between::<3>(&rgb[sample.left..], &rgb[sample.right..], sample.fraction);
                self.values[at * 3..][..3].copy_from_slice(&out);
            }
        }
    }
}

/// The first values between two pixels.
#[inline(always)]
fn between<const N: usize>(left: &[u8], right: &[u8], fraction: f32) -> [f32; N] {
    // Two checks of bounds instead of two per value.
    let (left, right) = (&left[..N], &right[..N]);
    std::array::from_fn(|at| {
        let (left, right) = (f32::from(left[at]), f32::from(right[at]));
        left + (right - left) * fraction
    })
}

/// Which two source samples an output sample lies between, and how far from the first.
struct Weight {
    low: usize,
    high: usize,
    fraction: f32,
}

/// TensorFlow's half-pixel mapping of `to` output samples onto `from` source samples.
fn weights(from: usize, to: usize) -> Vec<Weight> {
    let scale = from as f32 / to as f32;
    (0..to)
        .map(|index| {
            let position = (index as f32 + 0.5) * scale - 0.5;
            let floor = position.floor();
            Weight {
                low: floor.max(0.0) as usize,
                high: (position.ceil() as usize).min(from - 1),
                fraction: position - floor,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula of `tf.image.resize`, one output value at a time.
    fn plainly(rgb: &[u8], width: usize, height: usize, side: usize) -> Vec<f32> {
        let pixel = |x: usize, y: usize, channel: usize| f32::from(rgb[(y * width + x) * 3 + channel]);
        let mut out = Vec::new();
        for row in weights(height, side) {
            for column in weights(width, side) {
                for channel in 0..3 {
                    let across = |y| {
                        let (left, right) = (pixel(column.low, y, channel), pixel(column.high, y, channel));
                        left + (right - left) * column.fraction
                    };
                    let (top, bottom) = (across(row.low), across(row.high));
                    out.push(top + (bottom - top) * row.fraction);
                }
            }
        }
        out
    }

    /// Bytes that look random.
    fn noise(count: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn tf_bilinear_equals_the_plain_formula_in_every_bit() {
        for (width, height, side) in [(1, 1, 5), (2, 9, 7), (500, 3, 224), (37, 41, 224), (300, 280, 224), (64, 64, 64)]
        {
            let rgb = noise(width * height * 3);
            let mut out = vec![9.0; 3];

            tf_bilinear(&rgb, width, height, side, &mut out);

            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&out), bits(&plainly(&rgb, width, height, side)), "{width} x {height} to {side}");
        }
    }

    #[test]
    fn the_antialiased_recipes_keep_a_flat_picture_flat() {
        let picture = Picture { width: 50, height: 31, format: crate::image::Format::Png, rgb: vec![77; 50 * 31 * 3] };

        for recipe in [Recipe::TfBilinear, Recipe::AntialiasBilinear, Recipe::AntialiasBicubic] {
            let out = recipe.resize(&picture, 20);

            assert_eq!(out.len(), 20 * 20 * 3);
            assert!(out.iter().all(|value| (value - 77.0).abs() < 1e-3), "{recipe:?}");
        }
    }

    #[test]
    fn scaling_in_strips_gives_the_bits_of_the_whole_picture() {
        for (width, height, side) in [(50, 31, 20), (300, 641, 224), (224, 500, 224), (20, 130, 64)] {
            let rgb = noise(width * height * 3);
            let pixels: Vec<f32> = rgb.iter().map(|&value| f32::from(value)).collect();
            let pixels: Vec<F32x3> = pixels.chunks_exact(3).map(|p| F32x3::new([p[0], p[1], p[2]])).collect();
            let source = TypedImageRef::new(width as u32, height as u32, &pixels).expect("width x height pixels");
            let mut whole = TypedImage::new(side as u32, side as u32);
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
            Resizer::new().resize_typed(&source, &mut whole, &options.use_alpha(false)).expect("not empty");

            let picture = Picture { width, height, format: crate::image::Format::Png, rgb };
            let strips = Recipe::AntialiasBicubic.resize(&picture, side);

            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let whole: Vec<f32> = whole.pixels().iter().flat_map(|pixel| pixel.0).collect();
            assert_eq!(bits(&strips), bits(&whole), "{width} x {height} to {side}");
        }
    }

    #[test]
    fn recipes_have_stable_names() {
        let names = [Recipe::TfBilinear, Recipe::AntialiasBilinear, Recipe::AntialiasBicubic]
            .map(|recipe| serde_json::to_string(&recipe).expect("a unit variant serialises"));

        assert_eq!(names, ["\"tf-bilinear\"", "\"antialias-bilinear\"", "\"antialias-bicubic\""]);
    }
}
