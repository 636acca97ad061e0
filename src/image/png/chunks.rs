//! The chunks of a PNG file: which are read, which are stepped over, and which must not be there.
//!
//! libpng reads the checksum of every chunk that a picture needs (a first letter in upper case) and rejects the file where it
//! is wrong; in other chunks a wrong checksum, length, order or content is a warning. What is in those cannot change a
//! pixel, so nothing of them is read here but their place.

use std::borrow::Cow;

use flate2::Crc;

use super::{Color, Damage, Header, MAX_SIDE};
use crate::image::Reason;
use crate::image::limits::Deadline;

/// Chunks that libpng knows and that must not come before the header. Unknown ones may.
const AFTER_HEADER: [&[u8; 4]; 18] = [
    b"bKGD", b"cHRM", b"eXIf", b"gAMA", b"hIST", b"iCCP", b"iTXt", b"oFFs", b"pCAL", b"pHYs", b"sBIT", b"sCAL",
    b"sPLT", b"sRGB", b"tEXt", b"tIME", b"tRNS", b"zTXt",
];

/// Colours by their index. Those that the file does not have are black, as libpng has them.
pub(super) type Palette = [[u8; 3]; 256];

/// A PNG file that is read from front to back.
pub(super) struct Chunks<'a> {
    rest: &'a [u8],
    deadline: Deadline,
    has_palette: bool,
}

/// A chunk whose content has not been read.
struct Chunk {
    name: [u8; 4],
    length: usize,
}

impl Chunk {
    /// Whether a picture needs it.
    fn is_critical(&self) -> bool {
        self.name[0].is_ascii_uppercase()
    }
}

impl<'a> Chunks<'a> {
    /// Begins after the signature, which told that this is a PNG.
    pub(super) fn of(data: &'a [u8], deadline: Deadline) -> Self {
        Self { rest: data.get(8..).unwrap_or_default(), deadline, has_palette: false }
    }

    /// Reads up to the end of `IHDR`.
    pub(super) fn header(&mut self) -> Result<Header, Damage> {
        loop {
            let chunk = self.next()?;
            let name = &chunk.name;
            if name == b"IHDR" {
                if chunk.length != 13 {
                    return Err(bad_header(format!("IHDR has {} bytes instead of 13", chunk.length)));
                }
                return header(self.content(&chunk)?);
            }
            if chunk.is_critical() || AFTER_HEADER.contains(&name) {
                return Err(bad_header(format!("{} comes before IHDR", text(name))));
            }
            self.content(&chunk)?;
        }
    }

    /// Reads up to the first `IDAT`, of which nothing has been read afterwards, and returns the colours of an indexed picture.
    pub(super) fn palette(&mut self, header: &Header) -> Result<Palette, Damage> {
        let mut palette = [[0; 3]; 256];
        loop {
            let before = self.rest;
            let chunk = self.next()?;
            match &chunk.name {
                b"IDAT" if header.color == Color::Indexed && !self.has_palette => {
                    return Err(bad_header("an indexed picture without PLTE"));
                }
                b"IDAT" => {
                    self.rest = before;
                    return Ok(palette);
                }
                b"PLTE" => {
                    if self.has_palette {
                        return Err(twice(&chunk));
                    }
                    self.has_palette = true;
                    let colors = self.content(&chunk)?;
                    read_palette(colors, header, &mut palette)?;
                }
                b"IEND" => return Err(bad_header("there is no IDAT")),
                _ => self.pass(&chunk)?,
            }
        }
    }

    /// Reads from behind the last `IDAT` of the picture to the end of `IEND`.
    pub(super) fn end(&mut self) -> Result<(), Damage> {
        loop {
            let chunk = self.next()?;
            match &chunk.name {
                b"IEND" | b"IDAT" => {
                    self.content(&chunk)?;
                }
                b"PLTE" if self.has_palette => return Err(twice(&chunk)),
                b"PLTE" => {
                    self.content(&chunk)?;
                }
                _ => self.pass(&chunk)?,
            }
            if &chunk.name == b"IEND" {
                return Ok(());
            }
        }
    }

    /// Begins with the next chunk, which must be an `IDAT`, and returns what is in it. [`Chunks::close`] ends it.
    pub(super) fn open(&mut self) -> Result<&'a [u8], Damage> {
        let chunk = self.next()?;
        if &chunk.name != b"IDAT" {
            return Err((
                Reason::CorruptData,
                format!("the compressed data ends before the picture, at {}", text(&chunk.name)).into(),
            ));
        }
        self.take(chunk.length)
    }

    /// Ends an `IDAT` whose checksum should be `sum`.
    pub(super) fn close(&mut self, sum: &Crc) -> Result<(), Damage> {
        if self.number()? == sum.sum() { Ok(()) } else { Err(wrong_sum(b"IDAT")) }
    }

    /// Steps over a chunk that is none of those with pixels or colours.
    fn pass(&mut self, chunk: &Chunk) -> Result<(), Damage> {
        self.content(chunk)?;
        match &chunk.name {
            b"IHDR" => Err(twice(chunk)),
            _ if chunk.is_critical() => Err((
                Reason::UnsupportedCoding,
                format!("an unknown chunk {}, which must not be ignored", text(&chunk.name)).into(),
            )),
            _ => Ok(()),
        }
    }

    /// Fails when the time is up.
    pub(super) fn in_time(&self) -> Result<(), Damage> {
        if self.deadline.has_passed() { Err((Reason::TimeLimit, "".into())) } else { Ok(()) }
    }

    /// Reads the length and the name of the next chunk.
    fn next(&mut self) -> Result<Chunk, Damage> {
        self.in_time()?;
        let length = self.number()?;
        let name = self.take(4)?;
        let name = [name[0], name[1], name[2], name[3]];
        if !name.iter().all(u8::is_ascii_alphabetic) {
            return Err(corrupt(format!("{} is no name of a chunk", text(&name))));
        }
        if length > i32::MAX as u32 {
            return Err(corrupt(format!("a chunk {} of {length} bytes", text(&name))));
        }
        Ok(Chunk { name, length: length as usize })
    }

    /// Reads the content of a chunk and, where a picture needs it, checks its checksum.
    fn content(&mut self, chunk: &Chunk) -> Result<&'a [u8], Damage> {
        let content = self.take(chunk.length)?;
        let sum = self.number()?;
        if chunk.is_critical() && sum != checksum(&chunk.name, content).sum() {
            return Err(wrong_sum(&chunk.name));
        }
        Ok(content)
    }

    fn number(&mut self) -> Result<u32, Damage> {
        self.take(4).map(big_endian)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(CUT)?;
        self.rest = tail;
        Ok(head)
    }
}

const CUT: Damage = (Reason::Truncated, Cow::Borrowed("the file stops before the end of its IEND chunk"));

/// The checksum of a chunk (PNG specification, annex D).
pub(super) fn checksum(name: &[u8; 4], content: &[u8]) -> Crc {
    let mut sum = Crc::new();
    sum.update(name);
    sum.update(content);
    sum
}

fn header(content: &[u8]) -> Result<Header, Damage> {
    let (width, height) = (big_endian(&content[..4]), big_endian(&content[4..]));
    let (depth, color, interlace) = (content[8], content[9], content[12]);
    if width == 0 || height == 0 {
        return Err((Reason::ZeroSize, format!("{width} x {height} pixels").into()));
    }
    if u64::from(width.max(height)) > i32::MAX as u64 {
        let detail = format!("{width} x {height} pixels; sides end at {MAX_SIDE}");
        return Err((Reason::TooLarge, detail.into()));
    }
    let (color, depths): (_, &[u8]) = match color {
        0 => (Color::Gray, &[1, 2, 4, 8, 16]),
        2 => (Color::Rgb, &[8, 16]),
        3 => (Color::Indexed, &[1, 2, 4, 8]),
        4 => (Color::GrayAlpha, &[8, 16]),
        6 => (Color::Rgba, &[8, 16]),
        _ => return Err(bad_header(format!("colour type {color} does not exist"))),
    };
    if !depths.contains(&depth) {
        return Err(bad_header(format!("colour type {} cannot have {depth} bits per sample", content[9])));
    }
    for (what, value, last) in
        [("compression", content[10], 0), ("filter", content[11], 0), ("interlace", interlace, 1)]
    {
        if value > last {
            return Err(bad_header(format!("{what} method {value} does not exist")));
        }
    }
    let (width, height) = (width as usize, height as usize);
    Ok(Header { width, height, color, depth: depth.into(), interlaced: interlace == 1 })
}

/// Takes the colours that an indexed picture can show. In other pictures they are a suggestion, which is not followed.
fn read_palette(colors: &[u8], header: &Header, palette: &mut Palette) -> Result<(), Damage> {
    let (triples, odd) = colors.as_chunks::<3>();
    let is_wrong = triples.len() > palette.len() || !odd.is_empty();
    match header.color {
        Color::Indexed if is_wrong => Err(bad_header(format!("PLTE has {} bytes", colors.len()))),
        // libpng has no palette of no colours, not even as a suggestion.
        Color::Indexed | Color::Rgb | Color::Rgba if colors.is_empty() => Err(bad_header("PLTE is empty")),
        Color::Indexed => {
            for (to, from) in palette.iter_mut().zip(triples) {
                *to = *from;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn big_endian(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// A name that may hold any bytes.
fn text(name: &[u8; 4]) -> impl std::fmt::Display {
    name.escape_ascii()
}

fn bad_header(detail: impl Into<Cow<'static, str>>) -> Damage {
    (Reason::BadHeader, detail.into())
}

fn corrupt(detail: impl Into<Cow<'static, str>>) -> Damage {
    (Reason::CorruptData, detail.into())
}

fn twice(chunk: &Chunk) -> Damage {
    corrupt(format!("a second chunk {}", text(&chunk.name)))
}

fn wrong_sum(name: &[u8; 4]) -> Damage {
    corrupt(format!("the checksum of chunk {} is wrong", text(name)))
}
