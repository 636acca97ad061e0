//! Pixels: literals, copies and entries of the colour cache (RFC 9649, section 5.2).

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
    const CUT: Damage =
        (Reason::Truncated, std::borrow::Cow::Borrowed("the VP8L data end before the picture is whole"));
    let mut local = *reader; // in registers for a while
    let mut cache = cache.map(Cache::new);
    let mut pixels = vec![0; width * height];
    let mask = codes.tiles.as_ref().map_or(usize::MAX, |tiles| (1 << tiles.bits) - 1);
    let (mut at, mut x, mut y) = (0, 0, 0);
    let mut group = codes.at(0, 0);
    while at < pixels.len() {
        if x & mask == 0 {
            group = codes.at(x, y);
        }
        let pixel = if let Some(pixel) = group.single {
            // One pixel for all of the square, as far as it goes in this row.
            let run = (width - x).min(mask.saturating_sub(x & mask));
            pixels[at..at + run].fill(pixel);
            (at, x) = (at + run, x + run);
            if x == width { None } else { Some(pixel) }
        } else {
            local.refill();
            match group.next(&mut local) {
                Next::Pixel(pixel) => Some(pixel),
                Next::Symbol(green) if green < LITERALS => Some(group.pixel(green, &mut local)),
                Next::Symbol(symbol) if symbol < LITERALS + LENGTHS => {
                    let length = prefixed(symbol - LITERALS, &mut local);
                    let near_or_far = group.distance.read(&mut local);
                    let distance = distance(prefixed(near_or_far, &mut local), width);
                    if distance > at || length > pixels.len() - at {
                        return Err(corrupt("a VP8L copy reaches out of the picture"));
                    }
                    copy(&mut pixels, at, distance, length);
                    (at, x) = (at + length, x + length);
                    None
                }
                Next::Symbol(symbol) => {
                    let entry = symbol - LITERALS - LENGTHS;
                    let cache = cache.as_mut().ok_or(corrupt("there is no VP8L colour cache"))?;
                    Some(cache.look_up(entry, &pixels[..at]))
                }
            }
        };
        if let Some(pixel) = pixel {
            pixels[at] = pixel;
            (at, x) = (at + 1, x + 1);
        }
        if x >= width {
            (x, y) = (x % width, y + x / width);
            if local.ended() {
                return Err(CUT);
            }
            if deadline.has_passed() {
                return Err((Reason::TimeLimit, "".into()));
            }
        }
        if pixel.is_none() && at < pixels.len() {
            group = codes.at(x, y); // a copy may end anywhere
        }
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
    let from = at - distance;
    if distance >= length {
        pixels.copy_within(from..from + length, at);
    } else if distance == 1 {
        let pixel = pixels[from];
        pixels[at..at + length].fill(pixel);
    } else {
        for index in at..at + length {
            pixels[index] = pixels[index - distance];
        }
    }
}
