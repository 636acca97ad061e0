//! Arrays that begin at a cache line, so that no vector straddles two.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// A fixed number of f32, zero at first, at an address that is a multiple of 64 bytes.
pub(super) struct Aligned {
    storage: Vec<f32>,
    start: usize,
    length: usize,
}

impl Aligned {
    pub(super) fn zeros(length: usize) -> Self {
        let storage = vec![0.0; length + LINE / size_of::<f32>()];
        // A `Vec` that never grows never moves its values. Miri may answer that alignment is out of reach: then none.
        let start = storage.as_ptr().align_offset(LINE).min(LINE / size_of::<f32>());
        Self { storage, start, length }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.storage[self.start..][..self.length]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.storage[self.start..][..self.length]
    }
}
