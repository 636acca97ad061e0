//! Decoded rows on their way from the macroblocks through the loop filter to RGB.
//!
//! Only one row of macroblocks is kept, and of the row before what the filter or the upsampling still asks for.

use super::predict::Workspace;
use super::upsample::Upsampler;

/// Luma rows that are kept of the row of macroblocks before. The filter changes three of them and looks at four. So that
/// luma and chroma end together, rows are finished up to eight before the end, and one more is kept for its pair.
const KEPT: usize = 10;

/// Chroma rows that are kept.
const KEPT_CHROMA: usize = KEPT / 2;

/// One row of macroblocks, and the end of the one before.
pub(super) struct Planes {
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
    /// Macroblocks in a row.
    columns: usize,
}

impl Planes {
    pub(super) fn new(columns: usize) -> Self {
        let chroma = vec![0; columns * 8 * (KEPT_CHROMA + 8)];
        Self { y: vec![0; columns * 16 * (KEPT + 16)], u: chroma.clone(), v: chroma, columns }
    }

    /// The distance of rows in luma, and where the macroblock in column `x` begins.
    pub(super) fn luma(&self, x: usize) -> (usize, usize) {
        let stride = self.columns * 16;
        (stride, KEPT * stride + 16 * x)
    }

    /// The distance of rows in chroma, and where the macroblock in column `x` begins.
    pub(super) fn chroma(&self, x: usize) -> (usize, usize) {
        let stride = self.columns * 8;
        (stride, KEPT_CHROMA * stride + 8 * x)
    }

    /// Takes over the macroblock in column `x`.
    pub(super) fn store(&mut self, x: usize, workspace: &Workspace) {
        let (stride, first) = self.luma(x);
        for row in 0..16 {
            self.y[first + row * stride..][..16].copy_from_slice(workspace.luma_row(row));
        }
        let (stride, first) = self.chroma(x);
        for row in 0..8 {
            let [u, v] = workspace.chroma_row(row);
            self.u[first + row * stride..][..8].copy_from_slice(u);
            self.v[first + row * stride..][..8].copy_from_slice(v);
        }
    }

    /// Writes the rows that are finished after the row `y` of macroblocks of a picture of `height` rows, and makes room
    /// for the next. `rgb` is the whole picture, with `width` * 3 bytes in a row.
    pub(super) fn finish(&mut self, y: usize, height: usize, upsampler: &mut Upsampler, rgb: &mut [u8]) {
        let is_last = 16 * (y + 1) >= height;
        let begin = (16 * y).saturating_sub(9);
        let end = if is_last { height } else { 16 * y + 7 };
        let (luma_base, chroma_base) = (16 * y as isize - KEPT as isize, 8 * y as isize - KEPT_CHROMA as isize);
        let last_chroma = (height - 1) / 2;
        for row in begin..end {
            let near = row / 2;
            let far = if row % 2 == 1 { (near + 1).min(last_chroma) } else { near.saturating_sub(1) };
            let luma = self.row(&self.y, 16, row as isize - luma_base);
            let [near, far] = [near, far]
                .map(|chroma| [&self.u, &self.v].map(|plane| self.row(plane, 8, chroma as isize - chroma_base)));
            upsampler.row(luma, near, far, row, rgb);
        }
        for (plane, width, kept, new) in
            [(&mut self.y, 16, KEPT, 16), (&mut self.u, 8, KEPT_CHROMA, 8), (&mut self.v, 8, KEPT_CHROMA, 8)]
        {
            let stride = self.columns * width;
            plane.copy_within(new * stride..(new + kept) * stride, 0);
        }
    }

    fn row<'a>(&self, plane: &'a [u8], width: usize, row: isize) -> &'a [u8] {
        let stride = self.columns * width;
        &plane[row as usize * stride..][..stride]
    }
}
