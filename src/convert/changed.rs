//! Whether images were changed since they were converted.
//!
//! Name and length are in the fingerprint, and the time of change of the content (`mtime`) in a journal. Neither shows a photo
//! that was replaced by another one of its length with the time of the first (`touch -r`). The system's own time of change
//! (`ctime`) does: nobody can set it. It is also another one wherever a data set is copied to, so it is never compared with what
//! it was, but with when the record was made: a photo that was changed later is not what is in the record. A journal says when
//! for each record file; of a finished conversion the manifest's own time of change says so. Whoever copied or moved the data set
//! says that the photos are the same by giving the manifest a new time.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::journal::Entry;
use super::output::nanoseconds;
use super::output_error::OutputError;
use crate::dataset::Dataset;
use crate::manifest::MANIFEST_NAME;
use crate::storage;
use crate::text::display_path;
use crate::text::named;

/// When the image at `path` was changed last, in nanoseconds since 1970; `None` where nobody tells. `listed` is what its listing
/// said.
fn changed_at(path: &Path, listed: Option<u64>) -> Option<u64> {
    if storage::is_url(path) {
        return listed; // of an object it is the time when it was written
    }
    // That of a link, too: it may lead elsewhere since.
    let times = [fs::symlink_metadata(path), fs::metadata(path)].into_iter().flatten();
    times.filter_map(|metadata| time_of(&metadata)).max()
}

/// The later of the two times of change.
#[cfg(unix)]
fn time_of(metadata: &fs::Metadata) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let changed = metadata.ctime().checked_mul(1_000_000_000)?.checked_add(metadata.ctime_nsec())?;
    u64::try_from(changed).ok().max(storage::Metadata::of_file(metadata).modified)
}

/// Elsewhere a system tells the time of change of the content only, and when the file was made: a copy is made new.
#[cfg(not(unix))]
fn time_of(metadata: &fs::Metadata) -> Option<u64> {
    metadata.created().ok().map(nanoseconds).max(storage::Metadata::of_file(metadata).modified)
}

/// Whether the image at `path` was changed after `time`. One that lies in the future is a clock that goes wrong and says nothing.
fn is_changed(path: &Path, listed: Option<u64>, time: u64, now: u64) -> bool {
    changed_at(path, listed).is_some_and(|changed| changed > time && changed <= now)
}

/// Whether the image at `path` was changed since the run began that wrote its record.
pub(super) fn changed_since_record(path: &Path, listed: Option<u64>, begun: u64) -> bool {
    is_changed(path, listed, begun, nanoseconds(SystemTime::now()))
}

/// Whether an image of a record file was changed since the run began that wrote it.
pub(super) fn changed_in_entry(dataset: &Dataset, entry: &Entry) -> bool {
    let mut images = entry.images.iter().filter_map(|image| dataset.images.get(*image));
    images.any(|image| changed_since_record(&image.path, image.modified, entry.begun))
}

/// Until when the finished conversion in `out` knows its images. Object stores and some file systems tell whole seconds: then it is
/// the end of that second, or photos that were put there just before the run would pass for changed.
pub(super) fn manifest_time(out: &Path) -> Option<u64> {
    const SECOND: u64 = 1_000_000_000;
    let path = out.join(MANIFEST_NAME);
    let time = match storage::is_url(&path) {
        true => storage::head(&path).ok()?.modified?,
        false => storage::metadata(&path).ok()?.modified?,
    };
    Some(if time.is_multiple_of(SECOND) { time.saturating_add(SECOND - 1) } else { time })
}

/// Refuses images that were changed since the conversion in `out` was finished.
pub(super) fn refuse_changed(out: &Path, dataset: &Dataset) -> Result<(), OutputError> {
    let Some(time) = manifest_time(out) else { return Ok(()) };
    match changed_since(dataset, time) {
        Some(difference) => Err(OutputError::Changed { out: out.into(), difference }),
        None => Ok(()),
    }
}

/// How many images were changed since that time, and the first of them: `Cat/1.jpg was changed (and 3 more images)`.
pub(super) fn changed_since(dataset: &Dataset, time: u64) -> Option<String> {
    let now = nanoseconds(SystemTime::now());
    let mut changed = dataset.images.iter().filter(|image| is_changed(&image.path, image.modified, time, now));
    let first = changed.next()?;
    Some(named(&display_path(&first.relative).to_string(), "was changed", changed.count()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_manifest_whose_time_is_told_in_whole_seconds_knows_photos_to_the_end_of_that_second() {
        let out = tempfile::tempdir().expect("a folder");
        let manifest = fs::File::create(out.path().join(MANIFEST_NAME)).expect("made");
        for (time, until) in [((1000, 0), 1_000_999_999_999), ((1000, 5_000), 1_000_000_005_000)] {
            let time = SystemTime::UNIX_EPOCH + Duration::new(time.0, time.1);
            manifest.set_modified(time).expect("set");

            assert_eq!(manifest_time(out.path()), Some(until));
        }
    }
}
