//! What `torch.save` and `torch.jit.save` write: names and shapes of tensors in a pickle, their values beside it.
//!
//! A state dict, a checkpoint with one somewhere inside, a whole pickled module and a TorchScript archive all become a flat
//! list of names joined by dots, as `state_dict()` gives them. Nothing of Python is executed.
//! Source: torch's `serialization.py`, `_utils.py` and `torch/csrc/jit/serialization/pickler.cpp`.

mod pickle;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use self::pickle::{Id, Pickle, Value};
use crate::import::number::Element;
use crate::import::zip::Archive;

/// The first pickle of a file from before torch 1.6 is this number, which fits no integer of 64 bits.
const OLD_MAGIC: &[u8] = &[0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19];
/// How deep dictionaries and modules may lie in each other.
const DEEPEST: usize = 64;
/// How many values are looked at: a hostile pickle may name one dictionary very often.
const MOST_VISITS: usize = 1 << 20;

/// An open file.
pub(super) struct TorchFile<'b> {
    source: Source<'b>,
    tensors: BTreeMap<String, Tensor<'b>>,
    is_big_endian: bool,
}

/// Where the values of tensors are.
enum Source<'b> {
    /// Each storage is a file below this folder of the archive.
    Zip(Archive<'b>, String),
    /// Each storage is a range of the file.
    Old(&'b [u8], BTreeMap<&'b str, Range<usize>>),
}

/// A tensor as the pickle describes it.
#[derive(Clone, Debug)]
struct Tensor<'b> {
    storage: &'b str,
    element: Element,
    /// In values, as the strides.
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl<'b> TorchFile<'b> {
    /// Reads the names of the tensors.
    ///
    /// # Errors
    /// What is wrong with the file, in words.
    pub(super) fn open(bytes: &'b [u8]) -> Result<Self, String> {
        if Archive::is_one(bytes) { Self::open_zip(bytes) } else { Self::open_old(bytes) }
    }

    fn open_zip(bytes: &'b [u8]) -> Result<Self, String> {
        let archive = Archive::open(bytes)?;
        let named = |end: &str| archive.names().find(|name| name.split_once('/').is_some_and(|(_, rest)| rest == end));
        let data = named("data.pkl").ok_or("its zip archive has no data.pkl, so torch did not write it")?;
        let folder = data.trim_end_matches("data.pkl").to_owned();
        let order = named("byteorder").map(|name| archive.read(name)).transpose()?;
        let is_big_endian = order.is_some_and(|order| order.starts_with(b"big"));
        // torch stores it as it is, so that it can be borrowed.
        let Cow::Borrowed(text) = archive.read(data)? else { return Err(format!("its {data} is compressed")) };
        let tensors = Walk::over(&pickle::read(text)?)?;
        Ok(Self { source: Source::Zip(archive, folder), tensors, is_big_endian })
    }

    /// Four pickles, then the list of storages, then for each its length in values and the values.
    fn open_old(bytes: &'b [u8]) -> Result<Self, String> {
        let start = bytes.iter().take(4).position(|&byte| byte == OLD_MAGIC[0]).unwrap_or_default();
        if !bytes[start..].starts_with(OLD_MAGIC) {
            return Err("it is neither a zip archive nor a pickle of torch's".into());
        }
        let mut at = 0;
        let mut next = || {
            let pickle = pickle::read(bytes.get(at..).unwrap_or_default())?;
            at += pickle.length;
            Ok::<_, String>((pickle, at))
        };
        let (_magic, _version) = (next()?, next()?);
        let (system, _) = next()?;
        let (objects, _) = next()?;
        let (keys, mut at) = next()?;
        let is_big_endian = is_big_endian(&system);
        let sizes = storages(&objects);
        let Value::List(listed) = &keys.values[keys.root] else { return Err("its list of storages is damaged".into()) };
        let mut ranges = BTreeMap::new();
        for &key in listed {
            let cut = || "the values of its tensors are cut off".to_owned();
            let Value::Text(key) = keys.values[key] else { return Err("its list of storages is damaged".into()) };
            let count = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or_else(cut)?;
            let count = if is_big_endian { u64::from_be_bytes(*count) } else { u64::from_le_bytes(*count) };
            let size =
                sizes.get(key).ok_or_else(|| format!("its storage {} belongs to no tensor", key.escape_debug()))?;
            at += 8;
            let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(*size)).ok_or_else(cut)?;
            let end = at.checked_add(length).filter(|end| *end <= bytes.len()).ok_or_else(cut)?;
            ranges.insert(key, at..end);
            at = end;
        }
        let tensors = Walk::over(&objects)?;
        Ok(Self { source: Source::Old(bytes, ranges), tensors, is_big_endian })
    }

    /// In alphabetical order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| tensor.shape.as_slice())
    }

    pub(super) fn element(&self, name: &str) -> Option<&Element> {
        self.tensors.get(name).map(|tensor| &tensor.element)
    }

    /// A tensor's values in row-major order, whose number its shape says; the caller has compared that.
    ///
    /// # Errors
    /// The values are not in the file, or no floating-point numbers.
    pub(super) fn values(&self, name: &str) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.get(name).ok_or("is not in the file")?;
        let storage = match &self.source {
            Source::Zip(archive, folder) => {
                // TorchScript has two folders of storages.
                let path =
                    ["data/", "constants/", "tensors/"].map(|below| format!("{folder}{below}{}", tensor.storage));
                let path = path.iter().find(|path| archive.has(path)).unwrap_or(&path[0]);
                archive.read(path)?
            }
            Source::Old(bytes, ranges) => {
                let range = ranges.get(tensor.storage).ok_or("has no storage in the file")?;
                Cow::Borrowed(&bytes[range.clone()])
            }
        };
        let (size, count) = (tensor.element.size(), tensor.shape.iter().product::<usize>());
        let mut bytes = Vec::new();
        let inside = |at: usize| storage.get(at.checked_mul(size)?..at.checked_add(1)?.checked_mul(size)?);
        let last = tensor.shape.iter().zip(&tensor.strides).try_fold(tensor.offset, |at, (&length, &stride)| {
            at.checked_add(length.saturating_sub(1).checked_mul(stride)?)
        });
        last.filter(|_| count > 0).and_then(inside).ok_or("has values outside its storage")?;
        match is_contiguous(&tensor.shape, &tensor.strides) {
            true => bytes.extend_from_slice(&storage[tensor.offset * size..(tensor.offset + count) * size]),
            false => {
                for at in 0..count {
                    let mut rest = at;
                    let mut place = tensor.offset;
                    for (&length, &stride) in tensor.shape.iter().zip(&tensor.strides).rev() {
                        place += rest % length * stride;
                        rest /= length;
                    }
                    bytes.extend_from_slice(inside(place).ok_or("has values outside its storage")?);
                }
            }
        }
        if self.is_big_endian {
            bytes.chunks_exact_mut(size.max(1)).for_each(<[u8]>::reverse);
        }
        tensor.element.floats(&bytes).ok_or_else(|| format!("holds {}, expected float32", tensor.element.name()))
    }
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&length, &stride)| {
        let fits = length == 1 || stride == expected;
        expected *= length;
        fits
    })
}

/// `{"little_endian": False}` is all that an old file says of it, and pickle of a bool says which.
fn is_big_endian(system: &Pickle<'_>) -> bool {
    let Value::Dict(entries) = &system.values[system.root] else { return false };
    entries.iter().any(|&(key, value)| {
        matches!(system.values[key], Value::Text("little_endian")) && matches!(system.values[value], Value::Bool(false))
    })
}

/// How many bytes a value has in each storage.
fn storages<'b>(pickle: &Pickle<'b>) -> BTreeMap<&'b str, usize> {
    let described = pickle.values.iter().filter_map(|value| match value {
        Value::Persistent(description) => storage(pickle, *description),
        _ => None,
    });
    described.map(|(key, element)| (key, element.size())).collect()
}

/// `("storage", class or dtype, key, location, number of values, ...)`.
fn storage<'b>(pickle: &Pickle<'b>, description: Id) -> Option<(&'b str, Element)> {
    let Value::Tuple(parts) = &pickle.values[description] else { return None };
    let &[kind, class, key, ..] = parts.as_slice() else { return None };
    match (&pickle.values[kind], &pickle.values[class], &pickle.values[key]) {
        (Value::Text("storage"), Value::Global(_, class), &Value::Text(key)) => Some((key, element(class))),
        _ => None,
    }
}

/// `FloatStorage` or `float32`.
fn element(name: &str) -> Element {
    let size = match name {
        "HalfStorage" | "float16" => return Element::F16,
        "BFloat16Storage" | "bfloat16" => return Element::Bf16,
        "FloatStorage" | "float32" => return Element::F32,
        "DoubleStorage" | "float64" => return Element::F64,
        "LongStorage" | "int64" | "ComplexFloatStorage" => 8,
        "IntStorage" | "int32" | "QInt32Storage" => 4,
        "ShortStorage" | "int16" => 2,
        "ComplexDoubleStorage" => 16,
        _ => 1,
    };
    Element::Other(name.trim_end_matches("Storage").to_lowercase(), size)
}

/// A walk through all that is named.
struct Walk<'p, 'b> {
    pickle: &'p Pickle<'b>,
    tensors: BTreeMap<String, Tensor<'b>>,
    visits: usize,
}

impl<'p, 'b> Walk<'p, 'b> {
    fn over(pickle: &'p Pickle<'b>) -> Result<BTreeMap<String, Tensor<'b>>, String> {
        let mut walk = Self { pickle, tensors: BTreeMap::new(), visits: 0 };
        walk.visit(pickle.root, "", 0)?;
        Ok(walk.tensors)
    }

    fn visit(&mut self, id: Id, name: &str, depth: usize) -> Result<(), String> {
        self.visits += 1;
        if self.visits > MOST_VISITS || depth > DEEPEST {
            return Err("its dictionaries are nested too deeply, or too many".into());
        }
        let below = |part: &str| match (name, part) {
            // A module's own dictionaries, which `state_dict()` leaves out, too.
            (name, "_parameters" | "_buffers" | "_modules") => name.to_owned(),
            ("", part) => part.to_owned(),
            (name, part) => format!("{name}.{part}"),
        };
        let pickle = self.pickle;
        match &pickle.values[id] {
            Value::Dict(entries) => {
                for &(key, value) in entries {
                    let part = match pickle.values[key] {
                        Value::Text(text) => Cow::Borrowed(text),
                        Value::Int(number) => Cow::Owned(number.to_string()),
                        _ => continue,
                    };
                    self.visit(value, &below(&part), depth + 1)?;
                }
            }
            Value::List(items) | Value::Tuple(items) => {
                for (at, &item) in items.iter().enumerate() {
                    self.visit(item, &below(&at.to_string()), depth + 1)?;
                }
            }
            &Value::Object { class, arguments, state } => match self.called(class, arguments) {
                Called::Tensor(tensor) => {
                    self.tensors.entry(name.to_owned()).or_insert(tensor);
                }
                Called::Value(id) => self.visit(id, name, depth + 1)?,
                Called::Pairs(items) => {
                    for item in items {
                        if let Value::Tuple(pair) | Value::List(pair) = &pickle.values[item]
                            && let &[key, value] = pair.as_slice()
                            && let Value::Text(key) = pickle.values[key]
                        {
                            self.visit(value, &below(key), depth + 1)?;
                        }
                    }
                }
                Called::Other => {
                    if let Some(state) = state {
                        self.visit(state, name, depth + 1)?;
                    }
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// What a call would make.
    fn called(&self, class: Id, arguments: Id) -> Called<'b> {
        let (values, Value::Tuple(parts)) = (&self.pickle.values, &self.pickle.values[arguments]) else {
            return Called::Other;
        };
        let Value::Global(module, function) = values[class] else { return Called::Other };
        match (module, function, parts.as_slice()) {
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3", _) => {
                self.tensor(parts).map_or(Called::Other, Called::Tensor)
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state", &[data, ..])
            | ("torch.jit._pickle", "restore_type_tag", &[data, ..]) => Called::Value(data),
            // A subclass of Tensor: the function that makes it, the class, the arguments.
            ("torch._tensor", "_rebuild_from_type_v2" | "_rebuild_from_type", &[function, _, arguments, ..]) => {
                match values[function] {
                    Value::Global("torch._utils", _) => self.called(function, arguments),
                    _ => Called::Other,
                }
            }
            ("collections", "OrderedDict", &[items]) => match &values[items] {
                Value::List(items) => Called::Pairs(items.clone()),
                _ => Called::Other,
            },
            _ => Called::Other,
        }
    }

    /// `(storage, offset, shape, strides, ...)`, and in the third version the element's type at the end.
    fn tensor(&self, parts: &[Id]) -> Option<Tensor<'b>> {
        let values = &self.pickle.values;
        let &[stored, offset, shape, strides, ..] = parts else { return None };
        let Value::Persistent(description) = values[stored] else { return None };
        let (key, mut found) = storage(self.pickle, description)?;
        if let Some(Value::Global("torch", dtype)) = parts.get(6).map(|&id| &values[id]) {
            found = element(dtype);
        }
        let numbers = |id: Id| match &values[id] {
            Value::Tuple(items) | Value::List(items) => items.iter().map(|&item| self.number(item)).collect(),
            _ => None,
        };
        let (shape, strides): (Vec<usize>, Vec<usize>) = (numbers(shape)?, numbers(strides)?);
        let is_sound =
            shape.len() == strides.len() && shape.iter().try_fold(1usize, |all, &one| all.checked_mul(one)).is_some();
        is_sound.then_some(Tensor { storage: key, element: found, offset: self.number(offset)?, shape, strides })
    }

    fn number(&self, id: Id) -> Option<usize> {
        match self.pickle.values[id] {
            Value::Int(number) => usize::try_from(number).ok(),
            _ => None,
        }
    }
}

/// What a call makes.
enum Called<'b> {
    Tensor(Tensor<'b>),
    /// Its argument.
    Value(Id),
    /// A dictionary of these.
    Pairs(Vec<Id>),
    Other,
}
