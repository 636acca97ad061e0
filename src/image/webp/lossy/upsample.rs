//! From luma and half as much chroma to RGB, as libwebp's "fancy" upsampling does it.

/// Pixels that are converted at once.
const LANES: usize = 16;

/// Makes rows of RGB.
pub(super) struct Upsampler {
    width: usize,
    /// U and V of one row, a value for each pixel.
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Upsampler {
    /// For a picture of that many columns.
    pub(super) fn new(width: usize) -> Self {
        Self { width, u: vec![0; width + 1], v: vec![0; width + 1] }
    }

    /// Writes row `row` of the picture `rgb`. `near` is the row of U and V that it belongs to, `far` the next nearest.
    pub(super) fn row(&mut self, luma: &[u8], near: [&[u8]; 2], far: [&[u8]; 2], row: usize, rgb: &mut [u8]) {
        let out = &mut rgb[row * self.width * 3..][..self.width * 3];
        let chroma = self.width.div_ceil(2);
        widen(&near[0][..chroma], &far[0][..chroma], &mut self.u);
        widen(&near[1][..chroma], &far[1][..chroma], &mut self.v);
        convert(&luma[..self.width], &self.u[..self.width], &self.v[..self.width], out);
    }
}

/// Interpolates one row: each value of `near` makes two, which are three quarters of it, and one of the next, in both
/// directions. The last of `out` is left over where the width is odd.
fn widen(near: &[u8], far: &[u8], out: &mut [u8]) {
    let end = |near: u8, far: u8| ((3 * u16::from(near) + u16::from(far) + 2) >> 2) as u8;
    let Some((last, rest)) = near.len().checked_sub(1).and_then(|last| Some((last, out.split_first_mut()?))) else {
        return;
    };
    let (first, middle) = rest;
    *first = end(near[0], far[0]);
    let values = near.iter().zip(&near[1..]).zip(far.iter().zip(&far[1..]));
    for (((&a, &b), (&c, &d)), out) in values.zip(middle.chunks_exact_mut(2)) {
        let [a, b, c, d] = [a, b, c, d].map(u16::from);
        let sum = a + b + c + d + 8;
        out[0] = ((((sum + 2 * (b + c)) >> 3) + a) >> 1) as u8;
        out[1] = ((((sum + 2 * (a + d)) >> 3) + b) >> 1) as u8;
    }
    if let Some(out) = middle.get_mut(2 * last) {
        *out = end(near[last], far[last]);
    }
}

/// BT.601 in fixed point with 14 bits, cut where libwebp cuts.
///
/// What must not fall below zero is subtracted last, so that 16 bits without a sign hold everything.
fn convert(y: &[u8], u: &[u8], v: &[u8], out: &mut [u8]) {
    let whole = y.len() / LANES * LANES;
    let groups = y.chunks_exact(LANES).zip(u.chunks_exact(LANES)).zip(v.chunks_exact(LANES));
    for (((y, u), v), out) in groups.zip(out.chunks_exact_mut(3 * LANES)) {
        let (mut r, mut g, mut b) = ([0; LANES], [0; LANES], [0; LANES]);
        for lane in 0..LANES {
            [r[lane], g[lane], b[lane]] = pixel(y[lane], u[lane], v[lane]);
        }
        for (lane, out) in out.chunks_exact_mut(3).enumerate() {
            (out[0], out[1], out[2]) = (r[lane], g[lane], b[lane]);
        }
    }
    let rest = y[whole..].iter().zip(&u[whole..]).zip(&v[whole..]);
    for (((&y, &u), &v), out) in rest.zip(out[3 * whole..].chunks_exact_mut(3)) {
        out.copy_from_slice(&pixel(y, u, v));
    }
}

/// One pixel.
#[inline(always)]
fn pixel(y: u8, u: u8, v: u8) -> [u8; 3] {
    let times = |value: u8, factor: u16| (((u32::from(value) << 8) * u32::from(factor)) >> 16) as u16;
    let luma = times(y, 19_077);
    let red = (luma + times(v, 26_149)).saturating_sub(14_234);
    let green = (luma + 8_708).saturating_sub(times(u, 6_419) + times(v, 13_320));
    let blue = (luma + times(u, 33_050)).saturating_sub(17_685);
    [red, green, blue].map(|value| (value >> 6).min(255) as u8)
}
