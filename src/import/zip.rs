//! Files inside a zip archive, as `torch.save` and Keras write them.
//!
//! Only the central directory says what is in an archive. torch pads its local headers to an alignment of 64 bytes by an extra
//! field that may have no content (a stem of 21 bytes needs 4 bytes of padding, which are the field's own header), and readers
//! that parse that field refuse sound files. Here the local header says where its data begin, and nothing else.
//! Every length is compared with the file before anything is reserved.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::Crc;
use flate2::read::DeflateDecoder;

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";
const END_LENGTH: usize = 22;
const LOCATOR_LENGTH: usize = 20;
const CENTRAL_LENGTH: usize = 46;
const LOCAL_LENGTH: usize = 30;
/// The extra field in which lengths of 64 bits are.
const ZIP64: u16 = 1;
/// Deflate makes at most 1,032 bytes of one.
const MOST_PER_BYTE: usize = 1032;
/// The most that a compressed file may become: twice what B7 takes in float32 with its classifier, thrice over for an optimizer.
const MOST_INFLATED: usize = 2 << 30;

/// An archive in memory.
pub(super) struct Archive<'b> {
    bytes: &'b [u8],
    entries: BTreeMap<&'b str, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    header: usize,
    packed: usize,
    length: usize,
    method: u16,
    flags: u16,
    crc: u32,
}

impl<'b> Archive<'b> {
    /// Whether `bytes` begin as an archive does.
    pub(super) fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(LOCAL) || bytes.starts_with(END)
    }

    /// Reads the central directory.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn open(bytes: &'b [u8]) -> Result<Self, String> {
        let cut = || "its zip directory is cut off or damaged".to_owned();
        let mut entries = BTreeMap::new();
        let (mut at, count) = directory(bytes).ok_or_else(cut)?;
        for _ in 0..count {
            let (name, entry, next) = central(bytes, at).ok_or_else(cut)?;
            let name = std::str::from_utf8(name).map_err(|_| "a name in its zip directory is not UTF-8".to_owned())?;
            if entries.insert(name, entry).is_some() {
                return Err(format!("its zip directory has {} twice", name.escape_debug()));
            }
            at = next;
        }
        Ok(Self { bytes, entries })
    }

    /// In alphabetical order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'b str> {
        self.entries.keys().copied()
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// A file's content.
    ///
    /// # Errors
    /// There is no such file, or it is cut off, damaged, encrypted or compressed otherwise than by deflate.
    pub(super) fn read(&self, name: &str) -> Result<Cow<'b, [u8]>, String> {
        let shown = name.escape_debug();
        let entry = self.entries.get(name).ok_or_else(|| format!("it has no {shown}"))?;
        let packed = data(self.bytes, entry).ok_or_else(|| format!("{shown} is cut off"))?;
        let content = match (entry.flags & 1, entry.method) {
            (1, _) => return Err(format!("{shown} is encrypted")),
            (_, 0) if entry.length == entry.packed => Cow::Borrowed(packed),
            (_, 8) => Cow::Owned(inflate(packed, entry.length).ok_or_else(|| format!("{shown} is damaged"))?),
            (_, method) => return Err(format!("{shown} is compressed by method {method}, or its lengths differ")),
        };
        // torch writes 0 where it was asked to compute no checksums.
        let mut crc = Crc::new();
        crc.update(&content);
        if entry.crc != 0 && entry.crc != crc.sum() {
            return Err(format!("{shown} is damaged: its checksum differs"));
        }
        Ok(content)
    }
}

/// Where the central directory begins, and how many files it has.
fn directory(bytes: &[u8]) -> Option<(usize, u64)> {
    // Behind the end record stands a comment of at most 65,535 bytes.
    let last = bytes.len().checked_sub(END_LENGTH)?;
    let end = (last.saturating_sub(usize::from(u16::MAX))..=last).rev().find(|&at| {
        bytes[at..].starts_with(END)
            && read_u16(bytes, at + 20).is_some_and(|comment| at + END_LENGTH + usize::from(comment) == bytes.len())
    })?;
    let (count, start) = (read_u16(bytes, end + 10)?, read_u32(bytes, end + 16)?);
    let locator = end.checked_sub(LOCATOR_LENGTH).filter(|&at| bytes[at..].starts_with(LOCATOR_64));
    match locator {
        Some(locator) => {
            let end = usize::try_from(read_u64(bytes, locator + 8)?).ok()?;
            bytes.get(end..)?.starts_with(END_64).then_some(())?;
            let start = usize::try_from(read_u64(bytes, end.checked_add(48)?)?).ok()?;
            Some((start, read_u64(bytes, end.checked_add(32)?)?))
        }
        None => Some((usize::try_from(start).ok()?, u64::from(count))),
    }
}

/// The entry of the directory at `at`: its name, what it says, and where the next one begins.
fn central(bytes: &[u8], at: usize) -> Option<(&[u8], Entry, usize)> {
    let header = bytes.get(at..at.checked_add(CENTRAL_LENGTH)?)?;
    header.starts_with(CENTRAL).then_some(())?;
    let (name, extra, comment) = (read_u16(header, 28)?, read_u16(header, 30)?, read_u16(header, 32)?);
    let extra_at = at + CENTRAL_LENGTH + usize::from(name);
    let next = extra_at + usize::from(extra) + usize::from(comment);
    let name = bytes.get(at + CENTRAL_LENGTH..extra_at)?;
    let mut wide = zip64(bytes.get(extra_at..extra_at + usize::from(extra))?);
    // Lengths that do not fit 32 bits are in the extra field, in this order, and only those.
    let mut number = |at| match read_u32(header, at)? {
        u32::MAX => usize::try_from(wide.next()?).ok(),
        value => usize::try_from(value).ok(),
    };
    let (length, packed, header_at) = (number(24)?, number(20)?, number(42)?);
    let (flags, method, crc) = (read_u16(header, 8)?, read_u16(header, 10)?, read_u32(header, 16)?);
    Some((name, Entry { header: header_at, packed, length, method, flags, crc }, next))
}

/// The numbers of the extra field of 64 bits, if there is one.
fn zip64(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut found: &[u8] = &[];
    while let (Some(kind), Some(length)) = (read_u16(extra, 0), read_u16(extra, 2)) {
        let Some(content) = extra.get(4..4 + usize::from(length)) else { break };
        if kind == ZIP64 {
            found = content;
        }
        extra = &extra[4 + usize::from(length)..];
    }
    found.as_chunks().0.iter().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The bytes of a file as they are stored.
fn data<'b>(bytes: &'b [u8], entry: &Entry) -> Option<&'b [u8]> {
    let header = bytes.get(entry.header..entry.header.checked_add(LOCAL_LENGTH)?)?;
    header.starts_with(LOCAL).then_some(())?;
    let start = entry.header + LOCAL_LENGTH + usize::from(read_u16(header, 26)?) + usize::from(read_u16(header, 28)?);
    bytes.get(start..start.checked_add(entry.packed)?)
}

fn inflate(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    if length > packed.len().saturating_mul(MOST_PER_BYTE).min(MOST_INFLATED) {
        return None;
    }
    let mut content = Vec::with_capacity(length);
    DeflateDecoder::new(packed).take(length as u64 + 1).read_to_end(&mut content).ok()?;
    (content.len() == length).then_some(content)
}

fn read<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    read(bytes, at).map(u16::from_le_bytes)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    read(bytes, at).map(u32::from_le_bytes)
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    read(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// How torch aligns the content of each file.
    const ALIGNMENT: usize = 64;

    /// An archive as torch writes it: lengths behind the content, and before it a field `FB` of `Z` up to the alignment.
    pub(in crate::import) fn archive(files: &[(String, &[u8])]) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in files {
            let (mut crc, at) = (Crc::new(), bytes.len());
            crc.update(content);
            let numbers = [crc.sum(), content.len() as u32, content.len() as u32].map(u32::to_le_bytes).concat();
            let start = at + LOCAL_LENGTH + name.len() + 4;
            let padding = start.next_multiple_of(ALIGNMENT) - start;
            let lengths = [name.len() as u16, padding as u16 + 4].map(u16::to_le_bytes).concat();
            bytes.extend([LOCAL, &[0, 0, 8, 8][..], &[0; 18], &lengths, name.as_bytes(), b"FB"].concat());
            bytes.extend((padding as u16).to_le_bytes());
            bytes.extend(vec![b'Z'; padding]);
            bytes.extend([content, &b"PK\x07\x08"[..], &numbers].concat());
            let name_length = (name.len() as u16).to_le_bytes();
            directory.extend([CENTRAL, &[0, 0, 0, 0, 8, 8][..], &[0; 6], &numbers, &name_length, &[0; 12]].concat());
            directory.extend((at as u32).to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let (count, length, at) = (files.len() as u16, directory.len() as u32, bytes.len() as u32);
        bytes.extend(directory);
        bytes
            .extend([END, &[0; 4][..], &[count, count].map(u16::to_le_bytes).concat(), &length.to_le_bytes()].concat());
        bytes.extend([&at.to_le_bytes()[..], &[0; 2]].concat());
        bytes
    }

    #[test]
    fn files_below_a_stem_of_any_length_are_read() {
        for length in 1..=64 {
            let stem = "m".repeat(length);
            let files = [(format!("{stem}/data.pkl"), &b"pickle"[..]), (format!("{stem}/data/0"), &[1, 2, 3, 4])];
            let bytes = archive(&files);

            let archive = Archive::open(&bytes).unwrap_or_else(|problem| panic!("{length}: {problem}"));

            for (name, content) in &files {
                assert_eq!(archive.read(name).expect("is read"), *content, "{length}");
            }
        }
    }

    #[test]
    fn a_cut_or_altered_archive_is_refused_without_a_panic() {
        let whole = archive(&[("a/data.pkl".into(), &b"pickle"[..]), ("a/data/0".into(), &[7; 300])]);
        let all = |bytes: &[u8]| {
            let archive = Archive::open(bytes)?;
            archive.names().try_for_each(|name| archive.read(name).map(drop))
        };
        all(&whole).expect("it is whole");

        for length in 0..whole.len() {
            assert!(all(&whole[..length]).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            for value in [0, 0x7F, 0xFF] {
                let mut altered = whole.clone();
                altered[at] = value;
                let _ = all(&altered); // whatever it says, it says it
            }
        }
    }

    #[test]
    fn a_length_that_the_file_does_not_have_reserves_nothing() {
        let mut bomb = archive(&[("a".into(), &b"pickle"[..])]);
        let at = bomb.windows(4).rposition(|window| window == CENTRAL).expect("a directory");
        bomb[at + 10] = 8; // deflate
        bomb[at + 24..at + 28].copy_from_slice(&0xFFFF_FFF0u32.to_le_bytes());

        let problem = Archive::open(&bomb).expect("a sound directory").read("a").expect_err("4 GB of 6 bytes");

        assert_eq!(problem, "a is damaged");
    }

    #[test]
    fn a_deflated_file_is_read() {
        use flate2::{Compression, write::DeflateEncoder};
        use std::io::Write as _;
        let content = [5; 1000];
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&content).expect("memory");
        let packed = encoder.finish().expect("memory");
        let mut bytes = archive(&[("a".into(), &packed)]);
        let at = bytes.windows(4).rposition(|window| window == CENTRAL).expect("a directory");
        let mut crc = Crc::new();
        crc.update(&content);
        bytes[at + 10] = 8;
        bytes[at + 16..at + 20].copy_from_slice(&crc.sum().to_le_bytes());
        bytes[at + 24..at + 28].copy_from_slice(&(content.len() as u32).to_le_bytes());

        let archive = Archive::open(&bytes).expect("a sound directory");

        assert_eq!(archive.read("a").expect("is read"), &content[..]);
    }
}
