//! WebP files that are damaged, odd or hostile. What TensorFlow decides of each fixture is in `decisions-webp.json`.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::limits::Deadline;
use super::super::{Accept, Limits, Picture, Reason, Rejection, decode};
use super::container::{self, Coding};
use super::{lossless, lossy};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoder")
}

fn fixture(name: &str) -> Vec<u8> {
    let path = fixtures().join("webp").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn decoded(name: &str) -> Result<Picture, Rejection> {
    decode(&fixture(name), Accept::TensorFlow)
}

fn reason(name: &str) -> Option<Reason> {
    decoded(name).err().map(|rejection| rejection.reason)
}

/// A file whose only chunk has this name and content.
fn file(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = [&name[..], &(content.len() as u32).to_le_bytes(), content].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    [b"RIFF", &(chunk.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunk].concat()
}

/// A VP8L picture of one colour: 63 bits for 16,384 x 16,384 pixels.
fn large_lossless() -> Vec<u8> {
    let (mut bits, mut at) = (0x2f_u64, 8);
    let codes = [(1, 4); 5]; // simple, one symbol, of one bit, which is 0
    for (value, count) in [(16_383, 14), (16_383, 14), (0, 4), (0, 3)].into_iter().chain(codes) {
        bits |= value << at;
        at += count;
    }
    file(b"VP8L", &bits.to_le_bytes())
}

/// The header of a VP8 frame of 16,383 x 16,383 pixels, and a few bytes.
fn large_lossy() -> Vec<u8> {
    let tag = (32_u32 << 5) | 1 << 4; // a key frame that is shown, with a first partition of 32 bytes
    let mut content = tag.to_le_bytes()[..3].to_vec();
    content.extend([0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f]);
    content.resize(content.len() + 64, 0);
    file(b"VP8 ", &content)
}

fn passed() -> Deadline {
    Deadline::of(&Limits { time: Some(Duration::ZERO), ..Limits::default() }, Instant::now())
}

#[test]
fn every_fixture_is_decided_as_tensorflow_does() {
    let decisions = fs::read(fixtures().join("decisions-webp.json")).expect("a fixture");
    let Ok(Value::Object(records)) = serde_json::from_slice(&decisions) else { panic!("decisions are an object") };
    let mut seen = 0;
    for (key, record) in records.iter().filter(|(key, _)| !key.starts_with('_')) {
        let data = fs::read(fixtures().join(key)).expect("every decision has its file");
        let ours = decode(&data, Accept::TensorFlow);
        match (&ours, record["status"] == "ok") {
            (Ok(picture), true) => {
                assert_eq!(record["shape"], serde_json::json!([1, picture.height, picture.width, 3]), "{key}");
                assert_eq!(record["px_sha256"], crate::text::hex(&Sha256::digest(&picture.rgb)), "{key}");
            }
            (Err(rejection), false) => assert_ne!(rejection.reason, Reason::DecoderPanic, "{key}"),
            _ => panic!("{key}: {:?}, but TensorFlow: {}", ours.err(), record["status"]),
        }
        seen += 1;
    }

    assert!(seen > 60, "{seen} decisions");
}

#[test]
fn alpha_is_what_flag_chunk_or_lossless_picture_say_it_is() {
    for name in [
        "tiny-1x1-alpha.webp",
        "lossless-alpha.webp",
        "lossy-alpha.webp",
        "vp8x-alpha-flag-no-alph.webp",
        "vp8x-no-alpha-flag-but-alph.webp",
    ] {
        assert_eq!(reason(name), Some(Reason::UnsupportedCoding), "{name}");
    }

    // The flag above a lossless picture that has no alpha counts for nothing.
    let mut data = fixture("vp8x-vp8l.webp");
    data[20] |= 0x10;
    assert_eq!(decode(&data, Accept::TensorFlow), decoded("vp8x-vp8l.webp"));
}

#[test]
fn metadata_flags_need_no_chunks() {
    let plain = decoded("vp8x-plain.webp").expect("a sound picture");

    for name in ["vp8x-exif-flag-no-chunk.webp", "vp8x-xmp-flag-no-chunk.webp", "vp8x-all-meta-no-chunk.webp"] {
        assert_eq!(decoded(name), Ok(plain.clone()), "{name}");
    }
}

#[test]
fn what_is_cut_and_what_is_animated_is_called_so() {
    for name in ["cut1.webp", "cut-half.webp", "lossless-cut.webp", "eight-partitions-cut.webp", "riff-10-long.webp"] {
        assert_eq!(reason(name), Some(Reason::Truncated), "{name}");
    }
    for name in ["anim2.webp", "anim-flag-no-anim.webp"] {
        assert_eq!(reason(name), Some(Reason::Animated), "{name}");
    }
    assert_eq!(reason("not-shown.webp"), Some(Reason::BadHeader));
}

#[test]
fn a_large_picture_in_few_bytes_heeds_the_limits_and_the_time() {
    for data in [large_lossless(), large_lossy()] {
        let frame = container::open(&data, Deadline::default()).expect("a sound container");
        let side = Limits { side: Some(10_000), ..Limits::default() };
        let policy = super::super::Policy { accept: Accept::TensorFlow, limits: side };
        let stopped = match frame.coding {
            Coding::Lossy => lossy::decode(frame.data, frame.width, frame.height, passed()),
            Coding::Lossless => lossless::decode(frame.data, frame.width, frame.height, passed(), |_| Ok(())),
        };

        assert_eq!(stopped.err().map(|(reason, _)| reason), Some(Reason::TimeLimit));
        assert_eq!(decode(&data, policy).err().map(|rejection| rejection.reason), Some(Reason::SideLimit));
    }
    let ends_early = decode(&large_lossy(), Accept::TensorFlow);
    assert_eq!(ends_early.err().map(|rejection| rejection.reason), Some(Reason::Truncated));
}

#[test]
fn no_damage_makes_a_decoder_panic() {
    for name in
        ["lossy.webp", "eight-partitions.webp", "simple-filter.webp", "lossless-best.webp", "lossless-four-colors.webp"]
    {
        let sound = fixture(name);
        for at in 12..sound.len().min(400) {
            for bit in [0, 3, 7] {
                let mut data = sound.clone();
                data[at] ^= 1 << bit;
                let reason = decode(&data, Accept::TensorFlow).err().map(|rejection| rejection.reason);
                assert_ne!(reason, Some(Reason::DecoderPanic), "{name}: byte {at}, bit {bit}");
            }
        }
    }
}
