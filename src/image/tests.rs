//! The rules of accepting and rejecting, on small files that are made here and then damaged.

use libjpeg_turbo_rs::{PixelFormat, Subsampling, compress, compress_progressive};

use super::*;

const WIDTH: usize = 37;
const HEIGHT: usize = 29;

/// A colourful picture of `channels` bytes per pixel.
fn pixels(channels: usize) -> Vec<u8> {
    (0..WIDTH * HEIGHT * channels).map(|n| ((n / channels * 7) ^ (n % channels * 90) ^ (n / 211)) as u8).collect()
}

fn baseline() -> Vec<u8> {
    compress(&pixels(3), WIDTH, HEIGHT, PixelFormat::Rgb, 85, Subsampling::S420).expect("a valid picture")
}

fn progressive() -> Vec<u8> {
    compress_progressive(&pixels(3), WIDTH, HEIGHT, PixelFormat::Rgb, 85, Subsampling::S420).expect("a valid picture")
}

/// Where the segment with this marker begins, and where it ends.
fn segment(jpeg: &[u8], marker: u8) -> std::ops::Range<usize> {
    let mut at = 2;
    loop {
        let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] == marker {
            return at..at + 2 + length;
        }
        at += 2 + length;
    }
}

/// Removes all segments with this marker that stand before the first scan.
fn without(jpeg: &[u8], marker: u8) -> Vec<u8> {
    let mut kept = jpeg[..2].to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != marker {
            kept.extend_from_slice(&jpeg[at..end]);
        }
        at = end;
    }
    kept.extend_from_slice(&jpeg[at..]);
    kept
}

fn accepted(data: &[u8]) -> Picture {
    decode(data, Accept::TensorFlow).expect("TensorFlow accepts it")
}

fn reason(data: &[u8]) -> Reason {
    decode(data, Accept::TensorFlow).expect_err("TensorFlow rejects it").reason
}

fn strict_reason(data: &[u8]) -> Reason {
    decode(data, Accept::Strict).expect_err("damaged or no JPEG").reason
}

#[test]
fn an_empty_file_is_empty() {
    let rejection = decode(b"", Accept::TensorFlow).expect_err("nothing to decode");

    assert_eq!(rejection.reason, Reason::Empty);
    assert_eq!(rejection.to_string(), "the file is empty (E_EMPTY)");
}

#[test]
fn what_is_no_image_and_what_is_one_that_is_not_accepted_are_told_apart() {
    assert_eq!(reason(b"<html>not found</html>"), Reason::NotAnImage);
    assert_eq!(reason(&[0; 1024]), Reason::NotAnImage);
    assert_eq!(reason(b"\n\xff\xd8\xff\xe0"), Reason::NotAnImage);
    assert_eq!(reason(b"BM\x46\0\0\0"), Reason::UnsupportedFormat);
    assert_eq!(reason(b"II*\0\x08\0\0\0"), Reason::UnsupportedFormat);
    assert_eq!(strict_reason(b"GIF89a\x01\0"), Reason::NotJpeg);
}

#[test]
fn flawless_jpegs_pass_strictly_and_show_what_was_encoded() {
    for jpeg in [baseline(), progressive()] {
        let picture = decode(&jpeg, Accept::Strict).expect("an undamaged file");

        assert_eq!((picture.width, picture.height, picture.format), (WIDTH, HEIGHT, Format::Jpeg));
        assert_eq!(picture, accepted(&jpeg));
    }
}

#[test]
fn a_flat_colour_survives() {
    let flat: Vec<u8> = [200, 90, 30].repeat(WIDTH * HEIGHT);
    for sampling in [Subsampling::S444, Subsampling::S422, Subsampling::S420, Subsampling::S440, Subsampling::S411] {
        let jpeg = compress(&flat, WIDTH, HEIGHT, PixelFormat::Rgb, 95, sampling).expect("a valid picture");

        let picture = accepted(&jpeg);

        let close = |pixel: &[u8]| pixel.iter().zip([200, 90, 30]).all(|(&a, b): (&u8, u8)| a.abs_diff(b) <= 3);
        assert!(picture.rgb.chunks_exact(3).all(close), "{sampling:?}");
    }
}

#[test]
fn a_file_cut_anywhere_is_rejected() {
    for jpeg in [baseline(), progressive()] {
        for cut in 3..jpeg.len() {
            let found = reason(&jpeg[..cut]);

            assert!(matches!(found, Reason::Truncated), "cut at {cut} of {}: {found:?}", jpeg.len());
        }
    }
}

#[test]
fn what_comes_after_the_end_marker_does_not_matter() {
    let mut jpeg = baseline();
    let picture = accepted(&jpeg);

    jpeg.extend_from_slice(b"anything \xff\xd8\xff\xe0");

    assert_eq!(decode(&jpeg, Accept::Strict), Ok(picture));
}

#[test]
fn stray_bytes_are_a_warning() {
    let jpeg = baseline();
    let scan = segment(&jpeg, 0xda).start;
    let stray = [&jpeg[..scan], b"stray", &jpeg[scan..]].concat();

    assert_eq!(accepted(&stray), accepted(&jpeg));
    assert_eq!(strict_reason(&stray), Reason::Damaged);
}

#[test]
fn an_early_end_marker_leaves_the_rest_grey() {
    let jpeg = baseline();
    let half = segment(&jpeg, 0xda).end.midpoint(jpeg.len());
    let cut = [&jpeg[..half], b"\xff\xd9"].concat();

    let picture = accepted(&cut);

    assert_eq!(picture.rgb[..3], accepted(&jpeg).rgb[..3]);
    assert_eq!(picture.rgb[picture.rgb.len() - 3..], [128; 3]);
    assert_eq!(strict_reason(&cut), Reason::Damaged);
}

#[test]
fn a_progressive_picture_without_its_last_scans_is_smoothed() {
    let jpeg = progressive();
    let first = segment(&jpeg, 0xda).end;
    let next = first + jpeg[first..].windows(2).position(|two| two == [0xff, 0xc4]).expect("a table for the next scan");
    let dc_only = [&jpeg[..next], b"\xff\xd9"].concat();

    let picture = decode(&dc_only, Accept::Strict).expect("complete as far as it goes");

    // Without smoothing the first block row of the first component would be flat.
    let luma: Vec<u8> = picture.rgb.chunks_exact(3).take(8).map(|pixel| pixel[1]).collect();
    assert!(luma.windows(2).any(|pair| pair[0] != pair[1]), "{luma:?}");
}

#[test]
fn the_header_is_believed_only_within_limits() {
    let jpeg = baseline();
    let frame = segment(&jpeg, 0xc0).start;
    let resized = |width: u16, height: u16| {
        let mut jpeg = jpeg.clone();
        jpeg[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
        jpeg[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
        jpeg
    };

    assert_eq!(reason(&resized(0, 10)), Reason::ZeroSize);
    assert_eq!(reason(&resized(10, 0)), Reason::ZeroSize);
    assert_eq!(reason(&resized(65_535, 1)), Reason::TooLarge);
    let bomb = decode(&resized(65_500, 65_500), Accept::TensorFlow).expect_err("four billion pixels");
    assert_eq!((bomb.reason, bomb.size), (Reason::TooLarge, Some((65_500, 65_500))));
    let doubled = accepted(&resized(WIDTH as u16, 2 * HEIGHT as u16));
    assert_eq!((doubled.width, doubled.height), (WIDTH, 2 * HEIGHT));
}

#[test]
fn codings_without_a_decoder_say_so() {
    let jpeg = baseline();
    let frame = segment(&jpeg, 0xc0).start;
    for marker in [0xc3, 0xc5, 0xc7, 0xcb, 0xcf] {
        let mut other = jpeg.clone();
        other[frame + 1] = marker;
        assert_eq!(reason(&other), Reason::UnsupportedCoding, "SOF {marker:02X}");
    }
    let mut deep = jpeg.clone();
    deep[frame + 4] = 12;
    assert_eq!(reason(&deep), Reason::UnsupportedCoding);
    let mut fractional = jpeg;
    fractional[frame + 11] = 0x31;
    fractional[frame + 14] = 0x21;
    assert_eq!(reason(&fractional), Reason::UnsupportedCoding);
}

#[test]
fn missing_huffman_tables_are_the_standard_ones() {
    let jpeg = baseline();

    assert_eq!(accepted(&without(&jpeg, 0xc4)), accepted(&jpeg));
    assert_eq!(reason(&without(&jpeg, 0xdb)), Reason::BadHeader);
    assert_eq!(reason(&without(&jpeg, 0xc0)), Reason::BadHeader);
    assert_eq!(reason(&without(&progressive(), 0xc4)), Reason::BadHeader);
}

#[test]
fn cmyk_without_adobe_marker_matches_tensorflow() {
    let (ink, black) = (60u16, 200u16);
    let flat: Vec<u8> = [ink as u8, ink as u8, ink as u8, black as u8].repeat(WIDTH * HEIGHT);
    let jpeg = compress(&flat, WIDTH, HEIGHT, PixelFormat::Cmyk, 100, Subsampling::S444).expect("a valid picture");
    let bare = without(&jpeg, 0xee);
    let adobe = [&bare[..2], b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00", &bare[2..]].concat();

    let (inverted, plain) = (accepted(&adobe), accepted(&bare));

    let near = |value: u8, wanted: u16| u16::from(value).abs_diff(wanted) <= 2;
    assert!(near(inverted.rgb[0], black * ink / 255), "{}", inverted.rgb[0]);
    assert!(near(plain.rgb[0], (255 - black) * (255 - ink) / 255), "{}", plain.rgb[0]);
}

#[test]
fn no_change_of_a_byte_makes_the_decoder_panic_or_check_and_decode_disagree() {
    for jpeg in [baseline(), progressive()] {
        let frame = jpeg.iter().position(|&byte| byte == 0xc0 || byte == 0xc2).unwrap_or_default();
        let size = frame + 4..frame + 8; // other sizes are legal, and slow
        for at in (0..jpeg.len()).filter(|at| !size.contains(at)) {
            for value in [0, 0xff, jpeg[at] ^ 0x10, jpeg[at].wrapping_add(1)] {
                let mut changed = jpeg.clone();
                changed[at] = value;
                let decoded = decode(&changed, Accept::TensorFlow).map(|picture| picture.outline());
                if let Err(rejection) = &decoded {
                    assert_ne!(rejection.reason, Reason::DecoderPanic, "byte {at} = {value}: {rejection}");
                }
                assert_eq!(check(&changed, Accept::TensorFlow), decoded, "byte {at} = {value}");
            }
        }
    }
}

/// One segment with its marker.
fn marked(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker], &length[..], content].concat()
}

/// The headers of a grey picture of `wide` x `high` blocks. Its DC codes are 00 for a difference of 15 bits and 01 for
/// none, its only AC code is 0 for the end of the block.
fn grey(frame: u8, wide: u16, high: u16) -> Vec<u8> {
    let size = [[8].as_slice(), &(high * 8).to_be_bytes(), &(wide * 8).to_be_bytes(), &[1, 1, 0x11, 0]].concat();
    let dc = [[0].as_slice(), &[0, 2], &[0; 14], &[15, 0]].concat();
    let ac = [[0x10].as_slice(), &[1], &[0; 15], &[0]].concat();
    let quant = [[0].as_slice(), &[1; 64]].concat();
    let segments = [marked(0xdb, &quant), marked(frame, &size), marked(0xc4, &dc), marked(0xc4, &ac)];
    [&[0xff, 0xd8], segments.concat().as_slice()].concat()
}

/// The header of a scan of [`grey`]: its band, and the bits before and now.
fn grey_scan(first: u8, last: u8, bits: u8) -> Vec<u8> {
    marked(0xda, &[1, 1, 0, first, last, bits])
}

/// [`grey`] in one scan of the code 00 with 15 times `bit`, `count` times, and nothing in the other blocks.
fn growing_dc(frame: u8, bit: u32, count: usize) -> Vec<u8> {
    let (wide, high) = (1000, 66);
    let is_progressive = frame == 0xc2;
    let mut data = Vec::new();
    let (mut bits, mut length) = (0u64, 0);
    for block in 0..wide * high {
        // A sequential block ends with its AC code, a zero.
        let (code, size) = if block < count { (bit * 0x7fff, 17) } else { (0b01, 2) };
        let (code, size) = if is_progressive { (code, size) } else { (code << 1, size + 1) };
        (bits, length) = (bits << size | u64::from(code), length + size);
        while length >= 8 {
            length -= 8;
            data.push((bits >> length) as u8);
            if data.ends_with(&[0xff]) {
                data.push(0);
            }
        }
    }
    data.push(((bits << (8 - length)) as u8) | (0xff >> length));
    let scan = if is_progressive { grey_scan(0, 0, 0) } else { grey_scan(0, 63, 0) };
    [&grey(frame, wide as u16, high as u16), &scan, &data[..], b"\0\xff\xd9"].concat()
}

#[test]
fn a_dc_value_beyond_32_bits_is_an_error_in_a_progressive_picture_only() {
    const PROGRESSIVE: u8 = 0xc2;
    const SEQUENTIAL: u8 = 0xc1;
    // 65,538 x 32,767 is the last multiple below 2^31.
    for bit in [0, 1] {
        assert!(check(&growing_dc(PROGRESSIVE, bit, 65_538), Accept::TensorFlow).is_ok(), "{bit}");
        assert_eq!(reason(&growing_dc(PROGRESSIVE, bit, 65_539)), Reason::CorruptData, "{bit}");
        assert!(check(&growing_dc(SEQUENTIAL, bit, 65_539), Accept::TensorFlow).is_ok(), "{bit}");
    }
}

/// A progressive picture with a scan for DC and `count` empty ones for AC.
fn scans(wide: u16, high: u16, count: usize) -> Vec<u8> {
    let empty = [&grey_scan(1, 63, 0), &[0x7f][..]].concat();
    [&grey(0xc2, wide, high), &grey_scan(0, 0, 0), &[0x7f][..], &empty.repeat(count), b"\xff\xd9"].concat()
}

#[test]
fn not_the_number_of_scans_is_bounded_but_their_work() {
    assert!(decode(&scans(1, 1, 5_000), Accept::TensorFlow).is_ok());
    assert!(check(&scans(1000, 1000, 50), Accept::TensorFlow).is_ok());

    let rejection = check(&scans(1000, 1000, 70), Accept::TensorFlow).expect_err("hours, with more such scans");

    assert_eq!(rejection.reason, Reason::TooLarge);
    assert!(rejection.detail.contains("more work than any picture needs"), "{rejection}");
}

#[test]
fn arithmetic_data_that_ended_long_ago_is_not_decoded_for_ever() {
    let refinements = |count| grey_scan(0, 0, 0x10).repeat(count);
    let picture = |count| [&grey(0xca, 1000, 1000), &grey_scan(0, 0, 1), &refinements(count)[..], b"\xff\xd9"].concat();

    assert!(check(&picture(5), Accept::TensorFlow).is_ok());
    let rejection = check(&picture(20), Accept::TensorFlow).expect_err("20 million bits from nothing");

    assert_eq!(rejection.reason, Reason::TooLarge);
    assert!(rejection.detail.contains("arithmetic-coded data ends"), "{rejection}");
}

#[test]
fn a_time_limit_ends_what_has_no_rows() {
    let limits = Limits { time: Some(std::time::Duration::ZERO), ..Limits::default() };
    let jpeg = baseline();
    let scan = segment(&jpeg, 0xda).start;
    let with = |filling: &[u8]| [&jpeg[..scan], filling, &jpeg[scan..]].concat();

    for filling in [vec![0xff; 1 << 18], vec![0; 1 << 18], b"\xff\x00".repeat(1 << 17), b"\xff\x01".repeat(1 << 17)] {
        let late = decode(&with(&filling), Policy { accept: Accept::TensorFlow, limits });

        assert_eq!(late.expect_err("no time at all").reason, Reason::TimeLimit);
        assert_eq!(decode(&with(&filling), Accept::TensorFlow), Ok(accepted(&jpeg)));
    }
}

/// A GIF whose frames have 2 x 2 pixels in four colours, one per pixel. Each is given by its offset from the left and
/// its transparent colour.
fn gif(frames: &[(u8, Option<u8>)]) -> Vec<u8> {
    let palette = [10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42];
    let mut file = [b"GIF89a\x09\0\x09\0\x81\0\0".as_slice(), &palette].concat();
    for &(left, transparent) in frames {
        if let Some(index) = transparent {
            file.extend_from_slice(&[b'!', 0xf9, 4, 1, 0, 0, index, 0]);
        }
        file.extend_from_slice(&[b',', left, 0, 0, 0, 2, 0, 2, 0, 0]);
        file.extend_from_slice(&lzw(&[0, 1, 2, 3]));
    }
    file.push(b';');
    file
}

/// Indices below 4 as LZW of code size 2 that clears the table before its codes grow.
fn lzw(indices: &[u32]) -> Vec<u8> {
    let (mut bits, mut count) = (0u32, 0);
    for pair in indices.chunks(2) {
        for &code in [4].iter().chain(pair) {
            bits |= code << count;
            count += 3;
        }
    }
    bits |= 5 << count;
    let bytes = bits.to_le_bytes();
    [&[2, 4], &bytes[..], &[0]].concat()
}

#[test]
fn a_gif_has_the_size_of_its_frame() {
    let picture = accepted(&gif(&[(0, None)]));
    let shifted = accepted(&gif(&[(1, Some(2))]));

    assert_eq!((picture.width, picture.height), (2, 2));
    assert_eq!(picture.rgb, [10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42]);
    assert_eq!(shifted.rgb, [0, 0, 0, 10, 11, 12, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_gif_of_two_frames_is_animated_unless_the_second_is_cut() {
    let two = gif(&[(0, None), (0, None)]);

    assert_eq!(reason(&two), Reason::Animated);
    assert_eq!(accepted(&two[..two.len() - 4]), accepted(&gif(&[(0, None)])));
    assert_eq!(reason(&two[..30]), Reason::Truncated);
}

#[test]
fn a_second_frame_counts_whatever_its_size() {
    let limits = Limits { pixels: Some(4), ..Limits::default() };
    let mut two = gif(&[(0, None)]);
    two.pop();
    two.extend_from_slice(&[b',', 0, 0, 0, 0, 3, 0, 2, 0, 0]);
    two.extend_from_slice(&lzw(&[0, 1, 2, 3, 0, 1]));

    let verdict = decode(&two, Policy { accept: Accept::TensorFlow, limits });

    assert_eq!(verdict.expect_err("TensorFlow rejects it").reason, Reason::Animated);
}

#[test]
fn a_gif_of_clear_codes_shows_what_comes_after_them() {
    // 200 blocks of 8 x 85 clear codes of 3 bits (4, the lowest bit first), then the pixels.
    let clear = [255].iter().chain([0x24, 0x49, 0x92].iter().cycle().take(255)).copied().collect::<Vec<u8>>();
    let mut file = gif(&[]);
    file.pop();
    file.extend_from_slice(&[b',', 0, 0, 0, 0, 2, 0, 2, 0, 0, 2]);
    file.extend_from_slice(&clear.repeat(200));
    file.extend_from_slice(&lzw(&[0, 1, 2, 3])[1..]);

    assert_eq!(accepted(&file).rgb, accepted(&gif(&[(0, None)])).rgb);
}

/// A PNG of one row.
fn png(pixels: &[u8], color: image::ExtendedColorType) -> Vec<u8> {
    use image::ImageEncoder;
    let mut file = Vec::new();
    let width = pixels.len() / (usize::from(color.bits_per_pixel()) / 8);
    let encoder = image::codecs::png::PngEncoder::new(&mut file);
    encoder.write_image(pixels, width as u32, 1, color).expect("a valid picture");
    file
}

#[test]
fn a_png_loses_its_alpha_and_its_lower_bytes() {
    use image::ExtendedColorType::{L8, L16, Rgba8};
    let deep: Vec<u8> = [0x12ffu16, 0xab00].iter().flat_map(|value| value.to_ne_bytes()).collect();

    assert_eq!(accepted(&png(&[1, 2, 3, 0, 4, 5, 6, 255], Rgba8)).rgb, [1, 2, 3, 4, 5, 6]);
    assert_eq!(accepted(&png(&[7, 8], L8)).rgb, [7, 7, 7, 8, 8, 8]);
    assert_eq!(accepted(&png(&deep, L16)).rgb, [0x12, 0x12, 0x12, 0xab, 0xab, 0xab]);
}

#[test]
fn a_png_must_be_whole() {
    let whole = png(&[7, 8], image::ExtendedColorType::L8);
    let mut wrong_sum = whole.clone();
    *wrong_sum.last_mut().expect("not empty") ^= 1;

    for cut in 8..whole.len() {
        assert!(decode(&whole[..cut], Accept::TensorFlow).is_err(), "cut at {cut}");
    }
    assert_eq!(reason(&whole[..whole.len() - 1]), Reason::Truncated);
    assert_eq!(reason(&wrong_sum), Reason::CorruptData);
}
