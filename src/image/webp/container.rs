//! The RIFF container: which chunk holds the picture, how large the picture is, and whether TensorFlow takes it.
//!
//! TensorFlow asks libwebp 1.4 twice, `WebPGetFeatures` for the header and `WebPDecodeRGBInto` for the pixels, and a file
//! must pass both. Metadata chunks are passed over where they are, never copied.

use std::borrow::Cow;

use super::super::Reason;
use super::super::limits::Deadline;

/// `RIFF`, the length, `WEBP`.
const RIFF_HEADER: usize = 12;

/// A chunk's name and its length.
const CHUNK_HEADER: usize = 8;

/// Content of a `VP8X` chunk.
const VP8X_SIZE: u32 = 10;

/// The longest chunk that libwebp believes in.
const MAX_PAYLOAD: u32 = u32::MAX - 9;

/// Bits of the flags in `VP8X`.
const ANIMATION_FLAG: u8 = 0x02;
const ALPHA_FLAG: u8 = 0x10;

/// How the pixels are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// A key frame of VP8 (RFC 6386).
    Lossy,
    /// VP8L (RFC 9649).
    Lossless,
}

/// The picture in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// How it is coded.
    pub(super) coding: Coding,
    /// In pixels, 1 to 16,384.
    pub(super) width: usize,
    /// In pixels, 1 to 16,384.
    pub(super) height: usize,
    /// The coded picture and all that follows it in the file: libwebp's decoders know no other end.
    pub(super) data: &'a [u8],
}

/// Why there is no picture to decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) detail: Cow<'static, str>,
    /// Width and height, where they are known.
    pub(super) size: Option<(usize, usize)>,
}

impl Refusal {
    fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, detail: detail.into(), size: None }
    }

    fn header(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::BadHeader, detail)
    }

    fn cut() -> Self {
        Self::new(Reason::Truncated, "the file stops before the picture begins")
    }
}

/// Finds the picture in `file`, which begins with `RIFF`, four bytes and `WEBP`.
///
/// # Errors
///
/// Everything that makes TensorFlow refuse a container: lengths that contradict each other, animation, transparency. And
/// where the time is up.
pub(super) fn open(file: &[u8], deadline: Deadline) -> Result<Frame<'_>, Refusal> {
    let (header, rest) = file.split_at_checked(RIFF_HEADER).ok_or_else(Refusal::cut)?;
    let riff = le32(&header[4..8]);
    if riff < RIFF_HEADER as u32 || riff > MAX_PAYLOAD {
        return Err(Refusal::header(format!("the RIFF chunk has {riff} bytes")));
    }
    let announced = u64::from(riff) + CHUNK_HEADER as u64;
    if announced > file.len() as u64 {
        let detail = format!("the file has {} of {announced} bytes", file.len());
        return Err(Refusal::new(Reason::Truncated, detail));
    }
    let (canvas, rest) = Canvas::read(rest, riff, deadline)?;
    let (coding, data, size) = bitstream(rest, riff)?;
    let (width, height, coded_alpha) = match coding {
        Coding::Lossy => lossy_size(data, size).map(|(width, height)| (width, height, None))?,
        Coding::Lossless => lossless_size(data).map(|(width, height, alpha)| (width, height, Some(alpha)))?,
    };
    let mut alpha = coded_alpha.unwrap_or(false);
    if let Some(canvas) = canvas {
        if canvas.width != width || canvas.height != height {
            let detail = format!("a {width} x {height} picture on a {} x {} canvas", canvas.width, canvas.height);
            return Err(Refusal::header(detail));
        }
        // What a lossless picture says of itself counts more than the flag.
        alpha = coded_alpha.unwrap_or(canvas.alpha_flag) || canvas.alpha_chunk;
    }
    let (width, height) = (width as usize, height as usize);
    if alpha {
        let refusal = Refusal::new(Reason::UnsupportedCoding, "it has an alpha channel, and TensorFlow decodes none");
        return Err(Refusal { size: Some((width, height)), ..refusal });
    }
    Ok(Frame { coding, width, height, data })
}

/// What a `VP8X` chunk and those between it and the picture say.
struct Canvas {
    width: u32,
    height: u32,
    alpha_flag: bool,
    alpha_chunk: bool,
}

impl Canvas {
    /// Reads `VP8X`, if the file has one, and walks on to the picture's chunk. Returns what is left from there.
    fn read(data: &[u8], riff: u32, deadline: Deadline) -> Result<(Option<Self>, &[u8]), Refusal> {
        if data.len() < CHUNK_HEADER {
            return Err(Refusal::cut());
        }
        if !data.starts_with(b"VP8X") {
            return Ok((None, data));
        }
        let size = chunk_size(data);
        if size != VP8X_SIZE {
            return Err(Refusal::header(format!("the VP8X chunk has {size} bytes")));
        }
        let (chunk, mut rest) = data.split_at_checked(CHUNK_HEADER + VP8X_SIZE as usize).ok_or_else(Refusal::cut)?;
        let flags = chunk[8];
        let (width, height) = (le24(&chunk[12..15]) + 1, le24(&chunk[15..18]) + 1);
        if u64::from(width) * u64::from(height) >= 1 << 32 {
            return Err(Refusal::header(format!("a canvas of {width} x {height} pixels")));
        }
        if flags & ANIMATION_FLAG != 0 {
            let size = Some((width as usize, height as usize));
            return Err(Refusal { size, ..Refusal::new(Reason::Animated, "") });
        }
        let mut canvas = Self { width, height, alpha_flag: flags & ALPHA_FLAG != 0, alpha_chunk: false };
        let mut walked = u64::from(VP8X_SIZE) + RIFF_HEADER as u64;
        loop {
            if deadline.has_passed() {
                return Err(Refusal::new(Reason::TimeLimit, ""));
            }
            if rest.len() < CHUNK_HEADER {
                return Err(Refusal::cut());
            }
            let size = chunk_size(rest);
            let padded = (u64::from(size) + CHUNK_HEADER as u64 + 1) & !1;
            walked += padded;
            if size > MAX_PAYLOAD || walked > u64::from(riff) {
                let name = rest[..4].escape_ascii();
                return Err(Refusal::header(format!("the chunk {name} of {size} bytes ends after the RIFF chunk")));
            }
            if rest.starts_with(b"VP8 ") || rest.starts_with(b"VP8L") {
                return Ok((Some(canvas), rest));
            }
            canvas.alpha_chunk |= rest.starts_with(b"ALPH");
            let padded = usize::try_from(padded).unwrap_or(usize::MAX);
            rest = rest.split_at_checked(padded).ok_or_else(Refusal::cut)?.1;
        }
    }
}

/// The coded picture and how long it is: the content of a `VP8 ` or `VP8L` chunk, or a picture without a chunk around it,
/// which libwebp takes too.
fn bitstream(data: &[u8], riff: u32) -> Result<(Coding, &[u8], u32), Refusal> {
    let bare = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let coding = match data.first_chunk() {
        Some(b"VP8 ") => Coding::Lossy,
        Some(b"VP8L") => Coding::Lossless,
        _ if is_lossless(data) => return Ok((Coding::Lossless, data, bare)),
        _ => return Ok((Coding::Lossy, data, bare)),
    };
    let size = chunk_size(data);
    if size > riff - RIFF_HEADER as u32 {
        return Err(Refusal::header(format!("the picture's chunk of {size} bytes ends after the RIFF chunk")));
    }
    let content = &data[CHUNK_HEADER..];
    if size as usize > content.len() {
        let detail = format!("the file has {} of the picture's {size} bytes", content.len());
        return Err(Refusal::new(Reason::Truncated, detail));
    }
    Ok((coding, content, size))
}

/// Width and height of a VP8 key frame in a chunk of `chunk` bytes (RFC 6386, section 9.1).
fn lossy_size(data: &[u8], chunk: u32) -> Result<(u32, u32), Refusal> {
    let header: &[u8; 10] = data.first_chunk().ok_or_else(Refusal::cut)?;
    let tag = le24(&header[..3]);
    let first_partition = tag >> 5;
    let size = |at: usize| u32::from(u16::from_le_bytes([header[at], header[at + 1]])) & 0x3fff;
    let (width, height) = (size(6), size(8));
    if header[3..6] != [0x9d, 0x01, 0x2a] {
        Err(Refusal::header("the VP8 frame has no start code"))
    } else if tag & 1 != 0 {
        Err(Refusal::header("the VP8 frame is no key frame"))
    } else if tag >> 1 & 7 > 3 {
        Err(Refusal::header(format!("VP8 version {}", tag >> 1 & 7)))
    } else if tag >> 4 & 1 == 0 {
        Err(Refusal::header("the VP8 frame is not to be shown"))
    } else if first_partition >= chunk {
        Err(Refusal::header(format!("a VP8 partition of {first_partition} bytes in a chunk of {chunk}")))
    } else if width == 0 || height == 0 {
        Err(Refusal::new(Reason::ZeroSize, ""))
    } else {
        Ok((width, height))
    }
}

/// Width, height and alpha bit of a VP8L picture (RFC 9649, section 3.4).
fn lossless_size(data: &[u8]) -> Result<(u32, u32, bool), Refusal> {
    if data.len() < LOSSLESS_HEADER {
        return Err(Refusal::cut());
    }
    if !is_lossless(data) {
        return Err(Refusal::header("the VP8L picture has no signature"));
    }
    let bits = le32(&data[1..LOSSLESS_HEADER]);
    Ok(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1, bits >> 28 & 1 == 1))
}

/// Signature, sizes, alpha bit and version of VP8L.
const LOSSLESS_HEADER: usize = 5;

/// Whether `data` begins with VP8L's signature and version 0.
fn is_lossless(data: &[u8]) -> bool {
    data.len() >= LOSSLESS_HEADER && data[0] == 0x2f && data[4] >> 5 == 0
}

/// The length in the header of the chunk that `data` begins with.
fn chunk_size(data: &[u8]) -> u32 {
    le32(&data[4..CHUNK_HEADER])
}

fn le24(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
}

fn le32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
