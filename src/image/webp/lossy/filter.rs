//! The loop filters (RFC 6386, section 15).
//!
//! An edge is filtered sixteen positions at a time: eight pixels across it for each, laid out so that position is the
//! inner index and the compiler makes vectors of it. U and V, eight positions each, share one call.

use super::planes::Planes;

/// Positions along an edge that are done at once.
const LANES: usize = 16;

/// Pixels across an edge, four on each side, for each position.
type Across = [[u8; LANES]; 8];

/// How strong the filter is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Strength {
    /// Of the edges within a macroblock; those between macroblocks have 4 more. 0 is no filtering at all.
    limit: u8,
    /// How much neighbours on one side may differ.
    interior: u8,
    /// From which difference on a place counts as one of high variance.
    variance: u8,
}

impl Strength {
    /// Of a `level` of 0 to 63 (section 15.2).
    pub(super) fn new(level: i32, sharpness: i32) -> Self {
        if level == 0 {
            return Self::default();
        }
        let interior = match sharpness {
            0 => level,
            1..=4 => (level >> 1).min(9 - sharpness),
            _ => (level >> 2).min(9 - sharpness),
        };
        let interior = interior.max(1);
        let variance = match level {
            40.. => 2,
            15.. => 1,
            _ => 0,
        };
        Self { limit: (2 * level + interior) as u8, interior: interior as u8, variance }
    }
}

/// What is filtered in one macroblock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    pub(super) strength: Strength,
    /// Whether the edges within the macroblock are.
    pub(super) inner: bool,
}

/// Filters luma of the macroblock in column `x`.
pub(super) fn simple(planes: &mut Planes, x: usize, has_above: bool, work: Work) {
    let limit = i16::from(work.strength.limit);
    if limit == 0 {
        return;
    }
    let (stride, first) = planes.luma(x);
    let pixels = &mut planes.y;
    let mut vertical = |at: usize, limit: i16| {
        let mut across = gather_columns(pixels, [at, at + 8 * stride], stride);
        simple_lanes(&mut across, limit);
        scatter_columns(pixels, [at, at + 8 * stride], stride, &across);
    };
    if x > 0 {
        vertical(first, limit + 4);
    }
    if work.inner {
        (1..4).for_each(|column| vertical(first + 4 * column, limit));
    }
    let mut horizontal = |at: usize, limit: i16| {
        let mut across = gather_rows(pixels, at, stride);
        simple_lanes(&mut across, limit);
        scatter_rows(pixels, at, stride, &across);
    };
    if has_above {
        horizontal(first, limit + 4);
    }
    if work.inner {
        (1..4).for_each(|row| horizontal(first + 4 * row * stride, limit));
    }
}

/// Filters all planes of the macroblock in column `x`.
pub(super) fn normal(planes: &mut Planes, x: usize, has_above: bool, work: Work) {
    let Strength { limit, interior, variance } = work.strength;
    if limit == 0 {
        return;
    }
    let outer = Limits { edge: i16::from(limit) + 4, interior: interior.into(), variance: variance.into() };
    let inner = Limits { edge: i16::from(limit), ..outer };
    let (stride, first) = planes.luma(x);
    let (chroma_stride, chroma) = planes.chroma(x);
    if x > 0 {
        luma_column::<true>(&mut planes.y, first, stride, outer);
        chroma_column::<true>(planes, chroma, chroma_stride, outer);
    }
    if work.inner {
        for column in 1..4 {
            luma_column::<false>(&mut planes.y, first + 4 * column, stride, inner);
        }
        chroma_column::<false>(planes, chroma + 4, chroma_stride, inner);
    }
    if has_above {
        luma_row::<true>(&mut planes.y, first, stride, outer);
        chroma_row::<true>(planes, chroma, chroma_stride, outer);
    }
    if work.inner {
        for row in 1..4 {
            luma_row::<false>(&mut planes.y, first + 4 * row * stride, stride, inner);
        }
        chroma_row::<false>(planes, chroma + 4 * chroma_stride, chroma_stride, inner);
    }
}

fn luma_column<const OUTER: bool>(pixels: &mut [u8], at: usize, stride: usize, limits: Limits) {
    let corners = [at, at + 8 * stride];
    let mut across = gather_columns(pixels, corners, stride);
    if normal_lanes::<OUTER>(&mut across, limits) {
        scatter_columns(pixels, corners, stride, &across);
    }
}

fn luma_row<const OUTER: bool>(pixels: &mut [u8], at: usize, stride: usize, limits: Limits) {
    let mut across = gather_rows(pixels, at, stride);
    if normal_lanes::<OUTER>(&mut across, limits) {
        scatter_rows(pixels, at, stride, &across);
    }
}

fn chroma_column<const OUTER: bool>(planes: &mut Planes, at: usize, stride: usize, limits: Limits) {
    let mut across = [[0; LANES]; 8];
    gather_half(&planes.u, at, stride, &mut across, 0);
    gather_half(&planes.v, at, stride, &mut across, 8);
    if normal_lanes::<OUTER>(&mut across, limits) {
        scatter_half(&mut planes.u, at, stride, &across, 0);
        scatter_half(&mut planes.v, at, stride, &across, 8);
    }
}

fn chroma_row<const OUTER: bool>(planes: &mut Planes, at: usize, stride: usize, limits: Limits) {
    let mut across = [[0; LANES]; 8];
    for (row, pixels) in across.iter_mut().enumerate() {
        let at = at + row * stride - 4 * stride;
        pixels[..8].copy_from_slice(&planes.u[at..at + 8]);
        pixels[8..].copy_from_slice(&planes.v[at..at + 8]);
    }
    if normal_lanes::<OUTER>(&mut across, limits) {
        for (row, pixels) in across.iter().enumerate().take(7).skip(1) {
            let at = at + row * stride - 4 * stride;
            planes.u[at..at + 8].copy_from_slice(&pixels[..8]);
            planes.v[at..at + 8].copy_from_slice(&pixels[8..]);
        }
    }
}

/// The rows above and below the edge that begins at `at`.
#[inline(always)]
fn gather_rows(pixels: &[u8], at: usize, stride: usize) -> Across {
    let mut across = [[0; LANES]; 8];
    for (row, to) in across.iter_mut().enumerate() {
        to.copy_from_slice(&pixels[at + row * stride - 4 * stride..][..LANES]);
    }
    across
}

#[inline(always)]
fn scatter_rows(pixels: &mut [u8], at: usize, stride: usize, across: &Across) {
    for (row, from) in across.iter().enumerate().take(7).skip(1) {
        pixels[at + row * stride - 4 * stride..][..LANES].copy_from_slice(from);
    }
}

/// The columns left and right of the edge down from `corners`, eight rows from each.
#[inline(always)]
fn gather_columns(pixels: &[u8], corners: [usize; 2], stride: usize) -> Across {
    let mut across = [[0; LANES]; 8];
    gather_half(pixels, corners[0], stride, &mut across, 0);
    gather_half(pixels, corners[1], stride, &mut across, 8);
    across
}

#[inline(always)]
fn scatter_columns(pixels: &mut [u8], corners: [usize; 2], stride: usize, across: &Across) {
    scatter_half(pixels, corners[0], stride, across, 0);
    scatter_half(pixels, corners[1], stride, across, 8);
}

#[inline(always)]
fn gather_half(pixels: &[u8], at: usize, stride: usize, across: &mut Across, lane: usize) {
    let mut rows = [0; 8];
    for (row, to) in rows.iter_mut().enumerate() {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&pixels[at + row * stride - 4..][..8]);
        *to = u64::from_le_bytes(bytes);
    }
    for (to, column) in across.iter_mut().zip(transpose(rows)) {
        to[lane..lane + 8].copy_from_slice(&column.to_le_bytes());
    }
}

#[inline(always)]
fn scatter_half(pixels: &mut [u8], at: usize, stride: usize, across: &Across, lane: usize) {
    let mut columns = [0; 8];
    for (to, from) in columns.iter_mut().zip(across) {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&from[lane..lane + 8]);
        *to = u64::from_le_bytes(bytes);
    }
    for (row, from) in transpose(columns).iter().enumerate() {
        pixels[at + row * stride - 4..][..8].copy_from_slice(&from.to_le_bytes());
    }
}

/// Transposes 8 x 8 bytes, by swapping quarters, then quarters of quarters.
#[inline(always)]
fn transpose(mut rows: [u64; 8]) -> [u64; 8] {
    for (apart, mask) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff_u64)] {
        for row in (0..8).filter(|row| row & apart == 0) {
            let (upper, lower) = (rows[row], rows[row + apart]);
            rows[row] = upper & mask | (lower & mask) << (8 * apart);
            rows[row + apart] = upper >> (8 * apart) & mask | lower & !mask;
        }
    }
    rows
}

/// What a place is filtered by.
#[derive(Clone, Copy)]
struct Limits {
    edge: i16,
    interior: i16,
    variance: i16,
}

#[inline(always)]
fn simple_lanes(across: &mut Across, limit: i16) {
    let [_, _, p1, p0, q0, q1, _, _] = across;
    for lane in 0..LANES {
        let [a, b, c, d] = [p1[lane], p0[lane], q0[lane], q1[lane]].map(i16::from);
        let applies = 4 * (b - c).abs() + (a - d).abs() <= 2 * limit + 1;
        let step = (a - d).clamp(-128, 127) + 3 * (c - b);
        let keep = if applies { -1 } else { 0 };
        p0[lane] = (b + (((step + 3) >> 3).clamp(-16, 15) & keep)).clamp(0, 255) as u8;
        q0[lane] = (c - (((step + 4) >> 3).clamp(-16, 15) & keep)).clamp(0, 255) as u8;
    }
}

/// Filters one edge, between macroblocks if `OUTER` is set. Returns whether anything may have changed.
#[inline(always)]
fn normal_lanes<const OUTER: bool>(across: &mut Across, limits: Limits) -> bool {
    let mut apply = [0_i16; LANES];
    {
        let [p3, p2, p1, p0, q0, q1, q2, q3] = &*across;
        for lane in 0..LANES {
            let differs = |a: &[u8; LANES], b: &[u8; LANES]| (i16::from(a[lane]) - i16::from(b[lane])).abs();
            let roughest = differs(p3, p2)
                .max(differs(p2, p1))
                .max(differs(p1, p0))
                .max(differs(q3, q2))
                .max(differs(q2, q1))
                .max(differs(q1, q0));
            let step = 4 * differs(p0, q0) + differs(p1, q1);
            let smooth = (roughest <= limits.interior) & (step <= 2 * limits.edge + 1);
            apply[lane] = if smooth { -1 } else { 0 };
        }
    }
    if apply == [0; LANES] {
        return false;
    }
    let [_, p2, p1, p0, q0, q1, q2, _] = across;
    for lane in 0..LANES {
        let [a, b, c, d, e, f] = [p2[lane], p1[lane], p0[lane], q0[lane], q1[lane], q2[lane]].map(i16::from);
        let apply = apply[lane];
        let rough = if (b - c).abs().max((e - d).abs()) > limits.variance { -1_i16 } else { 0 };
        let outer_step = (b - e).clamp(-128, 127);
        let step = 3 * (d - c) + if OUTER { outer_step } else { outer_step & rough };
        let up = ((step + 3) >> 3).clamp(-16, 15);
        let down = ((step + 4) >> 3).clamp(-16, 15);
        let (near_p, near_q, middle, far) = if OUTER {
            let smooth = step.clamp(-128, 127);
            let near = (27 * smooth + 63) >> 7;
            let middle = ((18 * smooth + 63) >> 7) & !rough;
            let far = ((9 * smooth + 63) >> 7) & !rough;
            (up & rough | near & !rough, down & rough | near & !rough, middle, far)
        } else {
            (up, down, ((down + 1) >> 1) & !rough, 0)
        };
        if OUTER {
            p2[lane] = (a + (far & apply)).clamp(0, 255) as u8;
            q2[lane] = (f - (far & apply)).clamp(0, 255) as u8;
        }
        p1[lane] = (b + (middle & apply)).clamp(0, 255) as u8;
        q1[lane] = (e - (middle & apply)).clamp(0, 255) as u8;
        p0[lane] = (c + (near_p & apply)).clamp(0, 255) as u8;
        q0[lane] = (d - (near_q & apply)).clamp(0, 255) as u8;
    }
    true
}
