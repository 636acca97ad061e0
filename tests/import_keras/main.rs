//! Keras' own weight file becomes weights; one that was cut, altered or holds something else is refused with the reason.
#![cfg(feature = "import")]

#[path = "../common/shared.rs"]
mod shared;

use std::fs;
use std::path::PathBuf;

use petrec::import::Options;
use petrec::import::keras::import_keras;
use petrec::model::{Architecture, Padding, Preprocess, seeded_b0};

/// The seeded B0 as Keras saved it.
fn seeded_file() -> Option<PathBuf> {
    shared::shared("reference/h5/keras-b0-seeded-notop-legacy.h5")
}

/// Where `needle` stands in `bytes` for the first time.
fn position(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).expect("the file holds it")
}

/// What the importer says to altered bytes.
fn refusal(bytes: &[u8], options: &Options) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("altered.h5");
    fs::write(&path, bytes).expect("writable");
    import_keras(&path, options).expect_err("must be refused").to_string()
}

#[test]
fn keras_file_holds_the_seeded_weights_exactly() {
    let Some(path) = seeded_file() else { return };
    let seeded = seeded_b0();

    let imported = import_keras(&path, &Options::default()).unwrap_or_else(|error| panic!("{error}"));

    for conv in seeded.network().convolutions() {
        assert!(imported.of(conv) == seeded.of(conv), "{}", conv.name);
    }
    assert_eq!(imported.metadata().architecture, Architecture::EfficientNetB0);
    assert_eq!(imported.metadata().padding, Padding::Same);
    assert_eq!(imported.metadata().preprocess, Preprocess::keras());
    assert!(imported.metadata().source.exporter.starts_with("Keras"));
}

#[test]
fn the_preprocessing_of_keras_2_5_lacks_the_last_factor() {
    let Some(path) = seeded_file() else { return };
    let keras_25 = Options { preprocess: Some(Preprocess::keras_25()), ..Options::default() };

    let imported = import_keras(&path, &keras_25).unwrap_or_else(|error| panic!("{error}"));

    let mut values = [255.0, 0.0, 51.0];
    imported.metadata().preprocess.normalise(&mut values);
    let expected = [(1.0, 0.485, 0.229), (0.0, 0.456, 0.224), (0.2, 0.406, 0.225)];
    for (value, (x, mean, std)) in values.into_iter().zip(expected) {
        let expected: f64 = (x - mean) / f64::sqrt(std);
        assert!((f64::from(value) - expected).abs() < 1e-6, "{value} for {expected}");
    }
}

#[test]
fn a_deviation_kept_in_bfloat16_is_still_imagenets() {
    let Some(path) = seeded_file() else { return };
    let mut bytes = fs::read(path).expect("readable");
    let std = [0.229f32, 0.224, 0.225];
    let at = position(&bytes, &std.map(f32::to_le_bytes).concat());
    let rounded = std.map(|value| f32::from_bits(value.to_bits() & 0xFFFF_0000));
    bytes[at..at + 12].copy_from_slice(&rounded.map(f32::to_le_bytes).concat());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rounded.h5");
    fs::write(&path, bytes).expect("writable");

    let imported = import_keras(&path, &Options::default()).unwrap_or_else(|error| panic!("{error}"));

    let (mut ours, mut usual) = ([255.0, 0.0, 51.0], [255.0, 0.0, 51.0]);
    imported.metadata().preprocess.normalise(&mut ours);
    Preprocess::keras().normalise(&mut usual);
    assert!(ours.iter().zip(usual).all(|(ours, usual)| (ours / usual - 1.0).abs() < 0.01), "{ours:?}, {usual:?}");
}

#[test]
fn what_is_not_the_network_is_refused_by_name() {
    let Some(path) = seeded_file() else { return };
    let bytes = fs::read(path).expect("readable");
    let any = Options::default();

    let b1 = Options { architecture: Some(Architecture::EfficientNetB1), ..Options::default() };
    let other = refusal(&bytes, &b1);
    assert!(other.contains("not efficientnet-b1") && other.contains("block1b"), "{other}");

    let text = refusal(b"no HDF5 at all", &any);
    assert!(text.contains("not a whole file of Keras' weights"), "{text}");

    let cut = refusal(&bytes[..bytes.len() / 2], &any);
    assert!(cut.contains("altered.h5"), "{cut}");

    // 0.485, the first of the three means of the normalisation.
    let mut infinite = bytes.clone();
    let at = position(&bytes, &[0.485f32, 0.456, 0.406].map(f32::to_le_bytes).concat());
    infinite[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let infinite = refusal(&infinite, &any);
    assert!(infinite.contains("normalization/normalization/mean:0"), "{infinite}");
}

#[test]
fn a_file_cut_anywhere_is_refused_without_a_panic() {
    let Some(path) = seeded_file() else { return };
    let bytes = fs::read(path).expect("readable");

    for length in (0..bytes.len()).step_by(bytes.len() / 12 + 1) {
        refusal(&bytes[..length], &Options::default());
    }
}

#[test]
fn a_size_that_was_asked_for_is_that_of_the_network() {
    let Some(path) = seeded_file() else { return };
    let at = |side| import_keras(&path, &Options { side: Some(side), ..Options::default() });

    assert_eq!(at(256).expect("a size").network().feature_shape(), [8, 8, 1280]);
    assert!(at(31).is_err());
}

#[test]
fn a_git_lfs_pointer_is_named_as_one() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 16804768\n";

    let message = refusal(pointer, &Options::default());

    assert!(message.contains("Git LFS pointer"), "{message}");
}
