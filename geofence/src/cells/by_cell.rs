//! Things of cells, laid side by side cell by cell.

/// Things by cell; its memory serves again.
#[derive(Default)]
pub(super) struct ByCell<T> {
    /// Cell `i` has `things[ends[i - 1]..ends[i]]`.
    ends: Vec<u32>,
    things: Vec<T>,
}

impl<T: Copy + Default> ByCell<T> {
    /// Takes the things of so many cells, each with the number of its cell,
    /// for those it had. Those of a cell keep their order.
    pub(super) fn lay_out(&mut self, cells: usize, entries: &[(u32, T)]) {
        // Counting sort: sizes, where each cell begins, then where it ends.
        let Self { ends, things } = self;
        ends.clear();
        ends.resize(cells, 0);
        for (cell, _) in entries {
            ends[*cell as usize] += 1;
        }
        let mut sum = 0;
        for end in ends.iter_mut() {
            sum += std::mem::replace(end, sum);
        }
        things.clear();
        things.resize(entries.len(), T::default());
        for (cell, thing) in entries {
            let next = &mut ends[*cell as usize];
            things[*next as usize] = *thing;
            *next += 1;
        }
    }

    pub(super) fn of(&self, cell: u32) -> &[T] {
        let cell = cell as usize;
        let from = if cell == 0 { 0 } else { self.ends[cell - 1] };
        &self.things[from as usize..self.ends[cell] as usize]
    }
}
