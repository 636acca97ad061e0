//! The header of a VP8 key frame (RFC 6386, sections 9.3 to 9.11), and the partitions that follow it.

use std::borrow::Cow;

use super::super::super::Reason;
use super::Damage;
use super::bools::BoolReader;
use super::filter::Strength;
use super::tables::{AC_STEPS, BANDS, Branches, DC_STEPS, DEFAULTS, KEPT};

/// Segments that macroblocks can belong to.
pub(super) const SEGMENTS: usize = 4;

/// The frame tag, the start code and the sizes, which `container` has read.
const TAG: usize = 10;

/// Probabilities of the four kinds of blocks, by position in zigzag order and by neighbours.
pub(super) type Probabilities = [[[Branches; 3]; 17]; 4];

/// What the coefficients of a macroblock are multiplied with: the first of a block, and the others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steps {
    /// Luma.
    pub(super) luma: [i32; 2],
    /// The block of the luma blocks' first coefficients.
    pub(super) means: [i32; 2],
    /// Chroma.
    pub(super) chroma: [i32; 2],
}

/// Which loop filter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// None.
    Off,
    /// On luma only.
    Simple,
    /// On all.
    Normal,
}

/// What holds for a whole frame.
pub(super) struct Header {
    /// Probabilities of the tree of segments, if each macroblock says which one it is in.
    pub(super) segment_tree: Option<[u8; 3]>,
    /// Which filter.
    pub(super) filter: Filter,
    /// How strong the filter is, by segment, for macroblocks predicted as a whole and for those predicted by blocks.
    pub(super) strengths: [[Strength; 2]; SEGMENTS],
    /// By segment.
    pub(super) steps: [Steps; SEGMENTS],
    /// Of the coefficients.
    pub(super) probabilities: Probabilities,
    /// How probable it is that a macroblock has coefficients, if macroblocks say so.
    pub(super) skip: Option<u8>,
}

/// The header and the readers of what is left: the rest of the first partition, and the partitions of coefficients.
pub(super) type Opened<'a> = (Header, BoolReader<'a>, Vec<BoolReader<'a>>);

/// Reads the header of the frame `data`, which `container` has found to begin well.
///
/// # Errors
///
/// Where libwebp finds too few data for the header or for a partition.
pub(super) fn open(data: &[u8]) -> Result<Opened<'_>, Damage> {
    const CUT: Damage = (Reason::Truncated, Cow::Borrowed("the VP8 frame stops in its header"));
    let (tag, rest) = data.split_at_checked(TAG).ok_or(CUT)?;
    let first = u32::from_le_bytes([tag[0], tag[1], tag[2], 0]) >> 5;
    let (first, rest) = rest.split_at_checked(first as usize).ok_or(CUT)?;
    let mut reader = BoolReader::new(first);
    reader.number(2); // colour space, and whether values can leave 0..=255: libwebp asks for neither
    let segments = Segments::read(&mut reader);
    let levels = Levels::read(&mut reader);
    if reader.ended() {
        return Err(CUT);
    }
    let partitions = partitions(rest, reader.number(2))?;
    let steps = read_steps(&mut reader, &segments);
    reader.flag(); // whether probabilities outlive the frame
    let probabilities = read_probabilities(&mut reader);
    let skip = reader.flag().then(|| reader.number(8) as u8);
    let header = Header {
        segment_tree: segments.tree,
        filter: levels.filter,
        strengths: levels.strengths(&segments),
        steps,
        probabilities,
        skip,
    };
    Ok((header, reader, partitions))
}

/// Divides `data` into `2^log` partitions. One that the data do not reach is empty; only the last must not be.
fn partitions(data: &[u8], log: u32) -> Result<Vec<BoolReader<'_>>, Damage> {
    const CUT: Damage = (Reason::Truncated, Cow::Borrowed("the VP8 frame stops before its last partition"));
    let count = 1 << log;
    let (sizes, mut rest) = data.split_at_checked(3 * (count - 1)).ok_or(CUT)?;
    let mut readers = Vec::with_capacity(count);
    for size in sizes.chunks_exact(3) {
        let size = u32::from_le_bytes([size[0], size[1], size[2], 0]) as usize;
        let (partition, after) = rest.split_at(size.min(rest.len()));
        readers.push(BoolReader::new(partition));
        rest = after;
    }
    if rest.is_empty() {
        return Err(CUT);
    }
    readers.push(BoolReader::new(rest));
    Ok(readers)
}

/// Values of the segments (section 9.3).
struct Segments {
    /// Whether there are any.
    used: bool,
    /// Whether the values stand for themselves, not for a difference from the frame's.
    absolute: bool,
    quantizers: [i32; SEGMENTS],
    levels: [i32; SEGMENTS],
    tree: Option<[u8; 3]>,
}

impl Segments {
    fn read(reader: &mut BoolReader) -> Self {
        let used = reader.flag();
        let mut segments = Self { used, absolute: true, quantizers: [0; SEGMENTS], levels: [0; SEGMENTS], tree: None };
        if used {
            let has_map = reader.flag();
            if reader.flag() {
                segments.absolute = reader.flag();
                segments.quantizers = [(); SEGMENTS].map(|()| reader.optional_signed(7).unwrap_or(0));
                segments.levels = [(); SEGMENTS].map(|()| reader.optional_signed(6).unwrap_or(0));
            }
            if has_map {
                segments.tree = Some([(); 3].map(|()| if reader.flag() { reader.number(8) as u8 } else { 255 }));
            }
        }
        segments
    }

    /// A segment's value, where the frame's is `base`.
    fn value(&self, values: &[i32; SEGMENTS], segment: usize, base: i32) -> i32 {
        match (self.used, self.absolute) {
            (false, _) => base,
            (true, true) => values[segment],
            (true, false) => values[segment] + base,
        }
    }
}

/// How strong the loop filter is (sections 9.3 and 9.6).
struct Levels {
    filter: Filter,
    level: i32,
    sharpness: i32,
    /// What is added for a key frame's macroblocks, and for those predicted by blocks.
    deltas: [i32; 2],
}

impl Levels {
    fn read(reader: &mut BoolReader) -> Self {
        let simple = reader.flag();
        let level = reader.number(6) as i32;
        let sharpness = reader.number(3) as i32;
        let mut deltas = [0; 2];
        if reader.flag() && reader.flag() {
            // Four for the frames that are referred to and four for the modes, of which a key frame knows one each.
            let mut four = || [(); 4].map(|()| reader.optional_signed(6).unwrap_or(0))[0];
            deltas = [four(), four()];
        }
        let filter = match (level, simple) {
            (0, _) => Filter::Off,
            (_, true) => Filter::Simple,
            (_, false) => Filter::Normal,
        };
        Self { filter, level, sharpness, deltas }
    }

    /// By segment, for macroblocks predicted as a whole and by blocks.
    fn strengths(&self, segments: &Segments) -> [[Strength; 2]; SEGMENTS] {
        let mut strengths = [[Strength::default(); 2]; SEGMENTS];
        for (segment, pair) in strengths.iter_mut().enumerate() {
            let base = segments.value(&segments.levels, segment, self.level) + self.deltas[0];
            *pair = [base, base + self.deltas[1]].map(|level| Strength::new(level.clamp(0, 63), self.sharpness));
        }
        strengths
    }
}

/// Reads the steps of the quantisation (sections 9.6 and 14.1).
fn read_steps(reader: &mut BoolReader, segments: &Segments) -> [Steps; SEGMENTS] {
    let base = reader.number(7) as i32;
    let [luma_dc, means_dc, means_ac, chroma_dc, chroma_ac] = [(); 5].map(|()| reader.optional_signed(4).unwrap_or(0));
    let dc = |index: i32, last: i32| i32::from(DC_STEPS[index.clamp(0, last) as usize]);
    let ac = |index: i32| i32::from(AC_STEPS[index.clamp(0, 127) as usize]);
    let mut steps = [Steps::default(); SEGMENTS];
    for (segment, steps) in steps.iter_mut().enumerate() {
        let index = segments.value(&segments.quantizers, segment, base);
        *steps = Steps {
            luma: [dc(index + luma_dc, 127), ac(index)],
            means: [dc(index + means_dc, 127) * 2, (ac(index + means_ac) * 155 / 100).max(8)],
            chroma: [dc(index + chroma_dc, 117), ac(index + chroma_ac)],
        };
    }
    steps
}

/// Reads which probabilities differ from the defaults (section 13.4).
fn read_probabilities(reader: &mut BoolReader) -> Probabilities {
    let mut values = DEFAULTS;
    for (value, &kept) in values.iter_mut().zip(&KEPT) {
        if reader.bit(kept) {
            *value = reader.number(8) as u8;
        }
    }
    let mut probabilities = [[[[0; 11]; 3]; 17]; 4];
    for (kind, positions) in probabilities.iter_mut().enumerate() {
        for (position, contexts) in positions.iter_mut().enumerate() {
            for (context, branches) in contexts.iter_mut().enumerate() {
                let at = ((kind * 8 + BANDS[position]) * 3 + context) * 11;
                branches.copy_from_slice(&values[at..at + 11]);
            }
        }
    }
    probabilities
}
