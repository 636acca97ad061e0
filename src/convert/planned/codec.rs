//! The images of a plan as bytes.
//!
//! Numbers are little-endian base-128 varints. An image is its place in the data set (as the distance from the one behind the
//! last, zigzag), its label, its length, how many bytes of its path are those of the last one's, how many come behind, and these:
//! twelve bytes for an image whose neighbours are called much the same.

/// An image as a plan has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedImage {
    /// Its place in the data set.
    pub(super) number: usize,
    pub(super) label: usize,
    /// Its length in bytes.
    pub(super) size: u64,
    /// Below the data set's folder, with forward slashes; need not be UTF-8.
    pub(super) path: Vec<u8>,
}

/// The fewest bytes that an image takes.
const LEAST: usize = 5;

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_images(out: &mut Vec<u8>, images: impl ExactSizeIterator<Item = PlannedImage>) {
    put_number(out, images.len() as u64);
    let (mut expected, mut last) = (0, Vec::new());
    for PlannedImage { number, label, size, path } in images {
        let distance = (number as i64).wrapping_sub(expected);
        put_number(out, ((distance << 1) ^ (distance >> 63)) as u64);
        put_number(out, label as u64);
        put_number(out, size);
        let shared = path.iter().zip(&last).take_while(|(byte, last)| byte == last).count();
        put_number(out, shared as u64);
        put_bytes(out, &path[shared..]);
        expected = number as i64 + 1;
        last = path;
    }
}

/// Bytes that are still to be read. What is not there, or makes no sense, is `None`.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn size(&mut self) -> Option<usize> {
        self.number()?.try_into().ok()
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.size()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// All images, behind which there is nothing.
    pub(super) fn images(mut self) -> Option<Vec<PlannedImage>> {
        let count = self.size()?;
        if count > self.0.len() / LEAST {
            return None;
        }
        let mut images: Vec<PlannedImage> = Vec::with_capacity(count);
        let mut expected = 0i64;
        for _ in 0..count {
            let folded = self.number()?;
            let distance = (folded >> 1) as i64 ^ -((folded & 1) as i64);
            let number = expected.checked_add(distance)?;
            let (label, size, shared) = (self.size()?, self.number()?, self.size()?);
            let last = images.last().map_or(&[][..], |last| &last.path);
            let path = [last.get(..shared)?, self.bytes()?].concat();
            images.push(PlannedImage { number: number.try_into().ok()?, label, size, path });
            expected = number.checked_add(1)?;
        }
        self.0.is_empty().then_some(images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(number: usize, label: usize, size: u64, path: &[u8]) -> PlannedImage {
        PlannedImage { number, label, size, path: path.into() }
    }

    fn encoded(images: &[PlannedImage]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_images(&mut bytes, images.iter().cloned());
        bytes
    }

    fn shuffled() -> Vec<PlannedImage> {
        vec![
            image(7, 1, 0, b"Dog/caf\xe9.jpg"),
            image(8, 1, u64::MAX, b"Dog/caf\xe9 (1).jpg"),
            image(2, 0, 127, b"Cat/1.jpg"),
            image(4_000_000_000, 300, 128, "Cat/\u{1f431}.jpg".as_bytes()),
            image(0, 0, 1, b""),
        ]
    }

    #[test]
    fn images_come_back_in_any_order_whatever_their_names() {
        for images in [Vec::new(), shuffled()] {
            assert_eq!(Input(&encoded(&images)).images(), Some(images));
        }
    }

    #[test]
    fn a_neighbour_takes_twelve_bytes() {
        let images: Vec<_> = (0..1000)
            .map(|n| image(n, 42, 98_304 + n as u64, format!("class_042/img_{n:07}.jpg").as_bytes()))
            .collect();

        let bytes = encoded(&images).len();

        assert!((11_000..=12_500).contains(&bytes), "{bytes}");
    }

    #[test]
    fn what_was_cut_or_has_something_behind_it_is_no_list() {
        let bytes = encoded(&shuffled());
        for cut in 0..bytes.len() {
            assert_eq!(Input(&bytes[..cut]).images(), None, "{cut}");
        }
        assert_eq!(Input(&[&bytes[..], &[0]].concat()).images(), None);
    }

    #[test]
    fn no_bytes_make_it_panic_or_take_more_memory_than_they_do() {
        let mut state = 1u64;
        for length in 0..2000 {
            let bytes: Vec<u8> = (0..length % 40)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8 | if length % 3 == 0 { 0x80 } else { 0 }
                })
                .collect();
            let images = Input(&bytes).images().unwrap_or_default();
            assert!(images.len() <= bytes.len());
        }
        let endless = [0xff; 12];
        assert_eq!(Input(&endless).number(), None);
        assert_eq!(Input(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).number(), None, "past 64 bits");
        assert_eq!(Input(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).number(), Some(u64::MAX));
    }
}
