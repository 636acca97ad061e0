//! JPEG, bit for bit as TensorFlow's build of libjpeg-turbo 2.1.4 decodes it.
//!
//! Real photo collections hold damaged files, and libjpeg has an answer to every kind of damage: what it calls a warning
//! is patched up and decoded, what it calls an error ends the decoding. Whether a picture exists and what its pixels are
//! depends on each of these answers, so this decoder follows them one by one: the markers ([`markers`], [`source`]),
//! the entropy coding ([`sequential`], [`progressive`], [`arithmetic`]), smoothing ([`smooth`]), the fast inverse DCT
//! ([`idct`]), upsampling ([`upsample`]) and colour ([`color`]). It is written from the standard (ITU-T T.81) and from
//! the documented behaviour of libjpeg-turbo, has no unsafe code, and is tested against TensorFlow's recorded decisions.

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

use super::{Accept, Format, MAX_SAMPLES, Picture, Reason, Rejection};
use color::Space;
use frame::Frame;
use markers::{Headers, Stop};
use planes::{Coefficients, Direct, Plane};
use progressive::Precision;
use scan::Scan;
use smooth::Smoothing;
use source::{Halt, Source};
use upsample::Upsampler;

/// Decodes a JPEG file.
pub(super) fn decode(data: &[u8], accept: Accept) -> Result<Picture, Rejection> {
    let mut source = Source::new(data);
    let mut headers = Headers::default();
    let outcome = read(&mut headers, &mut source, accept);
    let size = headers.frame.as_ref().map(|frame| (frame.width, frame.height));
    let reject = |reason, detail: String| Rejection::new(reason, Format::Jpeg, detail).with_size(size);
    let picture = outcome.map_err(|halt| match halt {
        Halt::Suspended => reject(Reason::Truncated, "the file stops in the middle of a segment or scan".to_owned()),
        Halt::Failed(reason, detail) => reject(reason, detail),
    })?;
    if accept == Accept::Strict && !source.warnings.is_empty() {
        return Err(reject(Reason::Damaged, source.warnings.to_string()));
    }
    Ok(picture)
}

/// Reads the whole file, in the order in which TensorFlow's calls of libjpeg do.
fn read(headers: &mut Headers, source: &mut Source, accept: Accept) -> Result<Picture, Halt> {
    if headers.advance(source)? == Stop::End {
        return Err(Halt::header("no picture before the end marker"));
    }
    let Some(frame) = &mut headers.frame else {
        return Err(Halt::header("no frame header"));
    };
    frame.lay_out()?;
    let (width, height, count) = (frame.width, frame.height, frame.components.len());
    if (width * height * count) as u64 >= MAX_SAMPLES {
        let detail = format!("{width} x {height} pixels in {count} components");
        return Err(Halt::failed(Reason::TooLarge, detail));
    }
    let mut upsamplers = Vec::new();
    for component in &frame.components {
        upsamplers.push(Upsampler::new(component, frame)?);
    }
    let coding = frame.coding;
    let in_one_scan = !coding.progressive && headers.scan.components.len() == count;
    let Some(frame) = &headers.frame else {
        return Err(Halt::header("no frame header"));
    };
    let space = Space::guess(headers, frame, &mut source.warnings)?;
    if !coding.progressive && !coding.arithmetic {
        headers.tables.default_huffman();
    }

    let mut precision = vec![Precision::default(); count];
    let planes = if in_one_scan {
        let scan = Scan::begin(headers, &mut precision, source)?;
        let frame = headers.frame.as_ref().ok_or_else(|| Halt::header("no frame header"))?;
        let mut direct = Direct::new(frame);
        scan.run(source, &mut direct)?;
        direct.planes
    } else {
        scans(headers, &mut precision, source)?
    };
    let adobe = headers.adobe.is_some();
    if in_one_scan {
        finish(headers, source, accept)?;
    }
    let rgb = render(space, adobe, &planes, &mut upsamplers, width, height);
    Ok(Picture { width, height, format: Format::Jpeg, rgb })
}

/// Reads all scans of a picture that needs several, up to the end marker.
fn scans(headers: &mut Headers, precision: &mut [Precision], source: &mut Source) -> Result<Vec<Plane>, Halt> {
    let frame = headers.frame.as_ref().ok_or_else(|| Halt::header("no frame header"))?;
    let mut coefficients = Coefficients::new(frame);
    let mut last_good_row;
    loop {
        let scan = Scan::begin(headers, precision, source)?;
        last_good_row = scan.run(source, &mut coefficients)?;
        if headers.advance(source)? == Stop::End {
            break;
        }
    }
    let frame = headers.frame.as_ref().ok_or_else(|| Halt::header("no frame header"))?;
    let smoothing = Smoothing::plan(frame, &coefficients, precision, headers.scans, last_good_row);
    Ok(coefficients.transform(frame, |component, x, y, block| {
        if let Some(smoothing) = &smoothing {
            smoothing.apply(component, x, y, block);
        }
    }))
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

/// Upsamples and converts row by row.
fn render(
    space: Space,
    adobe: bool,
    planes: &[Plane],
    upsamplers: &mut [Upsampler],
    width: usize,
    height: usize,
) -> Vec<u8> {
    let mut rgb = vec![0; width * height * 3];
    for (y, out) in rgb.chunks_exact_mut(width * 3).enumerate() {
        let rows: Vec<&[u8]> = planes.iter().zip(upsamplers.iter_mut()).map(|(p, u)| &u.row(p, y)[..width]).collect();
        space.convert(&rows, adobe, out);
    }
    rgb
}
