//! The last few rows of a map that is made and read row by row.

/// `rows` rows of `columns` pixels of `step` values; row `y` of the map is in slot `y % rows` until row `y + rows` comes.
pub(super) struct Ring<'a> {
    values: &'a mut [f32],
    rows: usize,
    row: usize,
}

impl<'a> Ring<'a> {
    /// Takes the beginning of `values`, with zeros in the first `before` and the last `after` columns of each row.
    pub(super) fn new(
        values: &'a mut [f32],
        rows: usize,
        columns: usize,
        step: usize,
        (before, after): (usize, usize),
    ) -> Self {
        let row = columns * step;
        let values = &mut values[..rows * row];
        for values in values.chunks_exact_mut(row) {
            values[..before * step].fill(0.0);
            values[(columns - after) * step..].fill(0.0);
        }
        Self { values, rows, row }
    }

    /// Row `y` of the map, padding and all.
    pub(super) fn row(&self, y: usize) -> &[f32] {
        &self.values[y % self.rows * self.row..][..self.row]
    }

    /// The place of row `y` of the map.
    pub(super) fn row_mut(&mut self, y: usize) -> &mut [f32] {
        &mut self.values[y % self.rows * self.row..][..self.row]
    }
}
