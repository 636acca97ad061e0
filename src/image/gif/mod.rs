//! GIF, as TensorFlow reads it through giflib.
//!
//! Two things differ from other readers. The canvas is as large as the frame, not as the logical screen, so that a frame
//! with an offset is cut at the right and bottom. And whatever is wrong after the first complete frame is ignored: the
//! file counts as one with a single frame. A second complete frame settles the verdict: nothing after it is read.

mod lzw;

use std::borrow::Cow;

use super::limits::{Deadline, MAX_SAMPLES};
use super::memory;
use super::{Format, Picture, Reason, Rejection, Terms};
use lzw::{Lzw, Pixels};

/// Decodes a GIF file of one frame.
pub(super) fn decode(data: &[u8], terms: &Terms) -> Result<Picture, Rejection> {
    let mut reader = Reader { data, deadline: terms.deadline };
    let screen = Screen::read(&mut reader).ok_or_else(|| reject(Reason::Truncated, "the header is cut short"))?;
    let mut contents = Contents::default();
    let outcome = contents.read(&mut reader, terms);
    let rejection = match (outcome, contents.frames, contents.frame) {
        (_, 2.., _) => reject(Reason::Animated, "more than one frame"),
        (Err((reason @ Reason::TooLarge, detail)), ..) => reject(reason, &detail),
        (_, _, Some(frame)) => return frame.compose(screen.palette.as_deref()),
        (Err((reason, detail)), ..) => reject(reason, &detail),
        (Ok(()), ..) => reject(Reason::CorruptData, "there is no frame in it"),
    };
    Err(rejection.with_size(contents.size))
}

fn reject(reason: Reason, detail: &str) -> Rejection {
    Rejection::new(reason, Format::Gif, detail)
}

/// Damage that ends the reading; the frames before it count.
type Damage = (Reason, Cow<'static, str>);

const CUT: Damage = (Reason::Truncated, Cow::Borrowed("the file stops in the middle of a block"));

/// The bytes that are yet to be read.
struct Reader<'a> {
    data: &'a [u8],
    deadline: Deadline,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.data.split_at_checked(count)?;
        self.data = tail;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn word(&mut self) -> Option<usize> {
        self.take(2).map(|bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
    }

    /// A data sub-block; empty for the one that ends a sequence. None comes when the time is up.
    fn block(&mut self) -> Option<&'a [u8]> {
        if self.deadline.has_passed() {
            return None;
        }
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    /// A colour table, if the flags announce one: 2^(n + 1) colours of three bytes.
    fn palette(&mut self, flags: u8) -> Option<Option<Vec<u8>>> {
        if flags & 0x80 == 0 {
            return Some(None);
        }
        Some(Some(self.take(3 << ((flags & 7) + 1))?.to_vec()))
    }
}

/// The header and the logical screen, of which only the global colour table counts.
struct Screen {
    palette: Option<Vec<u8>>,
}

impl Screen {
    fn read(reader: &mut Reader) -> Option<Self> {
        reader.take(6 + 4)?; // signature, version and size of the screen
        let flags = reader.byte()?;
        reader.take(2)?; // background colour and aspect ratio
        Some(Self { palette: reader.palette(flags)? })
    }
}

/// What was found in the file.
#[derive(Default)]
struct Contents {
    /// Complete frames.
    frames: usize,
    /// Width and height of the latest frame, complete or not.
    size: Option<(usize, usize)>,
    /// The first complete frame.
    frame: Option<Frame>,
    /// The extension blocks since the last frame: the first graphics control decides about transparency.
    control: Option<Vec<u8>>,
}

impl Contents {
    /// Reads all blocks up to the trailer, or to the end of the second frame.
    fn read(&mut self, reader: &mut Reader, terms: &Terms) -> Result<(), Damage> {
        while self.frames < 2 {
            match reader.byte().ok_or(CUT)? {
                b',' => self.image(reader, terms)?,
                b'!' => self.extension(reader).ok_or(CUT)?,
                b';' => return Ok(()),
                _ => return Err((Reason::CorruptData, "an unknown block".into())),
            }
        }
        Ok(())
    }

    fn extension(&mut self, reader: &mut Reader) -> Option<()> {
        const GRAPHICS_CONTROL: u8 = 0xf9;
        let label = reader.byte()?;
        let first = reader.block()?;
        if label == GRAPHICS_CONTROL && !first.is_empty() && self.control.is_none() {
            self.control = Some(first.to_vec());
        }
        // giflib looks for the end of the sequence even if the first block was empty.
        while !reader.block()?.is_empty() {}
        Some(())
    }

    fn image(&mut self, reader: &mut Reader, terms: &Terms) -> Result<(), Damage> {
        let mut frame = Frame::header(reader).ok_or(CUT)?;
        self.size = Some((frame.width, frame.height));
        let code_size = reader.byte().ok_or(CUT)?;
        if code_size > 8 {
            return Err((Reason::CorruptData, "the code size is over 8".into()));
        }
        if frame.width == 0 || frame.height == 0 {
            return Err((Reason::ZeroSize, "a frame without pixels".into()));
        }
        let pixels = frame.width * frame.height;
        if self.frame.is_none() {
            frame.make_room(terms)?;
        }
        if pixels > MOST_PIXELS {
            return Err((Reason::CorruptData, "a frame of more than 2^31 pixels".into()));
        }
        let mut lzw = Lzw::new(code_size, reader);
        if self.frame.is_none() { lzw.decode(pixels, &mut frame.indices) } else { lzw.decode(pixels, &mut Unseen(0)) }?;
        while !reader.block().ok_or(CUT)?.is_empty() {}
        let control = self.control.take();
        self.frames += 1;
        if self.frame.is_none() {
            frame.transparent = control.filter(|bytes| bytes.len() == 4 && bytes[0] & 1 != 0).map(|bytes| bytes[3]);
            self.frame = Some(frame);
        }
        Ok(())
    }
}

/// giflib reads no frame whose pixels an `int` cannot count.
const MOST_PIXELS: usize = i32::MAX as usize;

/// The pixels of a frame after the first, of which only the number counts. A few bytes can stand for thousands of them:
/// where they are more than the largest picture has samples, it is not worth finding out whether the frame is complete.
struct Unseen(u64);

impl Pixels for Unseen {
    fn add(&mut self, run: impl ExactSizeIterator<Item = u8>) -> Result<(), Damage> {
        self.0 += run.len() as u64;
        if self.0 > MAX_SAMPLES {
            let detail = format!("its second frame has more than {MAX_SAMPLES} pixels");
            return Err((Reason::TooLarge, detail.into()));
        }
        Ok(())
    }
}

/// One frame.
struct Frame {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    interlaced: bool,
    palette: Option<Vec<u8>>,
    transparent: Option<u8>,
    /// Colour indices in the order of the file.
    indices: Vec<u8>,
}

impl Frame {
    fn header(reader: &mut Reader) -> Option<Self> {
        let (left, top, width, height) = (reader.word()?, reader.word()?, reader.word()?, reader.word()?);
        let flags = reader.byte()?;
        let palette = reader.palette(flags)?;
        let interlaced = flags & 0x40 != 0;
        Some(Self { left, top, width, height, interlaced, palette, transparent: None, indices: Vec::new() })
    }

    /// Asks for the memory of the indices and of the picture that they become.
    fn make_room(&mut self, terms: &Terms) -> Result<(), Damage> {
        let (width, height) = (self.width, self.height);
        let excess = |(reason, detail)| (reason, Cow::Owned(detail));
        let refused = |rejection: Rejection| (rejection.reason, Cow::Owned(rejection.detail));
        let (pixels, samples) = (width * height, (width * height * 3) as u64);
        terms.policy.limits.admit_sides(width, height, u64::MAX).map_err(excess)?;
        terms.policy.limits.admit_pixels(width, height, samples).map_err(excess)?;
        terms.turn.room(pixels as u64 + samples, Format::Gif, None).map_err(refused)?;
        let reserved = self.indices.try_reserve_exact(pixels);
        reserved.map_err(|_| refused(memory::refusal(pixels as u64, Format::Gif, None)))
    }

    /// Paints the frame on a black canvas of its own size.
    fn compose(&self, global: Option<&[u8]>) -> Result<Picture, Rejection> {
        let &Self { left, top, width, height, .. } = self;
        let size = Some((width, height));
        let bad = |detail: &str| reject(Reason::CorruptData, detail).with_size(size);
        let palette = self.palette.as_deref().or(global).ok_or_else(|| bad("there is no colour table"))?;
        let mut rgb = vec![0; width * height * 3];
        for (y, indices) in rows(height, self.interlaced).zip(self.indices.chunks_exact(width)) {
            if y + top >= height {
                continue;
            }
            let row = &mut rgb[(y + top) * width * 3..][..width * 3];
            for (pixel, &index) in row.chunks_exact_mut(3).skip(left).zip(indices) {
                if Some(index) == self.transparent {
                    continue;
                }
                let color = palette.get(usize::from(index) * 3..usize::from(index) * 3 + 3);
                pixel.copy_from_slice(color.ok_or_else(|| bad("a pixel's colour is not in the colour table"))?);
            }
        }
        Ok(Picture { width, height, format: Format::Gif, rgb })
    }
}

/// The rows of a frame in the order of the file.
fn rows(height: usize, interlaced: bool) -> impl Iterator<Item = usize> {
    let passes: &[(usize, usize)] = if interlaced { &[(0, 8), (4, 8), (2, 4), (1, 2)] } else { &[(0, 1)] };
    passes.iter().flat_map(move |&(first, step)| (first..height).step_by(step))
}
