//! Which files hold records: by the names that people give them, or by how they begin.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;

use crate::storage;
use crate::storage::machine;
use crate::tfrecord::{begins_with_record, is_compressed_ending};

/// How the names of record files end: TensorFlow's own, Kaggle's, and that of TensorFlow's object detection.
const ENDINGS: [&str; 6] = [".tfrecord", ".tfrecords", ".tfrec", ".tfrecs", ".record", ".records"];
/// What else can have `.tfrecord` within its name: what belongs to a record file and is none.
const BESIDE: [&str; 8] = [".idx", ".index", ".json", ".txt", ".md5", ".sha256", ".html", ".csv"];
/// Bytes by which a file is known: a header of a record, or enough of a compressed one.
const START: u64 = 4096;

/// `a.tfrecord`, `a.TFRECORDS`, `a.tfrecord.gz`, `a.tfrecord-00000-of-00010`, `a.tfrec`, `a.record`, `train-00000-of-01024`.
pub(super) fn is_record_name(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    let stem =
        name.rsplit_once('.').filter(|(_, ending)| is_compressed_ending(ending)).map_or(&name[..], |(stem, _)| stem);
    let (stem, is_shard) = without_shard(stem);
    let has_ending = ENDINGS.iter().any(|ending| stem.ends_with(ending));
    let is_beside = BESIDE.iter().any(|ending| name.ends_with(ending));
    has_ending || (is_shard && !stem.contains('.')) || (name.contains(".tfrecord") && !is_beside)
}

/// The name before `-00000-of-00010`, and whether that was there.
fn without_shard(name: &str) -> (&str, bool) {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let shard = || {
        let (rest, count) = name.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        (is_number(count) && is_number(number)).then_some(stem)
    };
    shard().map_or((name, false), |stem| (stem, true))
}

/// Whether the file begins with a length that matches its checksum, compressed or not.
///
/// # Errors
/// The machine fails to read it.
pub(super) fn holds_records(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    match storage::open(path).and_then(|file| file.take(START).read_to_end(&mut start)) {
        Err(error) if machine::is_of_file(&error) => Ok(false),
        read => read.map(|_| begins_with_record(&start)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_files_are_known_by_the_names_that_people_give_them() {
        for name in [
            "a.tfrecord",
            "a.TFRECORD",
            "a.tfrecords",
            "a.tfrecord.gz",
            "a.tfrecords.zlib",
            "pets-train.tfrecord-00000-of-00010",
            "pets-train.tfrecord-00000-of-00010.gz",
            "train00-1338.tfrec",
            "train.record",
            "coco_train.record-00000-of-00100",
            "train-00000-of-01024",
            "train-00000-of-01024.gz",
            "a.tfrecord_old",
        ] {
            assert!(is_record_name(OsStr::new(name)), "{name}");
        }
        for name in [
            "petrec-report.json",
            "photos-00000-of-00001.idx",
            "a.tfrecord.idx",
            "a.tfrecord-00000-of-00004.json",
            "model.ckpt.data-00000-of-00001",
            "a.csv-00000-of-00010",
            "records",
            "train",
            "a-of-b",
            "train.gz",
        ] {
            assert!(!is_record_name(OsStr::new(name)), "{name}");
        }
    }
}
