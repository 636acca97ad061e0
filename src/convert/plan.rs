//! Which record files there will be, before the first byte of any.

use std::collections::HashMap;
use std::num::NonZero;
use std::ops::Range;
use std::path::PathBuf;

use thiserror::Error;

use crate::dataset::{Dataset, ImageFile, display_path};

/// Which record files a conversion writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `<data set>-00000-of-00010.tfrecord` and so on, each of about this many bytes.
    Shards {
        /// Bytes that a shard aims at, before it is compressed.
        target: u64,
    },
    /// The same, so many of them; fewer where there are not so many images.
    ShardCount(NonZero<usize>),
    /// `<Class>/TFRecord/<stem>.tfrecord`: one file of one record per image.
    PerImage,
}

/// Why the files cannot be planned.
#[derive(Debug, Error)]
pub enum PlanError {
    /// Two images of a class would get the same record file.
    #[error(
        "{} and {} would both become {}: rename one of them, or convert with --layout shards",
        display_path(first),
        display_path(second),
        display_path(record)
    )]
    SameName {
        /// The first image, relative to the data set.
        first: PathBuf,
        /// The second.
        second: PathBuf,
        /// The file both would be written to.
        record: PathBuf,
    },
    /// A record file or its folder would get a name that means something else on Windows.
    #[error(
        "{}: '{name}' is no name for a file or folder on Windows, where the records may go: rename it, or convert with --layout shards",
        display_path(path)
    )]
    Reserved {
        /// The image, relative to the data set.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A record file would get a name that the manifest cannot hold.
    #[error("{}: the name is not UTF-8, so that no manifest could name its record file: rename it, or convert with --layout shards", display_path(.0))]
    NotUtf8(PathBuf),
}

/// One record file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedFile {
    /// Relative to the output folder.
    pub(super) path: PathBuf,
    /// The images whose records it holds, as indices into the data set. A rejected one leaves it a record shorter.
    pub(super) images: Range<usize>,
}

impl PlannedFile {
    /// The path with forward slashes on every system; bytes that are not UTF-8 are replaced.
    pub(super) fn name(&self) -> String {
        let parts: Vec<_> = self.path.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
}

/// All record files, in the order of their images: together they hold each image once.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) layout: Layout,
    pub(super) files: Vec<PlannedFile>,
}

impl Plan {
    /// Plans for `dataset` with records of `record_len` bytes each.
    pub(super) fn new(
        dataset: &Dataset,
        layout: Layout,
        record_len: impl Fn(&ImageFile) -> u64,
    ) -> Result<Self, PlanError> {
        let files = match layout {
            Layout::Shards { target } => {
                let bytes: u64 = dataset.images.iter().map(record_len).sum();
                shards(&dataset.name, dataset.images.len(), bytes.div_ceil(target.max(1)))
            }
            Layout::ShardCount(count) => shards(&dataset.name, dataset.images.len(), count.get() as u64),
            Layout::PerImage => per_image(dataset)?,
        };
        Ok(Self { layout, files })
    }
}

/// As even as can be: shard sizes differ by one image at most.
fn shards(name: &str, images: usize, wanted: u64) -> Vec<PlannedFile> {
    let count = usize::try_from(wanted).unwrap_or(usize::MAX).clamp(1, images.max(1));
    let bound = |index: usize| (images as u128 * index as u128 / count as u128) as usize;
    (0..count)
        .map(|index| PlannedFile {
            path: format!("{name}-{index:05}-of-{count:05}.tfrecord").into(),
            images: bound(index)..bound(index + 1),
        })
        .collect()
}

fn per_image(dataset: &Dataset) -> Result<Vec<PlannedFile>, PlanError> {
    let mut taken: HashMap<PathBuf, usize> = HashMap::new();
    let mut files = Vec::with_capacity(dataset.images.len());
    for (index, file) in dataset.images.iter().enumerate() {
        let mut name = file.path.file_stem().unwrap_or_default().to_owned();
        name.push(".tfrecord");
        let class = dataset.class_of(file).unwrap_or_default();
        let path: PathBuf = [class.as_ref(), "TFRecord".as_ref(), name.as_os_str()].iter().collect();
        let Some(name) = path.to_str() else { return Err(PlanError::NotUtf8(file.relative.clone())) };
        if let Some(part) = name.split(std::path::is_separator).find(|part| is_reserved(part)) {
            return Err(PlanError::Reserved { path: file.relative.clone(), name: part.to_owned() });
        }
        // Names that differ in case only are one file on Windows and macOS.
        let key = PathBuf::from(name.to_lowercase());
        if let Some(first) = taken.insert(key, index) {
            let first = dataset.images[first].relative.clone();
            return Err(PlanError::SameName { first, second: file.relative.clone(), record: path });
        }
        files.push(PlannedFile { path, images: index..index + 1 });
    }
    Ok(files)
}

/// Whether Windows takes the name for a device, whatever its ending, or would drop the end of it.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    let is_port = |port: &str| {
        let number = stem.strip_prefix(port).map(str::chars);
        number.is_some_and(|mut rest| matches!((rest.next(), rest.next()), (Some('1'..='9' | '¹' | '²' | '³'), None)))
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str())
        || is_port("com")
        || is_port("lpt")
        || name.ends_with(['.', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_takes_for_something_else_are_known() {
        for name in
            ["CON.tfrecord", "nul", "aux.tar.tfrecord", "com1.tfrecord", "LPT9", "Dog.", "Dog ", "prn .tfrecord"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["console.tfrecord", "com.tfrecord", "com10.tfrecord", "com0", "a.con", ".tfrecord", "Dog"] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn shards_hold_every_image_once_and_are_even() {
        let files = shards("pets", 10, 4);

        let names: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
        let ranges: Vec<_> = files.iter().map(|file| file.images.clone()).collect();
        assert_eq!(names[3], "pets-00003-of-00004.tfrecord");
        assert_eq!(ranges, [0..2, 2..5, 5..7, 7..10]);
    }

    #[test]
    fn there_are_never_more_shards_than_images() {
        assert_eq!(shards("pets", 3, 1_000).len(), 3);
        assert_eq!(shards("pets", 3, 0).len(), 1);
    }
}
