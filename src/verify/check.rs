//! One record file, from its first byte to its last.

use std::collections::BTreeMap;
use std::io;

use super::files::{RecordFile, Standing};
use super::index::IndexCheck;
use super::problem::{Fault, Problem};
use crate::manifest::{Manifest, WrittenFile};
use crate::storage::hash::hash_file;
use crate::storage::machine;
use crate::tfrecord::message::{ListKind, Message, MessageError};
use crate::tfrecord::{Extra, ReadError, Rest, Stretch, stretches};

/// Damaged places of one file that have a line each.
const MOST_DAMAGES: usize = 1_000;

/// What was found in one file.
#[derive(Debug, Default)]
pub struct Checked {
    /// Records whose checksums hold.
    pub records: u64,
    /// Those of them that are a `tf.train.SequenceExample`.
    pub sequence_examples: u64,
    /// Fields in records that neither a `tf.train.Example` nor a `tf.train.SequenceExample` has.
    pub unknown_fields: u64,
    /// Bytes in which there is no such record; of a compressed file, bytes of its content.
    pub lost: u64,
    /// Whether more is lost, of which nobody knows how much.
    pub rest: Rest,
    /// Everything that is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Reads `file` and holds it against its manifest, if it has one.
#[must_use]
pub fn check(file: &RecordFile) -> Checked {
    let mut checked = Checked::default();
    match file.standing {
        Standing::Missing => checked.problems.push(Problem::Missing),
        Standing::BadCompanion => checked.problems.push(Problem::Companion),
        Standing::Unfinished => checked.problems.push(Problem::Unfinished),
        Standing::BadManifest(ref reason) => checked.problems.push(Problem::Manifest(reason.clone())),
        Standing::Unlisted => checked.problems.push(Problem::NotInManifest),
        Standing::Unknown | Standing::Listed { .. } => {}
    }
    if file.is_there()
        && let Err(error) = checked.read(file)
    {
        checked.problems.push(Problem::of_read(error));
    }
    checked
}

/// Reads `file` and checks lengths and checksums alone, whatever its records hold and a manifest says.
#[must_use]
pub fn check_framing(file: &RecordFile) -> Checked {
    let mut checked = Checked::default();
    let _slot = machine::slot_for(&file.path);
    if file.is_there()
        && let Err(error) = checked.read_records(file, |_, _| {})
    {
        checked.problems.push(Problem::of_read(error));
    }
    checked
}

impl Checked {
    fn read(&mut self, file: &RecordFile) -> io::Result<()> {
        let listed = match &file.standing {
            Standing::Listed { manifest, expected, .. } => Some((manifest.as_ref(), expected.as_ref())),
            _ => None,
        };
        // Records and index are two open files; of the limit some are kept back for such.
        let slot = machine::slot_for(&file.path);
        let mut index = file.index().map(IndexCheck::open).transpose()?;
        let mut faults: BTreeMap<Fault, (u64, usize)> = BTreeMap::new();
        self.read_records(file, |checked, data| {
            if let Err(fault) = checked.check_record(data, listed) {
                faults.entry(fault).or_insert((checked.records, 0)).1 += 1;
            }
            if let Some(index) = &mut index {
                index.push(data.len());
            }
        })?;
        let has_index = index.map_or(Ok(false), IndexCheck::finish)?;
        drop(slot);
        let content = |(fault, (record, count))| Problem::Content { record, fault, more: count - 1 };
        self.problems.extend(faults.into_iter().map(content));

        let Some((manifest, expected)) = listed else { return Ok(()) };
        if expected.index.is_some() && !has_index {
            self.problems.push(Problem::Index);
        }
        let is_split = |name: &String| manifest.splits().any(|split| split == name);
        if manifest.splits().next().is_some() != expected.split.as_ref().is_some_and(is_split) {
            self.problems.push(Problem::Split);
        }
        let (found, sha256) = hash_file(&file.path)?;
        if found != expected.bytes {
            self.problems.push(Problem::Bytes { expected: expected.bytes, found });
        } else if sha256 != expected.sha256 {
            self.problems.push(Problem::Sha256);
        }
        if self.records != expected.records {
            self.problems.push(Problem::Records { expected: expected.records, found: self.records });
        }
        Ok(())
    }

    /// Reads the file to its end, and hands each intact record to `look`.
    fn read_records(&mut self, file: &RecordFile, mut look: impl FnMut(&mut Self, &[u8])) -> io::Result<()> {
        let mut damages = 0;
        for stretch in stretches(&file.path)? {
            match stretch? {
                Stretch::Intact(data) => {
                    look(self, &data);
                    self.records += 1;
                }
                Stretch::Lost { error, bytes, rest } => {
                    damages += 1;
                    self.lose(error, bytes, rest, damages);
                }
            }
        }
        Ok(())
    }

    /// Adds a damaged place, the first of the file being number 1. A file made for it could have millions.
    fn lose(&mut self, error: ReadError, lost: u64, then: Rest, number: usize) {
        self.lost += lost;
        self.rest = then;
        if let Some(Problem::MoreDamage { places, bytes, rest }) = self.problems.last_mut() {
            *places += 1;
            *bytes += lost;
            *rest = then;
        } else if number > MOST_DAMAGES {
            self.problems.push(Problem::MoreDamage { places: 1, bytes: lost, rest: then });
        } else {
            self.problems.push(Problem::Damaged { error, bytes: lost, rest: then });
        }
    }

    fn check_record(&mut self, data: &[u8], listed: Option<(&Manifest, &WrittenFile)>) -> Result<(), Fault> {
        let message = Message::parse(data).map_err(|error| match error {
            MessageError::Malformed => Fault::NotAnExample,
            MessageError::TooManyParts => Fault::TooManyKeys,
        })?;
        self.unknown_fields += message.unknown;
        self.sequence_examples += u64::from(message.lists.is_some());
        if let Some((Manifest { record, classes, division, .. }, file)) = listed {
            let length = record.values();
            if message.floats(&record.feature_key).is_none_or(|values| Some(values.len()) != length) {
                return Err(Fault::Features);
            }
            let is_class = |label: i64| usize::try_from(label).is_ok_and(|label| label < classes.len());
            if !message.integer(&record.label_key).is_some_and(is_class) {
                return Err(Fault::Label);
            }
            if record.with.iter().any(|key| message.byte_string(key).is_none()) {
                return Err(Fault::Extra);
            }
            let path =
                record.with.iter().find(|key| *key == Extra::Path.key()).and_then(|key| message.byte_string(key));
            if let (Some(division), Some(path)) = (division, path)
                && file.split.as_deref()
                    != division.splits.parts().get(division.split_of(path)).map(|split| &*split.name)
            {
                return Err(Fault::Split);
            }
        }
        let mut floats = message.all_features().filter(|feature| feature.kind() == Some(ListKind::Floats));
        if floats.all(|feature| feature.floats().all(f32::is_finite)) { Ok(()) } else { Err(Fault::NotFinite) }
    }
}
