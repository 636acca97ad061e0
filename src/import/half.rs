//! The two 16-bit floating-point formats, widened to float32. Every value of both is exact in float32.

/// Widens an IEEE 754 binary16 number, given as its bits.
pub(super) fn from_f16(bits: u16) -> f32 {
    const FRACTION: u32 = 10;
    const SUBNORMAL: f32 = 1.0 / (1 << 24) as f32; // the step between the numbers without an exponent
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> FRACTION) & 0x1F, u32::from(bits) & 0x3FF);
    let magnitude = match exponent {
        0 => (fraction as f32 * SUBNORMAL).to_bits(),
        0x1F => 0x7F80_0000 | fraction << (23 - FRACTION),
        // The exponents are biased by 15 and by 127.
        _ => (exponent + 127 - 15) << 23 | fraction << (23 - FRACTION),
    };
    f32::from_bits(sign | magnitude)
}

/// Widens a bfloat16 number, given as its bits: the upper half of a float32.
pub(super) fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_widened_exactly() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7BFF, 65504.0),
            (0x0400, 6.103_515_6e-5), // the smallest with an exponent
            (0x0001, 5.960_464_5e-8), // the smallest
            (0x83FF, -6.097_555e-5),
            (0x7C00, f32::INFINITY),
        ] {
            assert_eq!(from_f16(bits).to_bits(), f32::to_bits(value), "{bits:#06x}");
        }
        assert!(from_f16(0x7E00).is_nan());
        assert!(from_f16(0x8000).is_sign_negative());
        assert_eq!([from_bf16(0x3F80), from_bf16(0xC049)], [1.0, -3.140_625]);
    }
}
