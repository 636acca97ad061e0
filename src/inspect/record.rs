//! One record, parsed, as far as anybody can look at it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::InspectError;
use crate::tfrecord::message::{FeatureView, ListKind, Message};
use crate::tfrecord::proto::{BytesList, FloatList, Int64List, Kind};
use crate::tfrecord::{Reader, open};

/// Values of a record that are kept, and bytes of its byte strings and keys: B7 has 125,440 floats in one.
const MOST_VALUES: usize = 1_000_000;
const MOST_BYTES: usize = 64 << 20;

/// One record, parsed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The file it is in.
    pub path: PathBuf,
    /// Bytes of its message.
    pub bytes: usize,
    /// Whether it is a `tf.train.Example` or a `tf.train.SequenceExample`; what is neither has no features.
    pub is_example: bool,
    /// Its features by their keys; of a `SequenceExample` those of its context.
    pub features: BTreeMap<String, Shown>,
    /// The feature lists of a `SequenceExample`, a feature for each step.
    pub feature_lists: BTreeMap<String, Vec<Shown>>,
    /// Features and steps that were left out, because the record has too many values to show.
    pub left_out: u64,
}

/// A list of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its first values, all of them unless the record has too many; `None` where it has no kind.
    pub kind: Option<Kind>,
    /// How many there are.
    pub values: usize,
}

/// Reads record `number`, counted from 0 through all of `files`, each with the number of its readable records; `None`
/// where there are not so many.
///
/// # Errors
/// The file cannot be read any more.
pub fn record(files: &[(&Path, u64)], number: u64) -> Result<Option<Record>, InspectError> {
    let mut before = 0;
    for (path, records) in files {
        if number - before < *records {
            let mut reader = Reader::taking_turns(open(path)?.1);
            for _ in before..number {
                match reader.pass_over() {
                    None => return Ok(None),
                    Some(passed) => passed?,
                }
            }
            let Some(data) = reader.next().transpose()? else { return Ok(None) };
            return Ok(Some(Record::of(path, &data)));
        }
        before += records;
    }
    Ok(None)
}

impl Record {
    fn of(path: &Path, data: &[u8]) -> Self {
        let mut record = Self { path: path.into(), bytes: data.len(), ..Self::default() };
        let Ok(message) = Message::parse(data) else { return record };
        record.is_example = true;
        let mut room = Room { values: MOST_VALUES, bytes: MOST_BYTES };
        for (key, view) in &message.features {
            if room.take(key.len()) {
                record.features.insert((*key).to_owned(), room.shown(view));
            } else {
                record.left_out += 1;
            }
        }
        for (key, steps) in message.lists.iter().flatten() {
            if !room.take(key.len()) {
                record.left_out += 1;
                continue;
            }
            let mut shown = Vec::new();
            for step in steps.iter() {
                if room.take(0) {
                    shown.push(room.shown(&step));
                } else {
                    record.left_out += 1;
                }
            }
            record.feature_lists.insert((*key).to_owned(), shown);
        }
        record
    }
}

/// What can still be kept of a record.
struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    /// Takes room for one value of so many bytes, if there is any.
    fn take(&mut self, bytes: usize) -> bool {
        let is_room = self.values > 0 && bytes <= self.bytes;
        if is_room {
            self.values -= 1;
            self.bytes -= bytes;
        }
        is_room
    }

    fn shown(&mut self, view: &FeatureView<'_>) -> Shown {
        let kind = view.kind().map(|kind| match kind {
            ListKind::Floats => {
                Kind::FloatList(FloatList { value: view.floats().take_while(|_| self.take(0)).collect() })
            }
            ListKind::Integers => {
                Kind::Int64List(Int64List { value: view.integers().take_while(|_| self.take(0)).collect() })
            }
            ListKind::Bytes => {
                let value = view.byte_strings().take_while(|value| self.take(value.len())).map(<[u8]>::to_vec);
                Kind::BytesList(BytesList { value: value.collect() })
            }
        });
        Shown { kind, values: view.len() }
    }
}
