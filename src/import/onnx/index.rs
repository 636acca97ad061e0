//! Index arithmetic of ONNX's shape operators. Nothing here trusts a number: what does not fit is `None`.

use super::array::{MAX_RANK, count};

/// An axis as ONNX counts it, negative from the end, as an index below `rank`.
pub(super) fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
    (0..rank).contains(&axis).then_some(axis as usize)
}

/// `perm` as indices, if it names each of `rank` axes once.
pub(super) fn permutation(perm: &[i64], rank: usize) -> Option<Vec<usize>> {
    if rank > MAX_RANK || perm.len() != rank {
        return None;
    }
    let axes: Vec<usize> = perm.iter().map(|&axis| axis_of(axis, rank)).collect::<Option<_>>()?;
    let complete = (0..rank).all(|axis| axes.contains(&axis));
    complete.then_some(axes)
}

/// Values to step over per axis in a row-major array.
pub(super) fn row_major(shape: &[usize]) -> Vec<isize> {
    let mut steps = vec![1isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        steps[axis - 1] = steps[axis].wrapping_mul(shape[axis] as isize);
    }
    steps
}

/// `offset + sum(index * step)` for every index of `shape` in row-major order.
pub(super) fn positions(shape: &[usize], steps: &[isize], offset: isize) -> impl Iterator<Item = isize> {
    (0..count(shape).unwrap_or(0)).map(move |mut rest| {
        let mut position = offset;
        for (&length, &step) in shape.iter().zip(steps).rev() {
            // Wrapping, because whoever looks a position up finds a wrong one out of bounds.
            position = position.wrapping_add(step.wrapping_mul((rest % length) as isize));
            rest /= length;
        }
        position
    })
}

/// The values at `positions`, if all of them exist.
pub(super) fn pick<T: Copy>(values: &[T], positions: impl Iterator<Item = isize>) -> Option<Vec<T>> {
    positions.map(|at| values.get(usize::try_from(at).ok()?).copied()).collect()
}

/// First index and number of indices of a slice of an axis of `length` values.
///
/// Source: ONNX's `Slice`: negative bounds count from the end, bounds past the ends are clamped.
pub(super) fn slice_range(start: i64, end: i64, step: i64, length: i64) -> Option<(i64, usize)> {
    if step == 0 || length == 0 {
        return (step != 0).then_some((0, 0));
    }
    let from_front = |bound: i64| if bound < 0 { bound.saturating_add(length) } else { bound };
    let (start, end) = (from_front(start), from_front(end));
    let (first, distance) = if step > 0 {
        let first = start.clamp(0, length);
        (first, end.clamp(0, length) - first)
    } else {
        let first = start.clamp(0, length - 1);
        (first, first - end.clamp(-1, length - 1))
    };
    let steps = (distance.max(0) as u64).div_ceil(step.unsigned_abs());
    Some((first, usize::try_from(steps).ok()?))
}

/// The shape without the named axes, or without every axis of length 1.
pub(super) fn squeezed(shape: &[usize], axes: Option<&[i64]>) -> Option<Vec<usize>> {
    let dropped: Vec<usize> = match axes {
        Some(axes) if axes.len() > MAX_RANK => return None,
        Some(axes) => axes.iter().map(|&axis| axis_of(axis, shape.len())).collect::<Option<_>>()?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if dropped.iter().any(|&axis| shape[axis] != 1) {
        return None;
    }
    Some((0..shape.len()).filter(|axis| !dropped.contains(axis)).map(|axis| shape[axis]).collect())
}

/// The shape with axes of length 1 put in, so that they have these indices afterwards.
pub(super) fn unsqueezed(shape: &[usize], axes: &[i64]) -> Option<Vec<usize>> {
    let rank = shape.len() + axes.len();
    if rank > MAX_RANK {
        return None;
    }
    let added: Vec<usize> = axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Option<_>>()?;
    let mut old = shape.iter().copied();
    let lengths = (0..rank).map(|axis| if added.contains(&axis) { Some(1) } else { old.next() });
    lengths.collect()
}

/// The common shape of two operands.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let length = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    let join = |axis| match (length(a, axis), length(b, axis)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    };
    (0..rank).map(join).collect()
}

/// Steps with which an operand of that shape is read as one of `rank` axes.
pub(super) fn broadcast_steps(shape: &[usize], rank: usize) -> Vec<isize> {
    let own = row_major(shape).into_iter().zip(shape).map(|(step, &length)| if length == 1 { 0 } else { step });
    std::iter::repeat_n(0, rank - shape.len()).chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_the_onnx_rules() {
        assert_eq!(slice_range(1, 3, 1, 4), Some((1, 2)));
        assert_eq!(slice_range(-1, i64::MIN + 1, -1, 4), Some((3, 4)));
        assert_eq!(slice_range(0, i64::MAX, 2, 5), Some((0, 3)));
        assert_eq!(slice_range(9, 9, 1, 4), Some((4, 0)));
        assert_eq!(slice_range(0, 1, i64::MIN, 4), Some((0, 0)));
        assert_eq!(slice_range(0, 1, 0, 4), None);
    }

    #[test]
    fn positions_transpose_and_broadcast() {
        let transposed: Vec<_> = positions(&[3, 2], &[1, 3], 0).collect();
        let broadcast: Vec<_> = positions(&[2, 3], &broadcast_steps(&[3], 2), 0).collect();

        assert_eq!(transposed, [0, 3, 1, 4, 2, 5]);
        assert_eq!(broadcast, [0, 1, 2, 0, 1, 2]);
        assert_eq!(pick(&[1, 2], [0, 2].into_iter()), None);
    }

    #[test]
    fn squeeze_and_unsqueeze_are_inverse() {
        assert_eq!(squeezed(&[0, 8, 1, 1], Some(&[2, -1])), Some(vec![0, 8]));
        assert_eq!(unsqueezed(&[0, 8], &[2, 3]), Some(vec![0, 8, 1, 1]));
        assert_eq!(squeezed(&[0, 8], Some(&[1])), None);
        assert_eq!(unsqueezed(&[2], &[1, 1]), None);
    }
}
