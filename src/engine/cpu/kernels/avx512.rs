//! x86-64 with AVX-512: 16 values per vector, 32 registers.
//!
//! A row that ends in half a vector ends in a 256-bit one, which takes half the time of a full one.

use std::arch::x86_64::*;

use super::avx2::{Avx2, F32x8};
use super::exp2::{magic, shift, table};
use super::gemm::{TileArgs, tiles};
use super::{Kernel, Shape, Simd, Vector};

/// This machine has AVX-512 F, DQ and VL besides AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Avx512(());

impl Avx512 {
    /// Asks the processor.
    pub(in super::super) fn detect() -> Option<Self> {
        let found = Avx2::detect().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        found.then_some(Self(()))
    }
}

/// Powers of two in the table: as many as one permutation of two registers reaches.
const POWERS: usize = 32;
static TABLE: [i32; POWERS] = table();
/// Minimax for `2^f - 1` over f, `|f| <= 1/64`, lowest power first; within 5.4e-8.
const POLYNOMIAL: [f32; 2] = [0.693_157_3, 0.240_226_5];

/// Sixteen values in a zmm register.
#[derive(Clone, Copy)]
pub(in super::super) struct F32x16(__m512);

impl Vector for F32x16 {
    const LENGTH: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has the instructions.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has the instructions and vouches for 16 values.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as in `load`.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has the instructions.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller has the instructions.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: the caller has the instructions.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller has the instructions.
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }

    #[inline(always)]
    unsafe fn clamp_symmetric(self, limit: f32) -> Self {
        // SAFETY: the caller has the instructions. Immediate: the smaller absolute value, with the sign of the first.
        Self(unsafe { _mm512_range_ps::<0b0010>(self.0, _mm512_set1_ps(limit)) })
    }

    #[inline(always)]
    unsafe fn clamp(self, low: f32, high: f32) -> Self {
        // SAFETY: the caller has the instructions. NaN is the second operand, which these instructions then return.
        unsafe { Self(_mm512_max_ps(_mm512_set1_ps(low), _mm512_min_ps(_mm512_set1_ps(high), self.0))) }
    }

    #[inline(always)]
    unsafe fn one_plus_exp2(self) -> Self {
        const MAGIC: f32 = magic(POWERS as u32);
        const SHIFT: u32 = shift(POWERS as u32);
        // SAFETY: the caller has the instructions; the table holds two vectors. The permutation looks at five bits only.
        unsafe {
            let rounded = _mm512_add_ps(self.0, _mm512_set1_ps(MAGIC));
            let f = _mm512_sub_ps(self.0, _mm512_sub_ps(rounded, _mm512_set1_ps(MAGIC)));
            let number = _mm512_castps_si512(rounded);
            let [low, high] = [_mm512_loadu_epi32(&raw const TABLE[0]), _mm512_loadu_epi32(&raw const TABLE[16])];
            let table = _mm512_permutex2var_epi32(low, number, high);
            let power = _mm512_castsi512_ps(_mm512_add_epi32(table, _mm512_slli_epi32::<SHIFT>(number)));
            let [c1, c2] = POLYNOMIAL;
            let (c1, c2) = (_mm512_set1_ps(c1), _mm512_set1_ps(c2));
            let p = _mm512_fmadd_ps(f, _mm512_fmadd_ps(f, c2, c1), _mm512_set1_ps(1.0));
            Self(_mm512_fmadd_ps(power, p, _mm512_set1_ps(1.0)))
        }
    }
}

impl Simd for Avx512 {
    type Full = F32x16;
    type Half = F32x8;

    const PITCH: usize = 48;
    const LINES_PER_TURN: usize = 4;

    #[inline(always)]
    unsafe fn narrow(full: F32x16) -> F32x8 {
        // SAFETY: the caller is within `run`.
        F32x8(unsafe { _mm512_castps512_ps256(full.0) })
    }

    #[inline(always)]
    fn prefetch(address: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
    }

    unsafe fn run<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
        unsafe fn with_avx512<K: Kernel>(kernel: K) {
            // SAFETY: the caller's.
            unsafe { kernel.call::<Avx512>() }
        }
        // SAFETY: `self` exists, so the machine has the instructions; the caller vouches for the rest.
        unsafe { with_avx512(kernel) }
    }

    /// Three vectors while nothing narrower than a vector and a half is left over: 112 channels are 48 + 32 + 32.
    fn panel(rest: usize, _: usize) -> Shape {
        match rest {
            6 | 9.. => Shape { full: 3, half: 0 },
            7 | 8 => Shape { full: 2, half: 0 },
            rest => Shape { full: rest / 2, half: rest % 2 },
        }
    }

    /// Enough accumulators to hide the latency of a multiply-add, as many rows as the registers allow for the narrow
    /// shapes (whose loads would else outnumber their multiply-adds); the widths of EfficientNet's maps divide by 7.
    fn tile_rows(shape: Shape) -> usize {
        if shape.full + shape.half > 2 || shape.half == 1 { 7 } else { 14 }
    }

    unsafe fn tile(self, shape: Shape, rows: usize, args: &TileArgs<'_>) {
        tiles!(self, shape, rows, args;
            (3, 0): 1 2 3 4 5 6 7;
            (2, 1): 1 2 3 4 5 6 7;
            (1, 1): 1 2 3 4 5 6 7;
            (0, 1): 1 2 3 4 5 6 7;
            (2, 0): 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            (1, 0): 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}
