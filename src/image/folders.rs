//! The folders that images are in, so that a photo that vanished can be told from a folder that did.
//!
//! A disk that is unplugged and a share that is unmounted take all their files with them, and each file alone looks as if it had
//! been deleted. What tells them apart is the folder: gone, another one than before (an empty mount point is left), or emptied.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::dataset::ImageFile;
use crate::storage;
use crate::storage::dirs::folder_of;

/// Links that are followed one after the other, as Linux does.
const LINKS: usize = 40;

/// The folders of a run's images, as they were when it began.
pub(super) struct Folders<'a>(HashMap<&'a Path, Folder>);

struct Folder {
    /// `None` where it could not be looked at.
    identity: Option<Identity>,
    /// How many of the images are in it.
    images: usize,
}

impl<'a> Folders<'a> {
    /// Looks at the folder of each of `files`. One in a store is asked for once something is missing there.
    pub(super) fn of(files: impl Iterator<Item = &'a ImageFile>) -> Self {
        let mut folders = HashMap::<&Path, Folder>::new();
        for file in files {
            let path = folder_of(&file.path);
            let identity = || if storage::is_url(path) { None } else { Identity::of(path).ok() };
            let folder = folders.entry(path).or_insert_with(|| Folder { identity: identity(), images: 0 });
            folder.images += 1;
        }
        Self(folders)
    }

    /// The folder that is gone where `file` is, if one is: its own or, where it is a link, one that the link leads to.
    pub(super) fn lost(&self, file: &ImageFile) -> Option<PathBuf> {
        let folder = folder_of(&file.path);
        let then = self.0.get(folder);
        if storage::is_url(folder) {
            let is_lost = match storage::has_objects(folder) {
                Ok(true) => false,
                Ok(false) => then.is_some_and(|then| then.images > 1),
                Err(_) => true,
            };
            return is_lost.then(|| folder.to_owned());
        }
        let is_another = |now: Identity| then.and_then(|then| then.identity.as_ref()).is_some_and(|then| *then != now);
        let was_emptied = || then.is_some_and(|then| then.images > 1) && is_empty(folder);
        if Identity::of(folder).map_or(true, is_another) || was_emptied() {
            return Some(folder.to_owned());
        }
        // A link that led nowhere from the first has no time of change.
        if file.modified.is_some() { lost_behind(&file.path) } else { None }
    }
}

/// The folder that is gone on the way from a link to what it led to.
fn lost_behind(link: &Path) -> Option<PathBuf> {
    let mut path = link.to_owned();
    for _ in 0..LINKS {
        // What is no link has no target.
        path = folder_of(&path).join(fs::read_link(&path).ok()?);
        let folder = folder_of(&path);
        if Identity::of(folder).is_err() || is_empty(folder) {
            return Some(folder.to_owned());
        }
    }
    None
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// What makes a folder the same one under the same name.
#[cfg(unix)]
#[derive(PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
}

#[cfg(unix)]
impl Identity {
    /// Of a folder that may be searched.
    fn of(folder: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;

        // With the dot, the folder itself has to allow it.
        let metadata = fs::metadata(folder.join("."))?;
        Ok(Self { device: metadata.dev(), number: metadata.ino() })
    }
}

/// What makes a folder the same one under the same name: the hash of what the system knows it by, because the handle itself
/// would keep the folder open.
#[cfg(not(unix))]
#[derive(PartialEq, Eq)]
struct Identity(u64);

#[cfg(not(unix))]
impl Identity {
    fn of(folder: &Path) -> io::Result<Self> {
        use std::hash::{DefaultHasher, Hash, Hasher};

        let mut hasher = DefaultHasher::new();
        same_file::Handle::from_path(folder)?.hash(&mut hasher);
        Ok(Self(hasher.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(path: PathBuf) -> ImageFile {
        let metadata = fs::metadata(&path).map(|metadata| storage::Metadata::of_file(&metadata)).ok();
        let relative = path.clone();
        let (size, modified) = metadata.map_or((0, None), |metadata| (metadata.bytes, metadata.modified));
        ImageFile { path, relative, label: None, size, modified }
    }

    fn two_in(folder: &Path) -> [ImageFile; 2] {
        fs::create_dir_all(folder).expect("made");
        ["1.jpg", "2.jpg"].map(|name| {
            fs::write(folder.join(name), name).expect("written");
            image(folder.join(name))
        })
    }

    #[test]
    fn a_photo_that_vanished_is_told_from_a_folder_that_did() {
        let root = tempfile::tempdir().expect("a folder");
        let cat = root.path().join("Cat");
        let images = two_in(&cat);
        let folders = Folders::of(images.iter());

        fs::remove_file(&images[0].path).expect("removed");
        assert_eq!(folders.lost(&images[0]), None, "one photo");
        fs::remove_file(&images[1].path).expect("removed");
        assert_eq!(folders.lost(&images[0]), Some(cat.clone()), "all of them");
        fs::rename(&cat, root.path().join("away")).expect("moved");
        assert_eq!(folders.lost(&images[0]), Some(cat.clone()), "the folder");
        fs::create_dir(&cat).expect("made");
        fs::write(cat.join("other"), "").expect("written");
        assert_eq!(folders.lost(&images[0]), Some(cat), "another folder of that name");
    }

    #[test]
    fn the_only_photo_of_a_folder_may_vanish() {
        let root = tempfile::tempdir().expect("a folder");
        let [only, other] = two_in(&root.path().join("Cat"));
        fs::remove_file(&other.path).expect("removed");
        let folders = Folders::of([&only].into_iter());

        fs::remove_file(&only.path).expect("removed");

        assert_eq!(folders.lost(&only), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_into_a_folder_that_vanished_is_told_from_one_that_led_nowhere() {
        use std::os::unix::fs::symlink;

        let root = tempfile::tempdir().expect("a folder");
        let disk = root.path().join("disk");
        let [first, _] = two_in(&disk);
        let cat = root.path().join("Cat");
        fs::create_dir(&cat).expect("made");
        symlink("../disk/1.jpg", cat.join("linked.jpg")).expect("linked");
        symlink("linked.jpg", cat.join("again.jpg")).expect("linked");
        symlink("nowhere/1.jpg", cat.join("dangling.jpg")).expect("linked");
        symlink("loop.jpg", cat.join("loop.jpg")).expect("linked");
        let images = ["linked.jpg", "again.jpg", "dangling.jpg", "loop.jpg"].map(|name| image(cat.join(name)));
        let folders = Folders::of(images.iter());

        fs::remove_file(&first.path).expect("removed");
        assert!(images.iter().all(|image| folders.lost(image).is_none()), "one photo");
        fs::rename(&disk, root.path().join("away")).expect("moved");

        let lost = images.each_ref().map(|image| folders.lost(image).is_some());
        assert_eq!(lost, [true, true, false, false]);
    }
}
