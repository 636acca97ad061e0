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
    let mut rows = [[0i16; 8]; 8];
    for (row, (coefficients, steps)) in rows.iter_mut().zip(block.chunks_exact(8).zip(multipliers.chunks_exact(8))) {
        for (out, (&coefficient, &step)) in row.iter_mut().zip(coefficients.iter().zip(steps)) {
            *out = coefficient.wrapping_mul(step);
        }
    }
    let columns = transpose(&pass(&rows));
    let rows = transpose(&pass(&columns));
    rows.map(|row| row.map(sample))
}

/// Drops the fractional bits of both passes, clamps and adds the level shift.
fn sample(value: i16) -> u8 {
    ((value >> (SCALE_BITS + 3)).clamp(-128, 127) + 128) as u8
}

fn transpose(rows: &[Lanes; 8]) -> [Lanes; 8] {
    let mut columns = [[0; 8]; 8];
    for (y, row) in rows.iter().enumerate() {
        for (x, &value) in row.iter().enumerate() {
            columns[x][y] = value;
        }
    }
    columns
}

/// One-dimensional transform of eight lanes: `input[k]` holds the k-th frequency of each.
#[inline(always)]
fn pass(input: &[Lanes; 8]) -> [Lanes; 8] {
    // Even part.
    let (t10, t11) = (add(input[0], input[4]), sub(input[0], input[4]));
    let t13 = add(input[2], input[6]);
    let t12 = sub(times::<SQRT_2>(sub(input[2], input[6])), t13);
    let (t0, t3) = (add(t10, t13), sub(t10, t13));
    let (t1, t2) = (add(t11, t12), sub(t11, t12));

    // Odd part.
    let (z13, z10) = (add(input[5], input[3]), sub(input[5], input[3]));
    let (z11, z12) = (add(input[1], input[7]), sub(input[1], input[7]));
    let t7 = add(z11, z13);
    let t11 = times::<SQRT_2>(sub(z11, z13));
    let z5 = times::<F_1_847>(add(z10, z12));
    let t10 = sub(times::<F_1_082>(z12), z5);
    // -2.613 would overflow the constant: -1.613, and once more.
    let t12 = add(sub(times::<MINUS_F_1_613>(z10), z10), z5);
    let t6 = sub(t12, t7);
    let t5 = sub(t11, t6);
    let t4 = add(t10, t5);

    [add(t0, t7), add(t1, t6), add(t2, t5), sub(t3, t4), add(t3, t4), sub(t2, t5), sub(t1, t6), sub(t0, t7)]
}

// Constants with 8 fractional bits, shifted so that the upper half of a 16 x 16 bit product of a value that was shifted
// left by 2 is what is wanted.
const SQRT_2: i16 = 362 << 6;
const F_1_847: i16 = 473 << 6;
const F_1_082: i16 = 277 << 6;
const MINUS_F_1_613: i16 = -(413 << 6);

#[inline(always)]
fn times<const FACTOR: i16>(lanes: Lanes) -> Lanes {
    lanes.map(|value| (i32::from(value << 2) * i32::from(FACTOR) >> 16) as i16)
}

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
}

#[inline(always)]
fn sub(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane].wrapping_sub(b[lane]))
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
