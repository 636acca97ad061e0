//! Which record files there will be, before the first byte of any.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::plan_error::{LONGEST_NAME, PlanError};
use crate::dataset::{Dataset, ImageFile};
use crate::manifest::{Division, Options, PathHash, Tfds};
use crate::manifest::{Layout, Order};
use crate::storage::dirs::is_reserved;
use crate::storage::dirs::portable;

/// One record file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedFile {
    /// Its place among all record files of the conversion.
    pub(super) number: usize,
    /// Relative to the output folder.
    pub(super) path: PathBuf,
    /// The images whose records it holds, as a part of the plan's order. A rejected one leaves it a record shorter.
    pub(super) images: Range<usize>,
    /// Where the data set is divided: the name of its split.
    pub(super) split: Option<String>,
}

impl PlannedFile {
    /// The path with forward slashes on every system.
    pub(super) fn name(&self) -> String {
        name(&self.path)
    }

    /// Where its index lies: `pets-00000-of-00010.idx`, `pets-train.idx-00000-of-00010`, so that no pattern for record files
    /// finds it.
    pub(super) fn index_path(&self) -> PathBuf {
        const ENDING: &str = ".tfrecord";
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let (stem, behind) = name.rsplit_once(ENDING).unwrap_or((&name, ""));
        self.path.with_file_name(format!("{stem}.idx{behind}"))
    }
}

/// A relative path with forward slashes on every system; bytes that are not UTF-8 are replaced.
pub(super) fn name(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// What is arranged how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrangement<'a> {
    pub(super) layout: Layout,
    pub(super) order: Order,
    pub(super) division: Option<&'a Division>,
    pub(super) tfds: Option<&'a Tfds>,
}

impl<'a> Arrangement<'a> {
    pub(super) fn of(options: &'a Options) -> Self {
        let Options { layout, order, ref division, ref tfds, .. } = *options;
        Self { layout, order, division: division.as_ref(), tfds: tfds.as_ref() }
    }
}

/// All record files, in the order of their images: together they hold each image once. Or some of them, with their images.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) layout: Layout,
    pub(super) files: Vec<PlannedFile>,
    /// Every image once, as an index into the data set, in the order of the records.
    pub(super) order: Vec<usize>,
    /// Who else knows which images are in which file.
    pub(super) told_by: ToldBy,
}

/// Where it is written down, while a conversion is not finished, which images are in a record file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToldBy {
    /// In the journal, by their places in the data set.
    Journal,
    /// In a plan on disk.
    Plan,
}

/// The images of one split, or of all.
struct Part<'a> {
    split: Option<&'a str>,
    images: Range<usize>,
}

impl Plan {
    /// Plans for `dataset` with records of `record_len` bytes each.
    pub(super) fn new(
        dataset: &Dataset,
        Arrangement { layout, order, division, tfds }: Arrangement<'_>,
        record_len: impl Fn(&ImageFile) -> u64,
    ) -> Result<Self, PlanError> {
        let (order, parts) = arrange(dataset, order, division)?;
        let stem = |split: Option<&str>| match split {
            Some(split) => format!("{}-{split}", dataset.name),
            None => dataset.name.clone(),
        };
        let mut files = Vec::new();
        let mut taken = HashMap::new();
        for part in &parts {
            let images = &order[part.images.clone()];
            let name = |index: usize, count: usize| match (tfds, part.split) {
                (Some(tfds), Some(split)) => tfds.shard_name(split, index, count),
                _ => format!("{}-{index:05}-of-{count:05}.tfrecord", stem(part.split)),
            };
            match layout {
                Layout::Shards { target } => {
                    let bytes: u64 = images.iter().map(|image| record_len(&dataset.images[*image])).sum();
                    files.extend(shards(part, bytes.div_ceil(target.max(1)), name));
                }
                Layout::ShardCount(count) => files.extend(shards(part, count.get() as u64, name)),
                Layout::PerImage => {
                    for (place, image) in part.images.clone().zip(images) {
                        files.push(of_image(dataset, part, place, *image, &mut taken)?);
                    }
                }
            }
        }
        let mut names = files.iter().map(|file| file.path.file_name().unwrap_or_default().to_string_lossy());
        if let Some(name) = names.find(|name| name.len() > LONGEST_NAME) {
            return Err(PlanError::LongName { name: name.into_owned() });
        }
        files.iter_mut().enumerate().for_each(|(number, file)| file.number = number);
        Ok(Self { layout, files, order, told_by: ToldBy::Journal })
    }

    /// The images of one of the files, as indices into the data set, in the order of their records.
    pub(super) fn images_of(&self, file: &PlannedFile) -> &[usize] {
        &self.order[file.images.clone()]
    }

    /// Whether the records are in the order of the data set.
    pub(super) fn is_in_order(&self) -> bool {
        self.order.iter().enumerate().all(|(place, image)| place == *image)
    }

    /// What the journal is to say of them.
    pub(super) fn journaled(&self, file: &PlannedFile) -> Vec<usize> {
        match self.told_by {
            ToldBy::Journal => self.images_of(file).to_vec(),
            ToldBy::Plan => Vec::new(),
        }
    }
}

/// The images in the order of their records, and where in it each split is.
fn arrange<'a>(
    dataset: &Dataset,
    order: Order,
    division: Option<&'a Division>,
) -> Result<(Vec<usize>, Vec<Part<'a>>), PlanError> {
    let splits = division.map_or(&[][..], |division| division.splits.parts());
    let mut counts = vec![0; splits.len()];
    let mut key = |image: &ImageFile| {
        let path = portable(&image.relative);
        let split = division.map_or(0, |division| division.split_of(&path));
        if let Some(count) = counts.get_mut(split) {
            *count += 1;
        }
        let place = match order {
            Order::Sorted => 0,
            Order::Shuffled { seed } => PathHash::of(seed, &path).order,
        };
        (split, place)
    };
    let keys: Vec<_> = dataset.images.iter().map(&mut key).collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|image| keys[*image]);

    let Some(division) = division else {
        let images = 0..order.len();
        return Ok((order, vec![Part { split: None, images }]));
    };
    let mut parts = Vec::with_capacity(splits.len());
    let mut start = 0;
    for (split, count) in splits.iter().zip(counts) {
        if count == 0 {
            let (name, seed, images) = (split.name.clone(), division.seed, dataset.images.len());
            return Err(PlanError::EmptySplit { name, seed, images });
        }
        parts.push(Part { split: Some(&split.name), images: start..start + count });
        start += count;
    }
    Ok((order, parts))
}

/// As even as can be: shard sizes differ by one image at most.
fn shards(part: &Part<'_>, wanted: u64, name: impl Fn(usize, usize) -> String) -> impl Iterator<Item = PlannedFile> {
    let images = part.images.len();
    let count = usize::try_from(wanted).unwrap_or(usize::MAX).clamp(1, images.max(1));
    let bound = move |index: usize| (images as u128 * index as u128 / count as u128) as usize;
    let (start, split) = (part.images.start, part.split.map(str::to_owned));
    (0..count).map(move |index| PlannedFile {
        number: index,
        path: name(index, count).into(),
        images: start + bound(index)..start + bound(index + 1),
        split: split.clone(),
    })
}

/// The file of the image that is at `place` in the plan's order. `taken` holds the names of the others.
fn of_image(
    dataset: &Dataset,
    part: &Part<'_>,
    place: usize,
    image: usize,
    taken: &mut HashMap<PathBuf, usize>,
) -> Result<PlannedFile, PlanError> {
    let file = &dataset.images[image];
    let mut name = file.path.file_stem().unwrap_or_default().to_owned();
    name.push(".tfrecord");
    let class = dataset.class_of(file).unwrap_or_default();
    let folders = part.split.into_iter().chain([class, "TFRecord"]).map(OsStr::new);
    let path: PathBuf = folders.chain([&*name]).collect();
    let Some(name) = path.to_str() else { return Err(PlanError::NotUtf8(file.relative.clone())) };
    if let Some(part) = name.split(std::path::is_separator).find(|part| is_reserved(part)) {
        return Err(PlanError::Reserved { path: file.relative.clone(), name: part.to_owned() });
    }
    // Names that differ in case only are one file on Windows and macOS.
    let key = PathBuf::from(name.to_lowercase());
    if let Some(first) = taken.insert(key, image) {
        let first = dataset.images[first].relative.clone();
        return Err(PlanError::SameName { first, second: file.relative.clone(), record: path });
    }
    Ok(PlannedFile { number: place, path, images: place..place + 1, split: part.split.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use std::num::NonZero;

    use super::*;

    fn planned(images: usize, wanted: u64) -> Vec<PlannedFile> {
        let name = |index, count| format!("pets-{index:05}-of-{count:05}.tfrecord");
        shards(&Part { split: None, images: 0..images }, wanted, name).collect()
    }

    #[test]
    fn shards_hold_every_image_once_and_are_even() {
        let files = planned(10, 4);

        let names: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
        let ranges: Vec<_> = files.iter().map(|file| file.images.clone()).collect();
        assert_eq!(names[3], "pets-00003-of-00004.tfrecord");
        assert_eq!(ranges, [0..2, 2..5, 5..7, 7..10]);
    }

    #[test]
    fn there_are_never_more_shards_than_images() {
        assert_eq!(planned(3, 1_000).len(), 3);
        assert_eq!(planned(3, 0).len(), 1);
    }

    /// Images of two classes, by name.
    fn dataset(names: impl IntoIterator<Item = String>) -> Dataset {
        let image = |name: String| ImageFile {
            path: Path::new("pets").join(&name),
            label: Some(usize::from(name.starts_with("Dog"))),
            relative: name.into(),
            size: 1,
            modified: None,
        };
        let (classes, images) = (vec!["Cat".to_owned(), "Dog".to_owned()], names.into_iter().map(image).collect());
        Dataset { name: "pets".to_owned(), root: "pets".into(), classes, images, notes: Vec::new() }
    }

    fn pets(each: usize) -> Vec<String> {
        ["Cat", "Dog"].iter().flat_map(|class| (0..each).map(move |number| format!("{class}/{number}.jpg"))).collect()
    }

    /// The names of the images of each file, in the order of their records.
    fn contents(dataset: &Dataset, order: Order, division: Option<&Division>) -> Vec<(String, Vec<String>)> {
        let layout = Layout::ShardCount(NonZero::new(4).expect("not 0"));
        let arrangement = Arrangement { layout, order, division, tfds: None };
        let plan = Plan::new(dataset, arrangement, |_| 1).expect("a plan");
        let name = |image: &usize| dataset.images[*image].relative.display().to_string();
        let content = |file: &PlannedFile| (file.name(), plan.images_of(file).iter().map(name).collect());
        plan.files.iter().map(content).collect()
    }

    #[test]
    fn a_shuffled_shard_is_not_all_cats_and_every_image_is_in_one() {
        let dataset = dataset(pets(500));

        let files = contents(&dataset, Order::Shuffled { seed: 7 }, None);

        for (name, images) in &files {
            let cats = images.iter().filter(|image| image.starts_with("Cat")).count();
            // Four standard deviations of a draw of 250.
            assert!((94..=156).contains(&cats), "{cats} cats of {} in {name}", images.len());
        }
        let mut images: Vec<_> = files.into_iter().flat_map(|(_, images)| images).collect();
        assert_ne!(images, contents(&dataset, Order::Shuffled { seed: 8 }, None)[0].1);
        images.sort();
        let mut all = pets(500);
        all.sort();
        assert_eq!(images, all);
    }

    #[test]
    fn added_images_move_no_other_to_another_split_nor_past_another() {
        let division = Division { seed: 3, splits: "train=0.7,test=0.3".parse().expect("a division") };
        let arranged = |dataset: &Dataset| {
            let mut splits = BTreeMap::<String, Vec<String>>::new();
            for (name, images) in contents(dataset, Order::Shuffled { seed: 3 }, Some(&division)) {
                splits.entry(name.split('-').nth(1).expect("a split").to_owned()).or_default().extend(images);
            }
            splits
        };
        let before = arranged(&dataset(pets(100)));

        let mut after = arranged(&dataset(pets(200)));
        let known = pets(100);
        after.values_mut().for_each(|images| images.retain(|image| known.contains(image)));

        assert_eq!(before.keys().collect::<Vec<_>>(), ["test", "train"]);
        assert_eq!(before, after);
    }

    #[test]
    fn a_split_without_images_is_refused_by_name() {
        let division = Division { seed: 0, splits: "train=0.999999,test=0.000001".parse().expect("a division") };
        let (dataset, layout) = (dataset(pets(2)), Layout::Shards { target: 1 });

        let arrangement = Arrangement { layout, order: Order::Sorted, division: Some(&division), tfds: None };
        let error = Plan::new(&dataset, arrangement, |_| 1).expect_err("nothing to test");

        assert!(error.to_string().starts_with("none of the 4 images falls into the split 'test' with --seed 0"));
    }
}
