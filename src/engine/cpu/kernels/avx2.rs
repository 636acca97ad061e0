//! x86-64 with AVX2 and FMA: 8 values per vector, 16 registers.

use std::arch::x86_64::*;
use std::f32::consts::LN_2;

use super::exp2::{magic, shift, table};
use super::gemm::{TileArgs, tiles};
use super::{Kernel, LANES, Shape, Simd, Vector};

/// This machine has AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Avx2(());

impl Avx2 {
    /// Asks the processor.
    pub(in super::super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

/// Powers of two in the table: as many as one permutation reaches.
const POWERS: usize = 8;
static TABLE: [i32; POWERS] = table();
/// Minimax for `2^f - 1` over f, `|f| <= 1/16`, lowest power first; within 2.6e-8.
const POLYNOMIAL: [f32; 3] = [LN_2, 0.240_257_63, 0.055_496_22];

/// Eight values in a ymm register.
#[derive(Clone, Copy)]
pub(in super::super) struct F32x8(pub(super) __m256);

impl Vector for F32x8 {
    const LENGTH: usize = LANES;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has the instructions.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has the instructions and vouches for 8 values.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as in `load`.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has the instructions.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller has the instructions.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: the caller has the instructions.
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller has the instructions.
        Self(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
    }

    #[inline(always)]
    unsafe fn clamp(self, low: f32, high: f32) -> Self {
        // SAFETY: the caller has the instructions. NaN is the second operand, which these instructions then return.
        unsafe { Self(_mm256_max_ps(_mm256_set1_ps(low), _mm256_min_ps(_mm256_set1_ps(high), self.0))) }
    }

    #[inline(always)]
    unsafe fn one_plus_exp2(self) -> Self {
        const MAGIC: f32 = magic(POWERS as u32);
        const SHIFT: i32 = shift(POWERS as u32) as i32;
        // SAFETY: the caller has the instructions; the table holds one vector. The permutation looks at three bits only.
        unsafe {
            let rounded = _mm256_add_ps(self.0, _mm256_set1_ps(MAGIC));
            let f = _mm256_sub_ps(self.0, _mm256_sub_ps(rounded, _mm256_set1_ps(MAGIC)));
            let number = _mm256_castps_si256(rounded);
            let table = _mm256_permutevar8x32_epi32(_mm256_loadu_si256((&raw const TABLE).cast()), number);
            let power = _mm256_castsi256_ps(_mm256_add_epi32(table, _mm256_slli_epi32::<SHIFT>(number)));
            let [c1, c2, c3] = POLYNOMIAL;
            let (c1, c2, c3) = (_mm256_set1_ps(c1), _mm256_set1_ps(c2), _mm256_set1_ps(c3));
            let p = _mm256_fmadd_ps(f, _mm256_fmadd_ps(f, c3, c2), c1);
            let p = _mm256_fmadd_ps(f, p, _mm256_set1_ps(1.0));
            Self(_mm256_fmadd_ps(power, p, _mm256_set1_ps(1.0)))
        }
    }
}

impl Simd for Avx2 {
    type Full = F32x8;
    type Half = F32x8;

    const PITCH: usize = 16;

    #[inline(always)]
    unsafe fn narrow(full: F32x8) -> F32x8 {
        full
    }

    #[inline(always)]
    fn prefetch(address: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
    }

    unsafe fn run<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn with_avx2<K: Kernel>(kernel: K) {
            // SAFETY: the caller's.
            unsafe { kernel.call::<Avx2>() }
        }
        // SAFETY: `self` exists, so the machine has the instructions; the caller vouches for the rest.
        unsafe { with_avx2(kernel) }
    }

    /// Two vectors; three where one would be left over, whose loads outnumber its multiply-adds.
    fn panel(rest: usize, limit: usize) -> Shape {
        let full = if matches!(rest, 3 | 5) && limit >= 3 * LANES { 3 } else { rest.min(2) };
        Shape { full, half: 0 }
    }

    /// Twelve sums, of 16 registers: LLVM needs the others for the weights and two broadcast values.
    fn tile_rows(shape: Shape) -> usize {
        12 / shape.full
    }

    unsafe fn tile(self, shape: Shape, rows: usize, args: &TileArgs<'_>) {
        tiles!(self, shape, rows, args;
            (3, 0): 1 2 3 4;
            (2, 0): 1 2 3 4 5 6;
            (1, 0): 1 2 3 4 5 6 7 8 9 10 11 12);
    }
}
