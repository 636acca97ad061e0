//! What a whole Keras model says of its network: the size of its picture, the steps before the first convolution, the padding.
//!
//! The network may be one layer of another model; then the steps of both count, in the order in which the data meets them.
//! Layers that change nothing at inference are passed over, any other one is named.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::Preprocess;

/// How deep models may lie in each other.
const DEEPEST: usize = 16;
/// The network's first convolution.
const MARK: &str = "stem_conv";

/// What a model says.
#[derive(Debug, Default)]
pub(super) struct Described {
    /// Height and width of the picture, where both are given and equal.
    pub(super) side: Option<usize>,
    /// What becomes of a picture's values.
    pub(super) front: Vec<Step>,
    /// A layer before the network that petrec does not follow.
    pub(super) unknown: Option<String>,
    /// Pixels before and after each axis, by the name of the layer that adds them.
    pub(super) pads: BTreeMap<String, (usize, usize)>,
    /// Whether there is a mean over the positions of the features.
    pub(super) has_mean: bool,
}

/// What a layer does to each channel.
#[derive(Debug)]
pub(super) enum Step {
    /// `x * scale + offset`.
    Rescale { scale: [f64; 3], offset: [f64; 3] },
    /// `(x - mean) / std`; without both the file has them as the layer's variables.
    Normalise { layer: String, mean: Option<[f64; 3]>, std: Option<[f64; 3]> },
}

/// Reads a model's configuration; `None` where it has no such network. Of several the one inside `prefix` counts.
pub(super) fn describe(config: &Value, prefix: Option<&str>) -> Option<Described> {
    let mut path = Vec::new();
    find(config, prefix.unwrap_or_default(), &mut path, 0)?;
    let mut described = Described { has_mean: has_mean(config, 0), ..Described::default() };
    for (layers, at) in path {
        layers[..at].iter().for_each(|layer| described.add(layer, 0));
        for layer in layers {
            described.pad(layer);
        }
    }
    Some(described)
}

/// The layers of a model, and the one of them that is or holds the stem, from outside to inside.
fn find<'c>(model: &'c Value, prefix: &str, path: &mut Vec<(&'c [Value], usize)>, depth: usize) -> Option<()> {
    let layers = layers(model)?;
    if depth > DEEPEST {
        return None;
    }
    if let Some(at) = layers.iter().position(|layer| name(layer) == MARK) {
        path.push((layers, at));
        return Some(());
    }
    // A model that the prefix names goes before the others.
    let mut order: Vec<usize> = (0..layers.len()).collect();
    order.sort_by_key(|&at| prefix.is_empty() || !prefix.contains(name(&layers[at])) || name(&layers[at]).is_empty());
    for at in order {
        path.push((layers, at));
        if find(&layers[at], prefix, path, depth + 1).is_some() {
            return Some(());
        }
        path.pop();
    }
    None
}

/// The layers of a Sequential or Functional model; an old Sequential is its list.
fn layers(model: &Value) -> Option<&[Value]> {
    let config = &model["config"];
    config["layers"].as_array().or_else(|| config.as_array()).map(Vec::as_slice)
}

fn name(layer: &Value) -> &str {
    layer["config"]["name"].as_str().or_else(|| layer["name"].as_str()).unwrap_or_default()
}

fn has_mean(model: &Value, depth: usize) -> bool {
    let of = |layer: &Value| layer["class_name"] == "GlobalAveragePooling2D" || has_mean(layer, depth + 1);
    depth <= DEEPEST && layers(model).is_some_and(|layers| layers.iter().any(of))
}

impl Described {
    /// A layer that the data meets before the stem.
    fn add(&mut self, layer: &Value, depth: usize) {
        let (class, config) = (layer["class_name"].as_str().unwrap_or_default(), &layer["config"]);
        match class {
            "InputLayer" => {
                let shape =
                    [&config["batch_shape"], &config["batch_input_shape"]].into_iter().find_map(Value::as_array);
                if let Some([_, height, width, _]) = shape.map(Vec::as_slice)
                    && height == width
                    && let Some(side) = height.as_u64()
                {
                    self.side = usize::try_from(side).ok();
                }
            }
            "Rescaling" => match (channels(&config["scale"]), channels(&config["offset"])) {
                (Some(scale), Some(offset)) => self.front.push(Step::Rescale { scale, offset }),
                _ => self.unfollowed(layer),
            },
            "Normalization" => {
                let std = channels(&config["variance"]).map(|variance| variance.map(f64::sqrt));
                let mean = channels(&config["mean"]);
                match config["invert"] == true {
                    true => self.unfollowed(layer),
                    false => self.front.push(Step::Normalise { layer: name(layer).into(), mean, std }),
                }
            }
            "ZeroPadding2D" if name(layer) == "stem_conv_pad" => {}
            // These change pictures in training only.
            "Dropout" | "SpatialDropout2D" | "GaussianDropout" | "GaussianNoise" | "ActivityRegularization" => {}
            class if class.starts_with("Random") && class != "RandomCrop" => {}
            _ => match layers(layer) {
                Some(inside) if depth < DEEPEST => inside.iter().for_each(|layer| self.add(layer, depth + 1)),
                _ => self.unfollowed(layer),
            },
        }
    }

    fn unfollowed(&mut self, layer: &Value) {
        self.unknown
            .get_or_insert_with(|| format!("{} ({})", name(layer), layer["class_name"].as_str().unwrap_or("?")));
    }

    fn pad(&mut self, layer: &Value) {
        let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
        let padding = &layer["config"]["padding"];
        let (rows, columns) = (&padding[0], &padding[1]);
        if layer["class_name"] == "ZeroPadding2D"
            && rows == columns
            && let (Some(before), Some(after)) = (number(&rows[0]), number(&rows[1]))
        {
            self.pads.insert(name(layer).into(), (before, after));
        }
    }
}

/// A number for all channels, or one for each; a list may be wrapped in what Keras writes for a tuple or an array.
fn channels(value: &Value) -> Option<[f64; 3]> {
    if let Some(number) = value.as_f64() {
        return Some([number; 3]);
    }
    let value = if value.is_object() { &value["config"]["value"] } else { value };
    match value.as_array()?.as_slice() {
        [one] => channels(one),
        [red, green, blue] => Some([red.as_f64()?, green.as_f64()?, blue.as_f64()?]),
        _ => None,
    }
}

/// Brings steps into the one that petrec takes: a pair of channels' numbers, and whether it is `x * a + b` or `(x - a) / b`.
///
/// Keras' own three (`Rescaling`, `Normalization`, perhaps `Rescaling`) keep their order and every rounding of theirs; any others are
/// multiplied out in float64. `None` where there are none.
pub(super) fn compose(steps: &[([[f64; 3]; 2], bool)]) -> Option<Preprocess> {
    let narrow = |values: [f64; 3]| values.map(|value| value as f32);
    let resize = Preprocess::raw().resize;
    const NOTHING: [f64; 3] = [0.0; 3];
    let (own, last) = match steps {
        [first, second] => ([*first, *second], [1.0; 3]),
        [first, second, ([factor, NOTHING], true)] => ([*first, *second], *factor),
        _ => return multiplied(steps),
    };
    match own {
        [([scale, NOTHING], true), ([mean, std], false)] if scale == [scale[0]; 3] => Some(Preprocess {
            divisor: narrow(std),
            factor: narrow(last),
            mean: narrow(mean),
            resize,
            scale: scale[0] as f32,
        }),
        _ => multiplied(steps),
    }
}

/// `x * a + b` for each channel as `(x - -b/a) / (1/a)`.
fn multiplied(steps: &[([[f64; 3]; 2], bool)]) -> Option<Preprocess> {
    (!steps.is_empty()).then_some(())?;
    let (mut factor, mut offset) = ([1.0; 3], [0.0; 3]);
    for ([first, second], is_rescaling) in steps {
        for channel in 0..3 {
            let (scale, shift) = match is_rescaling {
                true => (first[channel], second[channel]),
                false => (1.0 / second[channel], -first[channel] / second[channel]),
            };
            factor[channel] *= scale;
            offset[channel] = offset[channel] * scale + shift;
        }
    }
    let channels = [0, 1, 2];
    Some(Preprocess {
        divisor: channels.map(|at| (1.0 / factor[at]) as f32),
        mean: channels.map(|at| (-offset[at] / factor[at]) as f32),
        ..Preprocess::raw()
    })
}
