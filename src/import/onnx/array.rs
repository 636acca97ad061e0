//! A constant of the graph: a stored tensor, decoded, or what constant folding made.

use super::file::ExternalData;
use super::node::quoted;
use super::proto::TensorProto;
use crate::import::{Refusal, half};

/// No tensor of a network of pictures has more axes; work that grows with the square of their number stays small.
pub(super) const MAX_RANK: usize = 8;

/// Numbers without their ONNX type. Every float32 and every int32 is exact in these.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    /// From float16, bfloat16, float32 and float64.
    Real(Vec<f64>),
    /// From int32, int64 and bool.
    Integer(Vec<i64>),
}

/// Values in row-major order with the length of each axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    /// Its product is the number of values.
    pub(super) shape: Vec<usize>,
    /// The numbers.
    pub(super) values: Values,
}

impl Array {
    /// One axis of whole numbers.
    pub(super) fn integers(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], values: Values::Integer(values) }
    }

    /// The numbers, if they are whole ones.
    pub(super) fn as_integers(&self) -> Option<&[i64]> {
        match &self.values {
            Values::Integer(values) => Some(values),
            Values::Real(_) => None,
        }
    }

    /// The numbers, if they are real ones.
    pub(super) fn as_reals(&self) -> Option<&[f64]> {
        match &self.values {
            Values::Real(values) => Some(values),
            Values::Integer(_) => None,
        }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        match &self.values {
            Values::Real(values) => values.len(),
            Values::Integer(values) => values.len(),
        }
    }

    /// Decodes a stored tensor. Allocates no more than the bytes that are really there ask for.
    pub(super) fn decode(tensor: &TensorProto, external: &ExternalData) -> Result<Self, Refusal> {
        let shape = shape_of(tensor)?;
        let refuse = |problem| Refusal::Unsound { tensor: quoted(&tensor.name), problem };
        let outside = tensor.data_location == TensorProto::EXTERNAL;
        let raw = if outside { external.bytes(tensor)? } else { tensor.raw_data.clone() };
        let is_raw = outside || !raw.is_empty();
        let width = match tensor.data_type {
            TensorProto::BOOL => 1,
            TensorProto::FLOAT16 | TensorProto::BFLOAT16 => 2,
            TensorProto::DOUBLE | TensorProto::INT64 => 8,
            _ => 4,
        };
        if is_raw && raw.len() % width != 0 {
            return Err(refuse(format!("it holds {} bytes, expected {width} for each value", raw.len())));
        }
        let values = match tensor.data_type {
            TensorProto::FLOAT if is_raw => Values::Real(numbers(&raw, |b| f64::from(f32::from_le_bytes(b)))),
            TensorProto::FLOAT => Values::Real(tensor.float_data.iter().copied().map(f64::from).collect()),
            TensorProto::DOUBLE if is_raw => Values::Real(numbers(&raw, f64::from_le_bytes)),
            TensorProto::DOUBLE => Values::Real(tensor.double_data.clone()),
            kind @ (TensorProto::FLOAT16 | TensorProto::BFLOAT16) => {
                let widen = if kind == TensorProto::FLOAT16 { half::from_f16 } else { half::from_bf16 };
                let widen = |bits| f64::from(widen(bits));
                Values::Real(match is_raw {
                    true => numbers(&raw, |b| widen(u16::from_le_bytes(b))),
                    // Without raw data the bits are the lower half of an int32.
                    false => tensor.int32_data.iter().map(|&bits| widen(bits as u16)).collect(),
                })
            }
            TensorProto::INT64 if is_raw => Values::Integer(numbers(&raw, i64::from_le_bytes)),
            TensorProto::INT64 => Values::Integer(tensor.int64_data.clone()),
            TensorProto::INT32 if is_raw => Values::Integer(numbers(&raw, |b| i64::from(i32::from_le_bytes(b)))),
            TensorProto::BOOL if is_raw => Values::Integer(numbers(&raw, |[b]| i64::from(b))),
            TensorProto::INT32 | TensorProto::BOOL => {
                Values::Integer(tensor.int32_data.iter().copied().map(i64::from).collect())
            }
            other => {
                return Err(refuse(format!(
                    "its data type is ONNX's number {other} ({}), expected floating point",
                    kind(other)
                )));
            }
        };
        let array = Self { shape, values };
        let expected: usize = array.shape.iter().product();
        if array.len() != expected {
            let shape = &array.shape;
            return Err(refuse(format!("it holds {} values, expected {expected} for shape {shape:?}", array.len())));
        }
        Ok(array)
    }
}

/// A stored tensor's shape, with a product that fits.
pub(super) fn shape_of(tensor: &TensorProto) -> Result<Vec<usize>, Refusal> {
    let refuse = |problem| Refusal::Unsound { tensor: quoted(&tensor.name), problem };
    if tensor.dims.len() > MAX_RANK {
        return Err(refuse(format!("it has {} axes, expected at most {MAX_RANK}", tensor.dims.len())));
    }
    let lengths: Option<Vec<usize>> = tensor.dims.iter().map(|&length| usize::try_from(length).ok()).collect();
    lengths.filter(|shape| count(shape).is_some()).ok_or_else(|| {
        let expected = "expected lengths of 0 or more whose product fits in 64 bits";
        refuse(format!("its shape {:?} is impossible, {expected}", tensor.dims))
    })
}

/// What a data type that is not taken is called.
fn kind(data_type: i32) -> &'static str {
    match data_type {
        2 | 3 | 21 | 22 => "quantised to whole numbers",
        17..=20 => "float8",
        _ => "no number",
    }
}

/// The product of a shape, if it fits.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length))
}

/// Little-endian numbers of `N` bytes.
fn numbers<const N: usize, T>(raw: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    raw.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}
