//! Dividing a data set into training, validation and test images, and mixing it.
//!
//! Where an image goes is decided by a hash of the seed and its path below the data set's folder, and by nothing else: other
//! images that come or go move none, and neither do the machine, the threads or the order of the listing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::text::one_line;

/// Shares are whole numbers of this part of everything, so that they add up exactly.
const PARTS: u64 = 1_000_000_000;
/// Decimal places that a share can have.
const DECIMALS: usize = 9;

/// What a seed and a path decide about an image. The numbers are independent of each other and uniform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathHash {
    /// Decides about the split.
    part: u64,
    /// The images of a shuffled split are in the order of this.
    pub(crate) order: u64,
}

impl PathHash {
    /// Of the image at `path`: relative to the data set's folder, forward slashes.
    pub(crate) fn of(seed: u64, path: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(path).finalize();
        let word = |at: usize| digest[at..at + 8].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        Self { part: word(0), order: word(8) }
    }
}

/// One part of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Its name, which is part of the names of its record files.
    pub name: String,
    /// Its share of the images, in billionths.
    #[serde(with = "share")]
    pub share: u64,
}

/// The parts of a data set, which together are all of it: one at least.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Split>")]
pub struct Splits(Vec<Split>);

impl TryFrom<Vec<Split>> for Splits {
    type Error = ParseSplitsError;

    fn try_from(splits: Vec<Split>) -> Result<Self, Self::Error> {
        for (number, split) in splits.iter().enumerate() {
            if !is_name(&split.name) {
                return Err(ParseSplitsError::Name(split.name.clone()));
            }
            if splits[..number].iter().any(|other| other.name.eq_ignore_ascii_case(&split.name)) {
                return Err(ParseSplitsError::SameName(split.name.clone()));
            }
        }
        let sum = splits.iter().fold(0u64, |sum, split| sum.saturating_add(split.share));
        if sum == PARTS { Ok(Self(splits)) } else { Err(ParseSplitsError::Sum(share::to_number(sum).to_string())) }
    }
}

/// Whether this can stand in a file's name, and is a split's for TFDS.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.eq_ignore_ascii_case("all")
}

impl Splits {
    /// Everything in one part.
    #[must_use]
    pub fn whole(name: &str) -> Self {
        Self(vec![Split { name: name.to_owned(), share: PARTS }])
    }

    /// The parts in their order.
    #[must_use]
    pub fn parts(&self) -> &[Split] {
        &self.0
    }
}

impl fmt::Display for Splits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Split { name, share }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={}", share::to_number(*share))?;
        }
        Ok(())
    }
}

/// How a data set is divided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Division {
    /// Another seed divides otherwise.
    pub seed: u64,
    /// Into what.
    pub splits: Splits,
}

impl Division {
    /// The split, as an index, of the image at `path`: relative to the data set's folder, forward slashes.
    #[must_use]
    pub fn split_of(&self, path: &[u8]) -> usize {
        let part = (u128::from(PathHash::of(self.seed, path).part) * u128::from(PARTS)) >> u64::BITS;
        let mut end = 0;
        let splits = self.splits.parts();
        let found = splits.iter().position(|split| {
            end += u128::from(split.share);
            part < end
        });
        found.unwrap_or(splits.len() - 1)
    }
}

/// What is wrong with a list of splits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseSplitsError {
    /// Not `NAME=SHARE`.
    #[error("'{}' is no split: write a list such as train=0.8,val=0.1,test=0.1", one_line(.0))]
    NotASplit(String),
    /// A name that cannot stand in file names, or that TFDS has another use for.
    #[error("'{}' cannot be a split's name: use letters, digits and underscores, a letter first, and not 'all'", one_line(.0))]
    Name(String),
    /// Not a number between 0 and 1.
    #[error("'{}' is no share: write a number above 0 and up to 1, with nine decimal places at most", one_line(.0))]
    Share(String),
    /// Two splits have one name, upper and lower case being the same in file names.
    #[error("the split '{0}' is there twice: give each split a name of its own")]
    SameName(String),
    /// The shares are not everything.
    #[error("the shares add up to {0}, not to 1: change one of them")]
    Sum(String),
}

impl FromStr for Splits {
    type Err = ParseSplitsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut splits: Vec<Split> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (name, share) = part.split_once('=').ok_or_else(|| ParseSplitsError::NotASplit(part.to_owned()))?;
            if !is_name(name) {
                return Err(ParseSplitsError::Name(name.to_owned()));
            }
            let share = share::parse(share).ok_or_else(|| ParseSplitsError::Share(share.to_owned()))?;
            if splits.iter().any(|split| split.name.eq_ignore_ascii_case(name)) {
                return Err(ParseSplitsError::SameName(name.to_owned()));
            }
            splits.push(Split { name: name.to_owned(), share });
        }
        splits.try_into()
    }
}

/// A share as people and JSON write it: `0.8`.
mod share {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{DECIMALS, PARTS};

    pub(crate) fn to_number(share: u64) -> f64 {
        share as f64 / PARTS as f64
    }

    /// Digit by digit: ten times 0.1 must be 1.
    pub(crate) fn parse(text: &str) -> Option<u64> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || fraction.len() > DECIMALS || !are_digits(whole) || !are_digits(fraction)
        {
            return None;
        }
        let digits = format!("{whole}{fraction:0<DECIMALS$}");
        digits.parse().ok().filter(|share| (1..=PARTS).contains(share))
    }

    pub(crate) fn serialize<S: Serializer>(share: &u64, to: S) -> Result<S::Ok, S::Error> {
        to_number(*share).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        Ok((f64::deserialize(from)? * PARTS as f64).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> impl Iterator<Item = String> {
        (0..10_000).map(|number| format!("Cat/{number}.jpg"))
    }

    #[test]
    fn a_list_is_read_as_typed_and_shown_as_typed() {
        for text in ["train=0.8,val=0.1,test=0.1", "a=0.3333,b=0.6667", "train=1", "x_1=0.000000001,y=0.999999999"] {
            let splits: Splits = text.parse().expect(text);
            let json = serde_json::to_string(&splits).expect("JSON");

            assert_eq!(splits.to_string(), text);
            assert_eq!(serde_json::from_str::<Splits>(&json).expect(&json), splits);
        }
    }

    #[test]
    fn what_is_no_division_is_refused_in_one_line() {
        let refused = |text: &str, words: &str| {
            let error = text.parse::<Splits>().expect_err(text).to_string();
            assert!(error.contains(words) && !error.contains('\n'), "{text}: {error}");
        };

        refused("", "'' is no split");
        refused("train", "'train' is no split");
        refused("train=0.8,val=0.1", "add up to 0.9, not to 1");
        refused("train=0.8,val=0.3", "add up to 1.1, not to 1");
        refused("train=0.5,Train=0.5", "'Train' is there twice");
        refused("train=1,val=0", "'0' is no share");
        for share in ["-0.1", "1.5", "nan", "1e-1", "0.1234567891", ".", "", "80%", "18446744073709551617"] {
            refused(&format!("train={share},val=0.5"), &format!("'{share}' is no share"));
        }
        for name in ["", "1st", "a b", "a/b", "a-b", "all", "caf\u{e9}"] {
            refused(&format!("{name}=1"), "cannot be a split's name");
        }
    }

    #[test]
    fn each_split_gets_its_share_and_another_seed_divides_otherwise() {
        let splits: Splits = "train=0.8,val=0.1,test=0.1".parse().expect("a division");
        let counts = |seed| {
            let division = Division { seed, splits: splits.clone() };
            paths().fold([0; 3], |mut counts, path| {
                counts[division.split_of(path.as_bytes())] += 1;
                counts
            })
        };

        for (counted, expected) in counts(1).into_iter().zip([8000, 1000, 1000]) {
            // Four standard deviations of a draw of 10,000.
            assert!(i32::abs(counted - expected) < 160, "{counted} instead of {expected}");
        }
        assert_ne!(counts(1), counts(2));
    }

    #[test]
    fn a_lot_is_the_same_on_every_machine_and_in_every_version() {
        // Computed by Python: hashlib.sha256(seed.to_bytes(8, "little") + path).digest(), two little-endian words.
        assert_eq!(
            PathHash::of(5, b"Cat/1.jpg"),
            PathHash { part: 0x7009_dddd_927a_981a, order: 0x58af_867a_e0d9_c740 }
        );
    }
}
