//! Constant folding: what exporters leave to the run time although every operand is in the file.
//!
//! PyTorch's legacy exporter computes each `Pad`'s amounts by ConstantOfShape, Concat, Reshape, Slice, Transpose and
//! Cast; unoptimised TensorFlow graphs transpose kernels and compute a batch norm's scale. Arithmetic is in f64. An
//! operator used in a way that is not understood here stays a node, and whoever needs its value names it.

use super::array::{Array, MAX_RANK, Values, count};
use super::file::ExternalData;
use super::index::{
    axis_of, broadcast, broadcast_steps, permutation, pick, positions, row_major, slice_range, squeezed, unsqueezed,
};
use super::proto::{NodeProto, TensorProto};
use super::shapes::ends_of;

/// Folds nodes until a budget of values is used up, so that no small file can ask for a large amount of memory.
pub(super) struct Folder {
    budget: usize,
}

impl Folder {
    /// May read and make `budget` values in all.
    pub(super) fn new(budget: usize) -> Self {
        Self { budget }
    }

    /// Whether the operator can be folded at all.
    pub(super) fn knows(node: &NodeProto) -> bool {
        let shaping = ["Concat", "Gather", "Reshape", "Shape", "Slice", "Squeeze", "Transpose", "Unsqueeze"];
        let arithmetic =
            ["Add", "Cast", "Ceil", "Clip", "Div", "Floor", "Max", "Min", "Mul", "Neg", "Reciprocal", "Sqrt", "Sub"];
        ["Constant", "ConstantOfShape"].iter().chain(&shaping).chain(&arithmetic).any(|op| *op == node.op())
    }

    /// Takes an array of that shape out of the budget, if there is enough left.
    pub(super) fn afford(&mut self, shape: &[usize]) -> bool {
        if shape.len() > MAX_RANK {
            return false;
        }
        let left = count(shape).and_then(|values| self.budget.checked_sub(values));
        self.budget = left.unwrap_or(self.budget);
        left.is_some()
    }

    /// The node's first output, if it can be computed from `inputs`.
    pub(super) fn fold(&mut self, node: &NodeProto, inputs: &[Option<&Array>]) -> Option<Array> {
        let input = |index: usize| inputs.get(index).copied().flatten();
        // An operand that moved from the attributes to the inputs in a later operator set.
        let integers = |index: usize, name: &str| match input(index) {
            Some(array) => array.as_integers().map(<[i64]>::to_vec),
            None => node.ints(name).map(<[i64]>::to_vec),
        };
        match node.op() {
            "Constant" => literal(node),
            "Shape" => Some(ends_of(node, &input(0)?.shape)),
            "Clip" => self.clip(node, input(0)?, [input(1), input(2)]),
            "ConstantOfShape" => self.filled(node, input(0)?.as_integers()?),
            "Concat" => self.concat(node.int("axis")?, inputs),
            "Gather" => self.gather(input(0)?, input(1)?, node.int("axis").unwrap_or(0)),
            "Slice" => self.slice(
                input(0)?,
                [integers(1, "starts")?, integers(2, "ends")?],
                [integers(3, "axes"), integers(4, "steps")],
            ),
            "Transpose" => self.transpose(input(0)?, node.ints("perm")),
            "Reshape" => self.reshape(input(0)?, input(1)?.as_integers()?, node.int("allowzero").unwrap_or(0)),
            "Squeeze" => self.relabelled(input(0)?, squeezed(&input(0)?.shape, integers(1, "axes").as_deref())?),
            "Unsqueeze" => self.relabelled(input(0)?, unsqueezed(&input(0)?.shape, &integers(1, "axes")?)?),
            "Cast" => self.cast(input(0)?, node.int("to")?),
            "Ceil" | "Floor" | "Neg" | "Reciprocal" | "Sqrt" => self.unary(node.op(), input(0)?),
            operator if inputs.len() == 2 => self.binary(operator, input(0)?, input(1)?),
            _ => None,
        }
    }

    fn filled(&mut self, node: &NodeProto, lengths: &[i64]) -> Option<Array> {
        let shape: Vec<usize> = lengths.iter().map(|&length| usize::try_from(length).ok()).collect::<Option<_>>()?;
        if !self.afford(&shape) {
            return None;
        }
        let values = count(&shape)?;
        let values = match node.attribute("value").and_then(|attribute| attribute.t.as_ref()) {
            None => Values::Real(vec![0.0; values]),
            Some(tensor) => match Array::decode(tensor, &ExternalData::default()).ok()?.values {
                Values::Real(value) => Values::Real(vec![*value.first()?; values]),
                Values::Integer(value) => Values::Integer(vec![*value.first()?; values]),
            },
        };
        Some(Array { shape, values })
    }

    /// A copy in which the value at an index is `source`'s at `offset + sum(index * step)`: slicing, transposing and
    /// broadcasting are nothing else.
    fn strided(&mut self, source: &Array, shape: Vec<usize>, steps: &[isize], offset: isize) -> Option<Array> {
        if !self.afford(&shape) {
            return None;
        }
        let positions = positions(&shape, steps, offset);
        let values = match &source.values {
            Values::Real(values) => Values::Real(pick(values, positions)?),
            Values::Integer(values) => Values::Integer(pick(values, positions)?),
        };
        Some(Array { shape, values })
    }

    fn transpose(&mut self, source: &Array, perm: Option<&[i64]>) -> Option<Array> {
        let rank = source.shape.len();
        let perm = match perm {
            Some(perm) => permutation(perm, rank)?,
            None => (0..rank).rev().collect(),
        };
        let steps = row_major(&source.shape);
        let shape = perm.iter().map(|&axis| source.shape[axis]).collect();
        self.strided(source, shape, &perm.iter().map(|&axis| steps[axis]).collect::<Vec<_>>(), 0)
    }

    fn slice(&mut self, source: &Array, bounds: [Vec<i64>; 2], optional: [Option<Vec<i64>>; 2]) -> Option<Array> {
        let [starts, ends] = bounds;
        let [axes, steps] = optional;
        let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return None;
        }
        let (mut shape, mut strides, mut offset) = (source.shape.clone(), row_major(&source.shape), 0);
        for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
            let axis = axis_of(axis, shape.len())?;
            let (first, length) = slice_range(start, end, step, i64::try_from(source.shape[axis]).ok()?)?;
            offset += strides[axis].checked_mul(first as isize)?;
            strides[axis] = strides[axis].checked_mul(isize::try_from(step).ok()?)?;
            shape[axis] = length;
        }
        self.strided(source, shape, &strides, offset)
    }

    fn gather(&mut self, source: &Array, indices: &Array, axis: i64) -> Option<Array> {
        let axis = axis_of(axis, source.shape.len())?;
        let length = i64::try_from(source.shape[axis]).ok()?;
        let steps = row_major(&source.shape);
        let parts: Option<Vec<Array>> = (indices.as_integers()?.iter())
            .map(|&index| {
                let index = if index < 0 { index.checked_add(length)? } else { index };
                let within = (0..length).contains(&index);
                let mut shape = source.shape.clone();
                shape[axis] = 1;
                within.then(|| self.strided(source, shape, &steps, steps[axis] * index as isize)).flatten()
            })
            .collect();
        let parts = parts?;
        let mut gathered = self.concat(axis as i64, &parts.iter().map(Some).collect::<Vec<_>>())?;
        gathered.shape.splice(axis..=axis, indices.shape.iter().copied());
        Some(gathered)
    }

    fn concat(&mut self, axis: i64, parts: &[Option<&Array>]) -> Option<Array> {
        let parts: Vec<&Array> = parts.iter().copied().collect::<Option<_>>()?;
        let first = *parts.first()?;
        let axis = axis_of(axis, first.shape.len())?;
        let mut shape = first.shape.clone();
        shape[axis] = 0;
        for part in &parts {
            let fits = part.shape.len() == shape.len()
                && (0..shape.len()).all(|other| other == axis || part.shape[other] == first.shape[other]);
            shape[axis] = if fits { shape[axis].checked_add(part.shape[axis])? } else { return None };
        }
        if !self.afford(&shape) {
            return None;
        }
        // An empty result ends here: its outer axes may claim any length.
        let outer = if count(&shape)? == 0 { 0 } else { shape[..axis].iter().product() };
        let values = match &first.values {
            Values::Real(_) => Values::Real(interleaved(&parts, outer, Array::as_reals)?),
            Values::Integer(_) => Values::Integer(interleaved(&parts, outer, Array::as_integers)?),
        };
        Some(Array { shape, values })
    }

    fn reshape(&mut self, source: &Array, target: &[i64], allow_zero: i64) -> Option<Array> {
        if target.len() > MAX_RANK {
            return None;
        }
        let mut shape = Vec::with_capacity(target.len());
        for (axis, &length) in target.iter().enumerate() {
            shape.push(match length {
                -1 => 1,
                0 if allow_zero == 0 => *source.shape.get(axis)?,
                length => usize::try_from(length).ok()?,
            });
        }
        let unknown: Vec<usize> = (0..target.len()).filter(|&axis| target[axis] == -1).collect();
        match unknown.as_slice() {
            [] => {}
            [axis] => shape[*axis] = source.len().checked_div(count(&shape)?)?,
            _ => return None,
        }
        self.relabelled(source, shape)
    }

    /// The same values in the same order under another shape.
    fn relabelled(&mut self, source: &Array, shape: Vec<usize>) -> Option<Array> {
        let fits = count(&shape) == Some(source.len()) && self.afford(&shape);
        fits.then(|| Array { shape, values: source.values.clone() })
    }

    fn cast(&mut self, source: &Array, to: i64) -> Option<Array> {
        let values = match (i32::try_from(to).ok()?, &source.values) {
            (TensorProto::FLOAT, Values::Real(values)) => {
                Values::Real(values.iter().map(|&value| f64::from(value as f32)).collect())
            }
            // Half precision is widened, so nothing is rounded to it either.
            (TensorProto::FLOAT16 | TensorProto::BFLOAT16, values @ Values::Real(_)) => values.clone(),
            (TensorProto::FLOAT16 | TensorProto::BFLOAT16, Values::Integer(values)) => {
                Values::Real(values.iter().map(|&value| value as f64).collect())
            }
            (TensorProto::FLOAT | TensorProto::DOUBLE, Values::Integer(values)) => {
                Values::Real(values.iter().map(|&value| value as f64).collect())
            }
            (TensorProto::INT64 | TensorProto::INT32, Values::Real(values)) => {
                Values::Integer(values.iter().map(|&value| value as i64).collect())
            }
            (TensorProto::DOUBLE, values @ Values::Real(_)) => values.clone(),
            (TensorProto::INT64 | TensorProto::INT32, values @ Values::Integer(_)) => values.clone(),
            _ => return None,
        };
        self.afford(&source.shape).then(|| Array { shape: source.shape.clone(), values })
    }

    fn unary(&mut self, operator: &str, source: &Array) -> Option<Array> {
        let change: fn(f64) -> f64 = match operator {
            "Ceil" => f64::ceil,
            "Floor" => f64::floor,
            "Neg" => |x| -x,
            "Sqrt" => f64::sqrt,
            _ => f64::recip,
        };
        let values = match &source.values {
            Values::Real(values) => Values::Real(values.iter().map(|&value| change(value)).collect()),
            Values::Integer(values) if operator == "Neg" => {
                Values::Integer(values.iter().map(|value| value.checked_neg()).collect::<Option<_>>()?)
            }
            Values::Integer(_) => return None,
        };
        self.afford(&source.shape).then(|| Array { shape: source.shape.clone(), values })
    }

    /// Bounds are inputs, or attributes in older operator sets.
    fn clip(&mut self, node: &NodeProto, source: &Array, bounds: [Option<&Array>; 2]) -> Option<Array> {
        let mut clipped = source.clone();
        for (bound, name, operator) in [(bounds[0], "min", "Max"), (bounds[1], "max", "Min")] {
            let attribute = || {
                let bound = f64::from(node.attribute(name)?.f);
                Some(Array { shape: vec![], values: Values::Real(vec![bound]) })
            };
            if let Some(bound) = bound.cloned().or_else(attribute) {
                clipped = self.binary(operator, &clipped, &bound)?;
            }
        }
        Some(clipped)
    }

    fn binary(&mut self, operator: &str, a: &Array, b: &Array) -> Option<Array> {
        let shape = broadcast(&a.shape, &b.shape)?;
        let a = self.strided(a, shape.clone(), &broadcast_steps(&a.shape, shape.len()), 0)?;
        let b = self.strided(b, shape.clone(), &broadcast_steps(&b.shape, shape.len()), 0)?;
        let values = match (a.values, b.values) {
            (Values::Real(a), Values::Real(b)) => {
                let join: fn(f64, f64) -> f64 = match operator {
                    "Add" => |a, b| a + b,
                    "Sub" => |a, b| a - b,
                    "Mul" => |a, b| a * b,
                    "Max" => f64::max,
                    "Min" => f64::min,
                    _ => |a, b| a / b,
                };
                Values::Real(a.into_iter().zip(b).map(|(a, b)| join(a, b)).collect())
            }
            (Values::Integer(a), Values::Integer(b)) => {
                let join: fn(i64, i64) -> Option<i64> = match operator {
                    "Add" => i64::checked_add,
                    "Sub" => i64::checked_sub,
                    "Mul" => i64::checked_mul,
                    "Max" => |a, b| Some(a.max(b)),
                    "Min" => |a, b| Some(a.min(b)),
                    _ => i64::checked_div,
                };
                Values::Integer(a.into_iter().zip(b).map(|(a, b)| join(a, b)).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        Some(Array { shape, values })
    }
}

/// The value that a `Constant` node carries as a number instead of a tensor.
fn literal(node: &NodeProto) -> Option<Array> {
    let attribute = node.attribute.first()?;
    let real = |shape, values: &[f32]| {
        let values = Values::Real(values.iter().copied().map(f64::from).collect());
        Some(Array { shape, values })
    };
    match attribute.name.as_str() {
        "value_float" => real(vec![], &[attribute.f]),
        "value_floats" => real(vec![attribute.floats.len()], &attribute.floats),
        "value_int" => Some(Array { shape: vec![], values: Values::Integer(vec![attribute.i]) }),
        "value_ints" => Some(Array::integers(attribute.ints.clone())),
        _ => None,
    }
}

/// For each of `outer` indices a chunk of every part in turn, which is what joining along an inner axis means.
fn interleaved<T: Copy>(parts: &[&Array], outer: usize, values: fn(&Array) -> Option<&[T]>) -> Option<Vec<T>> {
    let parts: Vec<&[T]> = parts.iter().map(|part| values(part)).collect::<Option<_>>()?;
    let mut joined = Vec::new();
    for index in 0..outer {
        for part in &parts {
            let chunk = part.len() / outer;
            joined.extend_from_slice(&part[index * chunk..][..chunk]);
        }
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(operator: &str) -> NodeProto {
        NodeProto { op_type: operator.into(), ..NodeProto::default() }
    }

    #[test]
    fn legacy_torch_pads_fold_to_their_amounts() {
        // [0, 1, 0, 1] (left, right, top, bottom) and four zeros -> pairs -> reversed -> begins, then ends.
        let mut folder = Folder::new(1000);
        let pads = Array::integers(vec![0, 1, 0, 2, 0, 0, 0, 0]);

        let pairs = folder.reshape(&pads, &[-1, 2], 0).expect("reshapes");
        let reversed = folder.slice(&pairs, [vec![-1], vec![i64::MIN + 1]], [Some(vec![0]), Some(vec![-1])]);
        let transposed = folder.transpose(&reversed.expect("slices"), Some(&[1, 0])).expect("transposes");
        let folded = folder.reshape(&transposed, &[-1], 0).expect("reshapes");

        assert_eq!(folded, Array::integers(vec![0, 0, 0, 0, 0, 0, 2, 1]));
    }

    #[test]
    fn concat_and_gather_work_along_any_axis() {
        let mut folder = Folder::new(1000);
        let pairs = Array { shape: vec![2, 2], values: Values::Integer(vec![1, 2, 3, 4]) };

        let wide = folder.concat(1, &[Some(&pairs), Some(&pairs)]).expect("joins");
        let column = folder.gather(&pairs, &Array { shape: vec![], values: Values::Integer(vec![-1]) }, 1);

        assert_eq!(wide, Array { shape: vec![2, 4], values: Values::Integer(vec![1, 2, 1, 2, 3, 4, 3, 4]) });
        assert_eq!(column, Some(Array::integers(vec![2, 4])));
    }

    #[test]
    fn a_claimed_size_is_not_allocated() {
        let mut folder = Folder::new(1000);
        let huge = Array::integers(vec![1 << 40, 1 << 20]);
        let empty = Array { shape: vec![1 << 40, 0], values: Values::Integer(vec![]) };

        assert_eq!(folder.fold(&node("ConstantOfShape"), &[Some(&huge)]), None);
        assert!(folder.concat(1, &[Some(&empty), Some(&empty)]).is_some());
    }

    #[test]
    fn arithmetic_broadcasts_in_f64() {
        let mut folder = Folder::new(1000);
        let column = Array { shape: vec![2, 1], values: Values::Real(vec![1.0, 2.0]) };
        let row = Array { shape: vec![2], values: Values::Real(vec![10.0, 0.1]) };

        let product = folder.fold(&node("Mul"), &[Some(&column), Some(&row)]);

        let values = Values::Real(vec![10.0, 0.1, 20.0, 0.2]);
        assert_eq!(product, Some(Array { shape: vec![2, 2], values }));
    }
}
