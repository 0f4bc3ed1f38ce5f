//! The shapes of a tile: what of them lies in it, and how fine its cells are.

use std::ops::RangeInclusive;

use super::budget::{Budget, EDGES_OF_ROUND};
use super::raster::{self, Edge, clamped};
use super::{TILE_BITS, grid};
use crate::Shape;
use crate::shape::{BoxSide, Envelope, Polygonal};

/// A tile has about so many cells for each edge, or up to four times as many.
const CELLS_PER_EDGE: usize = 2;
/// The same of tiles of few cells, up to so many a row, as a power of two:
/// where they take little memory, cells without edges are worth more of it.
const FINE_CELLS_PER_EDGE: usize = 8;
const FINE_ROW_BITS_MAX: u32 = 7;
/// Cells are not finer than this: 23 m from south to north.
const CELL_BITS_MIN: u32 = 11;
/// Entries that a tile's cells may come to before they are made coarser, also
/// where its fences' [budgets](Budget) have more.
const ENTRIES_MAX: u64 = 1 << 21;

/// What of the shapes lies in one tile.
#[derive(Default)]
pub(super) struct Draft<'a> {
    pub(super) covering: Vec<u32>,
    pub(super) polygons: Vec<Crossing<'a>>,
    /// Of the polygons in their order, relative to the tile's corner.
    pub(super) edges: Vec<Edge>,
    pub(super) round: Vec<Round<'a>>,
}

/// How a shape's own longitudes and latitudes become units from a tile's
/// south-western corner.
#[derive(Clone, Copy)]
pub(super) struct Shift {
    east: i64,
    north: i64,
}

/// A polygon whose outline touches the tile.
pub(super) struct Crossing<'a> {
    pub(super) fence: u32,
    pub(super) polygon: &'a Polygonal,
    pub(super) shift: Shift,
    /// Where its edges end in the draft's.
    pub(super) edges_end: usize,
}

/// A circle or corridor whose outline may touch the tile.
pub(super) struct Round<'a> {
    pub(super) fence: u32,
    pub(super) shape: &'a Shape,
    pub(super) shift: Shift,
}

impl Shift {
    pub(super) fn to_tile(key: u32, turn: i64) -> Self {
        let (x, y) = grid::corner_of(turn, 0);
        let (column, row) = grid::of_key(key);
        Self { east: x - (column << TILE_BITS), north: y - (row << TILE_BITS) }
    }

    /// The shape's own longitude and latitude of a place in the tile.
    pub(super) fn back(self, (x, y): (i64, i64)) -> (i64, i64) {
        (x - self.east, y - self.north)
    }

    /// The tile's box in the shape's own longitudes and latitudes.
    fn tile_box(self) -> Envelope {
        let ((west, south), side) = (self.back((0, 0)), 1 << TILE_BITS);
        Envelope { west, east: west + side, south, north: south + side }
    }

    pub(super) fn meets_tile(self, bounds: &Envelope) -> bool {
        self.tile_box().overlaps(bounds)
    }

    /// Columns and rows of the tile's cells that the box touches.
    pub(super) fn cells(
        self,
        bounds: &Envelope,
        bits: u32,
    ) -> (RangeInclusive<i64>, RangeInclusive<i64>) {
        let all = 0..=(1 << (TILE_BITS - bits)) - 1;
        (
            clamped(bounds.west + self.east, bounds.east + self.east, bits, &all),
            clamped(bounds.south + self.north, bounds.north + self.north, bits, &all),
        )
    }
}

impl<'a> Draft<'a> {
    pub(super) fn add(&mut self, fence: u32, shape: &'a Shape, shift: Shift) {
        match shape {
            Shape::Polygon(polygon) => self.add_polygon(fence, polygon, shift),
            Shape::Circle(_) | Shape::Corridor(_) => {
                match shape.side_of_box(shift.back((0, 0)), 1 << TILE_BITS) {
                    BoxSide::Outside => {}
                    BoxSide::Inside => self.covering.push(fence),
                    BoxSide::Unknown => self.round.push(Round { fence, shape, shift }),
                }
            }
        }
    }

    fn add_polygon(&mut self, fence: u32, polygon: &'a Polygonal, shift: Shift) {
        let before = self.edges.len();
        polygon.outline_near(shift.tile_box(), |west, east| {
            let edge = Edge { west, east }.moved((shift.east, shift.north));
            if ends_in_tile(&edge) {
                self.edges.push(edge);
            } else {
                raster::touched(&edge, TILE_BITS, &(0..=0), &(0..=0), |_| self.edges.push(edge));
            }
        });
        if self.edges.len() > before {
            let edges_end = self.edges.len();
            self.polygons.push(Crossing { fence, polygon, shift, edges_end });
        } else if polygon.is_inside_beside(shift.back((0, 0))) {
            self.covering.push(fence);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.covering.is_empty() && self.polygons.is_empty() && self.round.is_empty()
    }

    /// Fine where there are many edges, as long as the entries are not too
    /// many: in the tile, and for the fences in it.
    pub(super) fn cell_bits(&self) -> u32 {
        let edges = self.edges.len() + self.round.len() * EDGES_OF_ROUND;
        let row_bits = |cells: usize| cells.max(1).ilog2().div_ceil(2);
        let fine = row_bits(edges * FINE_CELLS_PER_EDGE).min(FINE_ROW_BITS_MAX);
        let row_bits = row_bits(edges * CELLS_PER_EDGE).max(fine);
        let mut bits = TILE_BITS.saturating_sub(row_bits).max(CELL_BITS_MIN);
        let entries_max = self.budget().min(ENTRIES_MAX);
        while bits < TILE_BITS && self.entries_at_most(bits) > entries_max {
            bits += 1;
        }
        bits
    }

    /// Entries that the tile's fences have for it.
    fn budget(&self) -> u64 {
        let mut edges_from = 0;
        let of_polygon = |crossing: &Crossing<'_>| {
            let edges = crossing.edges_end - edges_from;
            edges_from = crossing.edges_end;
            Budget::of(crossing.polygon).share(edges)
        };
        self.polygons.iter().map(of_polygon).sum::<u64>() + self.round.len() as u64 * Budget::ROUND
    }

    /// Entries that cells of this size may come to, about.
    fn entries_at_most(&self, bits: u32) -> u64 {
        let boxes = self
            .polygons
            .iter()
            .map(|crossing| (crossing.polygon.envelope(), crossing.shift))
            .chain(self.round.iter().map(|round| (round.shape.envelope(), round.shift)));
        let count = |range: RangeInclusive<i64>| (range.end() - range.start() + 1).max(0) as u64;
        let of_box = |(bounds, shift): (Envelope, Shift)| {
            let (columns, rows) = shift.cells(&bounds, bits);
            count(columns) * count(rows)
        };
        self.edges.iter().map(|edge| edge.squares_at_most(TILE_BITS, bits)).sum::<u64>()
            + boxes.map(of_box).sum::<u64>()
    }
}

/// Whether one of the edge's ends lies in the tile, its border included: so it is
/// of most edges, and takes less to tell than which squares they touch.
fn ends_in_tile(edge: &Edge) -> bool {
    let tile = 0..=1 << TILE_BITS;
    [edge.west, edge.east].iter().any(|(x, y)| tile.contains(x) && tile.contains(y))
}
