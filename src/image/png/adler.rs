//! Adler-32, the checksum at the end of compressed data (RFC 1950).

const MODULUS: u32 = 65_521;

/// Bytes that are summed side by side, which compilers turn into vector instructions.
const LANES: usize = 32;

/// Bytes after which the sums of 16 bits are added up: 255 * (1 + 2 + ... + 20) is less than 2^16.
const RUN: usize = 21 * LANES;

/// The checksum of the bytes so far.
#[derive(Clone, Copy)]
pub(super) struct Adler {
    a: u32,
    b: u32,
}

impl Adler {
    pub(super) fn new() -> Self {
        Self { a: 1, b: 0 }
    }

    pub(super) fn value(self) -> u32 {
        self.b << 16 | self.a
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        for run in bytes.chunks(RUN) {
            let (blocks, rest) = run.as_chunks::<LANES>();
            // sums[i] is the sum of the i-th bytes of all blocks, earlier[i] that of these sums before each block.
            let (mut sums, mut earlier) = ([0u16; LANES], [0u16; LANES]);
            for block in blocks {
                for lane in 0..LANES {
                    earlier[lane] += sums[lane];
                    sums[lane] += u16::from(block[lane]);
                }
            }
            let mut b = self.b + self.a * (blocks.len() * LANES) as u32;
            for lane in 0..LANES {
                b += LANES as u32 * u32::from(earlier[lane]) + (LANES - lane) as u32 * u32::from(sums[lane]);
                self.a += u32::from(sums[lane]);
            }
            for &byte in rest {
                self.a += u32::from(byte);
                b += self.a;
            }
            self.a %= MODULUS;
            self.b = b % MODULUS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> u32 {
        let mut adler = Adler::new();
        adler.update(bytes);
        adler.value()
    }

    #[test]
    fn the_sum_is_that_of_rfc_1950() {
        assert_eq!(of(b""), 1);
        assert_eq!(of(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn long_runs_of_large_bytes_do_not_overflow_and_pieces_add_up() {
        let bytes: Vec<u8> = (0..100_003usize).map(|n| if n < 50_000 { 255 } else { (n * 7 % 251) as u8 }).collect();
        let (mut a, mut b) = (1u32, 0u32);
        for &byte in &bytes {
            a = (a + u32::from(byte)) % MODULUS;
            b = (b + a) % MODULUS;
        }
        let mut pieces = Adler::new();
        for piece in bytes.chunks(777) {
            pieces.update(piece);
        }

        assert_eq!(of(&bytes), b << 16 | a);
        assert_eq!(pieces.value(), b << 16 | a);
    }
}
