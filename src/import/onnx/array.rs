//! A constant of the graph: a stored tensor, decoded, or what constant folding made.

use super::file::ExternalData;
use super::node::quoted;
use super::proto::TensorProto;
use crate::import::Refusal;

/// Numbers without their ONNX type. Every float32 and every int32 is exact in these.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    /// From float32 and float64.
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
        let refuse = |problem| Refusal::Tensor { tensor: quoted(&tensor.name), problem };
        let outside = tensor.data_location == TensorProto::EXTERNAL;
        let raw = if outside { external.bytes(tensor)? } else { tensor.raw_data.clone() };
        let is_raw = outside || !raw.is_empty();
        let width = if matches!(tensor.data_type, TensorProto::DOUBLE | TensorProto::INT64) { 8 } else { 4 };
        let width = if tensor.data_type == TensorProto::BOOL { 1 } else { width };
        if is_raw && raw.len() % width != 0 {
            return Err(refuse(format!("it holds {} bytes, expected {width} for each value", raw.len())));
        }
        let values = match tensor.data_type {
            TensorProto::FLOAT if is_raw => Values::Real(numbers(&raw, |b| f64::from(f32::from_le_bytes(b)))),
            TensorProto::FLOAT => Values::Real(tensor.float_data.iter().copied().map(f64::from).collect()),
            TensorProto::DOUBLE if is_raw => Values::Real(numbers(&raw, f64::from_le_bytes)),
            TensorProto::DOUBLE => Values::Real(tensor.double_data.clone()),
            TensorProto::INT64 if is_raw => Values::Integer(numbers(&raw, i64::from_le_bytes)),
            TensorProto::INT64 => Values::Integer(tensor.int64_data.clone()),
            TensorProto::INT32 if is_raw => Values::Integer(numbers(&raw, |b| i64::from(i32::from_le_bytes(b)))),
            TensorProto::BOOL if is_raw => Values::Integer(numbers(&raw, |[b]| i64::from(b))),
            TensorProto::INT32 | TensorProto::BOOL => {
                Values::Integer(tensor.int32_data.iter().copied().map(i64::from).collect())
            }
            other => return Err(refuse(format!("its data type is ONNX's number {other}, expected 1 (float32)"))),
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
    let lengths: Option<Vec<usize>> = tensor.dims.iter().map(|&length| usize::try_from(length).ok()).collect();
    lengths.filter(|shape| count(shape).is_some()).ok_or_else(|| Refusal::Tensor {
        tensor: quoted(&tensor.name),
        problem: format!(
            "its shape {:?} is impossible, expected lengths of 0 or more whose product fits in 64 bits",
            tensor.dims
        ),
    })
}

/// The product of a shape, if it fits.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length))
}

/// Little-endian numbers of `N` bytes.
fn numbers<const N: usize, T>(raw: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    raw.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}
