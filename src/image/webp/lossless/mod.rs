//! VP8L (RFC 9649), as libwebp 1.4 decodes it. Damage is an error here, and so is data that end too early.

mod bits;
mod groups;
mod pixels;
mod prefix;
mod transform;

use std::borrow::Cow;

use super::super::Reason;
use super::super::limits::Deadline;
use super::Damage;
use bits::BitReader;
use groups::{Group, LARGEST};
use pixels::{Codes, Tiles};
use transform::Transform;

/// Damage that libwebp calls a bit stream error.
const fn corrupt(detail: &'static str) -> Damage {
    (Reason::CorruptData, Cow::Borrowed(detail))
}

/// Bits of the signature, the sizes, the alpha bit and the version, which `container` has read.
const HEADER: [usize; 2] = [20, 20];

/// Rows that go through the transforms together, while they are in the processor's cache.
const BAND: usize = 16;

/// Largest number of bits of the index into the colour cache.
const LARGEST_CACHE: usize = 11;

/// Memory that a picture of that many pixels takes beside its RGB bytes and its prefix codes.
pub(super) fn memory(pixels: u64) -> u64 {
    // The pixels themselves, and three pictures of one pixel for 4 x 4.
    4 * pixels + 3 * 4 * pixels / 16
}

/// Decodes the picture that `data` begins with to `width` x `height` x 3 bytes.
///
/// `room` is asked before much memory is taken for prefix codes.
///
/// # Errors
///
/// For what libwebp rejects, where `room` refuses, and where the time is up.
pub(super) fn decode(
    data: &[u8],
    width: usize,
    height: usize,
    deadline: Deadline,
    room: impl Fn(u64) -> Result<(), Damage>,
) -> Result<Vec<u8>, Damage> {
    let mut decoder = Decoder { reader: BitReader::new(data), deadline, lengths: Vec::new() };
    HEADER.iter().for_each(|&bits| {
        decoder.reader.number(bits);
    });
    let (mut transforms, coded_width) = decoder.transforms(width, height)?;
    let pixels = decoder.picture(coded_width, height, room)?;
    let mut rgb = vec![0; 3 * width * height];
    let (mut rows, mut spare) = (Vec::new(), Vec::new());
    let bands = pixels.chunks(coded_width * BAND).zip(rgb.chunks_mut(3 * width * BAND));
    for (band, (coded, rgb)) in bands.enumerate() {
        if deadline.has_passed() {
            return Err((Reason::TimeLimit, Cow::Borrowed("")));
        }
        rows.clear();
        rows.extend_from_slice(coded);
        for transform in transforms.iter_mut().rev() {
            transform.invert(band * BAND, &mut rows, &mut spare);
        }
        for (&pixel, rgb) in rows.iter().zip(rgb.chunks_exact_mut(3)) {
            let [blue, green, red, _] = pixel.to_le_bytes();
            (rgb[0], rgb[1], rgb[2]) = (red, green, blue);
        }
    }
    Ok(rgb)
}

/// What is read from.
struct Decoder<'a> {
    reader: BitReader<'a>,
    deadline: Deadline,
    /// Memory for the lengths of a prefix code.
    lengths: Vec<u8>,
}

impl Decoder<'_> {
    /// Reads the transforms, and how wide the coded picture is, which a palette makes narrower (section 4).
    fn transforms(&mut self, width: usize, height: usize) -> Result<(Vec<Transform>, usize), Damage> {
        let mut transforms = Vec::new();
        let mut coded_width = width;
        let mut seen = [false; 4];
        while self.reader.flag() {
            let kind = self.reader.number(2);
            if std::mem::replace(&mut seen[kind], true) {
                return Err(corrupt("a VP8L transform is there twice"));
            }
            transforms.push(match kind {
                0 | 1 => {
                    let bits = self.reader.number(3) + 2;
                    let columns = tiles(coded_width, bits);
                    let codes = self.part(columns, tiles(height, bits))?;
                    let tiles = Tiles { bits, columns, values: codes };
                    let width = coded_width;
                    if kind == 0 { Transform::predict(width, tiles) } else { Transform::Color { width, tiles } }
                }
                2 => Transform::AddGreen,
                _ => {
                    let count = self.reader.number(8) + 1;
                    let colors = self.part(count, 1)?;
                    let transform = Transform::palette(coded_width, colors);
                    if let Transform::Palette { bits, .. } = transform {
                        coded_width = tiles(coded_width, bits);
                    }
                    transform
                }
            });
        }
        Ok((transforms, coded_width))
    }

    /// Reads a picture that serves the main one: with one group of codes, and without transforms.
    fn part(&mut self, width: usize, height: usize) -> Result<Vec<u32>, Damage> {
        let cache = self.cache()?;
        let group = Group::read(&mut self.reader, cache, &mut self.lengths)?;
        let codes = Codes { groups: vec![group], tiles: None };
        pixels::read(&mut self.reader, width, height, &codes, cache, self.deadline)
    }

    /// Reads the main picture.
    fn picture(
        &mut self,
        width: usize,
        height: usize,
        room: impl Fn(u64) -> Result<(), Damage>,
    ) -> Result<Vec<u32>, Damage> {
        let cache = self.cache()?;
        let codes = self.codes(width, height, cache, room)?;
        pixels::read(&mut self.reader, width, height, &codes, cache, self.deadline)
    }

    /// Reads how many bits the index into the colour cache has, if there is a cache (section 5.2.3).
    fn cache(&mut self) -> Result<Option<usize>, Damage> {
        if !self.reader.flag() {
            return Ok(None);
        }
        match self.reader.number(4) {
            bits @ 1..=LARGEST_CACHE => Ok(Some(bits)),
            _ => Err(corrupt("the VP8L colour cache has no size that is allowed")),
        }
    }

    /// Reads the groups of codes of the main picture, and which part of it each is for (section 6.2.2).
    ///
    /// A group that no part of the picture names must still be right, but is not kept.
    fn codes(
        &mut self,
        width: usize,
        height: usize,
        cache: Option<usize>,
        room: impl Fn(u64) -> Result<(), Damage>,
    ) -> Result<Codes, Damage> {
        if !self.reader.flag() {
            let groups = vec![Group::read(&mut self.reader, cache, &mut self.lengths)?];
            return Ok(Codes { groups, tiles: None });
        }
        let bits = self.reader.number(3) + 2;
        let columns = tiles(width, bits);
        let mut values = self.part(columns, tiles(height, bits))?;
        values.iter_mut().for_each(|value| *value = *value >> 8 & 0xffff);
        let count = values.iter().max().map_or(0, |&last| last as usize + 1);
        let mut places = vec![None; count];
        let mut used = 0;
        for value in &mut values {
            *value = *places[*value as usize].get_or_insert_with(|| {
                used += 1;
                used - 1
            });
        }
        room(u64::from(used) * LARGEST)?;
        let mut groups = vec![None; used as usize];
        for place in places {
            if self.deadline.has_passed() {
                return Err((Reason::TimeLimit, "".into()));
            }
            let group = Group::read(&mut self.reader, cache, &mut self.lengths)?;
            if let Some(place) = place {
                groups[place as usize] = Some(group);
            }
        }
        // Every place was named by some value, so that none is empty.
        Ok(Codes { groups: groups.into_iter().flatten().collect(), tiles: Some(Tiles { bits, columns, values }) })
    }
}

/// How many squares of `2^bits` pixels cover `length`.
fn tiles(length: usize, bits: usize) -> usize {
    length.div_ceil(1 << bits)
}
