//! Which architecture a file of named tensors holds.

use std::collections::BTreeMap;

use super::Refusal;
use crate::model::{Architecture, Network, Tensor};

pub(super) type Tensors = BTreeMap<String, Tensor>;

/// The architecture whose every tensor `read` finds. Where there is none, the one that agrees for longest says why not.
pub(super) fn matched(
    wanted: Option<Architecture>,
    read: impl Fn(Architecture, &Network, &mut Tensors) -> Result<(), Refusal>,
) -> Result<(Architecture, Tensors), (Architecture, Refusal)> {
    let candidates = wanted.map_or_else(|| Architecture::ALL.to_vec(), |architecture| vec![architecture]);
    let mut closest: Option<(usize, Architecture, Refusal)> = None;
    for architecture in candidates {
        let mut tensors = Tensors::new();
        match read(architecture, &architecture.network(), &mut tensors) {
            Ok(()) => return Ok((architecture, tensors)),
            Err(refusal) if closest.as_ref().is_none_or(|(agreed, ..)| tensors.len() > *agreed) => {
                closest = Some((tensors.len(), architecture, refusal));
            }
            Err(_) => {}
        }
    }
    let (_, architecture, refusal) = closest.expect("there is a candidate");
    Err((architecture, refusal))
}
