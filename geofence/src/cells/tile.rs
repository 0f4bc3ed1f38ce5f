//! A tile: a grid of cells, each with its run.

use std::sync::Arc;

use super::TILE_BITS;
use super::run;

/// Cells of a band, as a power of two. A band is what is made anew where a
/// fence changes: some 20 kB where fences are as dense as in a city.
pub(super) const BAND_BITS: u32 = 10;

/// Cells along a side of the largest box that is asked about cell by cell.
const CELLS_MAX: u32 = 8;

/// Cells of one square of the globe. Indexes share those that do not differ.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    /// A cell is a square of so many units a side, as a power of two.
    pub(super) cell_bits: u32,
    /// Fences that cover the tile whole.
    pub(super) covering: Arc<[u32]>,
    /// Cells row by row from the south, so many to a band: where each cell's
    /// run begins in the band, and [`run::MORE`]; then the runs.
    pub(super) bands: Arc<[Arc<[u32]>]>,
}

impl Tile {
    /// One that knows of no fence.
    pub(super) fn empty() -> Self {
        let mut runs = run::RunWriter::default();
        runs.begin_band(1);
        let bands = Arc::new([runs.finish()]);
        Self { cell_bits: TILE_BITS, covering: Arc::default(), bands }
    }

    /// The same tile, with the bands of `before` where they are equal.
    pub(super) fn sharing(mut self, before: &Self) -> Self {
        if self.bands.len() == before.bands.len() {
            let shared = |(now, then): (&Arc<[u32]>, &Arc<[u32]>)| {
                Arc::clone(if now == then { then } else { now })
            };
            self.bands = self.bands.iter().zip(before.bands.iter()).map(shared).collect();
        }
        self
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
        prefetch::lines_of(&self.band(cell)[in_band(cell)]);
    }

    /// Where the run begins of a cell.
    #[inline]
    pub(super) fn start(&self, cell: u32) -> u32 {
        self.band(cell)[in_band(cell)] & !run::MORE
    }

    #[inline]
    fn band(&self, cell: u32) -> &[u32] {
        &self.bands[cell as usize >> BAND_BITS]
    }

    /// Adds to `out`, which is empty, every fence that holds the place, in
    /// ascending order, `asked` deciding on those that must be asked; `start` is
    /// what [`Self::start`] says of its `cell`.
    #[inline]
    pub(super) fn at(
        &self,
        (cell, start): (u32, u32),
        (x, y): (u32, u32),
        out: &mut Vec<u32>,
        asked: impl FnMut(u32) -> bool,
    ) {
        let within = |units: u32| i64::from(units & ((1 << self.cell_bits) - 1));
        run::query(&self.band(cell)[start as usize..], within(x), within(y), out, asked);
        if !self.covering.is_empty() {
            out.extend_from_slice(&self.covering);
            run::sort(out);
        }
    }

    /// Has asked for the run of `cell` at `start`, as far as most runs go.
    #[inline]
    pub(super) fn prefetch_run(&self, (cell, start): (u32, u32)) {
        /// A run begins with as many words.
        const MOST: usize = 16;
        let run = &self.band(cell)[start as usize..];
        prefetch::lines_of(&run[..run.len().min(MOST)]);
    }

    /// Calls `found` for every fence that has an edge near the box from `low`
    /// to `high`, closed, in units from the tile's south-western corner, or
    /// must be asked there, but for those that `passes_over` names; perhaps more
    /// than once.
    pub(super) fn outlines(
        &self,
        low: (i64, i64),
        high: (i64, i64),
        passes_over: impl Fn(u32) -> bool,
        mut found: impl FnMut(u32),
    ) {
        let row_bits = TILE_BITS - self.cell_bits;
        let (bits, last) = (self.cell_bits, (1 << row_bits) - 1);
        let cells = |low: i64, high: i64| (low >> bits).max(0)..(high >> bits).min(last) + 1;
        for row in cells(low.1, high.1) {
            for column in cells(low.0, high.0) {
                let cell = (row << row_bits | column) as u32;
                let band = self.band(cell);
                let start = band[in_band(cell)];
                if start & run::MORE == 0 {
                    continue;
                }
                let run = &band[(start & !run::MORE) as usize..];
                let (west, south) = (column << bits, row << bits);
                let from_corner = |(x, y): (i64, i64)| (x - west, y - south);
                let bounds = (from_corner(low), from_corner(high));
                run::outlines(run, bounds, &passes_over, &mut found);
            }
        }
    }

    /// Whether no edge of an outline meets the box from `low` to `high`, closed, so
    /// that the same fences hold all of it, as far as the cells that it touches
    /// tell; of a large box nothing is told.
    #[inline]
    pub(super) fn is_uniform(&self, low: (u32, u32), high: (u32, u32)) -> bool {
        let (first, last) = (self.cell(low.0, low.1), self.cell(high.0, high.1));
        let (row_bits, bits) = (TILE_BITS - self.cell_bits, self.cell_bits);
        let across = (high.0 >> bits) - (low.0 >> bits);
        if across.max((last - first) >> row_bits) > CELLS_MAX {
            return false;
        }
        let mut west = first;
        while west <= last {
            if (west..=west + across).any(|cell| !self.is_clear(cell, low, high)) {
                return false;
            }
            west += 1 << row_bits;
        }
        true
    }

    /// The same of a box that lies in this cell, or of as much of it as does.
    #[inline]
    pub(super) fn is_clear(&self, cell: u32, low: (u32, u32), high: (u32, u32)) -> bool {
        let band = self.band(cell);
        let start = band[in_band(cell)];
        if start & run::MORE == 0 {
            return true;
        }
        let (row_bits, bits) = (TILE_BITS - self.cell_bits, self.cell_bits);
        let west = i64::from((cell & ((1 << row_bits) - 1)) << bits);
        let south = i64::from(cell >> row_bits << bits);
        let from_corner = |(x, y): (u32, u32)| (i64::from(x) - west, i64::from(y) - south);
        let run = &band[(start & !run::MORE) as usize..];
        run::is_clear(run, (from_corner(low), from_corner(high)))
    }

    pub(super) fn bytes(&self) -> usize {
        let bands = self.bands.iter().map(|band| size_of_val(band) + size_of_val(&**band));
        size_of::<Self>() + size_of_val(&*self.covering) + bands.sum::<usize>()
    }
}

/// Where a cell stands in its band.
#[inline]
pub(super) fn in_band(cell: u32) -> usize {
    cell as usize & ((1 << BAND_BITS) - 1)
}
