//! Which architecture a file holds.

use std::collections::BTreeMap;

use super::Refusal;
use crate::model::{Architecture, Tensor};

pub(super) type Tensors = BTreeMap<String, Tensor>;

/// How far a file agreed with an architecture, and what ended it.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// Nodes or tensors that agreed.
    pub(super) agreed: usize,
    /// The first difference.
    pub(super) refusal: Refusal,
}

/// The architecture with which the file agrees. Where there is none, the one that agrees for longest says why not; of
/// several that came equally far the first one speaks.
pub(super) fn matched<T>(
    wanted: Option<Architecture>,
    read: impl Fn(Architecture) -> Result<T, Mismatch>,
) -> Result<(Architecture, T), (Architecture, Refusal)> {
    let candidates = wanted.as_ref().map_or(Architecture::ALL.as_slice(), std::slice::from_ref);
    let mut mismatches = Vec::new();
    for &architecture in candidates {
        match read(architecture) {
            Ok(found) => return Ok((architecture, found)),
            Err(mismatch) => mismatches.push((architecture, mismatch)),
        }
    }
    let closest = mismatches.into_iter().rev().max_by_key(|(_, mismatch)| mismatch.agreed);
    let (architecture, mismatch) = closest.expect("there is a candidate");
    Err((architecture, mismatch.refusal))
}

/// The tensors that `read` collects; up to the first difference as many agree as it has collected.
pub(super) fn tensors(read: impl FnOnce(&mut Tensors) -> Result<(), Refusal>) -> Result<Tensors, Mismatch> {
    let mut tensors = Tensors::new();
    match read(&mut tensors) {
        Ok(()) => Ok(tensors),
        Err(refusal) => Err(Mismatch { agreed: tensors.len(), refusal }),
    }
}
