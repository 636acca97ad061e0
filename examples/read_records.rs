//! What a training loop in Rust would do with record files, petrec's or TensorFlow's, compressed or not:
//! `cargo run --release --example read_records -- records/photos-00000-of-00001.tfrecord`.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::path::Path;

use petrec::tfrecord::{self, Example, Message, Reader};

fn main() -> Result<(), Box<dyn Error>> {
    let mut labels = BTreeMap::<i64, usize>::new();
    for path in env::args_os().skip(1) {
        let (_, content) = tfrecord::open(Path::new(&path))?;
        for record in Reader::new(content) {
            let example = Example::decode(&record?[..])?;
            let feature = example.floats("Feature").ok_or("a record without 'Feature'")?;
            let label = example.integers("Label").and_then(<[i64]>::first).ok_or("a record without 'Label'")?;
            *labels.entry(*label).or_default() += 1;
            let mean = feature.iter().sum::<f32>() / feature.len() as f32;
            println!("{label} {} values, mean {mean:.6}", feature.len());
        }
    }
    for (label, records) in labels {
        println!("label {label}: {records} records");
    }
    Ok(())
}
