//! Where Keras publishes its weights, and what they must be.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::model::Architecture;

/// `BASE_WEIGHTS_PATH` of Keras' `applications/efficientnet.py`.
const ADDRESS: &str = "https://storage.googleapis.com/keras-applications/";

/// An MD5, as 32 hexadecimal digits: good enough to tell damage and mix-ups, and what Keras has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Md5(pub(super) u128);

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Md5 {
    type Err = &'static str;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let is_whole = typed.len() == 32 && typed.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(typed, 16).ok().filter(|_| is_whole);
        number.map(Self).ok_or("not an MD5: type its 32 hexadecimal digits")
    }
}

/// A file to download.
#[derive(Clone, Debug)]
pub struct Source {
    /// The network that it holds.
    pub architecture: Architecture,
    /// Its address, `http` or `https`.
    pub url: String,
    /// What the file must have.
    pub md5: Md5,
}

impl Source {
    /// Keras' own file without a classifier; Keras has none for the Lite variants.
    #[must_use]
    pub fn keras(architecture: Architecture) -> Option<Self> {
        let url = format!("{ADDRESS}{}", file_name(architecture));
        Some(Self { architecture, url, md5: Md5(pinned(architecture)?) })
    }

    /// The name that the file gets, Keras' own whatever the address: `efficientnetb0_notop.h5`.
    #[must_use]
    pub fn file_name(&self) -> String {
        file_name(self.architecture)
    }

    /// How to get the weights without a download by petrec that would go to `folder`, in three lines.
    #[must_use]
    pub fn otherwise(&self, folder: &Path) -> [String; 3] {
        let (name, file) = (self.architecture.name(), folder.join(self.file_name()));
        let class = name.replace("efficientnet-b", "EfficientNetB");
        let side = self.architecture.network().side;
        [
            format!(
                "by hand: get {} elsewhere, put it at {} and give the same command again, or give it to \
                 'cargo xtask import-weights --h5 FILE' in a clone of petrec",
                self.url,
                file.display()
            ),
            format!(
                "by Python, after 'pip install tensorflow tf2onnx onnx': python -c \"import keras, numpy; \
                 m = keras.applications.{class}(include_top=False, input_shape=({side}, {side}, 3)); \
                 m(numpy.zeros((1, {side}, {side}, 3), 'float32')); m.export('{name}.onnx', format='onnx')\""
            ),
            format!("and then, in a clone of petrec: cargo xtask import-weights --onnx {name}.onnx"),
        ]
    }
}

fn file_name(architecture: Architecture) -> String {
    format!("{}_notop.h5", architecture.name().replace('-', ""))
}

/// The second column of `WEIGHTS_HASHES` in Keras' `applications/efficientnet.py`.
fn pinned(architecture: Architecture) -> Option<u128> {
    Some(match architecture {
        Architecture::EfficientNetB0 => 0x50bc_09e7_6180_e00e_4465_e1a4_85dd_c09d,
        Architecture::EfficientNetB1 => 0x74c4_e6b3_e1f6_a1ee_a24c_5896_2859_2432,
        Architecture::EfficientNetB2 => 0x111f_8e2a_c8aa_800a_7a99_e323_9f7b_fb39,
        Architecture::EfficientNetB3 => 0xaf6d_1077_64bb_5b1a_bb91_9328_8167_0226,
        Architecture::EfficientNetB4 => 0xebc2_4e6d_6c33_eaeb_bd55_8eaf_beed_f1ba,
        Architecture::EfficientNetB5 => 0x3887_9255_a25d_3c92_d5e4_4e04_ae6c_ec6f,
        Architecture::EfficientNetB6 => 0x9ecc_e426_47a2_0130_c1f3_9a5d_4cb7_5743,
        Architecture::EfficientNetB7 => 0xcbcf_e445_0ddf_6f3a_d90b_1b39_8090_fe4a,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_family_is_published_under_the_hashes_of_keras() {
        // Copied from Keras 3.15.1.
        let hashes = [
            "50bc09e76180e00e4465e1a485ddc09d",
            "74c4e6b3e1f6a1eea24c589628592432",
            "111f8e2ac8aa800a7a99e3239f7bfb39",
            "af6d107764bb5b1abb91932881670226",
            "ebc24e6d6c33eaebbd558eafbeedf1ba",
            "38879255a25d3c92d5e44e04ae6cec6f",
            "9ecce42647a20130c1f39a5d4cb75743",
            "cbcfe4450ddf6f3ad90b1b398090fe4a",
        ];
        for (architecture, hash) in Architecture::ALL.into_iter().zip(hashes) {
            let source = Source::keras(architecture).expect("published");
            assert_eq!(source.md5.to_string(), hash, "{architecture}");
            assert_eq!(hash.parse(), Ok(source.md5));
        }
        let b0 = Source::keras(Architecture::EfficientNetB0).expect("published");
        assert_eq!(b0.url, "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5");
        assert!(Source::keras(Architecture::EfficientNetLite0).is_none());
    }

    #[test]
    fn what_is_no_md5_is_refused() {
        for wrong in ["", "50bc", "+0bc09e76180e00e4465e1a485ddc09d", "50bc09e76180e00e4465e1a485ddc09dd", "é"] {
            assert!(wrong.parse::<Md5>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_other_ways_are_three_lines_that_can_be_typed() {
        let b3 = Source::keras(Architecture::EfficientNetB3).expect("published");

        let [hand, python, import] = b3.otherwise(Path::new("weights"));

        assert!(hand.contains(&b3.url) && hand.contains("efficientnetb3_notop.h5 and give"), "{hand}");
        assert!(python.contains("EfficientNetB3(include_top=False, input_shape=(300, 300, 3))"), "{python}");
        assert!(import.ends_with("cargo xtask import-weights --onnx efficientnet-b3.onnx"), "{import}");
    }
}
