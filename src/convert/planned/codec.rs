//! The images of a plan as bytes.
//!
//! Numbers are little-endian base-128 varints. An image is its place in the data set (as the distance from the one behind the
//! last, zigzag), its label, its length, its time of change (0 where there is none, else one more than the distance from the
//! last one's, zigzag), how many bytes of its path are those of the last one's, how many come behind, and these: some twenty bytes
//! for an image whose neighbours are called much the same.

/// An image as a plan has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedImage {
    /// Its place in the data set.
    pub(super) number: usize,
    pub(super) label: usize,
    /// Its length in bytes.
    pub(super) size: u64,
    /// When it was changed, in nanoseconds since 1970, where that is told.
    pub(super) modified: Option<u64>,
    /// Below the data set's folder, with forward slashes; need not be UTF-8.
    pub(super) path: Vec<u8>,
}

/// The fewest bytes that an image takes.
pub(super) const LEAST: usize = 6;

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
    let (mut expected, mut last, mut last_time) = (0, Vec::new(), 0);
    for PlannedImage { number, label, size, modified, path } in images {
        let distance = (number as i64).wrapping_sub(expected);
        put_number(out, folded(distance));
        put_number(out, label as u64);
        put_number(out, size);
        let time = modified.and_then(|time| i64::try_from(time).ok());
        // The distance of two times since 1970 has a bit to spare.
        put_number(out, time.map_or(0, |time| folded(time - last_time) + 1));
        last_time = time.unwrap_or(last_time);
        let shared = path.iter().zip(&last).take_while(|(byte, last)| byte == last).count();
        put_number(out, shared as u64);
        put_bytes(out, &path[shared..]);
        expected = number as i64 + 1;
        last = path;
    }
}

/// Zigzag: small numbers of either sign become small ones.
fn folded(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unfolded(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
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
        let (mut expected, mut last_time) = (0i64, 0i64);
        for _ in 0..count {
            let number = expected.checked_add(unfolded(self.number()?))?;
            let (label, size) = (self.size()?, self.number()?);
            let modified = match self.number()?.checked_sub(1) {
                None => None,
                Some(distance) => {
                    last_time = last_time.checked_add(unfolded(distance))?;
                    Some(u64::try_from(last_time).ok()?)
                }
            };
            let shared = self.size()?;
            let last = images.last().map_or(&[][..], |last| &last.path);
            let path = [last.get(..shared)?, self.bytes()?].concat();
            images.push(PlannedImage { number: number.try_into().ok()?, label, size, modified, path });
            expected = number.checked_add(1)?;
        }
        self.0.is_empty().then_some(images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(number: usize, label: usize, size: u64, path: &[u8]) -> PlannedImage {
        // Of some it is not told; the others were changed one after the other, about.
        let modified =
            (!number.is_multiple_of(3)).then_some(1_700_000_000_123_456_789 + (number as u64 % 1000) * 1_000_000_007);
        PlannedImage { number, label, size, modified, path: path.into() }
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
    fn a_neighbour_takes_some_twenty_bytes() {
        let images: Vec<_> = (0..1000)
            .map(|n| image(n, 42, 98_304 + n as u64, format!("class_042/img_{n:07}.jpg").as_bytes()))
            .collect();

        let bytes = encoded(&images).len();

        assert!((12_000..=20_000).contains(&bytes), "{bytes}");
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
