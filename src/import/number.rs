//! Numbers as weight files store them, as float32.

use super::half;

/// How a value of a tensor is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// IEEE 754 half precision.
    F16,
    /// The upper half of a float32.
    Bf16,
    F32,
    F64,
    /// Anything else, by its name, and how many bytes a value has; 0 where that is not known.
    Other(String, usize),
}

impl Element {
    /// Bytes of a value.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other(_, size) => *size,
        }
    }

    /// Reads `bytes` as little-endian values of this kind; `None` where they are no floating-point numbers.
    ///
    /// float16 and bfloat16 become float32 exactly, float64 is rounded to the nearest float32.
    pub(super) fn floats(&self, bytes: &[u8]) -> Option<Vec<f32>> {
        fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks::<N>().0.iter().map(|chunk| value(*chunk)).collect()
        }
        match self {
            Self::F16 => Some(each(bytes, |chunk| half::from_f16(u16::from_le_bytes(chunk)))),
            Self::Bf16 => Some(each(bytes, |chunk| half::from_bf16(u16::from_le_bytes(chunk)))),
            Self::F32 => Some(each(bytes, f32::from_le_bytes)),
            Self::F64 => Some(each(bytes, |chunk| f64::from_le_bytes(chunk) as f32)),
            Self::Other(..) => None,
        }
    }

    /// The name as people write it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::Other(name, _) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_number_becomes_float32() {
        assert_eq!(Element::F16.floats(&[0x00, 0x3C, 0x00, 0xC0]).expect("floats"), [1.0, -2.0]);
        assert_eq!(Element::Bf16.floats(&[0x80, 0x3F, 0x00, 0xC0]).expect("floats"), [1.0, -2.0]);
        assert_eq!(Element::F32.floats(&0.1f32.to_le_bytes()).expect("floats"), [0.1]);
        assert_eq!(Element::F64.floats(&0.1f64.to_le_bytes()).expect("floats"), [0.1]);
        assert_eq!(Element::Other("int64".into(), 8).floats(&[0; 8]), None);
    }
}
