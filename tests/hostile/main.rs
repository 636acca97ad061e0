//! What must hold whatever the bytes are, tried on inputs that once broke it or come close to what might.
//!
//! Each module states it for one reader; the fuzz targets of `fuzz/` call the same functions with what libFuzzer makes up.

mod decoder;
mod example;
#[cfg(feature = "import")]
mod onnx;
mod records;
mod weights;

use std::fs;
use std::path::Path;

/// Calls `holds` with every file of `tests/fixtures/hostile/<target>`, whole and cut at many places.
fn replay(target: &str, holds: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hostile").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs = 0;
    for entry in entries {
        let path = entry.expect("an entry").path();
        let input = fs::read(&path).expect("readable");
        eprintln!("{}", path.display());
        holds(&input);
        for cut in (0..input.len()).step_by(input.len() / 16 + 1) {
            holds(&input[..cut]);
        }
        inputs += 1;
    }
    assert!(inputs > 0, "{}: no inputs", folder.display());
}

#[test]
fn any_bytes_can_be_decoded_or_are_refused() {
    replay("decoder", decoder::holds);
}

#[test]
fn any_bytes_can_be_read_as_records_or_are_refused() {
    replay("records", records::holds);
}

#[test]
fn any_bytes_can_be_parsed_as_an_example_or_are_refused() {
    replay("example", example::holds);
}

#[test]
fn any_bytes_can_be_read_as_weights_or_are_refused() {
    replay("weights", weights::holds);
}

#[cfg(feature = "import")]
#[test]
fn any_bytes_can_be_imported_or_are_refused() {
    replay("onnx", onnx::holds);
}
