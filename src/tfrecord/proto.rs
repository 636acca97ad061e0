//! The messages of TensorFlow's `example.proto` and `feature.proto`, field for field, written by hand.
//!
//! The map is a `BTreeMap`, so encoding puts the entries in key order and gives the same bytes on every run;
//! TensorFlow's own order varies from process to process. Number lists are packed, as proto3 asks.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

/// `tf.train.Example`: one record's named features.
#[derive(Clone, PartialEq, Message)]
pub struct Example {
    /// The features; absent only in an empty message.
    #[prost(message, optional, tag = "1")]
    pub features: Option<Features>,
}

/// `tf.train.Features`: the map from key to feature.
#[derive(Clone, PartialEq, Message)]
pub struct Features {
    /// The entries, in the byte order of their keys.
    #[prost(btree_map = "string, message", tag = "1")]
    pub feature: BTreeMap<String, Feature>,
}

/// `tf.train.Feature`: a list of one of three kinds.
#[derive(Clone, PartialEq, Message)]
pub struct Feature {
    /// The list; absent where the writer named the feature and gave it no kind.
    #[prost(oneof = "Kind", tags = "1, 2, 3")]
    pub kind: Option<Kind>,
}

/// The three kinds of list that a [`Feature`] can hold.
#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    /// Byte strings.
    #[prost(message, tag = "1")]
    BytesList(BytesList),
    /// 32-bit floats.
    #[prost(message, tag = "2")]
    FloatList(FloatList),
    /// 64-bit signed integers.
    #[prost(message, tag = "3")]
    Int64List(Int64List),
}

/// `tf.train.BytesList`.
#[derive(Clone, PartialEq, Message)]
pub struct BytesList {
    /// The byte strings.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub value: Vec<Vec<u8>>,
}

/// `tf.train.FloatList`.
#[derive(Clone, PartialEq, Message)]
pub struct FloatList {
    /// The numbers.
    #[prost(float, repeated, tag = "1")]
    pub value: Vec<f32>,
}

/// `tf.train.Int64List`.
#[derive(Clone, PartialEq, Message)]
pub struct Int64List {
    /// The numbers.
    #[prost(int64, repeated, tag = "1")]
    pub value: Vec<i64>,
}

impl Example {
    /// The list under `key`; `None` where the key is missing or its feature has no kind.
    pub fn kind(&self, key: &str) -> Option<&Kind> {
        self.features.as_ref()?.feature.get(key)?.kind.as_ref()
    }

    /// The floats under `key`; `None` where there is no float list of that name.
    pub fn floats(&self, key: &str) -> Option<&[f32]> {
        match self.kind(key)? {
            Kind::FloatList(list) => Some(&list.value),
            Kind::BytesList(_) | Kind::Int64List(_) => None,
        }
    }

    /// The integers under `key`; `None` where there is no integer list of that name.
    pub fn integers(&self, key: &str) -> Option<&[i64]> {
        match self.kind(key)? {
            Kind::Int64List(list) => Some(&list.value),
            Kind::BytesList(_) | Kind::FloatList(_) => None,
        }
    }

    /// The byte strings under `key`; `None` where there is no bytes list of that name.
    pub fn bytes(&self, key: &str) -> Option<&[Vec<u8>]> {
        match self.kind(key)? {
            Kind::BytesList(list) => Some(&list.value),
            Kind::FloatList(_) | Kind::Int64List(_) => None,
        }
    }
}
