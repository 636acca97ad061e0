//! The coefficients of a macroblock (RFC 6386, section 13).

use super::bools::BoolReader;
use super::header::{Probabilities, Steps};
use super::tables::{Branches, LARGE, ZIGZAG};
use super::transform;

/// Kinds of blocks, as the probabilities know them.
const LUMA_WITHOUT_FIRST: usize = 0;
const MEANS: usize = 1;
const CHROMA: usize = 2;
const LUMA: usize = 3;

/// Sixteen luma blocks, four of U, four of V.
pub(super) const BLOCKS: usize = 24;

/// How much of a block is not zero, which decides how it is transformed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Extent {
    /// Nothing.
    #[default]
    Empty,
    /// The first coefficient only.
    First,
    /// At most the first three of the zigzag order.
    Three,
    /// More.
    Many,
}

impl Extent {
    /// That of a block whose coefficients end at `end` in zigzag order.
    fn new(end: usize, first: i16) -> Self {
        match end {
            4.. => Self::Many,
            2.. => Self::Three,
            _ if first != 0 => Self::First,
            _ => Self::Empty,
        }
    }
}

/// The coefficients of one macroblock.
pub(super) struct Residuals {
    /// Sixteen for each block.
    pub(super) coefficients: [[i16; 16]; BLOCKS],
    /// Of each block.
    pub(super) extents: [Extent; BLOCKS],
}

impl Residuals {
    pub(super) const EMPTY: Self = Self { coefficients: [[0; 16]; BLOCKS], extents: [Extent::Empty; BLOCKS] };
}

/// Which blocks at the edge of a macroblock have coefficients: four of luma, two of U, two of V, and the means.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Edge {
    luma: [bool; 4],
    chroma: [[bool; 2]; 2],
    means: bool,
}

impl Edge {
    /// After a macroblock without coefficients. Those predicted by blocks have no means, and leave the flag alone.
    pub(super) fn skip(&mut self, by_blocks: bool) {
        *self = Self { means: self.means && by_blocks, ..Self::default() };
    }
}

/// Reads the coefficients of a macroblock into `residuals`, which has to be empty. Returns whether there are any.
pub(super) fn read(
    reader: &mut BoolReader,
    probabilities: &Probabilities,
    steps: &Steps,
    by_blocks: bool,
    (top, left): (&mut Edge, &mut Edge),
    residuals: &mut Residuals,
) -> bool {
    let mut local = *reader; // in registers for a while
    let Residuals { coefficients, extents } = residuals;
    let (kind, first) = if by_blocks { (LUMA, 0) } else { (LUMA_WITHOUT_FIRST, 1) };
    if !by_blocks {
        let context = usize::from(top.means) + usize::from(left.means);
        let mut means = [0; 16];
        let end = block(&mut local, &probabilities[MEANS], context, steps.means, 0, &mut means);
        (top.means, left.means) = (end > 0, end > 0);
        let firsts =
            if end > 1 { transform::walsh_hadamard(&means) } else { [((i32::from(means[0]) + 3) >> 3) as i16; 16] };
        for (block, first) in coefficients.iter_mut().zip(firsts) {
            block[0] = first;
        }
    }
    let mut any = false;
    for y in 0..4 {
        for x in 0..4 {
            let coefficients = &mut coefficients[y * 4 + x];
            let context = usize::from(top.luma[x]) + usize::from(left.luma[y]);
            let end = block(&mut local, &probabilities[kind], context, steps.luma, first, coefficients);
            (top.luma[x], left.luma[y]) = (end > first, end > first);
            let extent = Extent::new(end, coefficients[0]);
            extents[y * 4 + x] = extent;
            any |= extent != Extent::Empty;
        }
    }
    for plane in 0..2 {
        for y in 0..2 {
            for x in 0..2 {
                let index = 16 + plane * 4 + y * 2 + x;
                let (top, left) = (&mut top.chroma[plane][x], &mut left.chroma[plane][y]);
                let context = usize::from(*top) + usize::from(*left);
                let coefficients = &mut coefficients[index];
                let end = block(&mut local, &probabilities[CHROMA], context, steps.chroma, 0, coefficients);
                (*top, *left) = (end > 0, end > 0);
                let extent = Extent::new(end, coefficients[0]);
                extents[index] = extent;
                any |= extent != Extent::Empty;
            }
        }
    }
    *reader = local;
    any
}

/// Reads the tokens of one block from position `first` on. Returns where its coefficients end in zigzag order.
///
/// Products are cut to 16 bits, as in libwebp.
#[inline(always)]
fn block(
    reader: &mut BoolReader,
    probabilities: &[[Branches; 3]; 17],
    context: usize,
    steps: [i32; 2],
    first: usize,
    out: &mut [i16; 16],
) -> usize {
    let mut branches = &probabilities[first][context];
    let mut at = first;
    while at < 16 {
        if !reader.bit(branches[0]) {
            return at;
        }
        while !reader.bit(branches[1]) {
            at += 1;
            if at == 16 {
                return 16;
            }
            branches = &probabilities[at][0];
        }
        let next = &probabilities[at + 1];
        let value = if reader.bit(branches[2]) {
            let value = large(reader, branches);
            branches = &next[2];
            value
        } else {
            branches = &next[1];
            1
        };
        let step = steps[usize::from(at > 0)];
        out[usize::from(ZIGZAG[at]) & 15] = (reader.sign(value) * step) as i16;
        at += 1;
    }
    16
}

/// A value of 2 and more (section 13.2).
fn large(reader: &mut BoolReader, branches: &Branches) -> i32 {
    let mut bit = |probability: u8| i32::from(reader.bit(probability));
    if bit(branches[3]) == 0 {
        return if bit(branches[4]) == 0 { 2 } else { 3 + bit(branches[5]) };
    }
    if bit(branches[6]) == 0 {
        return if bit(branches[7]) == 0 { 5 + bit(159) } else { 7 + 2 * bit(165) + bit(145) };
    }
    let high = bit(branches[8]);
    let low = bit(branches[9 + high as usize]);
    let category = (2 * high + low) as usize;
    let extra = LARGE[category].iter().fold(0, |value, &probability| value << 1 | bit(probability));
    extra + 3 + (8 << category)
}
