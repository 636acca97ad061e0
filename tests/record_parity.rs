//! Records are TensorFlow's records: the hand-laid `Example` is byte for byte the one that the protobuf encoder makes,
//! and a file that TensorFlow wrote reads back and can be written again.

#[path = "common/shared.rs"]
mod shared;

use std::collections::BTreeMap;
use std::fs;

use petrec::tfrecord::proto::{BytesList, Feature, Features, FloatList, Int64List, Kind};
use petrec::tfrecord::{Example, Extra, LayoutError, Message, Reader, RecordLayout, Writer, framing};
use shared::shared;

// 7 x 7 x 1280 floats: what EfficientNetB0 makes of one picture.
const B0_FLOATS: usize = 62_720;

/// Numbers that exercise all four bytes of a float, NaN payloads and negative zero included.
fn floats(count: usize) -> Vec<f32> {
    let special = [0, 0x8000_0000, 0x7fc0_0001, 0x7f80_0000, 1, 0xffff_ffff];
    let scrambled = (0u32..).map(|i| i.wrapping_mul(0x9e37_79b9) ^ (i << 13));
    let bits = special.into_iter().chain(scrambled);
    bits.take(count).map(f32::from_bits).collect()
}

fn feature(kind: Kind) -> Feature {
    Feature { kind: Some(kind) }
}

/// The same message through prost, entry by entry.
fn by_prost(keys: (&str, &str), values: &[f32], label: i64, extras: &[(Extra, &[u8])]) -> Example {
    let float_list = Kind::FloatList(FloatList { value: values.to_vec() });
    let int64_list = Kind::Int64List(Int64List { value: vec![label] });
    let mut entries =
        BTreeMap::from([(keys.0.to_owned(), feature(float_list)), (keys.1.to_owned(), feature(int64_list))]);
    for (extra, bytes) in extras {
        let bytes_list = Kind::BytesList(BytesList { value: vec![bytes.to_vec()] });
        entries.insert(extra.key().to_owned(), feature(bytes_list));
    }
    Example { features: Some(Features { feature: entries }) }
}

#[test]
fn the_hand_laid_example_is_the_one_prost_makes() {
    let long_key = "k".repeat(300);
    let image = vec![0xd8; 20_000];
    let extra_sets: [&[(Extra, &[u8])]; 4] = [
        &[],
        &[(Extra::Path, b"Cat/1.jpg")],
        &[(Extra::Image, &image), (Extra::Class, b"")],
        &[(Extra::Class, "Katze \u{1f408}".as_bytes()), (Extra::Image, &[]), (Extra::Path, b"\xff\xfe not UTF-8")],
    ];
    let keys = [("Feature", "Label"), ("x", "a"), ("\u{1f408}", "Zebra"), (&long_key, "l")];
    let labels = [0, 1, 127, 128, 1 << 35, i64::MAX, -1, i64::MIN];
    let mut out = vec![0xee; 1000];
    let mut compared = 0;

    for count in [0, 1, 31, 32, 1280, B0_FLOATS] {
        let values = floats(count);
        for keys in keys {
            for extras in extra_sets {
                let names: Vec<Extra> = extras.iter().map(|&(extra, _)| extra).collect();
                let bytes: Vec<&[u8]> = extras.iter().map(|&(_, bytes)| bytes).collect();
                let lens: Vec<usize> = bytes.iter().map(|bytes| bytes.len()).collect();
                let layout = RecordLayout::new(keys.0, keys.1, &names).expect("keys differ");
                for label in labels {
                    layout.encode(&values, label, &bytes, &mut out);

                    let expected = by_prost(keys, &values, label, extras).encode_to_vec();
                    let case = format!("{count} floats, {keys:?}, {names:?}, label {label}");
                    assert!(out == expected, "{case}");
                    assert_eq!(layout.encoded_len(count, label, &lens), out.len(), "{case}");
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, 6 * 4 * 4 * 8);
}

#[test]
fn a_b0_picture_takes_250_925_bytes_and_250_941_in_its_file() {
    let layout = RecordLayout::new("Feature", "Label", &[]).expect("keys differ");
    let mut example = Vec::new();
    let mut writer = Writer::new(Vec::new());

    layout.encode(&floats(B0_FLOATS), 1, &[], &mut example);
    writer.write(&example).expect("a Vec takes everything");

    assert_eq!(example.len(), 250_925);
    assert_eq!(writer.bytes(), 250_941);
    assert_eq!(framing::FRAMING_LEN, 16);
}

#[test]
fn the_encoder_forgets_the_picture_before() {
    let layout = RecordLayout::new("Feature", "Label", &[Extra::Class]).expect("keys differ");
    let (mut reused, mut fresh) = (Vec::new(), Vec::new());

    layout.encode(&floats(1280), -1, &[b"a longer class"], &mut reused);
    layout.encode(&floats(3), 2, &[b"Cat"], &mut reused);
    layout.encode(&floats(3), 2, &[b"Cat"], &mut fresh);

    assert_eq!(reused, fresh);
}

#[test]
fn what_the_encoder_writes_parses_back() {
    let layout = RecordLayout::new("Feature", "Label", &[Extra::Path, Extra::Class]).expect("keys differ");
    let values = [0.5, -1.25, 3e38];
    let mut bytes = Vec::new();

    layout.encode(&values, -7, &[b"Cat/1.jpg", b"Cat"], &mut bytes);
    let example = Example::decode(&bytes[..]).expect("our own message");

    assert_eq!(example.floats("Feature"), Some(&values[..]));
    assert_eq!(example.integers("Label"), Some(&[-7][..]));
    assert_eq!(example.bytes("path"), Some(&[b"Cat/1.jpg".to_vec()][..]));
    assert_eq!(example.bytes("class"), Some(&[b"Cat".to_vec()][..]));
    assert_eq!(example.floats("Label"), None);
    assert_eq!(example.kind("image"), None);
}

#[test]
fn empty_or_equal_keys_are_refused() {
    let same = |key: &str| Err(LayoutError::SameKey(key.to_owned()));

    assert_eq!(RecordLayout::new("", "Label", &[]), Err(LayoutError::EmptyKey));
    assert_eq!(RecordLayout::new("Feature", "", &[]), Err(LayoutError::EmptyKey));
    assert_eq!(RecordLayout::new("x", "x", &[]), same("x"));
    assert_eq!(RecordLayout::new("class", "Label", &[Extra::Class]), same("class"));
    let twice = [Extra::Path, Extra::Image, Extra::Path];
    assert_eq!(RecordLayout::new("Feature", "Label", &twice), same("path"));
}

#[test]
fn extras_are_named_by_the_words_they_print() {
    for extra in [Extra::Path, Extra::Class, Extra::Image] {
        assert_eq!(extra.to_string().parse(), Ok(extra));
    }
    let error = "Path\n".parse::<Extra>().expect_err("not one of the words");
    assert_eq!(error.to_string(), "'Path\\n' is no extra feature: choose from path, class, image");
}

/// The file that TensorFlow wrote, where `../shared` is there.
fn tensorflow_file() -> Option<Vec<u8>> {
    shared("reference/chelsea_420_q90.tfrecord").map(|path| fs::read(path).expect("TensorFlow's record"))
}

/// The one record in `file`.
fn only_record(file: &[u8]) -> Vec<u8> {
    let records: Result<Vec<_>, _> = Reader::new(file).collect();
    let mut records = records.expect("the file is whole");
    assert_eq!(records.len(), 1);
    records.remove(0)
}

/// Splits a protobuf field of fewer than 2^21 bytes off the front: its content, and what follows.
fn split_field(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (mut len, mut at) = (0, 1);
    loop {
        len |= usize::from(bytes[at] & 0x7f) << (7 * (at - 1));
        at += 1;
        if bytes[at - 1] < 0x80 {
            return bytes[at..].split_at(len);
        }
    }
}

/// An `Example` with its map's entries put into the order of their keys, byte for byte otherwise.
fn in_key_order(example: &[u8]) -> Vec<u8> {
    let (features, behind) = split_field(example);
    assert!(behind.is_empty());
    let mut entries = Vec::new();
    let mut rest = features;
    while !rest.is_empty() {
        let (content, behind) = split_field(rest);
        let (key, _) = split_field(content);
        entries.push((key, &rest[..rest.len() - behind.len()]));
        rest = behind;
    }
    entries.sort();
    let mut sorted = example[..example.len() - features.len()].to_vec();
    sorted.extend(entries.iter().flat_map(|(_, entry)| *entry));
    sorted
}

#[test]
fn our_reader_reads_the_file_tensorflow_wrote() {
    let Some(file) = tensorflow_file() else { return };

    let example = Example::decode(&only_record(&file)[..]).expect("TensorFlow's message");

    assert_eq!(file.len(), 250_941);
    let keys = example.features.iter().flat_map(|map| map.feature.keys());
    assert_eq!(keys.collect::<Vec<_>>(), ["Feature", "Label"]);
    let features = example.floats("Feature").expect("a float list");
    assert_eq!(features.len(), B0_FLOATS);
    assert!(features.iter().all(|value| value.is_finite()));
    assert_eq!(example.integers("Label"), Some(&[0][..]));
}

#[test]
fn our_record_of_the_same_values_is_tensorflows_in_key_order() {
    let Some(file) = tensorflow_file() else { return };
    let tensorflow = only_record(&file);
    let parsed = Example::decode(&tensorflow[..]).expect("TensorFlow's message");
    let values = parsed.floats("Feature").expect("a float list");
    let layout = RecordLayout::new("Feature", "Label", &[]).expect("keys differ");
    let (mut ours, mut writer) = (Vec::new(), Writer::new(Vec::new()));

    layout.encode(values, 0, &[], &mut ours);
    writer.write(&ours).expect("a Vec takes everything");
    let our_file = writer.finish().expect("a Vec takes everything");

    assert!(ours == in_key_order(&tensorflow), "the messages differ");
    assert_eq!(Example::decode(&ours[..]), Ok(parsed));
    assert_eq!(our_file.len(), file.len());
    assert_eq!(our_file[..12], file[..12], "the length and its checksum");
}

#[test]
fn other_values_change_nothing_but_the_values() {
    let Some(file) = tensorflow_file() else { return };
    let layout = RecordLayout::new("Feature", "Label", &[]).expect("keys differ");
    let mut ours = Vec::new();

    layout.encode(&vec![0.0; B0_FLOATS], 0, &[], &mut ours);
    let mut tensorflow = in_key_order(&only_record(&file));

    // The floats stand before the `Label` entry: 0A len 0A 05 "Label" 12 len 1A len 0A 01 00, 16 bytes.
    let end = ours.len() - 16;
    tensorflow[end - 4 * B0_FLOATS..end].fill(0);
    assert!(ours == tensorflow, "the frame around the values differs");
}
