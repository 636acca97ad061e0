//! Any bytes as a record file, and as damage to a sound one.

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use petrec::inspect::Contents;
use petrec::tfrecord::framing::FRAMING_LEN;
use petrec::tfrecord::{Reader, Scanner, Stretch, Writer};
use petrec::verify::{SalvageError, check, record_files, salvage};

/// Every byte is told of once, nothing intact is lost, and what is salvaged is sound.
pub(crate) fn holds(data: &[u8]) {
    let file = damaged(data).unwrap_or_else(|| data.to_vec());
    let (intact, lost) = scan(&file);
    let told: usize = intact.iter().map(|record| FRAMING_LEN + record.len()).sum();
    assert_eq!(told as u64 + lost, file.len() as u64, "every byte is in a record or lost");
    let sound: Vec<_> = Reader::new(&file[..]).map_while(Result::ok).collect();
    assert_eq!(intact[..sound.len()], sound, "what comes before the damage is kept");

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.tfrecord");
    fs::write(&path, &file).expect("writable");
    let files = &record_files(std::slice::from_ref(&path)).expect("there").files;
    let checked = check(&files[0]);
    let _ = Contents::of(&path);
    match salvage(&files[0], &folder.path().join("salvaged")) {
        Err(SalvageError::Nothing(_)) => assert_eq!(checked.records, 0, "what is intact is salvaged"),
        salvaged => {
            let salvaged = salvaged.expect("writable");
            assert_eq!(salvaged.records, checked.records);
            assert_eq!(read(salvaged.path), checked.records);
        }
    }
}

fn scan(file: &[u8]) -> (Vec<Vec<u8>>, u64) {
    let (mut intact, mut lost) = (Vec::new(), 0);
    for stretch in Scanner::new(Cursor::new(file)).expect("seekable") {
        match stretch.expect("readable") {
            Stretch::Intact(data) => intact.push(data),
            Stretch::Lost { bytes, .. } => lost += bytes,
        }
    }
    (intact, lost)
}

/// The records of a file that must be sound.
fn read(path: PathBuf) -> u64 {
    let file = fs::read(path).expect("there");
    Reader::new(&file[..]).fold(0, |records, record| record.map(|_| records + 1).expect("sound"))
}

/// A guess would never hit a checksum: where the input begins with `!`, it tells of a sound file and what was done to it.
/// Then come the number of blows, five bytes for each (place and mask), and records, each a length byte and its data.
fn damaged(data: &[u8]) -> Option<Vec<u8>> {
    let (&blows, rest) = data.strip_prefix(b"!")?.split_first()?;
    let (blows, mut rest) = rest.split_at_checked(usize::from(blows) * 5)?;
    let mut writer = Writer::new(Vec::new());
    while let Some((&length, after)) = rest.split_first() {
        let (record, after) = after.split_at(usize::from(length).min(after.len()));
        writer.write(record).expect("a Vec takes everything");
        rest = after;
    }
    let mut file = writer.finish().expect("a Vec takes everything");
    for blow in blows.chunks_exact(5) {
        let place = u32::from_le_bytes([blow[0], blow[1], blow[2], blow[3]]) as usize;
        match blow[4] {
            0 => file.truncate(place),
            mask => {
                if let Some(byte) = file.get_mut(place) {
                    *byte ^= mask;
                }
            }
        }
    }
    Some(file)
}
