//! Groups of five prefix codes, and how they are written (RFC 9649, section 6.2).

use std::borrow::Cow;

use super::super::super::Reason;
use super::super::Damage;
use super::bits::BitReader;
use super::prefix::PrefixCode;

/// Values of a channel.
pub(super) const LITERALS: usize = 256;

/// Prefixes of lengths.
pub(super) const LENGTHS: usize = 24;

/// Prefixes of distances.
const DISTANCES: usize = 40;

/// The order in which the lengths of the code of lengths are written.
const LENGTH_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Bits of the table that has whole pixels.
const PACKED: usize = 6;

/// Marks an entry of that table which is only a green symbol that is no literal.
const NOT_A_PIXEL: u32 = 1 << 8;

/// Bytes that the tables of a group can take, at most: those of five codes of the largest alphabets, and the rest.
pub(super) const LARGEST: u64 = 4 * (3 * 630 + 410 + 2704) + 2048;

/// The five codes that a part of the picture is written with.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Green, lengths and entries of the colour cache.
    pub(super) green: PrefixCode,
    pub(super) red: PrefixCode,
    pub(super) blue: PrefixCode,
    pub(super) alpha: PrefixCode,
    pub(super) distance: PrefixCode,
    /// Red, blue and alpha, where these take no bits.
    pub(super) constant: Option<u32>,
    /// The only pixel there is, where no code takes bits.
    pub(super) single: Option<u32>,
    /// All pixels whose codes fit into [`PACKED`] bits, if all do.
    packed: Vec<(u32, u32)>,
}

/// What begins with the next bits.
pub(super) enum Next {
    /// A pixel.
    Pixel(u32),
    /// A symbol of green, which may be a literal.
    Symbol(usize),
}

impl Group {
    /// Reads the five codes; the colour cache has `2^cache` entries, if any.
    pub(super) fn read(reader: &mut BitReader, cache: Option<usize>, lengths: &mut Vec<u8>) -> Result<Self, Damage> {
        let greens = LITERALS + LENGTHS + cache.map_or(0, |bits| 1 << bits);
        let [green, red, blue, alpha, distance] =
            [greens, LITERALS, LITERALS, LITERALS, DISTANCES].map(|symbols| read_code(reader, symbols, lengths));
        let mut group = Self {
            green: green?,
            red: red?,
            blue: blue?,
            alpha: alpha?,
            distance: distance?,
            constant: None,
            single: None,
            packed: Vec::new(),
        };
        if let (Some(red), Some(blue), Some(alpha)) = (group.red.single(), group.blue.single(), group.alpha.single()) {
            let constant = (alpha << 24 | red << 16 | blue) as u32;
            group.constant = Some(constant);
            let green = group.green.single().filter(|&green| green < LITERALS);
            group.single = green.map(|green| constant | (green << 8) as u32);
        }
        let longest = [&group.green, &group.red, &group.blue, &group.alpha].map(PrefixCode::longest);
        if group.single.is_none() && longest.iter().sum::<usize>() <= PACKED {
            group.packed = (0..1 << PACKED).map(|bits| group.pack(bits)).collect();
        }
        Ok(group)
    }

    /// The entry of the packed table for pixels that begin with `bits`.
    fn pack(&self, mut bits: usize) -> (u32, u32) {
        let (green, mut count) = self.green.look_up(bits);
        if green >= LITERALS {
            return (green as u32, count as u32 | NOT_A_PIXEL);
        }
        let mut pixel = green << 8;
        bits >>= count;
        for (code, shift) in [(&self.red, 16), (&self.blue, 0), (&self.alpha, 24)] {
            let (value, length) = code.look_up(bits);
            pixel |= value << shift;
            bits >>= length;
            count += length;
        }
        (pixel as u32, count as u32)
    }

    /// Reads what comes next, of the bits that the reader has ready.
    #[inline(always)]
    pub(super) fn next(&self, reader: &mut BitReader) -> Next {
        match self.packed.get(reader.peek() as usize & ((1 << PACKED) - 1)) {
            Some(&(symbol, bits)) if bits & NOT_A_PIXEL != 0 => {
                reader.skip((bits & !NOT_A_PIXEL) as usize);
                Next::Symbol(symbol as usize)
            }
            Some(&(pixel, bits)) => {
                reader.skip(bits as usize);
                Next::Pixel(pixel)
            }
            None => Next::Symbol(self.green.read(reader)),
        }
    }

    /// Reads the rest of a pixel whose green is `green`.
    #[inline(always)]
    pub(super) fn pixel(&self, green: usize, reader: &mut BitReader) -> u32 {
        if let Some(constant) = self.constant {
            return constant | (green << 8) as u32;
        }
        let red = self.red.read(reader);
        reader.refill();
        let blue = self.blue.read(reader);
        let alpha = self.alpha.read(reader);
        (alpha << 24 | red << 16 | green << 8 | blue) as u32
    }
}

/// Reads one code of `symbols` symbols. `lengths` is memory to use.
fn read_code(reader: &mut BitReader, symbols: usize, lengths: &mut Vec<u8>) -> Result<PrefixCode, Damage> {
    const BAD: Damage = (Reason::CorruptData, Cow::Borrowed("a VP8L prefix code is damaged"));
    lengths.clear();
    lengths.resize(symbols, 0);
    if reader.flag() {
        let two = reader.flag();
        let bits = if reader.flag() { 8 } else { 1 };
        let mut add = |symbol: usize| {
            // A symbol that the alphabet lacks is passed over.
            if let Some(length) = lengths.get_mut(symbol) {
                *length = 1;
            }
        };
        add(reader.number(bits));
        if two {
            add(reader.number(8));
        }
    } else {
        read_lengths(reader, lengths).ok_or(BAD)?;
    }
    if reader.ended() {
        return Err((Reason::Truncated, Cow::Borrowed("the VP8L data end in a prefix code")));
    }
    PrefixCode::new(lengths).ok_or(BAD)
}

/// Reads the lengths of a code, which are written in a code of their own.
fn read_lengths(reader: &mut BitReader, lengths: &mut [u8]) -> Option<()> {
    let mut own = [0; LENGTH_ORDER.len()];
    let count = reader.number(4) + 4;
    for &place in LENGTH_ORDER.iter().take(count) {
        own[place] = reader.number(3) as u8;
    }
    let code = PrefixCode::new(&own)?;
    let mut left = lengths.len();
    if reader.flag() {
        let bits = 2 + 2 * reader.number(3);
        left = 2 + reader.number(bits);
        if left > lengths.len() {
            return None;
        }
    }
    let mut previous = 8;
    let mut at = 0;
    while at < lengths.len() && left > 0 {
        left -= 1;
        reader.refill();
        let symbol = code.read(reader);
        let (length, repeat) = match symbol {
            16 => (previous, 3 + reader.number(2)),
            17 => (0, 3 + reader.number(3)),
            18 => (0, 11 + reader.number(7)),
            length => (length as u8, 1),
        };
        lengths.get_mut(at..at + repeat)?.fill(length);
        at += repeat;
        if symbol < 16 && length != 0 {
            previous = length;
        }
    }
    Some(())
}
