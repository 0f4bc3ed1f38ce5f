//! The cell index: which fences hold a place, mostly without asking a shape.
//!
//! The globe is a sparse table of square tiles of 2^20 units; a tile is a grid
//! of square cells. A cell knows the fences that cover it whole; of each fence
//! whose outline touches it, the edges that do, and how many of the others pass
//! north of it, odd or even. A polygon holds a place that has an odd number of
//! edges to the north of it. All of it is exact, on integers.
//!
//! Cells that know the same and no edge share one run, so that of most places
//! a cell's number and words that lie in the cache are all that is read.
//!
//! Answers are those of [`Shape::contains`](crate::Shape::contains), which the
//! index asks itself about circles and corridors near their outline. Fences
//! that span many tiles are not in it, nor those whose edges do so one by one; see
//! [`CellIndex::takes`].

mod budget;
mod build;
mod by_cell;
mod content;
mod crossings;
mod draft;
mod grid;
mod raster;
mod run;
mod tile;

use std::collections::BTreeSet;

use crate::Position;
use crate::Shape;
use crate::shape::Envelope;
use crate::threads::{self, Cores};
use budget::Budget;
use build::Builder;
use tile::Tile;

/// A tile is a square of so many units a side, as a power of two: 11.7 km from
/// south to north.
const TILE_BITS: u32 = 20;
/// Fences whose box spans more tiles are left to an index of boxes: they would
/// fill the table with tiles that lie inside them.
const TILES_MAX: i64 = 1_024;

/// Boxes of steps are worth looking up cell by cell up to so many units a
/// side: 700 m from south to north, and a few dozen cells where fences are as
/// dense as in a city; a thousand in the finest tiles there are.
pub(crate) const STEP_UNITS_MAX: i64 = 1 << 16;

/// An immutable index over fences by number.
#[derive(Clone, Debug)]
pub(crate) struct CellIndex {
    /// The first is empty: of it is every place where there is no other.
    tiles: Vec<Tile>,
    /// Open addressing: (key, index of the tile); its size a power of two.
    table: Vec<(u32, u32)>,
}

/// A cell, by its tile and its number there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    tile: u32,
    number: u32,
}

/// Where in the index something is known of a place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spot {
    cell: Cell,
    start: u32,
}

/// No tile has this key.
const VACANT: u32 = u32::MAX;

impl CellIndex {
    /// Whether a fence of this shape is for this index: it would fill few tiles,
    /// and take no more memory than what it consists of is worth.
    pub(crate) fn takes(shape: &Shape) -> bool {
        let envelope = shape.envelope();
        let span = |low: i64, high: i64| ((high - low) >> TILE_BITS) + 2;
        span(envelope.west, envelope.east) * span(envelope.south, envelope.north) <= TILES_MAX
            && match shape {
                Shape::Polygon(polygon) => Budget::of(polygon).is_enough(),
                Shape::Circle(_) | Shape::Corridor(_) => true,
            }
    }

    /// An index over nothing.
    pub(crate) fn empty() -> Self {
        Self::of_tiles(std::iter::empty())
    }

    /// The index after a change of fences that `touches` the tiles of these
    /// keys: of their boxes, `members` gives the fences that may lie there,
    /// ascending, of which it [takes](Self::takes) those it does. Fences that
    /// stay keep their numbers. What comes of `beside`, which is done at the
    /// same time, is handed back.
    pub(crate) fn changed<'a, B: Send>(
        &self,
        touches: &BTreeSet<u32>,
        members: impl Fn(&Envelope) -> Vec<(u32, &'a Shape)> + Sync,
        beside: impl FnOnce() -> B + Send,
    ) -> (Self, B) {
        let tile = |builder: &mut Builder, _, key: &u32| {
            let members = members(&grid::box_of(*key)).into_iter();
            let made = builder.tile(*key, members.filter(|(_, shape)| Self::takes(shape)));
            made.map(|made| made.sharing(&self.tiles[self.tile(*key) as usize]))
        };
        let keys: Vec<u32> = touches.iter().copied().collect();
        let (made, beside) =
            threads::map_beside(Cores::Spare, &keys, Builder::default, tile, beside);
        let made = keys.into_iter().zip(made).filter_map(|(key, tile)| Some((key, tile?)));
        let kept = self.table.iter().filter(|(key, _)| *key != VACANT && !touches.contains(key));
        let kept = kept.map(|(key, index)| (*key, self.tiles[*index as usize].clone()));
        (Self::of_tiles(kept.chain(made)), beside)
    }

    /// The tiles that a fence of this shape may touch, if it is for this index.
    pub(crate) fn tiles_of(shape: &Shape) -> impl Iterator<Item = u32> + use<> {
        Self::takes(shape).then(|| build::keys(shape.envelope())).into_iter().flatten()
    }

    fn of_tiles(tiles: impl Iterator<Item = (u32, Tile)>) -> Self {
        let (mut keys, mut all) = (vec![VACANT], vec![Tile::empty()]);
        for (key, tile) in tiles {
            keys.push(key);
            all.push(tile);
        }
        let tiles = all;
        let mut table = vec![(VACANT, 0); (tiles.len() * 2).next_power_of_two()];
        let mask = table.len() - 1;
        for (index, key) in (0_u32..).zip(keys).skip(1) {
            let mut slot = hash(key) & mask;
            while table[slot].0 != VACANT {
                slot = (slot + 1) & mask;
            }
            table[slot] = (key, index);
        }
        Self { tiles, table }
    }

    /// The cell of `p`.
    #[inline]
    pub(crate) fn cell(&self, p: Position) -> Cell {
        let (x, y) = grid::from_corner(p);
        let tile = self.tile(grid::tile_key(x >> TILE_BITS, y >> TILE_BITS));
        let number = self.tiles[tile as usize].cell(grid::within_tile(x), grid::within_tile(y));
        Cell { tile, number }
    }

    /// The cell of `p`, unless it is `cell`, which is that of `other`: two places
    /// of one step mostly share their cell or at least its tile.
    #[inline]
    pub(crate) fn other_cell(&self, p: Position, other: Position, cell: Cell) -> Option<Cell> {
        let ((x, y), (other_x, other_y)) = (grid::from_corner(p), grid::from_corner(other));
        let apart = (x ^ other_x) | (y ^ other_y);
        if apart >> TILE_BITS != 0 {
            return Some(self.cell(p));
        }
        let tile = &self.tiles[cell.tile as usize];
        let number = || tile.cell(grid::within_tile(x), grid::within_tile(y));
        (apart >> tile.cell_bits != 0).then(|| Cell { number: number(), ..cell })
    }

    /// Has asked for what [`Self::spot_of`] reads.
    #[inline]
    pub(crate) fn prefetch_spot(&self, cell: Cell) {
        self.tiles[cell.tile as usize].prefetch_start(cell.number);
    }

    /// Where something is known of a cell of this index.
    #[inline]
    pub(crate) fn spot_of(&self, cell: Cell) -> Spot {
        Spot { cell, start: self.tiles[cell.tile as usize].start(cell.number) }
    }

    /// Where something is known of `p`.
    #[inline]
    pub(crate) fn spot(&self, p: Position) -> Spot {
        self.spot_of(self.cell(p))
    }

    /// Has asked for what [`Self::at`] reads.
    #[inline]
    pub(crate) fn prefetch(&self, spot: Spot) {
        self.tiles[spot.cell.tile as usize].prefetch_run((spot.cell.number, spot.start));
    }

    /// Adds to `out`, which is empty, every fence that holds `p`, in ascending
    /// order, `asked` deciding on those that must be asked. `spot` is that of
    /// `p`.
    #[inline]
    pub(crate) fn at(
        &self,
        spot: Spot,
        p: Position,
        out: &mut Vec<u32>,
        asked: impl FnMut(u32) -> bool,
    ) {
        let (x, y) = grid::from_corner(p);
        let within = (grid::within_tile(x), grid::within_tile(y));
        let run = (spot.cell.number, spot.start);
        self.tiles[spot.cell.tile as usize].at(run, within, out, asked);
    }

    /// Calls `found` for every fence whose outline may meet the box, which
    /// lies within ±180 degrees, but for those that `passes_over` names; in no
    /// order, perhaps more than once. Asks the cells that the box touches, so it
    /// should be small: see [`STEP_UNITS_MAX`].
    pub(crate) fn outlines(
        &self,
        bounds: &Envelope,
        passes_over: impl Fn(u32) -> bool,
        mut found: impl FnMut(u32),
    ) {
        let low = grid::corner_of(bounds.west, bounds.south);
        let high = grid::corner_of(bounds.east, bounds.north);
        // Half-open ranges: they take less to go through.
        for row in low.1 >> TILE_BITS..(high.1 >> TILE_BITS) + 1 {
            for column in low.0 >> TILE_BITS..(high.0 >> TILE_BITS) + 1 {
                let tile = self.tile(grid::tile_key(column as u32, row as u32));
                let in_tile =
                    |(x, y): (i64, i64)| (x - (column << TILE_BITS), y - (row << TILE_BITS));
                let tile = &self.tiles[tile as usize];
                tile.outlines(in_tile(low), in_tile(high), &passes_over, &mut found);
            }
        }
    }

    /// Whether the same fences hold the whole box of the two places, and no
    /// outline meets it, as far as the cells that it touches tell.
    #[inline]
    pub(crate) fn is_uniform(&self, from: Position, to: Position) -> bool {
        let ((x1, y1), (x2, y2)) = (grid::from_corner(from), grid::from_corner(to));
        let apart = (x1 ^ x2) | (y1 ^ y2);
        if apart >> TILE_BITS != 0 {
            return false;
        }
        let tile = self.tile(grid::tile_key(x1 >> TILE_BITS, y1 >> TILE_BITS));
        let tile = &self.tiles[tile as usize];
        let within = |x, y| (grid::within_tile(x), grid::within_tile(y));
        let (low, high) = (within(x1.min(x2), y1.min(y2)), within(x1.max(x2), y1.max(y2)));
        if apart >> tile.cell_bits == 0 {
            return tile.is_clear(tile.cell(low.0, low.1), low, high);
        }
        tile.is_uniform(low, high)
    }

    /// Index of the tile with this key, of the empty one if there is none.
    #[inline]
    fn tile(&self, key: u32) -> u32 {
        let mask = self.table.len() - 1;
        let mut slot = hash(key) & mask;
        loop {
            match self.table[slot] {
                (it, index) if it == key || it == VACANT => return index,
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let tiles: usize = self.tiles.iter().map(Tile::bytes).sum();
        tiles + size_of_val(self.table.as_slice())
    }
}

/// Fibonacci hashing (Knuth, *The Art of Computer Programming* 3, §6.4).
#[inline]
fn hash(key: u32) -> usize {
    (u64::from(key).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}
