//! The kernels and the whole pass against plain arithmetic in f64, for every set of instructions that this machine has.

mod layers;
mod naive;
mod networks;

/// Runs a block once for each set of instructions that this machine has, with a name for messages.
macro_rules! each_simd {
    (|$simd:ident, $isa:ident| $body:block) => {{
        let ($simd, $isa) = (crate::engine::cpu::kernels::Portable, "portable");
        $body
    }
    #[cfg(target_arch = "x86_64")]
    if let Some($simd) = crate::engine::cpu::kernels::Avx2::detect() {
        let $isa = "avx2";
        $body
    }
    #[cfg(target_arch = "x86_64")]
    if let Some($simd) = crate::engine::cpu::kernels::Avx512::detect() {
        let $isa = "avx512";
        $body
    }};
}
use each_simd;

/// Numbers in -1..1 that look random, the same on every run (Numerical Recipes' LCG).
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn vec(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// Asserts that two results agree as f32 arithmetic can: relative to the largest value, because sums cancel.
fn assert_close(what: &str, ours: &[f32], truth: &[f64]) {
    assert_eq!(ours.len(), truth.len(), "{what}");
    let scale = truth.iter().fold(1e-3, |scale: f64, value| scale.max(value.abs()));
    for (at, (a, b)) in ours.iter().zip(truth).enumerate() {
        assert!((f64::from(*a) - b).abs() <= 4e-6 * scale, "{what}: {a} is not {b} at {at}");
    }
}
