//! One record file, from its first byte to its last.

use std::collections::BTreeMap;
use std::io;

use super::files::{RecordFile, Standing};
use super::problem::{Fault, Problem};
use crate::convert::{Manifest, WrittenFile};
use crate::hashing::hash_file;
use crate::tfrecord::proto::Kind;
use crate::tfrecord::{Example, Extra, Index, Message, Stretch, stretches};

/// What was found in one file.
#[derive(Debug, Default)]
pub struct Checked {
    /// Records whose checksums hold.
    pub records: u64,
    /// Bytes in which there is no such record.
    pub lost: u64,
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
        checked.problems.push(Problem::Unreadable(error));
    }
    checked
}

impl Checked {
    fn read(&mut self, file: &RecordFile) -> io::Result<()> {
        let listed = match &file.standing {
            Standing::Listed { manifest, expected, .. } => Some((manifest.as_ref(), expected.as_ref())),
            _ => None,
        };
        let mut index = Index::default();
        let mut faults: BTreeMap<Fault, (u64, usize)> = BTreeMap::new();
        for stretch in stretches(&file.path)? {
            match stretch? {
                Stretch::Intact(data) => {
                    if let Err(fault) = check_record(&data, listed) {
                        faults.entry(fault).or_insert((self.records, 0)).1 += 1;
                    }
                    index.push(data.len());
                    self.records += 1;
                }
                Stretch::Lost { error, bytes } => {
                    self.lost += bytes;
                    self.problems.push(Problem::Damaged { error, bytes });
                }
            }
        }
        let content = |(fault, (record, count))| Problem::Content { record, fault, more: count - 1 };
        self.problems.extend(faults.into_iter().map(content));

        let Some((manifest, expected)) = listed else { return Ok(()) };
        if expected.index.is_some() && !file.has_index(&index) {
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
}

fn check_record(data: &[u8], listed: Option<(&Manifest, &WrittenFile)>) -> Result<(), Fault> {
    let example = Example::decode(data).map_err(|_| Fault::NotAnExample)?;
    if let Some((Manifest { record, classes, division, .. }, file)) = listed {
        let length = record.shape.iter().fold(1usize, |length, axis| length.saturating_mul(*axis));
        if example.floats(&record.feature_key).is_none_or(|values| values.len() != length) {
            return Err(Fault::Features);
        }
        let is_class = |label: i64| usize::try_from(label).is_ok_and(|label| label < classes.len());
        if !matches!(example.integers(&record.label_key), Some([label]) if is_class(*label)) {
            return Err(Fault::Label);
        }
        if record.with.iter().any(|key| example.bytes(key).is_none_or(|values| values.len() != 1)) {
            return Err(Fault::Extra);
        }
        let path = record.with.iter().find(|key| *key == Extra::Path.key()).and_then(|key| example.bytes(key));
        if let (Some(division), Some([path])) = (division, path)
            && file.split.as_ref() != Some(&division.splits.parts()[division.split_of(path)].name)
        {
            return Err(Fault::Split);
        }
    }
    let kinds = example.features.iter().flat_map(|features| features.feature.values()).filter_map(|f| f.kind.as_ref());
    let are_finite = |kind: &Kind| match kind {
        Kind::FloatList(list) => list.value.iter().all(|value| value.is_finite()),
        Kind::BytesList(_) | Kind::Int64List(_) => true,
    };
    if kinds.into_iter().all(are_finite) { Ok(()) } else { Err(Fault::NotFinite) }
}
