//! Small pictures that lie in the page itself.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use crate::image::{Accept, Limits, Picture, Policy, load};
use crate::results::{FileReport, Verdict};
use crate::util::parallel;

/// Pixels of the longer side: sharp at the size at which the page shows it, 3 kB as a JPEG.
const SIDE: usize = 96;
/// Quality of the JPEG, 1 to 100: at that size what is lost is not seen.
const QUALITY: u8 = 70;
/// A picture of more pixels is not decoded for its thumbnail: it may have been rejected for its size.
const MOST_PIXELS: u64 = 1 << 26;

/// Bytes of base64 after which no further thumbnail is made: enough for 2,000 photos.
const BUDGET: usize = 8_000_000;

/// The thumbnails of some of a report's files.
pub(super) struct Thumbnails {
    by_file: HashMap<usize, String>,
    /// Files that should have one, rejected ones apart, of which no picture came.
    pub(super) gone: usize,
    /// Files that went without one because the page would have become too large.
    pub(super) left_out: usize,
}

impl Thumbnails {
    /// Makes them for these files of a report, those first that come first.
    pub(super) fn of(files: &[FileReport], wanted: impl Iterator<Item = usize>, threads: usize) -> Self {
        let mut seen = HashSet::new();
        let wanted: Vec<usize> = wanted.filter(|file| seen.insert(*file)).collect();
        let mut thumbnails = Self { by_file: HashMap::new(), gone: 0, left_out: 0 };
        let (mut made, mut bytes) = (0, 0);
        let make = |(): &mut (), number: usize| {
            let file = &files[wanted[number]];
            thumbnail(&file.quarantined.as_ref().map_or_else(|| file.to_path(), PathBuf::from))
        };
        // It ends early, or it does not: either way what is there is there.
        let _ = parallel::ordered(wanted.len(), vec![(); threads], make, |thumbnail| {
            let file = wanted[made];
            made += 1;
            bytes += thumbnail.as_ref().map_or(0, String::len);
            match thumbnail {
                Some(thumbnail) => drop(thumbnails.by_file.insert(file, thumbnail)),
                None if files[file].finding.verdict == Verdict::Accepted => thumbnails.gone += 1,
                None => {}
            }
            if bytes < BUDGET { Ok(()) } else { Err(()) }
        });
        thumbnails.left_out = wanted.len() - made;
        thumbnails
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_file.len()
    }

    /// That of a file, in base64.
    pub(super) fn get(&self, file: usize) -> Option<&str> {
        self.by_file.get(&file).map(String::as_str)
    }
}

/// A thumbnail of the photo at `path`, as the network sees it: a JPEG in base64. `None` where no picture comes out of the file.
pub(super) fn thumbnail(path: &Path) -> Option<String> {
    let limits = Limits { pixels: Some(MOST_PIXELS), ..Limits::default() };
    let loaded = load(path, Policy { accept: Accept::TensorFlow, limits }).ok()?;
    encode(&shrink(&loaded.picture))
}

/// The mean of the pixels that each pixel of the thumbnail covers; small pictures stay as they are.
fn shrink(picture: &Picture) -> Picture {
    let longer = picture.width.max(picture.height).max(SIDE);
    let [width, height] = [picture.width, picture.height].map(|side| (side * SIDE / longer).max(1));
    let mut rgb = Vec::with_capacity(width * height * 3);
    let covered = |at: usize, to: usize, from: usize| at * from / to..(at + 1) * from / to;
    for y in 0..height {
        for x in 0..width {
            let (rows, columns) = (covered(y, height, picture.height), covered(x, width, picture.width));
            let count = rows.len() * columns.len();
            let mut sums = [0usize; 3];
            for row in rows {
                let pixels = &picture.rgb[(row * picture.width + columns.start) * 3..][..columns.len() * 3];
                for pixel in pixels.chunks_exact(3) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += usize::from(*value));
                }
            }
            rgb.extend(sums.map(|sum| ((sum + count / 2) / count) as u8));
        }
    }
    Picture { width, height, format: picture.format, rgb }
}

fn encode(picture: &Picture) -> Option<String> {
    let [width, height] = [picture.width, picture.height].map(|side| u32::try_from(side).unwrap_or_default());
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    encoder.encode(&picture.rgb, width, height, ExtendedColorType::Rgb8).ok()?;
    Some(base64(&jpeg))
}

/// RFC 4648, with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = DIGITS[(bits >> (18 - 6 * digit)) as usize & 63];
            text.push(if digit <= chunk.len() { char::from(value) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Format, decode};

    #[test]
    fn base64_is_that_of_the_rfc() {
        let encoded = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));

        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn a_thumbnail_keeps_proportions_and_colours() {
        let (width, height) = (1000, 501);
        let colour = |at: usize| if at % width < 500 { [200, 40, 40] } else { [40, 40, 200] };
        let rgb = (0..width * height).flat_map(colour).collect();

        let small = shrink(&Picture { width, height, format: Format::Png, rgb });

        assert_eq!((small.width, small.height), (96, 48));
        assert_eq!((&small.rgb[..3], &small.rgb[95 * 3..96 * 3]), (&[200, 40, 40][..], &[40, 40, 200][..]));
    }

    #[test]
    fn a_picture_of_any_shape_becomes_a_thumbnail() {
        for (width, height) in [(1, 1), (1, 5000), (5000, 1), (96, 96), (97, 3)] {
            let picture = Picture { width, height, format: Format::Png, rgb: vec![77; width * height * 3] };
            let small = shrink(&picture);
            assert!(small.width.max(small.height) == SIDE.min(width.max(height)), "{width} x {height}: {small:?}");
            assert!(small.rgb.iter().all(|value| *value == 77));
            assert!(encode(&small).is_some(), "{small:?}");
        }
    }

    #[test]
    fn a_photo_s_thumbnail_is_a_small_jpeg() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/photos/Cat/chelsea.jpg");

        let encoded = thumbnail(&path).expect("a picture");

        assert!(encoded.starts_with("/9j/") && encoded.len() < 8_000, "{} bytes", encoded.len());
        assert_eq!(thumbnail(Path::new("examples/photos/Cat/666.jpg")), None);
        let picture = Picture { width: 2, height: 2, format: Format::Png, rgb: vec![99; 12] };
        let mut jpeg = Vec::new();
        JpegEncoder::new(&mut jpeg).encode(&picture.rgb, 2, 2, ExtendedColorType::Rgb8).expect("encoded");
        assert_eq!(decode(&jpeg, Accept::Strict).expect("our decoder takes it").rgb.len(), 12);
    }
}
