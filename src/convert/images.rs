//! The images of a conversion that is not finished, so that the next run can tell whether they are still the same.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, ImageFile};
use crate::storage::dirs::StoredPath;
use crate::storage::dirs::portable;
use crate::text::named;
use crate::text::one_line;

/// The images of an unfinished conversion, each described by what is known without reading it.
///
/// The time of change is in here and not in the [`Fingerprint`](crate::manifest::Fingerprint): it is the one cheap sign that an image was replaced by
/// another of its length, and worth a false alarm while records of the old one and the new one could be mixed. In a
/// finished conversion it would only tell copies of one data set apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Images(Vec<Image>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Image {
    path: StoredPath,
    size: u64,
    /// Nanoseconds since 1970, if the system knows.
    modified: Option<u64>,
}

impl Images {
    pub(super) fn of(dataset: &Dataset) -> Self {
        let image = |file: &ImageFile| Image {
            path: StoredPath::of_bytes(portable(&file.relative)),
            size: file.size,
            modified: file.modified,
        };
        Self(dataset.images.iter().map(image).collect())
    }

    /// The paths below the data set's folder, with forward slashes.
    pub(super) fn paths(&self) -> impl Iterator<Item = &StoredPath> {
        self.0.iter().map(|image| &image.path)
    }

    /// Describes how `now` differs, one image by name; `None` where it does not.
    pub(super) fn difference(&self, now: &Self) -> Option<String> {
        if self == now {
            return None;
        }
        let by_path = |images: &'_ Self| -> HashMap<StoredPath, Image> {
            images.0.iter().map(|image| (image.path.clone(), image.clone())).collect()
        };
        let (then, current) = (by_path(self), by_path(now));
        let gone = self.0.iter().filter(|image| !current.contains_key(&image.path)).map(|image| (image, "was removed"));
        let new = now.0.iter().filter(|image| !then.contains_key(&image.path)).map(|image| (image, "was added"));
        let other = now.0.iter().filter(|image| then.get(&image.path).is_some_and(|before| before != *image));
        let mut changes = gone.chain(new).chain(other.map(|image| (image, "was changed")));
        let (first, what) = changes.next()?;
        Some(named(&one_line(&first.path.shown()).to_string(), what, changes.count()))
    }
}
