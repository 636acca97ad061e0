//! What PNGs pass and what they show: on small files that are made here, most of them with faults.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::{Compression, write::ZlibEncoder};

use super::chunks::checksum;
use super::*;
use crate::image::limits::Deadline;
use crate::image::{Accept, Limits, decode};

/// 4 x 3 pixels of RGB, no filter.
const RAW: [u8; 39] = {
    let mut raw = [0; 39];
    let mut at = 0;
    while at < 39 {
        raw[at] = if at.is_multiple_of(13) { 0 } else { (at * 7) as u8 };
        at += 1;
    }
    raw
};

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let sum = checksum(name, content).sum();
    [&(content.len() as u32).to_be_bytes(), &name[..], content, &sum.to_be_bytes()].concat()
}

fn header(width: u32, height: u32, depth: u8, color: u8, interlace: u8) -> Vec<u8> {
    let content = [&width.to_be_bytes(), &height.to_be_bytes(), &[depth, color, 0, 0, interlace][..]].concat();
    chunk(b"IHDR", &content)
}

/// The header of [`RAW`].
fn rgb() -> Vec<u8> {
    header(4, 3, 8, 2, 0)
}

fn zlib(raw: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(raw).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat(), chunk(b"IEND", b"")].concat()
}

fn decoded(data: &[u8]) -> Result<Picture, Rejection> {
    decode(data, Accept::TensorFlow)
}

fn pixels(data: &[u8]) -> Vec<u8> {
    decoded(data).expect("TensorFlow accepts it").rgb
}

/// The pixels of [`RAW`].
fn plain() -> Vec<u8> {
    RAW.chunks(13).flat_map(|row| row[1..].to_vec()).collect()
}

/// The reason and the words of a rejection.
fn rejected(data: &[u8]) -> (Reason, String) {
    let rejection = decoded(data).expect_err("TensorFlow rejects it");
    (rejection.reason, rejection.detail)
}

#[test]
fn ancillary_chunks_cannot_reject_a_still_picture() {
    let junk: Vec<u8> = (0..200).collect();
    let bomb = [b"profile\0\0".to_vec(), zlib(&vec![0; 1 << 20])].concat();
    for name in
        [b"fcTL", b"fdAT", b"acTL", b"iCCP", b"zTXt", b"iTXt", b"tEXt", b"eXIf", b"bKGD", b"tRNS", b"gAMA", b"prVt"]
    {
        for content in [&b""[..], b"\0", &junk, &bomb] {
            let odd = chunk(name, content);
            let mut wrong_sum = odd.clone();
            *wrong_sum.last_mut().expect("not empty") ^= 1;
            for odd in [odd, wrong_sum] {
                let before = file(&[rgb(), odd.clone(), odd.clone(), chunk(b"IDAT", &zlib(&RAW))]);
                let after = file(&[rgb(), chunk(b"IDAT", &zlib(&RAW)), odd.clone(), odd]);

                assert_eq!(pixels(&before), plain(), "{}", name.escape_ascii());
                assert_eq!(pixels(&after), plain(), "{}", name.escape_ascii());
            }
        }
    }
}

#[test]
fn only_unknown_chunks_may_come_before_the_header() {
    let with = |name| file(&[chunk(name, b"abc"), rgb(), chunk(b"IDAT", &zlib(&RAW))]);

    assert_eq!(pixels(&with(b"prVt")), plain());
    for known in [b"gAMA", b"tEXt", b"PLTE", b"IDAT", b"IEND", b"CgBI"] {
        assert_eq!(rejected(&with(known)).0, Reason::BadHeader, "{}", known.escape_ascii());
    }
}

#[test]
fn a_suggested_palette_may_be_odd_and_that_of_an_indexed_picture_not() {
    let indexed = |palette: Vec<u8>| {
        file(&[
            header(2, 1, 8, 3, 0),
            chunk(b"bKGD", &[0]),
            chunk(b"PLTE", &palette),
            chunk(b"IDAT", &zlib(&[0, 1, 9])),
        ])
    };
    for length in [1, 2, 4, 5, 7, 767, 769, 770, 1000] {
        let suggested = file(&[rgb(), chunk(b"PLTE", &vec![9; length]), chunk(b"IDAT", &zlib(&RAW))]);

        assert_eq!(pixels(&suggested), plain(), "{length}");
        assert_eq!(rejected(&indexed(vec![9; length])).0, Reason::BadHeader, "{length}");
    }
    let empty = file(&[rgb(), chunk(b"PLTE", b""), chunk(b"IDAT", &zlib(&RAW))]);
    assert_eq!(rejected(&empty), (Reason::BadHeader, "PLTE is empty".to_owned()));
    // A colour that is not there is black.
    assert_eq!(pixels(&indexed(vec![1, 2, 3, 4, 5, 6])), [4, 5, 6, 0, 0, 0]);
}

#[test]
fn the_end_of_the_compressed_data_is_judged_as_libpng_judges_it() {
    let with = |data: &[u8]| file(&[rgb(), chunk(b"IDAT", data)]);
    let in_two = |data: &[u8], at: usize| file(&[rgb(), chunk(b"IDAT", &data[..at]), chunk(b"IDAT", &data[at..])]);
    let whole = zlib(&RAW);
    let end = whole.len() - 4;
    let mut wrong = whole.clone();
    wrong[end] ^= 1;
    let too_much = zlib(&[&RAW[..], &[7; 20]].concat());
    let mut too_much_wrong = too_much.clone();
    *too_much_wrong.last_mut().expect("not empty") ^= 1;

    // Seen while the last row is filled: an error.
    assert_eq!(rejected(&with(&wrong)).1, "the checksum of the decompressed data (Adler-32) is wrong");
    // Not there: an error, too, wherever the data stops.
    for cut in 2..whole.len() {
        assert_eq!(rejected(&with(&whole[..cut])).0, Reason::CorruptData, "{cut} of {}", whole.len());
    }
    // Seen after the last row: a warning.
    assert_eq!(pixels(&in_two(&wrong, end)), plain());
    assert_eq!(pixels(&with(&too_much_wrong)), plain());
    assert_eq!(pixels(&with(&too_much)), plain());
    assert_eq!(pixels(&with(&[&whole[..], b"more"].concat())), plain());
    // More than there should be, and no end.
    assert_eq!(rejected(&with(&too_much[..too_much.len() - 4])).0, Reason::CorruptData);
    assert_eq!(rejected(&with(&zlib(&RAW[..38]))).1, "the compressed data ends before the picture");
}

#[test]
fn the_window_that_the_data_announces_is_enforced() {
    // The second row repeats the first, 301 bytes back: further than a window of 256 bytes, except within a row.
    let row: Vec<u8> = (0..300usize).map(|n| (n * n % 251) as u8).collect();
    let raw = [&[0][..], &row, &[0], &row].concat();
    let mut data = zlib(&raw);
    let wide = file(&[header(300, 2, 8, 0, 0), chunk(b"IDAT", &data)]);
    data[..2].copy_from_slice(&[0x08, 0x1d]); // a window of 256 bytes, with the right check
    let narrow = file(&[header(300, 2, 8, 0, 0), chunk(b"IDAT", &data)]);
    let one_row = file(&[header(601, 1, 8, 0, 0), chunk(b"IDAT", &data)]);

    assert_eq!(pixels(&wide).len(), 300 * 2 * 3);
    assert_eq!(rejected(&narrow).1, "a match begins before the data");
    assert_eq!(pixels(&one_row).len(), 601 * 3);
}

#[test]
fn pieces_of_any_size_give_the_same_picture() {
    let data = zlib(&RAW);
    for size in 1..data.len() {
        let mut chunks = vec![rgb()];
        for piece in data.chunks(size) {
            chunks.extend([chunk(b"IDAT", piece), chunk(b"IDAT", b"")]);
        }

        assert_eq!(pixels(&file(&chunks)), plain(), "{size}");
    }
}

#[test]
fn the_reasons_are_words_and_never_debug_text() {
    let data = zlib(&RAW);
    let mut filter = RAW;
    filter[13] = 5;
    let mut wrong_sum = chunk(b"IDAT", &data);
    *wrong_sum.last_mut().expect("not empty") ^= 1;
    let cases = [
        (file(&[header(4, 3, 8, 7, 0)]), Reason::BadHeader, "colour type 7 does not exist"),
        (file(&[header(4, 3, 4, 2, 0)]), Reason::BadHeader, "colour type 2 cannot have 4 bits per sample"),
        (file(&[header(4, 3, 8, 2, 2)]), Reason::BadHeader, "interlace method 2 does not exist"),
        (file(&[header(0, 3, 8, 2, 0)]), Reason::ZeroSize, "0 x 3 pixels"),
        (file(&[header(4, 1 << 31, 8, 2, 0)]), Reason::TooLarge, "4 x 2147483648 pixels; sides end at 1000000"),
        (file(&[rgb()]), Reason::BadHeader, "there is no IDAT"),
        (file(&[header(4, 3, 8, 3, 0), chunk(b"IDAT", &data)]), Reason::BadHeader, "an indexed picture without PLTE"),
        (file(&[rgb(), rgb()]), Reason::CorruptData, "a second chunk IHDR"),
        (file(&[rgb(), wrong_sum]), Reason::CorruptData, "the checksum of chunk IDAT is wrong"),
        (file(&[rgb(), chunk(b"IDAT", &zlib(&filter))]), Reason::CorruptData, "there is no filter 5"),
        (
            file(&[rgb(), chunk(b"ABCD", b"")]),
            Reason::UnsupportedCoding,
            "an unknown chunk ABCD, which must not be ignored",
        ),
        (file(&[rgb(), chunk(b"A\n\xffD", b"")]), Reason::CorruptData, "A\\n\\xffD is no name of a chunk"),
    ];
    for (data, reason, detail) in cases {
        assert_eq!(rejected(&data), (reason, detail.to_owned()));
    }
}

#[test]
fn all_layouts_and_filters_show_what_the_png_crate_shows() {
    use image::{ExtendedColorType::*, ImageEncoder, codecs::png::*};
    let (width, height) = (37, 11);
    for (color, bytes) in [(L8, 1), (La8, 2), (Rgb8, 3), (Rgba8, 4), (L16, 2), (La16, 4), (Rgb16, 6), (Rgba16, 8)] {
        let samples: Vec<u8> = (0..width * height * bytes).map(|n| (n * n / 7 % 256) as u8).collect();
        for filter in [FilterType::NoFilter, FilterType::Sub, FilterType::Up, FilterType::Avg, FilterType::Paeth] {
            let mut data = Vec::new();
            PngEncoder::new_with_quality(&mut data, CompressionType::Fast, filter)
                .write_image(&samples, width as u32, height as u32, color)
                .expect("a valid picture");
            // The encoder takes samples of 16 bits in the machine's order.
            let high = |sample: &[u8]| {
                if sample.len() == 2 { (u16::from_ne_bytes([sample[0], sample[1]]) >> 8) as u8 } else { sample[0] }
            };
            let size = if color.bits_per_pixel() / u16::from(color.channel_count()) == 16 { 2 } else { 1 };
            let wanted: Vec<u8> = samples
                .chunks(bytes)
                .flat_map(|pixel| {
                    let values: Vec<u8> = pixel.chunks(size).map(high).collect();
                    if values.len() < 3 { [values[0]; 3] } else { [values[0], values[1], values[2]] }
                })
                .collect();

            assert_eq!(pixels(&data), wanted, "{color:?} {filter:?}");
        }
    }
}

#[test]
fn few_bits_are_stretched_and_an_interlaced_picture_is_put_together() {
    let gray = |depth, row: &[u8]| pixels(&file(&[header(3, 1, depth, 0, 0), chunk(b"IDAT", &zlib(row))]));
    assert_eq!(gray(1, &[0, 0b0100_0000]), [0, 0, 0, 255, 255, 255, 0, 0, 0]);
    assert_eq!(gray(2, &[0, 0b0001_1000]), [0, 0, 0, 85, 85, 85, 170, 170, 170]);
    assert_eq!(gray(4, &[0, 0x1f, 0x20]), [17, 17, 17, 255, 255, 255, 34, 34, 34]);

    // 3 x 3 grey pixels of 8 bits: the passes have rows 1 | - | - | 1 | 2 | 2 (with one pixel) | 1.
    let raw = [&[0, 1, 0, 3][..], &[0, 7, 9], &[0, 2, 0, 8], &[0, 4, 5, 6]].concat();
    let interlaced = file(&[header(3, 3, 8, 0, 1), chunk(b"IDAT", &zlib(&raw))]);
    let shown: Vec<u8> = pixels(&interlaced).chunks(3).map(|pixel| pixel[0]).collect();
    assert_eq!(shown, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn time_is_up_inside_metadata_and_inside_compressed_data() {
    let limits = Limits { time: Some(Duration::ZERO), ..Limits::default() };
    let late = Deadline::of(&limits, Instant::now());
    let many = vec![chunk(b"tEXt", b"a\0b"); 5000].concat();
    let data = file(&[chunk(b"IDAT", &zlib(&RAW))]);
    let header = Header { width: 4, height: 3, color: Color::Rgb, depth: 8, interlaced: false };

    let metadata = Chunks::of(&file(&[many]), late).palette(&header).map(|_| ());
    let compressed = Stream::of(&mut Chunks::of(&data, late), &header).row(&mut [0; 13]);
    let behind = Chunks::of(&file(&[]), late).end();

    for outcome in [metadata, compressed, behind] {
        assert_eq!(outcome.map_err(|(reason, _)| reason), Err(Reason::TimeLimit));
    }
}

#[test]
fn the_memory_asked_for_is_that_of_the_rgb_bytes_and_a_few_rows() {
    let deep = Header { width: 10_000, height: 10_000, color: Color::Rgba, depth: 16, interlaced: true };

    let rows = Rows::memory(&deep);

    assert!((160_000..1 << 20).contains(&rows), "{rows}");
}
