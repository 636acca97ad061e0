//! Where in an HDF5 file the variables of each layer are, in every layout that Keras has had.
//!
//! | layout | a kernel is at |
//! | --- | --- |
//! | weights, or `model_weights` of a whole model | `stem_conv/stem_conv/kernel:0`, without `:0` since Keras 3 |
//! | the same, the network inside another model | `efficientnetb0/stem_conv/kernel:0` |
//! | `.weights.h5`, and in a .keras | `layers/conv2d/vars/0`; `vars` has an attribute `name`, `stem_conv` |
//! | the same, the network inside another model | `layers/functional/layers/conv2d/vars/0` |

use std::collections::{BTreeMap, BTreeSet};

use hdf5_pure::{AttrValue, Dataset, Datatype, DatatypeByteOrder, File, Group};

use super::refuse;
use crate::import::Refusal;
use crate::import::number::Element;

/// How deep groups may lie in each other, and how many there may be: links may go in circles.
const DEEPEST: usize = 16;
const MOST: usize = 100_000;
/// A layer of every EfficientNet and of nothing else.
const MARK: &str = "stem_conv";

/// The group of the model that a layer belongs to; empty for the outermost.
pub(super) type Place = String;

/// Everything in a file that has a name.
pub(super) struct Variables {
    file: File,
    root: Group,
    /// By place and name of the layer: the variables by name or number, and where each is.
    layers: BTreeMap<(Place, String), BTreeMap<String, String>>,
    /// Layers without variables, too, as far as the file names them.
    all: BTreeSet<(Place, String)>,
    seen: usize,
}

impl Variables {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, Refusal> {
        let damaged = |error: hdf5_pure::Error| Refusal::Hdf5 { problem: error.to_string() };
        let file = File::from_bytes(bytes).map_err(damaged)?;
        // A whole model has its weights one group deeper than a weight file.
        let root = file.group("model_weights").unwrap_or_else(|_| file.root());
        let mut variables = Self { file, root: root.clone(), layers: BTreeMap::new(), all: BTreeSet::new(), seen: 0 };
        variables.walk(&root, &mut Vec::new()).map_err(damaged)?;
        Ok(variables)
    }

    fn walk(&mut self, group: &Group, path: &mut Vec<String>) -> Result<(), hdf5_pure::Error> {
        self.seen += 1;
        if path.len() > DEEPEST || self.seen > MOST {
            return Ok(());
        }
        let datasets = group.datasets()?;
        let numbered = path.last().is_some_and(|last| last == "vars");
        let layer = match (numbered, path.as_slice()) {
            // An early Keras 3 wrote no names: then the class and its number stand for it.
            (true, [.., class, _]) => {
                let named = group.attrs().ok().and_then(|mut said| text(said.remove("name")?));
                let above = &path[..path.len() - 2];
                Some((above.join("/"), named.unwrap_or_else(|| class.clone())))
            }
            (false, [above @ .., layer]) => {
                let above = if above.last() == Some(layer) { &above[..above.len() - 1] } else { above };
                Some((above.join("/"), layer.clone()))
            }
            _ => None,
        };
        if let Some(layer) = layer {
            self.all.insert(layer.clone());
            for name in datasets {
                let whole = [path.join("/"), name.clone()].join("/");
                let short = name.strip_suffix(":0").unwrap_or(&name);
                let short = if short == "depthwise_kernel" { "kernel" } else { short };
                self.layers.entry(layer.clone()).or_default().insert(short.to_owned(), whole);
            }
        }
        for name in group.groups()? {
            if path.is_empty() && name.starts_with("optimizer") {
                continue;
            }
            let below = group.group(&name)?;
            path.push(name);
            self.walk(&below, path)?;
            path.pop();
        }
        Ok(())
    }

    /// An attribute of the file.
    pub(super) fn said(&self, name: &str) -> Option<String> {
        let of = |group: &Group| text(group.attrs().ok()?.remove(name)?);
        of(&self.file.root()).or_else(|| of(&self.root))
    }

    /// The place of the only network, or of the one that `prefix` names.
    pub(super) fn network(&self, prefix: Option<&str>) -> Result<Place, Refusal> {
        let places = || self.layers.keys().filter(|(_, layer)| layer == MARK).map(|(place, _)| place);
        let prefixes = || places().cloned().collect();
        let is_wanted = |place: &&Place| {
            let Some(prefix) = prefix.map(|prefix| prefix.trim_matches('/')) else { return true };
            *place == prefix || place.ends_with(&format!("/{prefix}")) || place.starts_with(&format!("{prefix}/"))
        };
        let mut wanted = places().filter(is_wanted);
        match (wanted.next(), wanted.next()) {
            (Some(place), None) => Ok(place.clone()),
            (Some(_), Some(_)) => Err(Refusal::Prefix {
                problem: format!("it holds {} networks", places().count()),
                prefixes: prefixes(),
            }),
            (None, _) if places().next().is_some() => {
                let problem = format!("it holds no network below '{}'", prefix.unwrap_or_default().escape_debug());
                Err(Refusal::Prefix { problem, prefixes: prefixes() })
            }
            (None, _) => {
                let first = self.layers.keys().map(|(_, layer)| layer.escape_debug()).next();
                let count = self.layers.len();
                let problem = match first {
                    Some(first) => format!("none of its {count} layers is {MARK}, the first is {first}"),
                    None => "it has no layers".into(),
                };
                Err(Refusal::Foreign { problem })
            }
        }
    }

    /// The names of the layers of one model.
    pub(super) fn layers(&self, place: &Place) -> impl Iterator<Item = &str> {
        self.layers.keys().filter(move |(at, _)| at == place).map(|(_, layer)| layer.as_str())
    }

    /// A layer of that name, in any model of the file.
    pub(super) fn find(&self, layer: &str) -> Option<(Place, String)> {
        self.layers.keys().find(|(_, name)| name == layer).cloned()
    }

    /// The place of the layer of that name: the network's own, or else any.
    pub(super) fn find_near(&self, layer: &str, network: &Place) -> Option<Place> {
        let own = (network.clone(), layer.to_owned());
        if self.layers.contains_key(&own) { Some(own.0) } else { self.find(layer).map(|(place, _)| place) }
    }

    /// A layer of a model around the network that changes pictures by numbers.
    pub(super) fn in_front(&self, network: &Place) -> Option<&str> {
        let mut around = self
            .all
            .iter()
            .filter(|(place, _)| place != network && (place.is_empty() || network.starts_with(&format!("{place}/"))));
        let changes = |name: &str| ["normalization", "rescaling"].contains(&name.split('_').next().unwrap_or_default());
        around.find(|(_, layer)| changes(layer)).map(|(_, layer)| layer.as_str())
    }

    /// The only layer of the file whose kernel is a matrix.
    pub(super) fn only_dense(&self) -> Option<(Place, String)> {
        let is_dense = |(place, layer): &&(Place, String)| {
            self.shape(place, layer, ("kernel", 0)).is_some_and(|shape| shape.len() == 2)
        };
        let mut dense = self.layers.keys().filter(is_dense);
        let first = dense.next().cloned();
        first.filter(|_| dense.next().is_none())
    }

    /// The shape of a variable, if there is one.
    pub(super) fn shape(&self, place: &Place, layer: &str, variable: (&str, usize)) -> Option<Vec<usize>> {
        let dataset = self.root.dataset(self.path(place, layer, variable)?).ok()?;
        dataset.shape().ok()?.into_iter().map(|length| usize::try_from(length).ok()).collect()
    }

    /// Where a variable is, by its name or by its number.
    fn path(&self, place: &Place, layer: &str, (name, number): (&str, usize)) -> Option<&str> {
        let variables = self.layers.get(&(place.clone(), layer.to_owned()))?;
        variables.get(name).or_else(|| variables.get(&number.to_string())).map(String::as_str)
    }

    /// A variable of a layer, by its name or its number. Its shape is compared first, so that a hostile file cannot ask for
    /// more memory.
    pub(super) fn read(
        &self,
        place: &Place,
        layer: &str,
        variable: (&str, usize),
        shape: &[usize],
    ) -> Result<Vec<f32>, Refusal> {
        let Some(path) = self.path(place, layer, variable) else {
            let at = if place.is_empty() { String::new() } else { format!("{place}/") };
            let problem = format!("not in the file, expected float32 of shape {shape:?}");
            return Err(refuse(&format!("{at}{layer}/{}", variable.0), problem));
        };
        let unreadable = |problem: hdf5_pure::Error| unsound(path, problem.to_string());
        let data = self.root.dataset(path).map_err(unreadable)?;
        let found = data.shape().map_err(unreadable)?;
        if !found.iter().copied().eq(shape.iter().map(|&length| length as u64)) {
            return Err(refuse(path, format!("has shape {found:?}, expected {shape:?}")));
        }
        let element = element(&data).map_err(unreadable)?;
        let values = match element {
            Element::F32 => data.read_f32().map_err(unreadable)?,
            Element::F64 => data.read_f64().map_err(unreadable)?.into_iter().map(|value| value as f32).collect(),
            Element::F16 | Element::Bf16 => element.floats(&data.read_raw().map_err(unreadable)?).unwrap_or_default(),
            Element::Other(name, _) => return Err(refuse(path, format!("holds {name}, expected float32"))),
        };
        if values.len() != shape.iter().product::<usize>() || !values.iter().all(|value| value.is_finite()) {
            return Err(unsound(path, "is cut off or holds a value that is not finite".into()));
        }
        Ok(values)
    }
}

/// How the values are stored. bfloat16, which HDF5 does not know, is two opaque bytes with an attribute that says so.
fn element(data: &Dataset) -> Result<Element, hdf5_pure::Error> {
    let datatype = data.datatype()?;
    Ok(match &datatype {
        Datatype::FloatingPoint { size: 4, .. } => Element::F32,
        Datatype::FloatingPoint { size: 8, .. } => Element::F64,
        Datatype::FloatingPoint { size: 2, byte_order: DatatypeByteOrder::LittleEndian, layout } => {
            match (layout.exponent_size, layout.mantissa_size) {
                (5, 10) => Element::F16,
                (8, 7) => Element::Bf16,
                _ => Element::Other("a number of 16 bits".into(), 2),
            }
        }
        Datatype::Opaque { size: 2, .. } => match data.attrs()?.remove("dtype").and_then(text).as_deref() {
            Some("bfloat16") => Element::Bf16,
            _ => Element::Other("opaque data".into(), 2),
        },
        Datatype::FixedPoint { size, .. } => Element::Other(format!("integers of {} bits", size * 8), *size as usize),
        _ => Element::Other("no numbers".into(), 0),
    })
}

fn text(value: AttrValue) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn unsound(tensor: &str, problem: String) -> Refusal {
    Refusal::Unsound { tensor: tensor.escape_debug().to_string(), problem }
}
