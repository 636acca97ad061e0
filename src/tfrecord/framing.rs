//! How a TFRecord file frames its records, one after the other with nothing before, between or behind them:
//!
//! ```text
//! u64  length              little-endian, bytes of data
//! u32  masked CRC-32C of the 8 length bytes
//! u8   data[length]
//! u32  masked CRC-32C of data
//! ```
//!
//! Source: TensorFlow, `core/lib/io/record_writer.h` for the layout and `core/lib/hash/crc32c.h` for the mask.

/// Bytes before a record's data: its length and the length's checksum.
pub const HEADER_LEN: usize = 12;

/// Bytes behind a record's data: the data's checksum.
pub const FOOTER_LEN: usize = 4;

/// Bytes that the framing adds to each record.
pub const FRAMING_LEN: usize = HEADER_LEN + FOOTER_LEN;

// `kMaskDelta` of crc32c.h. The mask exists because a CRC over bytes that contain their own CRC is a weak check.
const MASK_DELTA: u32 = 0xa282_ead8;

/// The checksum that TFRecord files store: CRC-32C (Castagnoli), turned right by 15 bits, plus `0xa282ead8` (wrapping).
pub fn masked_crc(data: &[u8]) -> u32 {
    mask(crc32c::crc32c(data))
}

/// What is stored for a CRC-32C.
pub(super) fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(MASK_DELTA)
}

/// The 12 bytes before the data of a record of `length` bytes.
pub fn header(length: u64) -> [u8; HEADER_LEN] {
    let length = length.to_le_bytes();
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(&length);
    header[8..].copy_from_slice(&masked_crc(&length).to_le_bytes());
    header
}

/// The length that the 12 bytes before a record's data tell; `None` where it does not match its checksum.
pub fn length(header: &[u8; HEADER_LEN]) -> Option<u64> {
    let [l0, l1, l2, l3, l4, l5, l6, l7, c0, c1, c2, c3] = *header;
    let length = [l0, l1, l2, l3, l4, l5, l6, l7];
    (masked_crc(&length) == u32::from_le_bytes([c0, c1, c2, c3])).then_some(u64::from_le_bytes(length))
}

/// The 4 bytes behind a record's data.
pub fn footer(data: &[u8]) -> [u8; FOOTER_LEN] {
    masked_crc(data).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-32C straight from its definition, bit by bit, so that the tests do not lean on the crate they check.
    fn crc32c_bitwise(data: &[u8]) -> u32 {
        !data.iter().fold(!0, |crc: u32, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
        })
    }

    fn unmask(masked: u32) -> u32 {
        masked.wrapping_sub(0xa282_ead8).rotate_left(15)
    }

    #[test]
    fn the_checksum_agrees_with_the_vectors_of_rfc_3720() {
        let ascending: Vec<u8> = (0..32).collect();

        assert_eq!(unmask(masked_crc(&[0; 32])), 0x8a91_36aa);
        assert_eq!(unmask(masked_crc(&[0xff; 32])), 0x62a8_ab43);
        assert_eq!(unmask(masked_crc(&ascending)), 0x46dd_794e);
        assert_eq!(unmask(masked_crc(b"123456789")), 0xe306_9283);
    }

    #[test]
    fn the_checksum_agrees_with_its_definition() {
        for length in 0..300 {
            let data: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8).collect();
            assert_eq!(unmask(masked_crc(&data)), crc32c_bitwise(&data), "{length}");
        }
    }

    #[test]
    fn the_header_is_the_one_tensorflow_writes() {
        // The first 12 bytes of a record of 250,925 bytes (one B0 image) that TensorFlow 2.21 wrote.
        let tensorflow = [0x2d, 0xd4, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0xb1, 0x3e, 0xc3, 0x45];

        assert_eq!(header(250_925), tensorflow);
    }

    #[test]
    fn the_footer_is_the_masked_checksum_in_little_endian() {
        let expected = masked_crc(b"hello").to_le_bytes();

        assert_eq!(footer(b"hello"), expected);
        assert_eq!(footer(b"hello"), [0xbb, 0x1f, 0x1c, 0x19]);
    }
}
