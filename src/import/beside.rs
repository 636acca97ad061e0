//! The configuration that model hubs put beside a file of weights: timm's `config.json`, and transformers' `config.json` and
//! `preprocessor_config.json`.
//!
//! It is read for what a state dict cannot say: mean and deviation, the picture's size, the filter, the padding. What it asks for
//! and petrec does not do, a crop, is named in [`Beside::unmet`].

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::image::resize::Recipe;
use crate::model::{Architecture, Padding, Preprocess};

/// Longer than the names of all 21,000 classes of ImageNet.
const LONGEST: u64 = 16 << 20;

/// What the configuration beside a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// Names of the files that were read.
    pub files: Vec<String>,
    /// timm's name of the network.
    pub name: Option<String>,
    /// Where strided convolutions pad.
    pub padding: Option<Padding>,
    /// From picture to input, the filter included.
    pub preprocess: Option<Preprocess>,
    /// Height and width of the picture.
    pub side: Option<usize>,
    /// What it asks for and petrec does not do.
    pub unmet: Vec<String>,
}

impl Beside {
    /// Reads the configuration in the folder of the file `weights`; `None` where there is none of an EfficientNet.
    #[must_use]
    pub fn read(weights: &Path) -> Option<Self> {
        let json = |name: &str| {
            let path = weights.with_file_name(name);
            let is_short = fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= LONGEST);
            let value: Value = serde_json::from_slice(&fs::read(path).ok().filter(|_| is_short)?).ok()?;
            value.is_object().then_some(value)
        };
        let mut beside = Self::default();
        if let Some(config) = json("config.json") {
            beside.config(&config);
        }
        if let Some(config) = json("preprocessor_config.json") {
            beside.processor(&config);
        }
        (!beside.files.is_empty()).then_some(beside)
    }

    /// The architecture that timm's name means.
    #[must_use]
    pub fn architecture(&self) -> Option<Architecture> {
        let name = self.name.as_ref()?;
        let scaled = name.strip_prefix("tf_").unwrap_or(name).strip_prefix("efficientnet_")?;
        let length = scaled.find(|character: char| character.is_ascii_digit())? + 1;
        Architecture::named(&format!("efficientnet-{}", &scaled[..length]))
    }

    /// The files in words, with what of them is not done.
    #[must_use]
    pub fn in_words(&self) -> String {
        let files = self.files.join(" and ");
        if self.unmet.is_empty() { files } else { format!("{files}, but not {}", self.unmet.join(", ")) }
    }

    /// timm's, or transformers'.
    fn config(&mut self, config: &Value) {
        let name = config["architecture"].as_str();
        if let Some(name) = name.filter(|name| name.contains("efficientnet")) {
            self.files.push("config.json".into());
            self.name = Some(name.to_owned());
            self.padding = Some(if name.starts_with("tf_") { Padding::Same } else { Padding::Symmetric });
            // Before timm 0.9 the recipe was not in a dictionary of its own.
            self.timm(if config["pretrained_cfg"].is_object() { &config["pretrained_cfg"] } else { config });
        } else if config["model_type"] == "efficientnet" {
            self.files.push("config.json".into());
            self.side = side(&config["image_size"]);
        }
    }

    fn timm(&mut self, recipe: &Value) {
        if let (Some(mean), Some(std)) = (channels(&recipe["mean"]), channels(&recipe["std"])) {
            let interpolation = recipe["interpolation"].as_str().unwrap_or("bicubic");
            let resize = match interpolation {
                "bicubic" => Recipe::AntialiasBicubic,
                "bilinear" => Recipe::AntialiasBilinear,
                other => {
                    self.unmet.push(format!("its interpolation {}", other.escape_debug()));
                    Recipe::AntialiasBicubic
                }
            };
            self.preprocess = Some(Preprocess { resize, ..Preprocess::normalised(mean, std) });
        }
        match recipe["input_size"].as_array().map(Vec::as_slice) {
            Some([_, height, width]) if height == width => self.side = side(height),
            Some([_, height, width]) => self.unmet.push(format!("its picture of {height} x {width}")),
            _ => {}
        }
        if let Some(share) = recipe["crop_pct"].as_f64() {
            self.unmet.push(format!("its crop (crop_pct {share}: petrec resizes the whole picture)"));
        }
    }

    /// transformers' image processor.
    fn processor(&mut self, config: &Value) {
        let (Some(mean), Some(std)) = (channels(&config["image_mean"]), channels(&config["image_std"])) else { return };
        self.files.push("preprocessor_config.json".into());
        let is_off = |key: &str| config[key] == false;
        let resize = match config["resample"].as_u64() {
            Some(3) => Recipe::AntialiasBicubic,
            Some(2) | None => Recipe::AntialiasBilinear,
            Some(other) => {
                let filter = ["nearest", "Lanczos", "", "", "box", "Hamming"].get(other as usize).unwrap_or(&"unknown");
                self.unmet.push(format!("its {filter} filter (resample {other})"));
                Recipe::TfBilinear
            }
        };
        let scale = if is_off("do_rescale") { 1.0 } else { config["rescale_factor"].as_f64().unwrap_or(1.0 / 255.0) };
        let offset = if config["rescale_offset"] == true { 1.0 } else { 0.0 };
        let (mean, std) = if is_off("do_normalize") { ([0.0; 3], [1.0; 3]) } else { (mean, std) };
        // EfficientNet's own processor divides by the deviation once more for the networks with a top, which is its usual setting:
        // `google/efficientnet-*` have the root of the deviation there.
        let is_own = config["image_processor_type"] == "EfficientNetImageProcessor";
        let is_twice = is_own && !is_off("include_top");
        let twice = std.map(|std| if is_twice { 1.0 / std } else { 1.0 });
        self.preprocess = Some(Preprocess {
            divisor: std,
            factor: twice,
            mean: mean.map(|mean| mean + offset),
            resize,
            scale: scale as f32,
        });
        let crop = (config["do_center_crop"] == true).then(|| &config["crop_size"]);
        if crop.is_some() {
            self.unmet.push("its crop (petrec resizes the whole picture)".into());
        }
        self.side = crop.and_then(side).or_else(|| side(&config["size"])).or(self.side);
    }
}

/// `224`, `{"height": 224, "width": 224}` or `{"shortest_edge": 224}`.
fn side(value: &Value) -> Option<usize> {
    let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let height = number(&value["height"]).filter(|_| value["height"] == value["width"]);
    number(value).or(height).or_else(|| number(&value["shortest_edge"]))
}

fn channels(value: &Value) -> Option<[f32; 3]> {
    match value.as_array()?.as_slice() {
        [red, green, blue] => Some([red.as_f64()? as f32, green.as_f64()? as f32, blue.as_f64()? as f32]),
        [gray] => Some([gray.as_f64()? as f32; 3]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(files: &[(&str, &str)]) -> Option<Beside> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("writable");
        }
        Beside::read(&folder.path().join("model.safetensors"))
    }

    #[test]
    fn timms_configuration_is_read_and_what_is_not_done_is_named() {
        let config = r#"{"architecture": "tf_efficientnet_b3", "pretrained_cfg": {"tag": "ap_in1k", "input_size": [3, 288, 288],
            "interpolation": "bicubic", "crop_pct": 0.904, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}"#;

        let found = beside(&[("config.json", config)]).expect("timm's");

        let expected = Preprocess { resize: Recipe::AntialiasBicubic, ..Preprocess::half() };
        assert_eq!(
            (found.side, found.padding, found.preprocess.as_ref()),
            (Some(288), Some(Padding::Same), Some(&expected))
        );
        assert_eq!(found.architecture(), Some(Architecture::EfficientNetB3));
        assert!(found.in_words().contains("crop_pct 0.904"), "{}", found.in_words());
    }

    #[test]
    fn transformers_second_division_by_the_deviation_counts() {
        let config = r#"{"model_type": "efficientnet", "image_size": 260}"#;
        let processor = r#"{"image_processor_type": "EfficientNetImageProcessor", "do_rescale": true, "include_top": true,
            "do_normalize": true, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.47853944, 0.4732864, 0.47434163],
            "rescale_factor": 0.00392156862745098, "rescale_offset": false, "resample": 0, "do_center_crop": false,
            "crop_size": {"height": 289, "width": 289}, "size": {"height": 256, "width": 256}}"#;

        let found = beside(&[("config.json", config), ("preprocessor_config.json", processor)]).expect("transformers'");

        let (mut ours, mut keras) = ([255.0, 0.0, 51.0], [255.0, 0.0, 51.0]);
        found.preprocess.as_ref().expect("a recipe").normalise(&mut ours);
        Preprocess::keras().normalise(&mut keras);
        assert!(ours.iter().zip(keras).all(|(a, b)| (a - b).abs() < 1e-5), "{ours:?}, {keras:?}");
        assert_eq!(found.side, Some(256));
        assert!(found.in_words().contains("nearest"), "{}", found.in_words());
    }

    #[test]
    fn a_configuration_of_something_else_is_not_taken() {
        for config in ["", "[]", "{", r#"{"architecture": "resnet50"}"#, r#"{"model_type": "bert"}"#] {
            assert_eq!(beside(&[("config.json", config)]), None, "{config}");
        }
        assert_eq!(beside(&[]), None);
    }
}
