//! Prediction from the neighbours (RFC 6386, section 12), and what the coefficients add to it.
//!
//! One macroblock at a time is made in a small workspace that has its neighbours around it, before the loop filter:
//!
//! ```text
//!  row 0     c tttttttttttttttt rrrr    corner, top, and the top of the next macroblock
//!  row 1..   l yyyyyyyyyyyyyyyy         left, luma (16 rows)
//!  row 17    c tttttttt        c tttttttt
//!  row 18..  l uuuuuuuu        l vvvvvvvv    (8 rows)
//! ```

use super::modes::{self, Luma};
use super::residuals::{Extent, Residuals};
use super::transform::{self, Block};

/// From one row of the workspace to the next.
const STRIDE: usize = 32;

/// Where the first pixels of luma, U and V are. The tops are a row before, the lefts a column.
const Y: usize = STRIDE + 8;
const U: usize = 18 * STRIDE + 8;
const V: usize = 18 * STRIDE + 24;

/// Neighbours that are outside of the picture: above it, and left of it.
const ABOVE: u8 = 127;
const BESIDE: u8 = 129;

/// Unfiltered pixels of the last row of a macroblock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bottom {
    y: [u8; 16],
    u: [u8; 8],
    v: [u8; 8],
}

impl Bottom {
    /// What the macroblocks of the first row see above them.
    pub(super) const OUTSIDE: Self = Self { y: [ABOVE; 16], u: [ABOVE; 8], v: [ABOVE; 8] };
}

/// Where a macroblock is, as far as prediction asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// Column of macroblocks.
    pub(super) x: usize,
    /// Row of macroblocks.
    pub(super) y: usize,
}

/// One macroblock and its neighbours.
pub(super) struct Workspace {
    pixels: [u8; 26 * STRIDE],
}

impl Workspace {
    pub(super) fn new() -> Self {
        Self { pixels: [0; 26 * STRIDE] }
    }

    /// A row of 16 luma pixels.
    pub(super) fn luma_row(&self, row: usize) -> &[u8] {
        &self.pixels[Y + row * STRIDE..][..16]
    }

    /// A row of 8 pixels of U and one of V.
    pub(super) fn chroma_row(&self, row: usize) -> [&[u8]; 2] {
        [U, V].map(|plane| &self.pixels[plane + row * STRIDE..][..8])
    }

    /// The last rows, for the macroblock below.
    pub(super) fn bottom(&self) -> Bottom {
        let mut bottom = Bottom::OUTSIDE;
        bottom.y.copy_from_slice(self.luma_row(15));
        let [u, v] = self.chroma_row(7);
        bottom.u.copy_from_slice(u);
        bottom.v.copy_from_slice(v);
        bottom
    }

    /// Brings in the neighbours: `top` is above, `next` above and one to the right, if there is one. What is left of the
    /// macroblock is what the workspace held before.
    pub(super) fn surround(&mut self, at: Position, top: &Bottom, next: Option<&Bottom>) {
        for (plane, size) in [(Y, 16), (U, 8), (V, 8)] {
            for row in 0..=size {
                let left = plane - STRIDE - 1 + row * STRIDE;
                self.pixels[left] = match (at.x, at.y, row) {
                    (0, 0, 0) => ABOVE,
                    (0, ..) => BESIDE,
                    _ => self.pixels[left + size],
                };
            }
        }
        self.pixels[Y - STRIDE..][..16].copy_from_slice(&top.y);
        self.pixels[U - STRIDE..][..8].copy_from_slice(&top.u);
        self.pixels[V - STRIDE..][..8].copy_from_slice(&top.v);
        let mut right = [if at.y == 0 { ABOVE } else { top.y[15] }; 4];
        if let Some(next) = next {
            right.copy_from_slice(&next.y[..4]);
        }
        // The blocks of the right column all see the same pixels there.
        for row in [0, 4, 8, 12] {
            self.pixels[Y - STRIDE + 16 + row * STRIDE..][..4].copy_from_slice(&right);
        }
    }

    /// Predicts luma, and adds what the coefficients say.
    pub(super) fn luma(&mut self, at: Position, luma: &Luma, residuals: &Residuals) {
        let whole = match luma {
            Luma::Whole(mode) => {
                self.whole::<16>(Y, at, *mode);
                None
            }
            Luma::Blocks(modes) => Some(modes),
        };
        for (block, (coefficients, &extent)) in residuals.coefficients[..16].iter().zip(&residuals.extents).enumerate()
        {
            let corner = Y + block / 4 * 4 * STRIDE + block % 4 * 4;
            if let Some(modes) = whole {
                self.predict_block(corner, modes[block]);
            }
            match extent {
                Extent::Empty => {}
                Extent::First => self.add_one(corner, transform::of_first(coefficients)),
                Extent::Three => self.add(corner, &transform::of_three(coefficients)),
                Extent::Many => self.add(corner, &transform::full(coefficients)),
            }
        }
    }

    /// Predicts U and V, and adds what the coefficients say.
    ///
    /// libwebp transforms the four blocks of a plane alike: in full, if only one of them has more than a first coefficient.
    pub(super) fn chroma(&mut self, at: Position, mode: u8, residuals: &Residuals) {
        for (plane, first) in [(U, 16), (V, 20)] {
            self.whole::<8>(plane, at, mode);
            let extents = &residuals.extents[first..first + 4];
            let full = extents.iter().any(|extent| matches!(extent, Extent::Three | Extent::Many));
            for (block, (coefficients, &extent)) in residuals.coefficients[first..].iter().zip(extents).enumerate() {
                let corner = plane + block / 2 * 4 * STRIDE + block % 2 * 4;
                match extent {
                    Extent::Empty => {}
                    _ if full => self.add(corner, &transform::full(coefficients)),
                    _ => self.add_one(corner, transform::of_first(coefficients)),
                }
            }
        }
    }

    /// Adds a block of differences at `corner`.
    #[inline(always)]
    fn add(&mut self, corner: usize, block: &Block) {
        for (row, differences) in block.iter().enumerate() {
            let pixels = &mut self.pixels[corner + row * STRIDE..][..4];
            for (pixel, difference) in pixels.iter_mut().zip(differences) {
                *pixel = (i16::from(*pixel) + difference).clamp(0, 255) as u8;
            }
        }
    }

    /// Adds `difference` to the sixteen pixels of a block.
    #[inline(always)]
    fn add_one(&mut self, corner: usize, difference: i16) {
        self.add(corner, &[[difference; 4]; 4]);
    }

    /// Predicts N x N pixels at `corner` as one.
    #[inline(always)]
    fn whole<const N: usize>(&mut self, corner: usize, at: Position, mode: u8) {
        let mut top = [0; N];
        top.copy_from_slice(&self.pixels[corner - STRIDE..][..N]);
        let mut left = [0; N];
        for (row, left) in left.iter_mut().enumerate() {
            *left = self.pixels[corner - 1 + row * STRIDE];
        }
        let before = i16::from(self.pixels[corner - STRIDE - 1]);
        let mean = || {
            let sum = |edge: &[u8; N]| edge.iter().map(|&pixel| usize::from(pixel)).sum::<usize>();
            match (at.x, at.y) {
                (0, 0) => 128,
                (0, _) => ((sum(&top) + N / 2) / N) as u8,
                (_, 0) => ((sum(&left) + N / 2) / N) as u8,
                _ => ((sum(&top) + sum(&left) + N) / (2 * N)) as u8,
            }
        };
        let dc = if mode == modes::DC { mean() } else { 0 };
        for (row, &left) in left.iter().enumerate() {
            let pixels = &mut self.pixels[corner + row * STRIDE..][..N];
            match mode {
                modes::DC => pixels.fill(dc),
                modes::HORIZONTAL => pixels.fill(left),
                modes::VERTICAL => pixels.copy_from_slice(&top),
                _ => {
                    let slope = i16::from(left) - before;
                    for (pixel, &top) in pixels.iter_mut().zip(&top) {
                        *pixel = (i16::from(top) + slope).clamp(0, 255) as u8;
                    }
                }
            }
        }
    }

    /// Predicts a block of 4 x 4 at `corner`.
    #[inline(always)]
    fn predict_block(&mut self, corner: usize, mode: u8) {
        // From the bottom left up to the corner and on to the top right.
        let mut edge = [0; 13];
        for (row, pixel) in edge[..4].iter_mut().rev().enumerate() {
            *pixel = self.pixels[corner - 1 + row * STRIDE];
        }
        edge[4..].copy_from_slice(&self.pixels[corner - STRIDE - 1..][..9]);
        for (row, pixels) in block(&edge, mode).iter().enumerate() {
            self.pixels[corner + row * STRIDE..][..4].copy_from_slice(pixels);
        }
    }
}

/// The prediction of a block from its edge: four pixels at the left from the bottom up, the corner, eight above.
#[inline(always)]
fn block(edge: &[u8; 13], mode: u8) -> [[u8; 4]; 4] {
    let at = |index: usize| u16::from(edge[index]);
    let two = |index: usize| ((at(index) + at(index + 1) + 1) >> 1) as u8;
    let three = |index: usize| ((at(index - 1) + 2 * at(index) + at(index + 1) + 2) >> 2) as u8;
    let bottom = ((at(1) + 3 * at(0) + 2) >> 2) as u8;
    let last = edge[0];
    match mode {
        modes::DC => {
            let sum: u16 = [0, 1, 2, 3, 5, 6, 7, 8].into_iter().map(at).sum();
            [[((sum + 4) >> 3) as u8; 4]; 4]
        }
        modes::TRUE_MOTION => [3, 2, 1, 0].map(|left| {
            let slope = i16::from(edge[left]) - i16::from(edge[4]);
            [5, 6, 7, 8].map(|top| (i16::from(edge[top]) + slope).clamp(0, 255) as u8)
        }),
        modes::VERTICAL => [[5, 6, 7, 8].map(three); 4],
        modes::HORIZONTAL => [three(3), three(2), three(1), bottom].map(|value| [value; 4]),
        modes::RIGHT_DOWN => [4, 3, 2, 1].map(|first| [first, first + 1, first + 2, first + 3].map(three)),
        modes::LEFT_DOWN => {
            let end = ((at(11) + 3 * at(12) + 2) >> 2) as u8;
            let [a, b, c, d, e, f] = [6, 7, 8, 9, 10, 11].map(three);
            [[a, b, c, d], [b, c, d, e], [c, d, e, f], [d, e, f, end]]
        }
        modes::VERTICAL_RIGHT => [
            [two(4), two(5), two(6), two(7)],
            [three(4), three(5), three(6), three(7)],
            [three(3), two(4), two(5), two(6)],
            [three(2), three(4), three(5), three(6)],
        ],
        modes::VERTICAL_LEFT => [
            [two(5), two(6), two(7), two(8)],
            [three(6), three(7), three(8), three(9)],
            [two(6), two(7), two(8), three(10)],
            [three(7), three(8), three(9), three(11)],
        ],
        modes::HORIZONTAL_DOWN => [
            [two(3), three(4), three(5), three(6)],
            [two(2), three(3), two(3), three(4)],
            [two(1), three(2), two(2), three(3)],
            [two(0), three(1), two(1), three(2)],
        ],
        _ => [
            [two(2), three(2), two(1), three(1)],
            [two(1), three(1), two(0), bottom],
            [two(0), bottom, last, last],
            [last; 4],
        ],
    }
}
