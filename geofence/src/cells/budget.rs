//! How many entries the cells of one fence may come to, over all tiles.
//!
//! An edge is an entry of every cell that it touches. Edges that are long and
//! close to each other make cells fine by their number and touch very many of
//! them, in every tile that they pass through: each tile would take little more
//! than others do, and all together gigabytes for one fence.

use super::TILE_BITS;
use crate::shape::Polygonal;

/// A fence may take so many entries, of 4 to 16 bytes, and so many more for each
/// of its edges. Edges that are no longer than cells are wide take 2 or 3, and
/// cells that a fence covers about 8 for each edge in the tile.
const ENTRIES: u64 = 1 << 12;
const ENTRIES_PER_EDGE: u64 = 128;
/// An outline that must be asked about counts for so many edges.
pub(super) const EDGES_OF_ROUND: usize = 16;

/// What a polygon may take, in all tiles together.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    entries: u64,
    /// Entries that its edges come to where a tile is one cell, about.
    least: u64,
}

impl Budget {
    pub(super) fn of(polygon: &Polygonal) -> Self {
        let edges = polygon.edges() as u64;
        Self {
            entries: ENTRIES + edges * ENTRIES_PER_EDGE,
            least: edges + (polygon.taxicab_units() >> TILE_BITS),
        }
    }

    /// Whether it can be kept to.
    pub(super) fn is_enough(self) -> bool {
        self.least <= self.entries
    }

    /// The share of a tile that so many edges touch.
    pub(super) fn share(self, edges: usize) -> u64 {
        edges as u64 * self.entries / self.least.max(1)
    }

    /// What a circle or corridor may take in a tile. Its entries are single
    /// words, and few, as it counts for few edges.
    pub(super) const ROUND: u64 = ENTRIES + EDGES_OF_ROUND as u64 * ENTRIES_PER_EDGE;
}
