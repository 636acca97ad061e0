//! The inverse DCT that TensorFlow chooses: libjpeg-turbo's "fast integer" one.
//!
//! It is the Arai, Agui and Nakajima flow graph in 16-bit arithmetic with 8-bit constants. What counts is the SIMD
//! version, which wraps at 16 bits where damaged coefficients overflow, and so does this one. Each of its operations
//! works on eight lanes at once, which compilers turn into the same SIMD instructions.

/// One value of each of the eight columns (or rows) that are transformed together.
type Lanes = [i16; 8];

/// cos(k pi / 16) * sqrt(2) products of the AAN algorithm, 14 fractional bits.
#[rustfmt::skip]
const AAN_SCALES: [u16; 64] = [
    16384, 22725, 21407, 19266, 16384, 12873,  8867,  4520,
    22725, 31521, 29692, 26722, 22725, 17855, 12299,  6270,
    21407, 29692, 27969, 25172, 21407, 16819, 11585,  5906,
    19266, 26722, 25172, 22654, 19266, 15137, 10426,  5315,
    16384, 22725, 21407, 19266, 16384, 12873,  8867,  4520,
    12873, 17855, 16819, 15137, 12873, 10114,  6967,  3552,
     8867, 12299, 11585, 10426,  8867,  6967,  4799,  2446,
     4520,  6270,  5906,  5315,  4520,  3552,  2446,  1247,
];

/// Fractional bits that stay in the scaled quantisation steps.
const SCALE_BITS: u32 = 2;

/// The quantisation table with the AAN scales worked in. Steps that overflow 16 bits wrap, as in libjpeg.
pub(super) fn multipliers(quant: &[u16; 64]) -> [i16; 64] {
    let shift = 14 - SCALE_BITS;
    let mut scaled = [0; 64];
    for (out, (&step, &scale)) in scaled.iter_mut().zip(quant.iter().zip(&AAN_SCALES)) {
        *out = ((u64::from(step) * u64::from(scale) + (1 << (shift - 1))) >> shift) as i16;
    }
    scaled
}

/// The sample that a block with this DC coefficient and nothing else is full of.
pub(super) fn flat(dc: i16, multipliers: &[i16; 64]) -> u8 {
    sample(dc.wrapping_mul(multipliers[0]))
}

/// Transforms one block to 8 x 8 samples, row by row.
pub(super) fn transform(block: &[i16; 64], multipliers: &[i16; 64]) -> [[u8; 8]; 8] {
    let mut rows = [[0; 8]; 8];
    for (row, (coefficients, steps)) in rows.iter_mut().zip(block.chunks_exact(8).zip(multipliers.chunks_exact(8))) {
        for (out, (coefficient, &step)) in row.iter_mut().zip(coefficients.iter().zip(steps)) {
            *out = coefficient.wrapping_mul(step);
        }
    }
    pass(&mut rows);
    let mut columns = transpose(&rows);
    pass(&mut columns);
    transpose_samples(&columns)
}

/// Drops the fractional bits of both passes, clamps and adds the level shift.
#[inline]
fn sample(value: i16) -> u8 {
    ((value >> (SCALE_BITS + 3)).clamp(-128, 127) + 128) as u8
}

#[inline]
fn transpose(rows: &[Lanes; 8]) -> [Lanes; 8] {
    let mut columns = [[0; 8]; 8];
    for (y, row) in rows.iter().enumerate() {
        for (x, &value) in row.iter().enumerate() {
            columns[x][y] = value;
        }
    }
    columns
}

/// Turns columns of transformed values into rows of samples.
#[inline]
fn transpose_samples(columns: &[Lanes; 8]) -> [[u8; 8]; 8] {
    let mut packed = [[0; 8]; 8];
    for (samples, column) in packed.iter_mut().zip(columns) {
        for (out, &value) in samples.iter_mut().zip(column) {
            *out = sample(value);
        }
    }
    // Exchanges the off-diagonal halves of 2 x 2, then of 4 x 4, then of 8 x 8 bytes, eight bytes per word.
    let mut words = packed.map(u64::from_le_bytes);
    for (distance, mask) in [(1, 0x00ff_00ff_00ff_00ff), (2, 0x0000_ffff_0000_ffff), (4, 0x0000_0000_ffff_ffff)] {
        let shift = 8 * distance;
        for first in (0..8).filter(|row| row & distance == 0) {
            let (upper, lower) = (words[first], words[first + distance]);
            words[first] = upper & mask | (lower & mask) << shift;
            words[first + distance] = (upper >> shift) & mask | lower & !mask;
        }
    }
    words.map(u64::to_le_bytes)
}

/// One-dimensional transform of eight lanes in place: `values[k]` holds the k-th frequency of each, then the k-th sample.
#[inline]
fn pass(values: &mut [Lanes; 8]) {
    let [v0, v1, v2, v3, v4, v5, v6, v7] = values;
    for lane in 0..8 {
        // Even part.
        let (t10, t11) = (add(v0[lane], v4[lane]), sub(v0[lane], v4[lane]));
        let t13 = add(v2[lane], v6[lane]);
        let t12 = sub(times(sub(v2[lane], v6[lane]), SQRT_2), t13);
        let (t0, t3) = (add(t10, t13), sub(t10, t13));
        let (t1, t2) = (add(t11, t12), sub(t11, t12));

        // Odd part.
        let (z13, z10) = (add(v5[lane], v3[lane]), sub(v5[lane], v3[lane]));
        let (z11, z12) = (add(v1[lane], v7[lane]), sub(v1[lane], v7[lane]));
        let t7 = add(z11, z13);
        let t11 = times(sub(z11, z13), SQRT_2);
        let z5 = times(add(z10, z12), F_1_847);
        let t10 = sub(times(z12, F_1_082), z5);
        // -2.613 would overflow the constant: -1.613, and once more.
        let t12 = add(sub(times(z10, MINUS_F_1_613), z10), z5);
        let t6 = sub(t12, t7);
        let t5 = sub(t11, t6);
        let t4 = add(t10, t5);

        v0[lane] = add(t0, t7);
        v1[lane] = add(t1, t6);
        v2[lane] = add(t2, t5);
        v3[lane] = sub(t3, t4);
        v4[lane] = add(t3, t4);
        v5[lane] = sub(t2, t5);
        v6[lane] = sub(t1, t6);
        v7[lane] = sub(t0, t7);
    }
}

// Constants with 8 fractional bits, shifted so that the upper half of a 16 x 16 bit product of a value that was shifted
// left by 2 is what is wanted.
const SQRT_2: i16 = 362 << 6;
const F_1_847: i16 = 473 << 6;
const F_1_082: i16 = 277 << 6;
const MINUS_F_1_613: i16 = -(413 << 6);

#[inline(always)]
fn times(value: i16, factor: i16) -> i16 {
    ((i32::from(value << 2) * i32::from(factor)) >> 16) as i16
}

#[inline(always)]
fn add(a: i16, b: i16) -> i16 {
    a.wrapping_add(b)
}

#[inline(always)]
fn sub(a: i16, b: i16) -> i16 {
    a.wrapping_sub(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_dc_only_is_flat() {
        let multipliers = multipliers(&[16; 64]);
        for dc in [-2000, -64, -1, 0, 1, 17, 64, 2000] {
            let mut block = [0; 64];
            block[0] = dc;

            let samples = transform(&block, &multipliers);

            assert_eq!(samples, [[flat(dc, &multipliers); 8]; 8]);
        }
    }
}
