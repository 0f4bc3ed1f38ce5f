//! A tile: a grid of cells, each with its run.

use super::run::{self, Hit};

/// Cells of one square of the globe.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    /// A cell is a square of so many units a side, as a power of two.
    pub(super) cell_bits: u32,
    /// Cells in a row, as a power of two.
    pub(super) row_bits: u32,
    /// Fences that cover the tile whole.
    pub(super) covering: Box<[u32]>,
    /// Where the cell's run begins in `words`, row by row from the south; 0
    /// for a cell that knows of nothing.
    pub(super) starts: Box<[u32]>,
    pub(super) words: Box<[u32]>,
}

impl Tile {
    /// Calls `found` for every fence that holds the place or may, which lies
    /// (x, y) units from the tile's south-western corner.
    #[inline]
    pub(super) fn at(&self, x: u32, y: u32, mut found: impl FnMut(Hit)) {
        for fence in &self.covering {
            found(Hit::Holds(*fence));
        }
        let bits = self.cell_bits;
        let cell = (y >> bits) << self.row_bits | x >> bits;
        let start = self.starts[cell as usize] as usize;
        if start == 0 {
            return;
        }
        let side = 1 << bits;
        let within = |units: u32| i64::from(units & (side - 1));
        run::query(&self.words[start..], within(x), within(y), i64::from(side), found);
    }

    /// Something of the lines that [`Self::at`] reads.
    #[inline]
    pub(super) fn touch(&self, x: u32, y: u32) -> u32 {
        let cell = (y >> self.cell_bits) << self.row_bits | x >> self.cell_bits;
        self.words[self.starts[cell as usize] as usize]
    }

    /// Calls `found` for every polygon with an edge near the box from `low` to
    /// `high`, closed, in units from the tile's south-western corner; perhaps
    /// more than once.
    pub(super) fn outlines(&self, low: (i64, i64), high: (i64, i64), mut found: impl FnMut(u32)) {
        let (bits, last) = (self.cell_bits, (1 << self.row_bits) - 1);
        let cells = |low: i64, high: i64| (low >> bits).max(0)..=(high >> bits).min(last);
        for row in cells(low.1, high.1) {
            for column in cells(low.0, high.0) {
                let start = self.starts[(row << self.row_bits | column) as usize] as usize;
                if start > 0 {
                    let (west, south) = (column << bits, row << bits);
                    let from_corner = |(x, y): (i64, i64)| (x - west, y - south);
                    let words = &self.words[start..];
                    run::outlines(words, from_corner(low), from_corner(high), &mut found);
                }
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let words = self.covering.len() + self.starts.len() + self.words.len();
        size_of::<Self>() + words * size_of::<u32>()
    }
}
