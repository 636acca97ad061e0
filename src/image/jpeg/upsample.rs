//! From a component's own resolution to the picture's, as libjpeg-turbo's "fancy" upsampling does it.

use super::{
    super::Reason,
    frame::{Component, Frame},
    planes::Plane,
    source::Halt,
};

/// How a component gets to full size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// It has full size.
    Full,
    /// Twice as wide by a triangle filter.
    Wider,
    /// Twice as high by a triangle filter.
    Higher,
    /// Both.
    Larger,
    /// Every sample repeated so many times across and down.
    Repeat(usize, usize),
}

/// Produces the full-size rows of one component.
pub(super) struct Upsampler {
    method: Method,
    /// Samples that count, per row and in all.
    width: usize,
    height: usize,
    row: Vec<u8>,
    /// One row blended vertically.
    sums: Vec<u16>,
}

impl Upsampler {
    /// Chooses the method; ratios that are no whole numbers are not supported, as in libjpeg.
    pub(super) fn new(component: &Component, frame: &Frame) -> Result<Self, Halt> {
        let (across, down) = (frame.max_h / component.h, frame.max_v / component.v);
        if across * component.h != frame.max_h || down * component.v != frame.max_v {
            let detail = format!(
                "a component of {} x {} samples where another has {} x {}",
                component.h, component.v, frame.max_h, frame.max_v
            );
            return Err(Halt::failed(Reason::UnsupportedCoding, detail));
        }
        // A row of one or two samples has no inside to filter.
        let method = match (across, down, component.width > 2) {
            (1, 1, _) => Method::Full,
            (2, 1, true) => Method::Wider,
            (1, 2, _) => Method::Higher,
            (2, 2, true) => Method::Larger,
            _ => Method::Repeat(across, down),
        };
        let (width, height) = (component.width, component.height);
        Ok(Self { method, width, height, row: Vec::new(), sums: Vec::new() })
    }

    /// Full-size row `y`; it may be longer than the picture is wide.
    pub(super) fn row<'a>(&'a mut self, plane: &'a Plane, y: usize) -> &'a [u8] {
        match self.method {
            Method::Full => return plane.row(y),
            Method::Wider => {
                self.row.resize(self.width * 2, 0);
                widen(&plane.row(y)[..self.width], &mut self.row);
            }
            Method::Higher => {
                // The odd rows round up, the even ones down: a dither.
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                self.blend(plane, y);
                self.row.clear();
                self.row.extend(self.sums.iter().map(|&sum| ((sum + bias) >> 2) as u8));
            }
            Method::Larger => {
                self.blend(plane, y);
                self.row.resize(self.width * 2, 0);
                widen_sums(&self.sums, &mut self.row);
            }
            Method::Repeat(across, down) => {
                self.row.clear();
                let samples = &plane.row(y / down)[..self.width];
                self.row.extend(samples.iter().flat_map(|&sample| std::iter::repeat_n(sample, across)));
            }
        }
        &self.row
    }

    /// Three parts of the row that `y` lies in and one part of the next nearest.
    fn blend(&mut self, plane: &Plane, y: usize) {
        let near = y / 2;
        let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(self.height - 1) };
        let pairs = plane.row(near)[..self.width].iter().zip(&plane.row(far)[..self.width]);
        self.sums.clear();
        self.sums.extend(pairs.map(|(&near, &far)| 3 * u16::from(near) + u16::from(far)));
    }
}

/// Doubles the width: three parts of the nearest sample and one part of the next nearest.
fn widen(samples: &[u8], out: &mut [u8]) {
    let last = samples.len() - 1;
    let mix = |near: u8, far: u8, bias: u16| ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
    out[0] = samples[0];
    out[2 * last + 1] = samples[last];
    for (pair, out) in samples.windows(2).zip(out[1..].chunks_exact_mut(2)) {
        out[0] = mix(pair[0], pair[1], 2);
        out[1] = mix(pair[1], pair[0], 1);
    }
}

/// [`widen`] for rows that were blended vertically before.
fn widen_sums(sums: &[u16], out: &mut [u8]) {
    let last = sums.len() - 1;
    out[0] = ((4 * sums[0] + 8) >> 4) as u8;
    out[2 * last + 1] = ((4 * sums[last] + 7) >> 4) as u8;
    for (pair, out) in sums.windows(2).zip(out[1..].chunks_exact_mut(2)) {
        out[0] = ((3 * pair[0] + pair[1] + 7) >> 4) as u8;
        out[1] = ((3 * pair[1] + pair[0] + 8) >> 4) as u8;
    }
}
