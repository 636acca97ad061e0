//! The last few rows of a map that is made and read from top to bottom.

use std::ops::Range;

/// Rows of pixels of `step` values each; row `y` of the map is in slot `y % slots` until row `y + slots` comes.
pub(super) struct Ring<'a> {
    values: &'a mut [f32],
    slots: usize,
    row: usize,
}

impl<'a> Ring<'a> {
    /// Takes the beginning of `values` for `slots` rows of `columns` pixels, with zeros in the first `before` and the last
    /// `after` columns of each row.
    pub(super) fn new(
        values: &'a mut [f32],
        slots: usize,
        columns: usize,
        step: usize,
        (before, after): (usize, usize),
    ) -> Self {
        let row = columns * step;
        let values = &mut values[..slots * row];
        for values in values.chunks_exact_mut(row) {
            values[..before * step].fill(0.0);
            values[(columns - after) * step..].fill(0.0);
        }
        Self { values, slots, row }
    }

    /// All slots, one after the other.
    pub(super) fn values(&self) -> &[f32] {
        self.values
    }

    /// How many rows there is room for.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// Values of a row, padding and all.
    pub(super) fn row_len(&self) -> usize {
        self.row
    }

    /// Row `y` of the map, padding and all.
    pub(super) fn row(&self, y: usize) -> &[f32] {
        &self.values[y % self.slots * self.row..][..self.row]
    }

    /// The place of these rows of the map, which lie in neighbouring slots.
    pub(super) fn rows_mut(&mut self, rows: Range<usize>) -> &mut [f32] {
        &mut self.values[rows.start % self.slots * self.row..][..rows.len() * self.row]
    }
}
