//! Constants for `2^t`: a table for the leading bits of the fraction, a short polynomial for the rest.
//!
//! With a table of `N` powers `2^(j/N)`, `t = n + j/N + f` where `|f| <= 1/(2N)`, and `2^t = 2^n * 2^(j/N) * p(f)`.
//! Adding [`magic`] to `t` rounds it to a multiple of `1/N`, and leaves `n * N + j` in the low bits of the sum: its last
//! bits choose from the table, and the whole, shifted so that `n` meets the exponent, is added to what was found there.
//! The table's entries are less by `j` shifted as much, because `j` arrives with it.

#[cfg(target_arch = "x86_64")]
use std::f32::consts::SQRT_2;

/// Bits of an f32's mantissa.
const MANTISSA: u32 = f32::MANTISSA_DIGITS - 1;

#[cfg(target_arch = "x86_64")]
/// `2^(j/32)` for j = 0..32.
#[rustfmt::skip]
const POWERS: [f32; 32] = [
    1.0, 1.021_897_2, 1.044_273_7, 1.067_140_5, 1.090_507_7, 1.114_386_8,
    1.138_788_6, 1.163_724_9, 1.189_207_1, 1.215_247_4, 1.241_857_8, 1.269_051,
    1.296_839_6, 1.325_236_7, 1.354_255_6, 1.383_91, SQRT_2, 1.445_180_8,
    1.476_826_2, 1.509_164_5, 1.542_210_8, 1.575_980_9, 1.610_490_3, 1.645_755_5,
    1.681_792_9, 1.718_619_3, 1.756_252_2, 1.794_709_1, 1.834_008_1, 1.874_167_7,
    1.915_206_6, 1.957_144_1,
];

/// The number that, added to `t`, rounds it to a multiple of `1/n` (a power of two): `1.5 * 2^23 / n`.
pub(super) const fn magic(n: u32) -> f32 {
    (3 << (MANTISSA - 1)) as f32 / n as f32
}

/// How far left `n * N + j` goes to meet the exponent.
pub(super) const fn shift(n: u32) -> u32 {
    MANTISSA - n.ilog2()
}

#[cfg(target_arch = "x86_64")]
/// The bits of `2^(j/N)`, less `j` shifted to where the exponent begins.
pub(super) const fn table<const N: usize>() -> [i32; N] {
    let mut table = [0; N];
    let mut j = 0;
    while j < N {
        table[j] = (POWERS[j * (POWERS.len() / N)].to_bits() - ((j as u32) << shift(N as u32))) as i32;
        j += 1;
    }
    table
}
