//! A tile: a grid of cells, each with its run.

use std::sync::Arc;

use super::TILE_BITS;
use super::run;

/// Cells of one square of the globe. Indexes share those that do not differ.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    /// A cell is a square of so many units a side, as a power of two.
    pub(super) cell_bits: u32,
    /// Fences that cover the tile whole.
    pub(super) covering: Arc<[u32]>,
    /// Where the cell's run begins in `words`, row by row from the south, and
    /// [`run::MORE`].
    pub(super) starts: Arc<[u32]>,
    pub(super) words: Arc<[u32]>,
}

impl Tile {
    /// One that knows of no fence.
    pub(super) fn empty() -> Self {
        let mut runs = run::RunWriter::default();
        runs.begin_tile();
        Self {
            cell_bits: TILE_BITS,
            covering: Arc::default(),
            starts: Arc::new([run::NOTHING]),
            words: runs.finish(),
        }
    }

    /// Number of the cell of the place (x, y) units from the tile's
    /// south-western corner.
    #[inline]
    pub(super) fn cell(&self, x: u32, y: u32) -> u32 {
        let row_bits = TILE_BITS - self.cell_bits;
        (y >> self.cell_bits) << row_bits | x >> self.cell_bits
    }

    /// Has asked for what [`Self::start`] reads.
    #[inline]
    pub(super) fn prefetch_start(&self, cell: u32) {
        prefetch::lines_of(&self.starts[cell as usize]);
    }

    /// Where the run begins of a cell.
    #[inline]
    pub(super) fn start(&self, cell: u32) -> u32 {
        self.starts[cell as usize] & !run::MORE
    }

    /// Adds to `out`, which is empty, every fence that holds the place, in
    /// ascending order, `asked` deciding on those that must be asked; `start` is
    /// what [`Self::start`] says.
    #[inline]
    pub(super) fn at(
        &self,
        start: u32,
        (x, y): (u32, u32),
        out: &mut Vec<u32>,
        asked: impl FnMut(u32) -> bool,
    ) {
        let within = |units: u32| i64::from(units & ((1 << self.cell_bits) - 1));
        run::query(&self.words[start as usize..], within(x), within(y), out, asked);
        if !self.covering.is_empty() {
            out.extend_from_slice(&self.covering);
            run::sort(out);
        }
    }

    /// Has asked for the run at `start`, as far as most runs go.
    #[inline]
    pub(super) fn prefetch_run(&self, start: u32) {
        /// A run begins with as many words.
        const MOST: usize = 16;
        let run = &self.words[start as usize..];
        prefetch::lines_of(&run[..run.len().min(MOST)]);
    }

    /// Calls `found` for every fence that has an edge near the box from `low`
    /// to `high`, closed, in units from the tile's south-western corner, or
    /// must be asked there; perhaps more than once.
    pub(super) fn outlines(&self, low: (i64, i64), high: (i64, i64), mut found: impl FnMut(u32)) {
        let row_bits = TILE_BITS - self.cell_bits;
        let (bits, last) = (self.cell_bits, (1 << row_bits) - 1);
        let cells = |low: i64, high: i64| (low >> bits).max(0)..(high >> bits).min(last) + 1;
        for row in cells(low.1, high.1) {
            for column in cells(low.0, high.0) {
                let start = self.starts[(row << row_bits | column) as usize];
                if start & run::MORE == 0 {
                    continue;
                }
                let run = &self.words[(start & !run::MORE) as usize..];
                let (west, south) = (column << bits, row << bits);
                let from_corner = |(x, y): (i64, i64)| (x - west, y - south);
                run::outlines(run, from_corner(low), from_corner(high), &mut found);
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let words = self.covering.len() + self.starts.len() + self.words.len();
        size_of::<Self>() + words * size_of::<u32>()
    }
}
