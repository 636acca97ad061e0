//! The part of `onnx.proto` that an importer of weights needs, as prost messages written by hand.
//!
//! Field numbers are those of ONNX's own `onnx.proto` (IR version 13); fields that are not here are skipped by the
//! decoder. Hand-written so that no build needs protoc.

use prost::bytes::Bytes;
use prost::{Message, Oneof};

/// A whole file.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    /// Version of the file format.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// The exporter.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// The exporter's version.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// The network.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// The versions of the operators.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
}

/// A version of a set of operators.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSetIdProto {
    /// Empty for ONNX's own operators.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Version of that set.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// Nodes, weights, inputs and outputs.
#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    /// In topological order, says the specification.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// The weights.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// What must be fed; old exporters list the weights here as well.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// What comes out.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
}

/// One operation.
#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    /// Names of the values that go in; an empty name is an omitted one.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the values that come out.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// For people.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// The operator's settings.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// The set that the operator is from; empty for ONNX's own.
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// One setting of an operator.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    /// The setting's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A number.
    #[prost(float, tag = "2")]
    pub f: f32,
    /// A whole number.
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// A text.
    #[prost(bytes = "bytes", tag = "4")]
    pub s: Bytes,
    /// A tensor.
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    /// Numbers.
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    /// Whole numbers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// Which of the fields holds the value: 1 f, 2 i, 3 s, 4 t, 6 floats, 7 ints.
    #[prost(int32, tag = "20")]
    pub r#type: i32,
}

/// An array.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    /// Length of each axis.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// What a value is: see [`TensorProto::FLOAT`] and its neighbours.
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// The values of a float32 tensor without raw data.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// The values of an int32 or bool tensor without raw data.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// The values of an int64 tensor without raw data.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// The tensor's name.
    #[prost(string, tag = "8")]
    pub name: String,
    /// The values as little-endian bytes, row-major.
    #[prost(bytes = "bytes", tag = "9")]
    pub raw_data: Bytes,
    /// The values of a float64 tensor without raw data.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Keys `location`, `offset` and `length` of values in another file.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringStringEntryProto>,
    /// 1 where the values are in another file.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

impl TensorProto {
    /// `data_type` of float32.
    pub const FLOAT: i32 = 1;
    /// `data_type` of bytes.
    pub const UINT8: i32 = 2;
    /// `data_type` of int32.
    pub const INT32: i32 = 6;
    /// `data_type` of int64.
    pub const INT64: i32 = 7;
    /// `data_type` of bool.
    pub const BOOL: i32 = 9;
    /// `data_type` of float16.
    pub const FLOAT16: i32 = 10;
    /// `data_type` of bfloat16.
    pub const BFLOAT16: i32 = 16;
    /// `data_type` of float64.
    pub const DOUBLE: i32 = 11;
    /// `data_location` of values in another file.
    pub const EXTERNAL: i32 = 1;
}

/// A key and its value.
#[derive(Clone, PartialEq, Message)]
pub struct StringStringEntryProto {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A graph's input or output.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfoProto {
    /// The value's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it is.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

/// The type of a value; only tensors are read.
#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    /// Present for a tensor.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorTypeProto>,
}

/// The type of a tensor (`TypeProto.Tensor`).
#[derive(Clone, PartialEq, Message)]
pub struct TensorTypeProto {
    /// As [`TensorProto::data_type`].
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// Absent where even the number of axes is unknown.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// A shape, as far as it is known.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShapeProto {
    /// One entry per axis.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// Length of one axis (`TensorShapeProto.Dimension`).
#[derive(Clone, PartialEq, Message)]
pub struct DimensionProto {
    /// Absent where it is unknown.
    #[prost(oneof = "DimensionValue", tags = "1, 2")]
    pub value: Option<DimensionValue>,
}

/// A length or the name of an unknown one.
#[derive(Clone, PartialEq, Oneof)]
pub enum DimensionValue {
    /// A fixed length.
    #[prost(int64, tag = "1")]
    DimValue(i64),
    /// A name such as `batch`.
    #[prost(string, tag = "2")]
    DimParam(String),
}
