//! The part of Python's pickle that names tensors. Nothing is executed: a call becomes a note of what would be called.
//!
//! Values are in one list and point at each other by their place in it, so that neither a deep nor a circular pickle can
//! overflow the stack. There are at most [`MOST_VALUES`] of them.

use std::collections::HashMap;

/// More than any checkpoint has: an optimizer's state of a B7 comes to 20,000.
const MOST_VALUES: usize = 4 << 20;

/// The place of a value in [`Pickle::values`].
pub(super) type Id = usize;

/// A value. Text and bytes are borrowed from the file.
#[derive(Clone, Debug)]
pub(super) enum Value<'b> {
    None,
    Bool(bool),
    Int(i64),
    /// A number that no tensor's description holds.
    Number,
    Text(&'b str),
    Bytes,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or a function.
    Global(&'b str, &'b str),
    /// What a call makes: the class or function, the arguments, and the state that is set afterwards.
    Object {
        class: Id,
        arguments: Id,
        state: Option<Id>,
    },
    /// What is stored elsewhere, by its description.
    Persistent(Id),
}

/// Everything that one pickle made.
pub(super) struct Pickle<'b> {
    pub(super) values: Vec<Value<'b>>,
    pub(super) root: Id,
    /// Bytes that the pickle takes.
    pub(super) length: usize,
}

/// Reads one pickle from the beginning of `bytes`.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle<'_>, String> {
    let mut machine =
        Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let at = machine.at;
        match machine.step() {
            Some(Step::On) => {}
            Some(Step::End(root)) => return Ok(Pickle { values: machine.values, root, length: machine.at }),
            None if machine.at > bytes.len() || at >= bytes.len() => return Err("its pickle is cut off".into()),
            None => return Err(format!("its pickle is damaged at byte {at}, or of a kind that petrec does not know")),
        }
        if machine.values.len() > MOST_VALUES {
            return Err(format!("its pickle has more than {MOST_VALUES} values"));
        }
    }
}

enum Step {
    On,
    End(Id),
}

struct Machine<'b> {
    bytes: &'b [u8],
    at: usize,
    values: Vec<Value<'b>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'b> Machine<'b> {
    /// One instruction; `None` where it cannot be.
    fn step(&mut self) -> Option<Step> {
        match self.byte()? {
            b'.' => return self.pop().map(Step::End),
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => match self.stack.len() > self.marks.last().copied().unwrap_or_default() {
                true => drop(self.pop()?),
                false => drop(self.marks.pop()?),
            },
            b'1' => drop(self.above()?),
            b'2' => self.stack.push(*self.stack.last()?),
            b'N' => self.push(Value::None),
            code @ (0x88 | 0x89) => self.push(Value::Bool(code == 0x88)),
            b'I' => {
                let value = match self.line()? {
                    "00" => Value::Bool(false),
                    "01" => Value::Bool(true),
                    text => Value::Int(text.parse().ok()?),
                };
                self.push(value);
            }
            b'L' => {
                let value = self.line()?.trim_end_matches('L').parse().map_or(Value::Number, Value::Int);
                self.push(value);
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()));
            }
            b'K' => {
                let value = self.byte()?;
                self.push(Value::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()));
            }
            0x8A => {
                let length = self.byte()?;
                self.long(length.into())?;
            }
            0x8B => {
                let length = u32::from_le_bytes(self.array()?);
                self.long(length.into())?;
            }
            b'F' => {
                self.line()?;
                self.push(Value::Number);
            }
            b'G' => {
                self.skip(8)?;
                self.push(Value::Number);
            }
            b'S' | b'V' => {
                let text = self.line()?;
                self.push(Value::Text(text.trim_matches(['\'', '"'])));
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length.into())?;
            }
            0x8C => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            0x8D => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)?;
            }
            // Python 2 wrote names of tensors as bytes.
            b'T' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length.into())?;
            }
            b'U' => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            b'B' => {
                let length = u32::from_le_bytes(self.array()?);
                self.skip_to_bytes(length.into())?;
            }
            b'C' => {
                let length = self.byte()?;
                self.skip_to_bytes(length.into())?;
            }
            0x8E | 0x96 => {
                let length = u64::from_le_bytes(self.array()?);
                self.skip_to_bytes(length)?;
            }
            b')' => self.push(Value::Tuple(Vec::new())),
            b']' | 0x8F => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b't' => {
                let items = self.above()?;
                self.push(Value::Tuple(items));
            }
            b'l' | 0x91 => {
                let items = self.above()?;
                self.push(Value::List(items));
            }
            b'd' => {
                let items = self.above()?;
                self.push(Value::Dict(pairs(&items)?));
            }
            count @ 0x85..=0x87 => {
                let at = self.stack.len().checked_sub(usize::from(count - 0x84))?;
                self.reaches(at)?;
                let items = self.stack.split_off(at);
                self.push(Value::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.above()?;
                self.extend(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let items = self.above()?;
                self.set(pairs(&items)?)?;
            }
            b'p' => {
                let place = self.line()?.parse().ok()?;
                self.remember(place)?;
            }
            b'q' => {
                let place = self.byte()?;
                self.remember(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.array()?);
                self.remember(place.into())?;
            }
            0x94 => self.remember(self.memo.len() as u64)?,
            b'g' => {
                let place = self.line()?.parse().ok()?;
                self.recall(place)?;
            }
            b'h' => {
                let place = self.byte()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.array()?);
                self.recall(place.into())?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global(module, name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (&Value::Text(module), &Value::Text(name)) = (&self.values[module], &self.values[name]) else {
                    return None;
                };
                self.push(Value::Global(module, name));
            }
            b'R' | 0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.push(Value::Object { class, arguments, state: None });
            }
            0x92 => {
                let (_keywords, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Value::Object { class, arguments, state: None });
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let items = self.above()?;
                let class = self.make(Value::Global(module, name));
                let arguments = self.make(Value::Tuple(items));
                self.push(Value::Object { class, arguments, state: None });
            }
            b'o' => {
                let mut items = self.above()?;
                (!items.is_empty()).then_some(())?;
                let class = items.remove(0);
                let arguments = self.make(Value::Tuple(items));
                self.push(Value::Object { class, arguments, state: None });
            }
            b'b' => {
                let new = self.pop()?;
                let object = *self.stack.last()?;
                if let Value::Object { state, .. } = &mut self.values[object] {
                    *state = Some(new);
                }
            }
            b'P' => {
                let text = self.line()?;
                let description = self.make(Value::Text(text));
                self.push(Value::Persistent(description));
            }
            b'Q' => {
                let description = self.pop()?;
                self.push(Value::Persistent(description));
            }
            _ => return None,
        }
        Some(Step::On)
    }

    fn take(&mut self, length: u64) -> Option<&'b [u8]> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        let taken = self.bytes.get(self.at..end);
        self.at = if taken.is_some() { end } else { self.bytes.len() + 1 };
        taken
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N as u64)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn skip(&mut self, length: u64) -> Option<()> {
        self.take(length).map(drop)
    }

    /// Up to the end of the line.
    fn line(&mut self) -> Option<&'b str> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().position(|&byte| byte == b'\n');
        let text = std::str::from_utf8(self.take(length.unwrap_or(usize::MAX) as u64)?).ok()?;
        self.skip(1)?;
        Some(text)
    }

    fn text(&mut self, length: u64) -> Option<()> {
        let text = std::str::from_utf8(self.take(length)?);
        self.push(text.map_or(Value::Bytes, Value::Text));
        Some(())
    }

    fn skip_to_bytes(&mut self, length: u64) -> Option<()> {
        self.skip(length)?;
        self.push(Value::Bytes);
        Some(())
    }

    /// A whole number in two's complement of any length.
    fn long(&mut self, length: u64) -> Option<()> {
        let bytes = self.take(length)?;
        let is_negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut wide = [if is_negative { 0xFF } else { 0 }; 8];
        let value = match wide.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(wide))
            }
            None => Value::Number,
        };
        self.push(value);
        Some(())
    }

    fn make(&mut self, value: Value<'b>) -> Id {
        self.values.push(value);
        self.values.len() - 1
    }

    fn push(&mut self, value: Value<'b>) {
        let id = self.make(value);
        self.stack.push(id);
    }

    /// Whether the stack may be cut at `at`: no mark is above that.
    fn reaches(&self, at: usize) -> Option<()> {
        self.marks.last().is_none_or(|&mark| at >= mark).then_some(())
    }

    fn pop(&mut self) -> Option<Id> {
        self.reaches(self.stack.len().checked_sub(1)?)?;
        self.stack.pop()
    }

    /// What is above the last mark.
    fn above(&mut self) -> Option<Vec<Id>> {
        let mark = self.marks.pop()?;
        (mark <= self.stack.len()).then(|| self.stack.split_off(mark))
    }

    /// Adds to the list that is on top; other objects have their own way with it.
    fn extend(&mut self, items: Vec<Id>) -> Option<()> {
        let target = *self.stack.last()?;
        if let Value::List(list) = &mut self.values[target] {
            list.extend(items);
        }
        Some(())
    }

    /// Adds to the dictionary that is on top. An ordered one is an object, whose entries become its state.
    fn set(&mut self, items: Vec<(Id, Id)>) -> Option<()> {
        let target = *self.stack.last()?;
        if let Value::Object { class, .. } = self.values[target] {
            let is_dict = matches!(self.values[class], Value::Global("collections", "OrderedDict" | "defaultdict"));
            if is_dict {
                self.values[target] = Value::Dict(Vec::new());
            }
        }
        if let Value::Dict(dict) = &mut self.values[target] {
            dict.extend(items);
        }
        Some(())
    }

    fn remember(&mut self, place: u64) -> Option<()> {
        self.memo.insert(place, *self.stack.last()?);
        Some(())
    }

    fn recall(&mut self, place: u64) -> Option<()> {
        self.stack.push(*self.memo.get(&place)?);
        (self.stack.len() <= MOST_VALUES).then_some(())
    }
}

/// Every other one is a key, the rest are values.
fn pairs(items: &[Id]) -> Option<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks();
    rest.is_empty().then(|| pairs.iter().map(|&[key, value]| (key, value)).collect())
}
