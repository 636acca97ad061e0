//! A plan comes back as it was written, and not at all where it was not.

use std::fs;
use std::num::NonZero;
use std::path::Path;

use serde_json::Value;

use super::codec::PlannedImage;
use super::file::write;
use super::header::{Header, How};
use super::{PlanFile, PlanFileError};
use crate::convert::{ConvertError, Draft};
use crate::dataset::{Dataset, ImageFile};
use crate::engine::Pool;
use crate::image::Accept;
use crate::manifest::{Division, Layout, Options, Order, PLAN_NAME};
use crate::model::Weights;
use crate::storage::dirs::portable;
use crate::tfrecord::{Compression, Reader, Writer};

fn dataset(images: usize) -> Dataset {
    let image = |number: usize| {
        let relative = format!("{}/{number:05}.jpg", if number < images / 2 { "Cat" } else { "Dog" });
        let path = Path::new("pets").join(&relative);
        ImageFile {
            path,
            relative: relative.into(),
            label: Some(number * 2 / images),
            size: number as u64 * 1000,
            modified: (!number.is_multiple_of(7)).then_some(1_700_000_000_000_000_000 + number as u64 * 977),
        }
    };
    let classes = vec!["Cat".to_owned(), "Dog".to_owned()];
    let images = (0..images).map(image).collect();
    Dataset { name: "pets".to_owned(), root: "pets".into(), classes, images, notes: Vec::new() }
}

fn options(layout: Layout, order: Order, split: Option<&str>) -> Options {
    Options {
        policy: Accept::TensorFlow.into(),
        layout,
        order,
        division: split.map(|splits| Division { seed: 1, splits: splits.parse().expect("a division") }),
        pool: Pool::Avg,
        feature_key: "Feature".to_owned(),
        label_key: "Label".to_owned(),
        extras: Vec::new(),
        compression: Compression::None,
        index: false,
        tfds: None,
        read_back: false,
        threads: NonZero::<usize>::MIN,
    }
}

/// What the draft of a conversion says of each record file: name, split, images.
type Told = Vec<(String, Option<usize>, Vec<PlannedImage>)>;

/// Writes the plan of `dataset` into `out`, and tells what is in it.
fn planned(dataset: &Dataset, options: &Options, out: &Path) -> Told {
    let weights = Weights::built_in_lite0().expect("sound");
    let draft = Draft::new(dataset, &weights, options).expect("a plan");
    let header = Header::new(dataset, options, draft.manifest.clone(), &How::default()).expect("a header");
    let bytes = write(Vec::new(), &header, &draft.plan, dataset).expect("a Vec takes everything");
    fs::write(out.join(PLAN_NAME), bytes).expect("written");

    let image = |number: &usize| {
        let image = &dataset.images[*number];
        let (label, path) = (image.label.expect("a label"), portable(&image.relative));
        PlannedImage { number: *number, label, size: image.size, modified: image.modified, path }
    };
    let splits: Vec<_> = draft.manifest.splits().collect();
    let files = draft.plan.files.iter().map(|file| {
        let split = file.split.as_deref().and_then(|name| splits.iter().position(|split| *split == name));
        (file.name(), split, draft.plan.images_of(file).iter().map(image).collect())
    });
    files.collect()
}

fn open(out: &Path) -> Result<PlanFile, ConvertError> {
    Ok(PlanFile::open(out, None)?.expect("there is one"))
}

#[test]
fn what_was_planned_is_read_part_by_part_in_any_order() {
    let sorted = options(Layout::ShardCount(NonZero::new(7).expect("not 0")), Order::Sorted, None);
    let divided = options(sorted.layout, Order::Shuffled { seed: 3 }, Some("train=0.7,test=0.3"));
    // More parts than an index record has entries, and more than one that tells the order.
    let per_image = options(Layout::PerImage, Order::Sorted, Some("train=0.7,test=0.3"));
    for (options, images) in [(sorted, 100), (divided, 9000), (per_image, 4200)] {
        let (out, dataset) = (tempfile::tempdir().expect("a folder"), dataset(images));
        let told = planned(&dataset, &options, out.path());

        let mut plan = open(out.path()).expect("sound");
        assert_eq!((plan.files(), plan.images()), (told.len(), images));
        for (number, (name, split, images)) in told.into_iter().enumerate().rev() {
            let part = plan.part(number).expect("sound");
            assert_eq!(plan.images_of(number).expect("sound"), images.len());
            assert_eq!((part.name, part.split), (name, split));
            assert_eq!(part.images, images);
        }
        let in_order = plan.in_order().flat_map(|part| plan.images_in(part).expect("sound")).map(|image| image.number);
        assert!(in_order.eq(0..images));
    }
}

#[test]
fn a_plan_that_was_cut_or_altered_anywhere_is_refused() {
    let out = tempfile::tempdir().expect("a folder");
    let shuffled = options(Layout::ShardCount(NonZero::new(3).expect("not 0")), Order::Shuffled { seed: 3 }, None);
    planned(&dataset(20), &shuffled, out.path());
    let path = out.path().join(PLAN_NAME);
    let whole = fs::read(&path).expect("readable");
    let is_refused = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        matches!(open(out.path()), Err(ConvertError::PlanFile(PlanFileError::Damaged(_))))
    };

    for place in 0..whole.len() {
        let mut altered = whole.clone();
        altered[place] ^= 1 << (place % 8);
        assert!(is_refused(&altered), "bit {} of byte {place} of {}", place % 8, whole.len());
        assert!(is_refused(&whole[..place]), "cut to {place} of {} bytes", whole.len());
    }
    assert!(is_refused(&[&whole[..], &[0]].concat()));
    assert!(!is_refused(&whole));
}

/// Every number that a JSON value holds gets every one of `values`, one at a time.
fn with_other_numbers(json: &Value, values: &[u64], each: &mut impl FnMut(Value)) {
    fn paths(json: &Value, at: &str, found: &mut Vec<String>) {
        match json {
            Value::Number(_) => found.push(at.to_owned()),
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(place, value)| paths(value, &format!("{at}/{place}"), found));
            }
            Value::Object(map) => map.iter().for_each(|(key, value)| paths(value, &format!("{at}/{key}"), found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    paths(json, "", &mut found);
    assert!(found.len() > 5, "{found:?}");
    for path in found {
        for value in values {
            let mut altered = json.clone();
            *altered.pointer_mut(&path).expect("it was found") = (*value).into();
            each(altered);
        }
    }
}

/// The same for each number of eight bytes.
fn with_other_words(bytes: &[u8], values: &[u64], each: &mut impl FnMut(Vec<u8>)) {
    for place in (0..bytes.len()).step_by(8) {
        for value in values {
            let mut altered = bytes.to_vec();
            altered[place..][..8].copy_from_slice(&value.to_le_bytes());
            each(altered);
        }
    }
}

#[test]
fn no_number_of_an_altered_plan_is_believed_that_takes_more_bytes_than_there_are() {
    let out = tempfile::tempdir().expect("a folder");
    let path = out.path().join(PLAN_NAME);
    let huge: Vec<u64> = [20, 31, 32, 33, 40, 62, 63].map(|bit| 1 << bit).into_iter().chain([u64::MAX, 21]).collect();
    let divided = options(
        Layout::ShardCount(NonZero::new(3).expect("not 0")),
        Order::Shuffled { seed: 3 },
        Some("train=0.7,test=0.3"),
    );
    for options in [divided, options(Layout::PerImage, Order::Sorted, None)] {
        planned(&dataset(20), &options, out.path());
        let whole = fs::read(&path).expect("readable");
        let records: Vec<Vec<u8>> = Reader::new(&whole[..]).map(|record| record.expect("whole")).collect();
        let mut altered = Vec::new();
        let [tail, index] = [1, 2].map(|behind| records.len() - behind);
        for place in [tail, index] {
            with_other_words(&records[place], &huge, &mut |record| altered.push((place, record)));
        }
        let header: Value = serde_json::from_slice(&records[0]).expect("JSON");
        with_other_numbers(&header, &huge, &mut |header| {
            altered.push((0, serde_json::to_vec(&header).expect("JSON")));
        });
        let mut refused = 0;
        for (place, record) in &altered {
            let mut writer = Writer::new(Vec::new());
            for (number, original) in records.iter().enumerate() {
                writer.write(if number == *place { record } else { original }).expect("a Vec takes everything");
            }
            fs::write(&path, writer.finish().expect("a Vec takes everything")).expect("written");

            match open(out.path()) {
                // A number that decides about no memory, such as a seed.
                Ok(plan) => assert_eq!((plan.images(), *place), (20, 0)),
                Err(ConvertError::PlanFile(PlanFileError::Damaged(_) | PlanFileError::Foreign(_))) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(refused > 200, "{refused} of {}", altered.len());
    }
}
