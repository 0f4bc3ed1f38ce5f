//! Things of cells, laid side by side cell by cell.

use std::ops::Range;

/// Things by cell; its memory serves again.
#[derive(Default)]
pub(super) struct ByCell<T> {
    /// Cell `i` has `things[ends[i]..ends[i + 1]]`.
    ends: Vec<u32>,
    things: Vec<T>,
}

impl<T: Copy + Default> ByCell<T> {
    /// Takes the things of so many cells, each with the number of its cell,
    /// for those it had. Those of a cell keep their order.
    pub(super) fn lay_out(&mut self, cells: usize, entries: &[(u32, T)]) {
        let Self { ends, things } = self;
        ends.clear();
        ends.resize(cells + 1, 0);
        things.clear();
        if entries.is_empty() {
            return;
        }
        // Counting sort: sizes, where each cell begins, then where it ends.
        let ends = &mut ends[1..];
        for (cell, _) in entries {
            ends[*cell as usize] += 1;
        }
        let mut sum = 0;
        for end in ends.iter_mut() {
            sum += std::mem::replace(end, sum);
        }
        things.resize(entries.len(), T::default());
        for (cell, thing) in entries {
            let next = &mut ends[*cell as usize];
            things[*next as usize] = *thing;
            *next += 1;
        }
    }

    /// The things of each of these cells.
    #[inline]
    pub(super) fn each(&self, cells: Range<u32>) -> impl Iterator<Item = &[T]> {
        let mut from = self.ends[cells.start as usize] as usize;
        self.ends[cells.start as usize + 1..=cells.end as usize].iter().map(move |end| {
            let here = std::mem::replace(&mut from, *end as usize)..*end as usize;
            if here.is_empty() { &[][..] } else { &self.things[here] }
        })
    }

    /// Those of these cells that have any, by number, with what they have.
    #[inline]
    pub(super) fn filled(&self, cells: Range<u32>) -> impl Iterator<Item = (u32, &[T])> {
        cells.clone().zip(self.each(cells)).filter(|(_, things)| !things.is_empty())
    }
}
