//! One picture's features as the bytes of a `tf.train.Example`, laid out by hand.
//!
//! The message of one B0 picture is 250,925 bytes, and all but 45 of them are the floats: writing the few header bytes
//! directly and copying the floats once takes about a tenth of the time of a prost message, and gives the same bytes.
//!
//! ```text
//! Example   0A len Features
//! Features  0A len Entry, for each key in byte order
//! Entry     0A len key  12 len Feature
//! Feature   0A|12|1A len List            bytes, float or int64 list
//! List      0A len values                one packed run (nothing at all for an empty number list)
//! ```

use std::fmt;
use std::str::FromStr;

// Protobuf tags of length-delimited fields: number << 3 | 2.
const FIELD_1: u8 = 0x0a;
const FIELD_2: u8 = 0x12;
const BYTES_LIST: u8 = 0x0a; // Feature.bytes_list = 1
const FLOAT_LIST: u8 = 0x12; // Feature.float_list = 2
const INT64_LIST: u8 = 0x1a; // Feature.int64_list = 3

/// An extra feature of a record: one byte string beside the features and the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extra {
    /// The picture's path below the data set's folder, with forward slashes.
    Path,
    /// The class's name.
    Class,
    /// The image file itself, byte for byte.
    Image,
}

impl Extra {
    /// The feature's key in the record: the word that is typed for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Class => "class",
            Self::Image => "image",
        }
    }
}

impl fmt::Display for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// A word that names no [`Extra`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is no extra feature: choose from path, class, image", .0.escape_debug())]
pub struct ParseExtraError(String);

impl FromStr for Extra {
    type Err = ParseExtraError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "path" => Ok(Self::Path),
            "class" => Ok(Self::Class),
            "image" => Ok(Self::Image),
            _ => Err(ParseExtraError(word.to_owned())),
        }
    }
}

/// Keys that cannot stand in one record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A key without a character.
    #[error("a feature key is empty: give each feature a name")]
    EmptyKey,
    /// One key for two features: the second would replace the first.
    #[error("two features have the key '{}': give one of them another name", .0.escape_debug())]
    SameKey(String),
}

/// The keys of one run's records, checked once, and the encoder for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLayout {
    entries: Vec<Entry>, // in the byte order of their keys, as prost writes a `BTreeMap`
    extras: usize,
}

/// One entry of the map: its value and the bytes before the value's length.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    value: Value,
    prefix: Vec<u8>, // 0A len key 12
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Features,
    Label,
    Extra(usize), // index in the caller's list
}

/// The lengths of one entry's nested messages, innermost first, in bytes.
struct Lengths {
    values: usize,
    list: usize,
    feature: usize,
    entry: usize,
}

impl RecordLayout {
    /// Records with the features under `feature_key`, the label under `label_key`, and the extras under their own keys.
    ///
    /// # Errors
    /// A key is empty, or two are the same (an extra named twice included).
    pub fn new(feature_key: &str, label_key: &str, extras: &[Extra]) -> Result<Self, LayoutError> {
        let mut keys = vec![(feature_key, Value::Features), (label_key, Value::Label)];
        let extra_keys = extras.iter().enumerate();
        keys.extend(extra_keys.map(|(index, extra)| (extra.key(), Value::Extra(index))));
        keys.sort_by_key(|&(key, _)| key);

        if keys.iter().any(|(key, _)| key.is_empty()) {
            return Err(LayoutError::EmptyKey);
        }
        if let Some(pair) = keys.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(LayoutError::SameKey(pair[0].0.to_owned()));
        }
        let entries = keys.into_iter().map(|(key, value)| {
            let mut prefix = vec![0; 2 + varint_len(key.len() as u64) + key.len()];
            let mut bytes = Cursor(&mut prefix);
            bytes.put_tag(FIELD_1, key.len());
            bytes.put(key.as_bytes());
            bytes.put(&[FIELD_2]);
            Entry { value, prefix }
        });
        Ok(Self { entries: entries.collect(), extras: extras.len() })
    }

    /// The length in bytes of the message that [`encode`](Self::encode) makes from `features` floats, this label and
    /// extras of these lengths; in a file, [`FRAMING_LEN`](super::framing::FRAMING_LEN) comes on top.
    ///
    /// # Panics
    /// If there are more or fewer extras than the layout has.
    pub fn encoded_len(&self, features: usize, label: i64, extras: &[usize]) -> usize {
        assert_eq!(extras.len(), self.extras, "one length for each extra");
        delimited_len(self.features_len(features, label, |index| extras[index]))
    }

    /// Replaces what is in `out` with the bytes of one `Example`: exactly those that prost makes of the same message.
    ///
    /// `features` are the floats in the record's order, `extras` the values of the layout's extras in the order given
    /// to [`new`](Self::new). Hand in the same `out` for each picture: it then costs neither allocation nor clearing.
    ///
    /// # Panics
    /// If there are more or fewer extras than the layout has.
    pub fn encode(&self, features: &[f32], label: i64, extras: &[&[u8]], out: &mut Vec<u8>) {
        assert_eq!(extras.len(), self.extras, "one value for each extra");
        let extra_len = |index: usize| extras[index].len();
        let features_len = self.features_len(features.len(), label, extra_len);

        // Every byte is written below, so what an earlier picture left need not be cleared.
        out.resize(delimited_len(features_len), 0);
        let mut bytes = Cursor(out);
        bytes.put_tag(FIELD_1, features_len);
        for entry in &self.entries {
            let lengths = entry.lengths(features.len(), label, extra_len);
            bytes.put_tag(FIELD_1, lengths.entry);
            bytes.put(&entry.prefix);
            bytes.put_varint(lengths.feature as u64);
            bytes.put_tag(entry.value.list_tag(), lengths.list);
            if lengths.list == 0 {
                continue;
            }
            bytes.put_tag(FIELD_1, lengths.values);
            match entry.value {
                Value::Features => bytes.put_floats(features),
                Value::Label => bytes.put_varint(label.cast_unsigned()),
                Value::Extra(index) => bytes.put(extras[index]),
            }
        }
        debug_assert!(bytes.0.is_empty(), "lengths and bytes agree");
    }

    fn features_len(&self, features: usize, label: i64, extra_len: impl Fn(usize) -> usize + Copy) -> usize {
        let entries = self.entries.iter();
        entries.map(|entry| delimited_len(entry.lengths(features, label, extra_len).entry)).sum()
    }
}

impl Entry {
    fn lengths(&self, features: usize, label: i64, extra_len: impl Fn(usize) -> usize) -> Lengths {
        let (values, empty) = match self.value {
            Value::Features => (features * size_of::<f32>(), features == 0),
            Value::Label => (varint_len(label.cast_unsigned()), false),
            Value::Extra(index) => (extra_len(index), false), // an empty string is a value, too
        };
        let list = if empty { 0 } else { delimited_len(values) };
        let feature = delimited_len(list);
        Lengths { values, list, feature, entry: self.prefix.len() + varint_len(feature as u64) + feature }
    }
}

impl Value {
    fn list_tag(self) -> u8 {
        match self {
            Self::Features => FLOAT_LIST,
            Self::Label => INT64_LIST,
            Self::Extra(_) => BYTES_LIST,
        }
    }
}

/// Bytes of a field of `len` bytes with its tag and its length.
fn delimited_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// Bytes of a protobuf varint: one for each 7 bits, at least one.
fn varint_len(value: u64) -> usize {
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// The part of the output that is still to be written.
struct Cursor<'a>(&'a mut [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> &'a mut [u8] {
        let (head, rest) = std::mem::take(&mut self.0).split_at_mut(len);
        self.0 = rest;
        head
    }

    fn put(&mut self, bytes: &[u8]) {
        self.take(bytes.len()).copy_from_slice(bytes);
    }

    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(&[value as u8 | 0x80]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }

    fn put_tag(&mut self, tag: u8, len: usize) {
        self.put(&[tag]);
        self.put_varint(len as u64);
    }

    /// One copy on little-endian machines: the compiler makes wide moves of this loop.
    fn put_floats(&mut self, floats: &[f32]) {
        let (words, _) = self.take(size_of_val(floats)).as_chunks_mut::<4>();
        for (word, float) in words.iter_mut().zip(floats) {
            *word = float.to_le_bytes();
        }
    }
}
