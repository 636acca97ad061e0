//! Pixels: literals, copies and entries of the colour cache (RFC 9649, section 5.2).

use std::borrow::Cow;

use super::super::super::Reason;
use super::super::super::limits::Deadline;
use super::super::Damage;
use super::bits::BitReader;
use super::corrupt;
use super::groups::{Group, LENGTHS, LITERALS, Next};

/// Columns to the left and rows up of the pixels that have a short code as the source of a copy.
#[rustfmt::skip]
const NEAR: [(i8, u8); 120] = [
    (0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2), (2, 1), (-2, 1),
    (2, 2), (-2, 2), (0, 3), (3, 0), (1, 3), (-1, 3), (3, 1), (-3, 1), (2, 3), (-2, 3),
    (3, 2), (-3, 2), (0, 4), (4, 0), (1, 4), (-1, 4), (4, 1), (-4, 1), (3, 3), (-3, 3),
    (2, 4), (-2, 4), (4, 2), (-4, 2), (0, 5), (3, 4), (-3, 4), (4, 3), (-4, 3), (5, 0),
    (1, 5), (-1, 5), (5, 1), (-5, 1), (2, 5), (-2, 5), (5, 2), (-5, 2), (4, 4), (-4, 4),
    (3, 5), (-3, 5), (5, 3), (-5, 3), (0, 6), (6, 0), (1, 6), (-1, 6), (6, 1), (-6, 1),
    (2, 6), (-2, 6), (6, 2), (-6, 2), (4, 5), (-4, 5), (5, 4), (-5, 4), (3, 6), (-3, 6),
    (6, 3), (-6, 3), (0, 7), (7, 0), (1, 7), (-1, 7), (5, 5), (-5, 5), (7, 1), (-7, 1),
    (4, 6), (-4, 6), (6, 4), (-6, 4), (2, 7), (-2, 7), (7, 2), (-7, 2), (3, 7), (-3, 7),
    (7, 3), (-7, 3), (5, 6), (-5, 6), (6, 5), (-6, 5), (8, 0), (4, 7), (-4, 7), (7, 4),
    (-7, 4), (8, 1), (8, 2), (6, 6), (-6, 6), (8, 3), (5, 7), (-5, 7), (7, 5), (-7, 5),
    (8, 4), (6, 7), (-6, 7), (7, 6), (-7, 6), (8, 5), (7, 7), (-7, 7), (8, 6), (8, 7),
];

/// A value for each square of `2^bits` pixels.
#[derive(Clone, Debug)]
pub(super) struct Tiles {
    pub(super) bits: usize,
    /// Squares in a row.
    pub(super) columns: usize,
    pub(super) values: Vec<u32>,
}

impl Tiles {
    /// The value for a pixel.
    #[inline(always)]
    pub(super) fn at(&self, x: usize, y: usize) -> u32 {
        self.values[(y >> self.bits) * self.columns + (x >> self.bits)]
    }

    /// The values of a row of pixels, and how many pixels each is for; the last may be for fewer.
    pub(super) fn row(&self, y: usize) -> (&[u32], usize) {
        (&self.values[(y >> self.bits) * self.columns..][..self.columns], 1 << self.bits)
    }
}

/// The codes of a picture, and where each is used: everywhere, if nothing is said.
pub(super) struct Codes {
    pub(super) groups: Vec<Group>,
    pub(super) tiles: Option<Tiles>,
}

impl Codes {
    fn at(&self, x: usize, y: usize) -> &Group {
        let index = self.tiles.as_ref().map_or(0, |tiles| tiles.at(x, y) as usize);
        &self.groups[index]
    }
}

/// The colours seen last, by a hash (section 5.2.3). Pixels are entered when the cache is next asked.
struct Cache {
    colors: Vec<u32>,
    shift: u32,
    /// How many pixels of the picture are entered.
    entered: usize,
}

impl Cache {
    fn new(bits: usize) -> Self {
        Self { colors: vec![0; 1 << bits], shift: 32 - bits as u32, entered: 0 }
    }

    /// An entry after all of `pixels`.
    fn look_up(&mut self, entry: usize, pixels: &[u32]) -> u32 {
        for &pixel in &pixels[self.entered..] {
            self.colors[(pixel.wrapping_mul(0x1e35_a7bd) >> self.shift) as usize] = pixel;
        }
        self.entered = pixels.len();
        self.colors[entry]
    }
}

/// Reads the pixels of a picture.
///
/// # Errors
///
/// For copies from before the first pixel or past the last, for data that end too early, and where the time is up.
pub(super) fn read(
    reader: &mut BitReader,
    width: usize,
    height: usize,
    codes: &Codes,
    cache: Option<usize>,
    deadline: Deadline,
) -> Result<Vec<u32>, Damage> {
    const CUT: Damage = (Reason::Truncated, Cow::Borrowed("the VP8L data end before the picture is whole"));
    let mut local = *reader; // in registers for a while
    let mut cache = cache.map(Cache::new);
    let mut pixels = vec![0; width * height];
    let mask = codes.tiles.as_ref().map_or(usize::MAX, |tiles| (1 << tiles.bits) - 1);
    let (mut at, mut row) = (0, 0);
    let mut end = 0; // of what is read with `group` in this row
    let mut group = codes.at(0, 0);
    while at < pixels.len() {
        if at >= end {
            if local.ended() {
                return Err(CUT);
            }
            let (x, y) = (at % width, at / width);
            if y != row && deadline.has_passed() {
                return Err((Reason::TimeLimit, Cow::Borrowed("")));
            }
            row = y;
            end = at - x + (x | mask).min(width - 1) + 1;
            group = codes.at(x, y);
            if let Some(pixel) = group.single {
                pixels[at..end].fill(pixel);
                at = end;
                continue;
            }
        }
        local.refill();
        let pixel = match group.next(&mut local) {
            Next::Pixel(pixel) => pixel,
            Next::Symbol(green) if green < LITERALS => group.pixel(green, &mut local),
            Next::Symbol(symbol) if symbol < LITERALS + LENGTHS => {
                let length = prefixed(symbol - LITERALS, &mut local);
                let near_or_far = group.distance.read(&mut local);
                let distance = distance(prefixed(near_or_far, &mut local), width);
                if distance > at || length > pixels.len() - at {
                    return Err(corrupt("a VP8L copy reaches out of the picture"));
                }
                copy(&mut pixels, at, distance, length);
                at += length;
                continue;
            }
            Next::Symbol(symbol) => {
                let cache = cache.as_mut().ok_or(corrupt("there is no VP8L colour cache"))?;
                cache.look_up(symbol - LITERALS - LENGTHS, &pixels[..at])
            }
        };
        pixels[at] = pixel;
        at += 1;
    }
    *reader = local;
    if local.ended() { Err(CUT) } else { Ok(pixels) }
}

/// Reads the rest of a length or of a distance that begins with a prefix (section 5.2.2).
#[inline(always)]
fn prefixed(prefix: usize, reader: &mut BitReader) -> usize {
    if prefix < 4 {
        return prefix + 1;
    }
    let bits = (prefix - 2) >> 1;
    ((2 + (prefix & 1)) << bits) + reader.number(bits) + 1
}

/// How far back a copy begins whose distance has the code `code`, 1 and more.
#[inline(always)]
fn distance(code: usize, width: usize) -> usize {
    match NEAR.get(code - 1) {
        Some(&(left, up)) => (usize::from(up) * width).saturating_add_signed(left.into()).max(1),
        None => code - NEAR.len(),
    }
}

/// Copies `length` pixels from `distance` before `at`; these may be copies themselves.
#[inline(always)]
fn copy(pixels: &mut [u32], at: usize, distance: usize, length: usize) {
    const STEP: usize = 4;
    let from = at - distance;
    if distance == 1 {
        let pixel = pixels[from];
        pixels[at..at + length].fill(pixel);
    } else if distance >= STEP && at + length + STEP <= pixels.len() {
        // Most copies are short: whole steps are faster, and what they write too much is overwritten by what follows.
        let mut done = 0;
        while done < length {
            let mut step = [0; STEP];
            step.copy_from_slice(&pixels[from + done..][..STEP]);
            pixels[at + done..][..STEP].copy_from_slice(&step);
            done += STEP;
        }
    } else {
        for index in at..at + length {
            pixels[index] = pixels[index - distance];
        }
    }
}
