//! JPEG, bit for bit as TensorFlow 2.21 decodes it through its libjpeg-turbo 2.1.4.
//!
//! Real photo collections hold damaged files, and libjpeg has an answer to every kind of damage: what it calls a warning
//! is patched up and decoded, what it calls an error ends the decoding. Whether a picture exists and what its pixels are
//! depends on each of these answers, so this decoder follows them one by one: the markers ([`markers`], [`source`]),
//! the entropy coding ([`sequential`], [`progressive`], [`arithmetic`]), smoothing ([`smooth`]), the fast inverse DCT
//! ([`idct`]), upsampling ([`upsample`]) and colour ([`color`]). It has no unsafe code and is tested against decisions
//! of TensorFlow itself.
//!
//! The formats and algorithms are those of ITU-T T.81; behaviour beyond it is libjpeg-turbo's, so this software is based
//! in part on the work of the Independent JPEG Group.

mod arithmetic;
mod bits;
mod color;
mod frame;
mod huffman;
mod idct;
mod markers;
mod planes;
mod progressive;
mod scan;
mod sequential;
mod smooth;
mod source;
mod states;
mod tables;
mod upsample;

use super::limits::Limits;
use super::{Accept, Format, Outline, Picture, Reason, Rejection, Terms};
use color::Space;
use frame::{BLOCK, Coding, Component, Frame};
use markers::{Headers, Stop};
use planes::{Coefficients, Direct, Nowhere, Plane};
use progressive::Precision;
use scan::Scan;
use smooth::Smoothing;
use source::{Halt, Source};
use upsample::Upsampler;

/// The most work in a picture of several scans, in coefficients. Scans can be much shorter than the blocks that they go
/// over, so that without a limit a small file could keep a computer busy for hours. With it that is seconds, and
/// TensorFlow's largest picture still has room for more than twice the scans that a progressive file usually has.
const MAX_WORK: u64 = 1 << 32;

/// What is to become of a file that decodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Pixels,
    Verdict,
}

/// Decodes a JPEG file.
pub(super) fn decode(data: &[u8], terms: &Terms) -> Result<Picture, Rejection> {
    let (Outline { width, height, format }, rgb) = run(data, terms, Wanted::Pixels)?;
    Ok(Picture { width, height, format, rgb })
}

/// Decides on a JPEG file as [`decode`] does.
pub(super) fn check(data: &[u8], terms: &Terms) -> Result<Outline, Rejection> {
    Ok(run(data, terms, Wanted::Verdict)?.0)
}

/// The pixels are left out where they are not wanted.
fn run(data: &[u8], terms: &Terms, wanted: Wanted) -> Result<(Outline, Vec<u8>), Rejection> {
    let mut source = Source::new(data, terms.deadline);
    let mut headers = Headers::default();
    let outcome = read(&mut headers, &mut source, terms, wanted);
    let size = headers.frame.as_ref().map(|frame| (frame.width, frame.height));
    let reject = |reason, detail: String| Rejection::new(reason, Format::Jpeg, detail).with_size(size);
    let decoded = outcome.map_err(|halt| match halt {
        Halt::Suspended => reject(Reason::Truncated, "the file stops in the middle of a segment or scan".to_owned()),
        Halt::Failed(reason, detail) => reject(reason, detail),
    })?;
    if terms.policy.accept == Accept::Strict && !source.warnings.is_empty() {
        return Err(reject(Reason::Damaged, source.warnings.to_string()));
    }
    Ok(decoded)
}

/// Reads the whole file, in the order in which TensorFlow's calls of libjpeg do.
fn read(headers: &mut Headers, source: &mut Source, terms: &Terms, wanted: Wanted) -> Result<(Outline, Vec<u8>), Halt> {
    if headers.advance(source)? == Stop::End {
        return Err(Halt::header("no picture before the end marker"));
    }
    let mut output = Output::plan(headers, source, &terms.policy.limits)?;
    let Frame { coding, ref components, .. } = *headers.frame()?;
    let in_one_scan = !coding.progressive && headers.scan.components.len() == components.len();
    if coding == Coding::BASELINE {
        headers.tables.default_huffman();
    }
    make_room(headers.frame()?, in_one_scan, terms)?;
    let planes = if in_one_scan { only_scan(headers, source, wanted)? } else { all_scans(headers, source, wanted)? };
    output.adobe = headers.adobe.is_some();
    if in_one_scan {
        finish(headers, source, terms.policy.accept)?;
    }
    let outline = Outline { width: output.width, height: output.height, format: Format::Jpeg };
    let rgb = planes.map(|planes| output.render(&planes, source)).transpose()?;
    Ok((outline, rgb.unwrap_or_default()))
}

/// Asks for the memory of the samples, the coefficients of a picture in several scans, and the finished picture.
fn make_room(frame: &Frame, in_one_scan: bool, terms: &Terms) -> Result<(), Halt> {
    let component = |component: &Component| {
        let samples = component.blocks_wide * component.blocks_high * BLOCK * BLOCK;
        let coefficients = frame.mcus_wide * component.h * frame.mcus_high * component.v * size_of::<[i16; 64]>();
        if in_one_scan { samples } else { samples + coefficients }
    };
    let bytes = frame.components.iter().map(component).sum::<usize>() + frame.width * frame.height * 3;
    let room = terms.turn.room(bytes as u64, Format::Jpeg, None);
    room.map_err(|rejection| Halt::failed(rejection.reason, rejection.detail))
}

/// Decodes a picture that is complete after its first scan.
fn only_scan(headers: &mut Headers, source: &mut Source, wanted: Wanted) -> Result<Option<Vec<Plane>>, Halt> {
    let scan = Scan::begin(headers, &mut [], source)?;
    if wanted == Wanted::Verdict {
        scan.run(source, &mut Nowhere::default())?;
        return Ok(None);
    }
    let mut direct = Direct::new(headers.frame()?);
    scan.run(source, &mut direct)?;
    Ok(Some(direct.planes))
}

/// Reads on from the only scan to the end marker. TensorFlow does not look at whether libjpeg still waits for bytes.
fn finish(headers: &mut Headers, source: &mut Source, accept: Accept) -> Result<(), Halt> {
    match headers.advance(source) {
        Ok(Stop::End) => Ok(()),
        Ok(Stop::Scan) => Err(Halt::header("a second scan after a complete picture")),
        Err(Halt::Suspended) if accept == Accept::TensorFlow => Ok(()),
        Err(halt) => Err(halt),
    }
}

/// Decodes a picture that needs several scans, up to the end marker.
fn all_scans(headers: &mut Headers, source: &mut Source, wanted: Wanted) -> Result<Option<Vec<Plane>>, Halt> {
    let mut precision = vec![Precision::default(); headers.frame()?.components.len()];
    let mut coefficients = Coefficients::new(headers.frame()?);
    let mut last_good_row;
    let mut work = 0;
    loop {
        let scan = Scan::begin(headers, &mut precision, source)?;
        work += scan.work();
        if work > MAX_WORK {
            let detail = format!("more work than any picture needs: it has {} scans or more", headers.scans);
            return Err(Halt::failed(Reason::TooLarge, detail));
        }
        last_good_row = scan.run(source, &mut coefficients)?;
        if headers.advance(source)? == Stop::End {
            break;
        }
    }
    let frame = headers.frame()?;
    if wanted == Wanted::Verdict {
        return Ok(None);
    }
    let smoothing = Smoothing::plan(frame, &coefficients, &precision, headers.scans, last_good_row);
    let smooth = |component, x, y, block: &mut [i16; 64]| {
        if let Some(smoothing) = &smoothing {
            smoothing.apply(component, x, y, block);
        }
    };
    coefficients.transform(frame, source, smooth).map(Some)
}

/// How component planes become a picture.
struct Output {
    width: usize,
    height: usize,
    space: Space,
    /// Whether there is an Adobe header.
    adobe: bool,
    upsamplers: Vec<Upsampler>,
}

impl Output {
    /// Checks at the first scan that the picture can be decoded at all.
    fn plan(headers: &mut Headers, source: &mut Source, limits: &Limits) -> Result<Self, Halt> {
        if let Some(frame) = &mut headers.frame {
            frame.lay_out(limits)?;
        }
        let frame = headers.frame()?;
        let Frame { width, height, ref components, .. } = *frame;
        let samples = (width * height * components.len()) as u64;
        limits.admit_pixels(width, height, samples).map_err(Halt::excess)?;
        let upsamplers = components.iter().map(|component| Upsampler::new(component, frame));
        let upsamplers = upsamplers.collect::<Result<_, _>>()?;
        let space = Space::guess(headers, frame, &mut source.warnings)?;
        Ok(Self { width, height, space, adobe: false, upsamplers })
    }

    /// Upsamples and converts row by row.
    fn render(&mut self, planes: &[Plane], source: &Source) -> Result<Vec<u8>, Halt> {
        let Self { width, height, space, adobe, ref mut upsamplers } = *self;
        let mut rgb = vec![0; width * height * 3];
        for (y, out) in rgb.chunks_exact_mut(width * 3).enumerate() {
            source.look_at_the_clock()?;
            let row = |(plane, upsampler)| &Upsampler::row(upsampler, plane, y)[..width];
            let rows: Vec<&[u8]> = planes.iter().zip(upsamplers.iter_mut()).map(row).collect();
            space.convert(&rows, adobe, out);
        }
        Ok(rgb)
    }
}
