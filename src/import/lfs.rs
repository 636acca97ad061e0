//! A Git LFS pointer in the place of the file that it stands for.
//!
//! A clone without Git LFS, and a "raw" link of some hosts, give a text of about 130 bytes under the name of the weights.

use super::Refusal;

/// How every pointer begins. Source: the Git LFS specification.
const START: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Refuses `bytes` if they are a Git LFS pointer.
pub(super) fn refuse_pointer(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.starts_with(START) { Err(Refusal::LfsPointer { size: bytes.len() }) } else { Ok(()) }
}
