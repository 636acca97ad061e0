//! Fills `corpus/` with inputs to start from: the photos and fixtures of this repository, and what lies beside it in
//! `../shared`, cut down to what a fuzzer can work with.
//!
//! ```text
//! cargo run --release --example seeds
//! ```

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use petrec::import::onnx::proto::{ModelProto, StringStringEntryProto, TensorProto};
use petrec::model::Weights;
use petrec::tfrecord::{Compression, Compressor, Extra, RecordLayout, Writer};
use prost::Message;

/// Longer inputs only slow the fuzzer down.
const LONGEST: u64 = 48 << 10;

fn main() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = home.parent().expect("the repository");
    let corpus = |target: &str| {
        let folder = home.join("corpus").join(target);
        fs::create_dir_all(&folder).expect("writable");
        folder
    };
    for target in ["decoder", "records", "example", "onnx", "weights"] {
        copy(&root.join("tests/fixtures/hostile").join(target), &corpus(target));
    }
    for folder in ["examples/photos", "../shared/data/jpeg", "../shared/data/images"] {
        copy(&root.join(folder), &corpus("decoder"));
    }
    records(&corpus("records"), &corpus("example"));
    models(&root.join("../shared/reference/onnx"), &corpus("onnx"));
    weights(&corpus("weights"));
}

/// Copies every short file below `from`.
fn copy(from: &Path, to: &Path) {
    for path in below(from) {
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= LONGEST) {
            let name = path.strip_prefix(from).expect("below").to_string_lossy().replace(['/', '\\'], "-");
            fs::copy(&path, to.join(name)).expect("readable and writable");
        }
    }
}

/// All files below a folder; none where there is none.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.flat_map(|entry| if entry.path().is_dir() { below(&entry.path()) } else { vec![entry.path()] }).collect()
}

fn records(records: &Path, examples: &Path) {
    let layout = RecordLayout::new("Feature", "Label", &[Extra::Path, Extra::Class]).expect("keys that differ");
    let mut example = Vec::new();
    layout.encode(&[0.0, -1.5, f32::NAN], 1, &[b"Cat/1.jpg", b"Cat"], &mut example);
    fs::write(examples.join("features"), &example).expect("writable");
    layout.encode(&[], i64::MIN, &[b"", b""], &mut example);
    fs::write(examples.join("empty"), &example).expect("writable");

    for compression in [Compression::None, Compression::Gzip, Compression::Zlib] {
        let mut writer = Writer::new(Compressor::new(compression, Vec::new()));
        for record in [&b"first"[..], b"", &example] {
            writer.write(record).expect("a Vec takes everything");
        }
        let file = writer.finish().and_then(Compressor::finish).expect("a Vec takes everything");
        fs::write(records.join(compression.name()), file).expect("writable");
    }
    // What `damaged` in tests/hostile/records.rs reads: blows, and records by their lengths.
    for (name, blows) in [("sound", vec![]), ("one", vec![(3, 1)]), ("two", vec![(13, 0x80), (30, 0)])] {
        let mut told = vec![b'!', blows.len() as u8];
        for (place, mask) in blows {
            told.extend(u32::to_le_bytes(place));
            told.push(mask);
        }
        told.extend(b"\x05first\x00\x06second\x03end");
        fs::write(records.join(name), told).expect("writable");
    }
}

/// The graphs of real models, their values in the data file of tests/hostile/onnx.rs.
fn models(from: &Path, to: &Path) {
    for path in below(from) {
        let Ok(mut model) = ModelProto::decode(&*fs::read(&path).expect("readable")) else { continue };
        let Some(graph) = &mut model.graph else { continue };
        let constants = graph.node.iter_mut().flat_map(|node| &mut node.attribute).filter_map(|a| a.t.as_mut());
        constants.chain(&mut graph.initializer).for_each(empty);
        let name = path.file_name().expect("a file");
        fs::write(to.join(name), model.encode_to_vec()).expect("writable");
    }
}

/// Takes a large tensor's values out of the model.
fn empty(tensor: &mut TensorProto) {
    let values: i64 = tensor.dims.iter().product();
    if tensor.data_type == TensorProto::FLOAT && values > 64 {
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
        tensor.raw_data.clear();
        tensor.float_data.clear();
        tensor.data_location = TensorProto::EXTERNAL;
        tensor.external_data = vec![entry("location", "data".into()), entry("length", (values * 4).to_string())];
    }
}

/// A weight file with the first few tensors, its checksum left blank.
fn weights(to: &Path) {
    let whole = Weights::built_in_lite0().expect("built in").to_bytes().expect("written before");
    let (length, rest) = whole.split_first_chunk().expect("a header");
    let (header, values) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).expect("JSON");
    let end = |entry: &serde_json::Value| entry["data_offsets"][1].as_u64().unwrap_or(0);
    header.retain(|_, entry| end(entry) <= 8 << 10);
    let data = header.values().map(end).max().expect("metadata at least");
    let metadata = header["__metadata__"]["petrec"].as_str().expect("text");
    let mut metadata: serde_json::Value = serde_json::from_str(metadata).expect("JSON");
    metadata["sha256"] = "0".repeat(64).into();
    header["__metadata__"]["petrec"] = metadata.to_string().into();

    let header = serde_json::to_vec(&header).expect("JSON");
    let mut file = fs::File::create(to.join("lite0")).expect("writable");
    file.write_all(&(header.len() as u64).to_le_bytes()).expect("writable");
    file.write_all(&header).expect("writable");
    file.write_all(&values[..data as usize]).expect("writable");
}
