//! Whether class folders are classes, and whether their order is what a person expects.
//!
//! A label that is wrong without a word spoils a training run. What cannot be right without the user's own word
//! (`--classes`) is a [`DatasetError`], what may well be right is a [`Note`].

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::error::DatasetError;
use super::note::Note;

/// Refuses class folders that are no classes, as long as the user has not named them.
///
/// # Errors
/// All of them, or a training part and another one, have names of splits; or there is one class alone.
pub(super) fn check(root: &Path, classes: &[String], nested: &[NestedPhotos]) -> Result<(), DatasetError> {
    let roles: Vec<SplitRole> = classes.iter().filter_map(|class| SplitRole::of(class)).collect();
    let has_two_roles = roles.iter().any(|role| *role != roles[0]);
    if classes.len() > 1 && (has_two_roles || roles.len() == classes.len()) {
        let splits = classes.iter().filter(|class| SplitRole::of(class).is_some()).cloned().collect();
        return Err(DatasetError::SplitFolders { root: root.to_owned(), splits });
    }
    if let [class] = classes {
        // With photos a folder further down, that folder is the data set.
        let holds_classes = !nested.is_empty();
        return Err(DatasetError::OneClass { root: root.to_owned(), class: class.clone(), holds_classes });
    }
    match nested.iter().find(|folder| folder.own_photos == 0) {
        Some(folder) => Err(DatasetError::NestedClasses { class: folder.class.clone(), first: folder.first.clone() }),
        None => Ok(()),
    }
}

/// A class folder with photos in folders of its own.
#[derive(Debug)]
pub(super) struct NestedPhotos {
    pub(super) class: String,
    /// The photos that are not in a further folder.
    pub(super) own_photos: usize,
    /// The first folder inside that holds a photo.
    pub(super) first: PathBuf,
}

/// Notes on what is likely to surprise: numbers that are not in the order of numbers, names that look the same.
pub(super) fn notes(classes: &[String], is_order_chosen: bool) -> Vec<Note> {
    let mut notes = Vec::new();
    if !is_order_chosen && !classes.is_sorted_by(|a, b| natural_order(a, b) != Ordering::Greater) {
        notes.push(Note::NumbersByBytes { classes: classes.to_vec() });
    }
    let mut alike: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for class in classes {
        alike.entry(composed(class.trim()).to_lowercase()).or_default().push(class);
    }
    let alike = alike.into_values().filter(|names| names.len() > 1);
    notes.extend(alike.map(|names| Note::AlikeClasses { classes: names.into_iter().cloned().collect() }));
    notes
}

/// The name in Unicode's composed form (NFC), in which names are compared; macOS hands out decomposed ones.
pub(super) fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// What a folder holds whose name is that of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SplitRole {
    Training,
    Validation,
    Test,
}

impl SplitRole {
    /// Reads `train`, `Val`, `test1`, `train_images`, `images-test2017`; `None` for any other name.
    fn of(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        let mut found = None;
        for word in lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
            let role = match word {
                "train" | "training" | "trainset" => Self::Training,
                "val" | "valid" | "validation" | "valset" | "dev" | "eval" | "evaluation" => Self::Validation,
                "test" | "testing" | "testset" | "holdout" => Self::Test,
                "data" | "image" | "images" | "img" | "imgs" | "photos" | "set" => continue,
                _ => return None,
            };
            found = found.or(Some(role));
        }
        found
    }
}

/// Compares names as a person sorts them: `2` before `10`, the rest by bytes.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (number_a, rest_a) = split_number(a);
        let (number_b, rest_b) = split_number(b);
        if !number_a.is_empty() && !number_b.is_empty() {
            // Without leading zeros the longer number is the larger one.
            let order = number_a.len().cmp(&number_b.len()).then(number_a.cmp(number_b));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (rest_a, rest_b);
            continue;
        }
        match (a.split_first(), b.split_first()) {
            (Some((first_a, rest_a)), Some((first_b, rest_b))) if first_a == first_b => (a, b) = (rest_a, rest_b),
            _ => return a.cmp(b),
        }
    }
}

/// The digits that the name begins with, without leading zeros (but for the last), and what follows them.
fn split_number(name: &[u8]) -> (&[u8], &[u8]) {
    let end = name.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(name.len());
    let (digits, rest) = name.split_at(end);
    let zeros = digits.iter().take(end.saturating_sub(1)).take_while(|&&digit| digit == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_splits_are_known_with_their_usual_endings_and_no_others() {
        let splits =
            ["train", "Training", "val", "valid", "test1", "train_images", "images-test2017", "dev", "TestSet"];
        let classes = ["trainer", "testudo", "Cat", "images", "2017", "dev board", "valley", "train_station", ""];

        assert!(splits.iter().all(|name| SplitRole::of(name).is_some()));
        assert!(classes.iter().all(|name| SplitRole::of(name).is_none()));
    }

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let sorted = ["0", "1", "2", "10", "010a", "a", "a1b2", "a1b10", "a01b11", "b"];

        assert!(sorted.is_sorted_by(|a, b| natural_order(a, b) != Ordering::Greater));
        assert_eq!(natural_order("00", "0"), Ordering::Equal);
        assert_eq!(natural_order("10", "2"), Ordering::Greater);
    }
}
