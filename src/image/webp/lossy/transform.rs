//! The inverse transforms of VP8 (RFC 6386, section 14), with the arithmetic that libwebp has on x86.
//!
//! Sums of coefficients that no encoder writes leave 16 bits. libwebp's SSE2 code wraps there, and so does [`full`]; the
//! shortcuts for few coefficients are plain C in libwebp, with 32 bits.

/// sqrt(2) * cos(pi / 8), without its whole part, in 1/65,536.
const C1: i32 = 20_091;

/// sqrt(2) * sin(pi / 8), in 1/65,536.
const C2: i32 = 35_468;

/// Rows of four differences from the prediction.
pub(super) type Block = [[i16; 4]; 4];

/// The first coefficients of sixteen luma blocks from the block of their means (section 14.3).
pub(super) fn walsh_hadamard(means: &[i16; 16]) -> [i16; 16] {
    let mut columns = [0; 16];
    for x in 0..4 {
        let [a, b, c, d] = [0, 4, 8, 12].map(|row| i32::from(means[row + x]));
        let (outer, inner) = (a + d, b + c);
        let (outer_difference, inner_difference) = (a - d, b - c);
        columns[x] = outer + inner;
        columns[4 + x] = outer_difference + inner_difference;
        columns[8 + x] = outer - inner;
        columns[12 + x] = outer_difference - inner_difference;
    }
    let mut out = [0; 16];
    for (row, out) in columns.chunks_exact(4).zip(out.chunks_exact_mut(4)) {
        let first = row[0] + 3;
        let (outer, inner) = (first + row[3], row[1] + row[2]);
        let (outer_difference, inner_difference) = (first - row[3], row[1] - row[2]);
        let sums =
            [outer + inner, outer_difference + inner_difference, outer - inner, outer_difference - inner_difference];
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = (sum >> 3) as i16;
        }
    }
    out
}

/// The transform of all sixteen coefficients, in 16 bits that wrap.
#[inline(always)]
pub(super) fn full(coefficients: &[i16; 16]) -> Block {
    let rows = |at: usize| -> [i16; 4] {
        [coefficients[at], coefficients[at + 1], coefficients[at + 2], coefficients[at + 3]]
    };
    let vertical = transpose(butterfly([rows(0), rows(4), rows(8), rows(12)]));
    let [first, second, third, fourth] = vertical;
    let rounded = first.map(|value| value.wrapping_add(4));
    transpose(butterfly([rounded, second, third, fourth])).map(|row| row.map(|value| value >> 3))
}

/// One dimension of the transform, for four columns at once.
#[inline(always)]
fn butterfly([r0, r1, r2, r3]: [[i16; 4]; 4]) -> Block {
    let mut out = [[0; 4]; 4];
    for x in 0..4 {
        let a = r0[x].wrapping_add(r2[x]);
        let b = r0[x].wrapping_sub(r2[x]);
        let c = high(r1[x], C2 - (1 << 16)).wrapping_sub(high(r3[x], C1)).wrapping_add(r1[x]).wrapping_sub(r3[x]);
        let d = high(r1[x], C1).wrapping_add(high(r3[x], C2 - (1 << 16))).wrapping_add(r1[x]).wrapping_add(r3[x]);
        out[0][x] = a.wrapping_add(d);
        out[1][x] = b.wrapping_add(c);
        out[2][x] = b.wrapping_sub(c);
        out[3][x] = a.wrapping_sub(d);
    }
    out
}

/// The upper half of a product.
#[inline(always)]
fn high(value: i16, factor: i32) -> i16 {
    ((i32::from(value) * factor) >> 16) as i16
}

#[inline(always)]
fn transpose(rows: Block) -> Block {
    let mut out = [[0; 4]; 4];
    for (y, row) in rows.iter().enumerate() {
        for (x, &value) in row.iter().enumerate() {
            out[x][y] = value;
        }
    }
    out
}

/// The transform where only the first three coefficients of the zigzag order may be other than zero.
#[inline(always)]
pub(super) fn of_three(coefficients: &[i16; 16]) -> Block {
    let one = |value: i16| ((i32::from(value) * C1) >> 16) + i32::from(value);
    let two = |value: i16| (i32::from(value) * C2) >> 16;
    let mean = i32::from(coefficients[0]) + 4;
    let (across, down) = (coefficients[1], coefficients[4]);
    let columns = [one(across), two(across), -two(across), -one(across)];
    let rows = [one(down), two(down), -two(down), -one(down)];
    rows.map(|row| columns.map(|column| ((mean + row + column) >> 3) as i16))
}

/// The transform of the first coefficient alone: sixteen times this value.
#[inline(always)]
pub(super) fn of_first(coefficients: &[i16; 16]) -> i16 {
    ((i32::from(coefficients[0]) + 4) >> 3) as i16
}
