//! Pictures of a few kilobytes that ask for gigabytes, where there are none.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::{Compression, write::ZlibEncoder};

use super::places::repository;
use super::{Run, data_set, json, names, petrec, records, temporary};

/// The address space that petrec gets, in kB: it needs less than half of that for photos.
const ADDRESS_SPACE: &str = "700000";

/// Runs petrec with that little address space.
fn petrec_with_little_memory(args: &[&str]) -> Run {
    let script = format!("ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_petrec")]).args(args);
    Run::of(shell.env("PETREC_BACKEND", "cpu").env_remove("PETREC_LOG").current_dir(repository("")))
}

/// A photo that says to be 13,377 x 13,377 pixels, which takes 0.8 GB.
fn jpeg() -> Vec<u8> {
    let mut jpeg = fs::read(repository("examples/photos/Cat/chelsea.jpg")).expect("the photo");
    let frame = jpeg.windows(2).position(|two| matches!(two, [0xff, 0xc0 | 0xc2])).expect("a frame header");
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x34, 0x41, 0x34, 0x41]);
    jpeg
}

/// A frame of 13,377 x 13,377 pixels, which takes 0.7 GB, of which the first is there.
fn gif() -> Vec<u8> {
    let head = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0,\0\0\0\0";
    [head, &[0x41, 0x34, 0x41, 0x34, 0, 2, 2, 0x44, 0x01, 0, b';'][..]].concat()
}

/// 23,000 x 23,000 black pixels of one bit, which take 1.6 GB.
fn png() -> Vec<u8> {
    const SIDE: u32 = 23_000;
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    let row = vec![0; 1 + SIDE as usize / 8];
    (0..SIDE).for_each(|_| zlib.write_all(&row).expect("memory"));
    let header = [&SIDE.to_be_bytes()[..], &SIDE.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
    let data = zlib.finish().expect("memory");
    let chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", Vec::new())].map(|(kind, content)| {
        let summed = [&kind[..], &content].concat();
        let mut sum = flate2::Crc::new();
        sum.update(&summed);
        [&(content.len() as u32).to_be_bytes()[..], &summed, &sum.sum().to_be_bytes()].concat()
    });
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

/// 16,383 x 16,383 pixels of one colour, without loss, which take 0.8 GB: five prefix codes of one symbol each.
fn webp() -> Vec<u8> {
    let fields = [(0x2f, 8), (16_382, 14), (16_382, 14), (0, 7)];
    let codes = [(1, 4); 5];
    let (mut bits, mut count) = (0u128, 0);
    for (value, width) in fields.into_iter().chain(codes) {
        bits |= value << count;
        count += width;
    }
    let data = &bits.to_le_bytes()[..14];
    [b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0", data].concat()
}

#[test]
fn a_picture_that_does_not_fit_is_a_reason_and_never_the_end_of_the_run() {
    let photos = ["Cat/chelsea.jpg", "Cat/chelsea-eyes.jpg", "Coffee/coffee.jpg"];
    let data = data_set(&photos.map(|photo| (photo, photo)));
    let attacks = [("jpeg", jpeg()), ("gif", gif()), ("png", png()), ("webp", webp())];
    for (name, bytes) in &attacks {
        // Several of each, so that workers meet them at the same time.
        for copy in 0..3 {
            fs::write(data.path().join("Cat").join(format!("{name}-{copy}.jpg")), bytes).expect("written");
        }
    }
    let out = temporary();
    let target = out.path().join("records");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();

    let fixed = ["convert", "--model=efficientnet-lite0", "--threads=4", "--quiet"];
    let run = petrec_with_little_memory(&[&fixed[..], &[&text(data.path()), &text(&target)]].concat());

    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let shard = names(&target).into_iter().find(|name| name.ends_with(".tfrecord")).expect("one record file");
    assert_eq!(records(&target.join(shard)).len(), photos.len());
    let report = json(&target.join("petrec-report.json"));
    let files = report["files"].as_array().expect("a list");
    assert_eq!(files.len(), photos.len() + 3 * attacks.len());
    for file in files {
        let is_photo = photos.iter().any(|photo| file["path"].as_str().is_some_and(|path| path.ends_with(photo)));
        let expected = if is_photo { serde_json::Value::Null } else { "E_TOO_LARGE".into() };
        assert_eq!(file["reason"], expected, "{file}");
    }
}

#[test]
fn the_same_picture_is_accepted_where_there_is_memory() {
    let data = data_set(&[]);
    let path = data.path().join("jpeg.jpg");
    fs::write(&path, jpeg()).expect("written");

    let run = petrec(["validate".as_ref(), path.as_os_str()]);

    assert!(run.stdout.starts_with("1 file: 1 accepted"), "{}{}", run.stdout, run.stderr);
}
