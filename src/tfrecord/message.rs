//! What is in a record's message, without copying it: `tf.train.Example`, and `tf.train.SequenceExample`.
//!
//! A record of some megabytes can hold hundreds of millions of values, and a record that was compressed a thousandfold gigabytes
//! of them. So nothing here is reserved for values: they are read where they lie, and what is kept for each key is counted.
//! The rules are protobuf's own: of two fields of one name the second counts, lists are joined, and a field of another number
//! or of another type is an unknown field, which is counted.

use std::collections::BTreeMap;

use thiserror::Error;

/// Keys of a record, and lists under them, that are told apart; what has more is no record of anybody's.
const MOST_PARTS: usize = 1_000_000;
/// How deep the groups of an unknown field may lie within each other, as protobuf has it.
const MOST_GROUPS: usize = 100;

/// Why a record's message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum MessageError {
    /// Its bytes break the rules.
    #[error("not a tf.train.Example")]
    Malformed,
    /// It would take too much memory to tell its keys apart.
    #[error("more than {MOST_PARTS} keys in one record")]
    TooManyParts,
}

type Parsed<T> = Result<T, MessageError>;

/// The message of one record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Message<'a> {
    /// The features of an `Example`, or the context of a `SequenceExample`.
    pub(crate) features: BTreeMap<&'a str, FeatureView<'a>>,
    /// The feature lists of a `SequenceExample`; `None` where the message is an `Example`.
    pub(crate) lists: Option<BTreeMap<&'a str, Steps<'a>>>,
    /// Fields that neither message has, at any depth.
    pub(crate) unknown: u64,
}

/// The list under one key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FeatureView<'a> {
    kind: Option<ListKind>,
    lists: Vec<&'a [u8]>, // the messages that are joined, all of that kind
}

/// The kinds of lists, by their field numbers in `tf.train.Feature`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    Bytes,
    Floats,
    Integers,
}

/// The features of one feature list, one for each step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Steps<'a> {
    lists: Vec<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Reads a record. What it returns can be walked through without further errors.
    pub(crate) fn parse(record: &'a [u8]) -> Parsed<Self> {
        let mut parser = Parser { unknown: 0, parts: 0 };
        let mut message = Self::default();
        let mut sequence = Vec::new();
        for field in Fields(record) {
            match field? {
                Field { number: 1, wire: Wire::Bytes(features) } => {
                    parser.map(features, &mut message.features, Parser::feature)?;
                }
                Field { number: 2, wire: Wire::Bytes(lists) } => {
                    parser.part()?;
                    sequence.push(lists);
                }
                _ => parser.unknown += 1,
            }
        }
        if !sequence.is_empty() {
            // In an Example a field of that number is an unknown one, whatever it holds.
            let mut lists = BTreeMap::new();
            let mut inner = Parser { unknown: 0, parts: parser.parts };
            match sequence.iter().try_for_each(|part| inner.map(part, &mut lists, Parser::steps)) {
                Ok(()) => {
                    message.lists = Some(lists);
                    parser.unknown += inner.unknown;
                }
                Err(MessageError::Malformed) => parser.unknown += sequence.len() as u64,
                Err(error @ MessageError::TooManyParts) => return Err(error),
            }
        }
        message.unknown = parser.unknown;
        // A message of other fields only is a message of another type.
        let is_foreign = message.unknown > 0 && message.features.is_empty() && message.lists.is_none();
        if is_foreign { Err(MessageError::Malformed) } else { Ok(message) }
    }

    /// The floats under `key`; `None` where there is no float list of that name.
    pub(crate) fn floats(&self, key: &str) -> Option<&FeatureView<'a>> {
        self.features.get(key).filter(|feature| feature.kind == Some(ListKind::Floats))
    }

    /// The only integer under `key`; `None` where there is none, or there are several.
    pub(crate) fn integer(&self, key: &str) -> Option<i64> {
        let feature = self.features.get(key).filter(|feature| feature.kind == Some(ListKind::Integers))?;
        let mut values = feature.integers();
        values.next().filter(|_| values.next().is_none())
    }

    /// The only byte string under `key`; `None` where there is none, or there are several.
    pub(crate) fn byte_string(&self, key: &str) -> Option<&'a [u8]> {
        let feature = self.features.get(key).filter(|feature| feature.kind == Some(ListKind::Bytes))?;
        let mut values = feature.byte_strings();
        values.next().filter(|_| values.next().is_none())
    }

    /// Every feature, those of feature lists included.
    pub(crate) fn all_features(&self) -> impl Iterator<Item = FeatureView<'a>> {
        let steps = self.lists.iter().flat_map(|lists| lists.values()).flat_map(Steps::iter);
        self.features.values().cloned().chain(steps)
    }
}

impl<'a> FeatureView<'a> {
    /// The kind of the list; `None` where the writer gave it none.
    pub(crate) fn kind(&self) -> Option<ListKind> {
        self.kind
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        match self.kind {
            None => 0,
            Some(ListKind::Bytes) => self.byte_strings().count(),
            Some(ListKind::Floats) => self.runs().map(|run| run.len() / size_of::<f32>()).sum(),
            Some(ListKind::Integers) => self.runs().map(|run| run.iter().filter(|byte| **byte < 0x80).count()).sum(),
        }
    }

    /// The floats of a float list.
    pub(crate) fn floats(&self) -> impl Iterator<Item = f32> {
        self.runs().flat_map(|run| run.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)))
    }

    /// The numbers of an int64 list.
    pub(crate) fn integers(&self) -> impl Iterator<Item = i64> {
        let value = |bytes: &[u8]| varint(bytes).map_or(0, |(value, _)| value.cast_signed());
        self.runs().flat_map(move |run| run.split_inclusive(|byte| *byte < 0x80).map(value))
    }

    /// The byte strings of a bytes list.
    pub(crate) fn byte_strings(&self) -> impl Iterator<Item = &'a [u8]> {
        self.runs()
    }

    /// Byte strings, or bytes of one number or of several packed ones.
    fn runs(&self) -> impl Iterator<Item = &'a [u8]> {
        let kind = self.kind;
        let run = move |field: Parsed<Field<'a>>| match (field.ok()?, kind?) {
            (Field { number: 1, wire: Wire::Bytes(run) }, _)
            | (Field { number: 1, wire: Wire::Fixed32(run) }, ListKind::Floats)
            | (Field { number: 1, wire: Wire::Varint(run) }, ListKind::Integers) => Some(run),
            _ => None,
        };
        self.lists.iter().flat_map(|list| Fields(list)).filter_map(run)
    }
}

impl<'a> Steps<'a> {
    /// The feature of each step.
    pub(crate) fn iter(&self) -> impl Iterator<Item = FeatureView<'a>> {
        let step = |field: Parsed<Field<'a>>| match field.ok()? {
            Field { number: 1, wire: Wire::Bytes(feature) } => {
                let mut view = FeatureView::default();
                Parser { unknown: 0, parts: 0 }.feature(feature, &mut view).ok()?;
                Some(view)
            }
            _ => None,
        };
        self.lists.iter().flat_map(|list| Fields(list)).filter_map(step)
    }
}

/// What is counted on the way through a message.
struct Parser {
    unknown: u64,
    parts: usize,
}

impl Parser {
    /// Counts what memory is kept for.
    fn part(&mut self) -> Parsed<()> {
        self.parts += 1;
        if self.parts > MOST_PARTS { Err(MessageError::TooManyParts) } else { Ok(()) }
    }

    /// Reads the entries of a map: field 1 is the key, and field 2 the value, which `read` adds to.
    fn map<'a, T: Default>(
        &mut self,
        message: &'a [u8],
        into: &mut BTreeMap<&'a str, T>,
        read: fn(&mut Self, &'a [u8], &mut T) -> Parsed<()>,
    ) -> Parsed<()> {
        for field in Fields(message) {
            let Field { number: 1, wire: Wire::Bytes(entry) } = field? else {
                self.unknown += 1;
                continue;
            };
            self.part()?;
            let (mut key, mut value) = ("", T::default());
            for field in Fields(entry) {
                match field? {
                    Field { number: 1, wire: Wire::Bytes(text) } => {
                        key = str::from_utf8(text).map_err(|_| MessageError::Malformed)?;
                    }
                    Field { number: 2, wire: Wire::Bytes(part) } => read(self, part, &mut value)?,
                    _ => self.unknown += 1,
                }
            }
            into.insert(key, value);
        }
        Ok(())
    }

    fn feature<'a>(&mut self, message: &'a [u8], into: &mut FeatureView<'a>) -> Parsed<()> {
        for field in Fields(message) {
            let (kind, list) = match field? {
                Field { number: 1, wire: Wire::Bytes(list) } => (ListKind::Bytes, list),
                Field { number: 2, wire: Wire::Bytes(list) } => (ListKind::Floats, list),
                Field { number: 3, wire: Wire::Bytes(list) } => (ListKind::Integers, list),
                _ => {
                    self.unknown += 1;
                    continue;
                }
            };
            self.list(kind, list)?;
            if into.kind != Some(kind) {
                into.kind = Some(kind);
                into.lists.clear();
            }
            if !list.is_empty() {
                self.part()?;
                into.lists.push(list);
            }
        }
        Ok(())
    }

    /// Checks the values of a list.
    fn list(&mut self, kind: ListKind, list: &[u8]) -> Parsed<()> {
        for field in Fields(list) {
            match (field?, kind) {
                (Field { number: 1, wire: Wire::Bytes(_) }, ListKind::Bytes)
                | (Field { number: 1, wire: Wire::Fixed32(_) }, ListKind::Floats)
                | (Field { number: 1, wire: Wire::Varint(_) }, ListKind::Integers) => {}
                (Field { number: 1, wire: Wire::Bytes(packed) }, ListKind::Floats) => {
                    if !packed.len().is_multiple_of(size_of::<f32>()) {
                        return Err(MessageError::Malformed);
                    }
                }
                (Field { number: 1, wire: Wire::Bytes(mut packed) }, ListKind::Integers) => {
                    while !packed.is_empty() {
                        let (_, length) = varint(packed).ok_or(MessageError::Malformed)?;
                        packed = &packed[length..];
                    }
                }
                _ => self.unknown += 1,
            }
        }
        Ok(())
    }

    fn steps<'a>(&mut self, message: &'a [u8], into: &mut Steps<'a>) -> Parsed<()> {
        for field in Fields(message) {
            match field? {
                Field { number: 1, wire: Wire::Bytes(step) } => {
                    // Each is read again when it is asked for, so that steps take no memory.
                    let mut parser = Self { unknown: 0, parts: 0 };
                    parser.feature(step, &mut FeatureView::default())?;
                    self.unknown += parser.unknown;
                }
                _ => self.unknown += 1,
            }
        }
        if !message.is_empty() {
            self.part()?;
            into.lists.push(message);
        }
        Ok(())
    }
}

/// One field of a message.
struct Field<'a> {
    number: u64,
    wire: Wire<'a>,
}

/// A field's value, by its type on the wire; numbers as the bytes that they are.
enum Wire<'a> {
    Varint(&'a [u8]),
    Fixed32(&'a [u8]),
    Bytes(&'a [u8]),
    /// Eight bytes, or a group: of no use to us.
    Other,
}

/// The fields of a message, one after the other; ends after the first error.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Parsed<Field<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field(0);
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(MessageError::Malformed))
    }
}

impl<'a> Fields<'a> {
    /// The next field; `None` where it breaks the rules.
    fn field(&mut self, depth: usize) -> Option<Field<'a>> {
        let (number, kind) = self.tag()?;
        let wire = match kind {
            0 => {
                let (_, length) = varint(self.0)?;
                Wire::Varint(self.take(length)?)
            }
            1 => self.take(8).map(|_| Wire::Other)?,
            2 => {
                let length = self.number()?;
                Wire::Bytes(self.take(usize::try_from(length).ok()?)?)
            }
            3 => self.skip_group(number, depth).map(|()| Wire::Other)?,
            5 => Wire::Fixed32(self.take(4)?),
            _ => return None,
        };
        Some(Field { number, wire })
    }

    /// The number of a field, and its type on the wire.
    fn tag(&mut self) -> Option<(u64, u64)> {
        let tag = self.number()?;
        let number = tag >> 3;
        (number > 0 && tag <= u64::from(u32::MAX)).then_some((number, tag & 7))
    }

    /// Passes over a group to its end, which has its number.
    fn skip_group(&mut self, group: u64, depth: usize) -> Option<()> {
        if depth == MOST_GROUPS {
            return None;
        }
        loop {
            let before = self.0;
            match self.tag()? {
                (number, 4) => return (number == group).then_some(()),
                _ => {
                    self.0 = before;
                    self.field(depth + 1)?;
                }
            }
        }
    }

    fn number(&mut self) -> Option<u64> {
        let (value, length) = varint(self.0)?;
        self.0 = &self.0[length..];
        Some(value)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }
}

/// The number that begins here, and its bytes; `None` where it does not end, or has more than 64 bits.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return (place < 9 || *byte <= 1).then_some((value, place + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::tfrecord::proto::{BytesList, Example, Feature, Features, FloatList, Int64List, Kind};

    fn example() -> Example {
        let feature = |kind| Feature { kind };
        let entries = [
            ("bytes".to_owned(), feature(Some(Kind::BytesList(BytesList { value: vec![vec![], b"abc".to_vec()] })))),
            ("floats".to_owned(), feature(Some(Kind::FloatList(FloatList { value: vec![0.5, -1.0, 3.0e9] })))),
            ("numbers".to_owned(), feature(Some(Kind::Int64List(Int64List { value: vec![0, -1, i64::MIN, 300] })))),
            ("none".to_owned(), feature(None)),
            ("empty".to_owned(), feature(Some(Kind::FloatList(FloatList::default())))),
        ];
        Example { features: Some(Features { feature: entries.into() }) }
    }

    /// The same message as the general decoder has it.
    fn general(message: &Message<'_>) -> Example {
        let kind = |view: &FeatureView<'_>| {
            Some(match view.kind()? {
                ListKind::Bytes => {
                    Kind::BytesList(BytesList { value: view.byte_strings().map(<[u8]>::to_vec).collect() })
                }
                ListKind::Floats => Kind::FloatList(FloatList { value: view.floats().collect() }),
                ListKind::Integers => Kind::Int64List(Int64List { value: view.integers().collect() }),
            })
        };
        let feature = message.features.iter().map(|(key, view)| ((*key).to_owned(), Feature { kind: kind(view) }));
        Example { features: Some(Features { feature: feature.collect() }) }
    }

    #[test]
    fn every_list_is_read_as_the_general_decoder_reads_it() {
        let bytes = example().encode_to_vec();

        let message = Message::parse(&bytes).expect("an Example");

        assert_eq!(general(&message), example());
        assert_eq!((message.unknown, message.lists.is_none()), (0, true));
        for (key, length) in [("bytes", 2), ("floats", 3), ("numbers", 4), ("none", 0), ("empty", 0)] {
            assert_eq!(message.features[key].len(), length, "{key}");
        }
        assert_eq!(message.features["none"].kind(), None);
    }

    #[test]
    fn what_the_general_decoder_reads_is_read_to_the_same_values_whatever_byte_changed() {
        let bytes = example().encode_to_vec();
        let mut agreed = 0;
        // The general decoder does not look at the type of a map's entry.
        let Some(Ok(Field { wire: Wire::Bytes(features), .. })) = Fields(&bytes).next() else { panic!("features") };
        let mut fields = Fields(features);
        let mut tags = vec![bytes.len() - features.len()];
        while fields.next().is_some() {
            tags.push(bytes.len() - fields.0.len());
        }
        for place in (0..bytes.len()).filter(|place| !tags.contains(place)) {
            for value in 0..=255 {
                let mut altered = bytes.clone();
                altered[place] = value;
                let Ok(expected) = Example::decode(&altered[..]) else { continue };
                let Ok(message) = Message::parse(&altered) else {
                    // A message of unknown fields only.
                    assert!(expected.features.is_none_or(|features| features.feature.is_empty()), "{place}: {value}");
                    continue;
                };
                // By their bytes: NaN is not equal to itself.
                let features = expected.features.unwrap_or_default();
                let expected = Example { features: Some(features) }.encode_to_vec();
                assert_eq!(general(&message).encode_to_vec(), expected, "{place}: {value}");
                agreed += 1;
            }
        }
        assert!(agreed > 10_000, "{agreed}");
    }

    #[test]
    fn values_that_are_not_packed_and_lists_in_parts_are_joined_as_protobuf_joins_them() {
        // Feature { int64_list: 1, 2 (not packed) }, then { int64_list: 3 (packed) }, in one map entry.
        let entry = [&b"\x0a\x01k"[..], b"\x12\x06\x1a\x04\x08\x01\x08\x02", b"\x12\x05\x1a\x03\x0a\x01\x03"].concat();
        let features = [&[0x0a, entry.len() as u8], &entry[..]].concat();
        let joined = [&[0x0a, features.len() as u8], &features[..]].concat();
        // A float list replaces it: of two kinds the second counts.
        let other = b"\x0a\x0f\x0a\x0d\x0a\x01k\x12\x08\x12\x06\x0a\x04\x00\x00\x80\x3f";

        let message = Message::parse(&joined).expect("an Example");
        let replaced = [&joined[..], other].concat();
        let replaced = Message::parse(&replaced).expect("an Example");

        assert_eq!(message.features["k"].integers().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(replaced.floats("k").expect("floats").floats().collect::<Vec<_>>(), [1.0]);
        assert_eq!(general(&message), Example::decode(&joined[..]).expect("an Example"));
    }

    #[test]
    fn a_sequence_example_has_its_context_and_its_feature_lists() {
        let context = b"\x0a\x0c\x0a\x0a\x0a\x02id\x12\x04\x0a\x02\x0a\x00";
        let steps =
            b"\x12\x17\x0a\x15\x0a\x01t\x12\x10\x0a\x05\x1a\x03\x0a\x01\x01\x0a\x07\x1a\x05\x0a\x03\x02\x03\x04";
        let record = [&context[..], steps].concat();

        let message = Message::parse(&record).expect("a SequenceExample");

        let lists = message.lists.as_ref().expect("feature lists");
        let steps: Vec<Vec<i64>> = lists["t"].iter().map(|step| step.integers().collect()).collect();
        assert_eq!(steps, [vec![1], vec![2, 3, 4]]);
        assert_eq!(message.features["id"].byte_strings().collect::<Vec<_>>(), [b""]);
        assert_eq!((message.unknown, message.all_features().count()), (0, 3));
    }

    #[test]
    fn unknown_fields_are_counted_at_every_depth_and_a_message_of_nothing_else_is_foreign() {
        // Example { features, 7: varint }, Features { 9: fixed64 }, entry { 3: varint }, Feature { 4: bytes }, a group.
        let feature = b"\x12\x05\x22\x03abc";
        let entry = [&b"\x0a\x01k\x18\x05"[..], feature].concat();
        let features =
            [&[0x0a, entry.len() as u8], &entry[..], b"\x49\x00\x00\x00\x00\x00\x00\x00\x00", b"\x2b\x08\x01\x2c"]
                .concat();
        let record = [&[0x0a, features.len() as u8], &features[..], b"\x38\x01"].concat();

        assert_eq!(Message::parse(&record).expect("an Example").unknown, 5);
        assert_eq!(Message::parse(b"\x38\x01"), Err(MessageError::Malformed));
        assert_eq!(Message::parse(b""), Ok(Message::default()));
        assert_eq!(Message::parse(b"\x2b\x34"), Err(MessageError::Malformed), "the end of another group");
    }

    #[test]
    fn a_hundred_million_values_take_no_memory_and_a_million_keys_are_refused() {
        let list = b"\x0a\x00".repeat(1 << 20);
        let delimited = |tag: u8, inner: &[u8]| {
            let mut bytes = vec![tag];
            prost::encode_length_delimiter(inner.len(), &mut bytes).expect("a Vec takes everything");
            [&bytes[..], inner].concat()
        };
        let feature = delimited(0x0a, &list);
        let entry = [&b"\x0a\x01k"[..], &delimited(0x12, &feature)].concat();
        let record = delimited(0x0a, &delimited(0x0a, &entry));
        let keys = delimited(0x0a, &b"\x0a\x00".repeat(MOST_PARTS + 1));

        assert_eq!(Message::parse(&record).expect("an Example").features["k"].len(), 1 << 20);
        assert_eq!(Message::parse(&keys), Err(MessageError::TooManyParts));
    }
}
