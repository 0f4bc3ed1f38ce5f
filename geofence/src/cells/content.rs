//! What the cells of a tile will say, before it is written cell by cell:
//! stretches of cells that fences cover, fences to be asked, and edges.

use std::ops::Range;

use super::draft::{Crossing, Round};
use super::raster::{self, Edge};
use super::{TILE_BITS, run};
use crate::shape::BoxSide;

/// A polygon with more edges in a cell is asked itself.
const EDGES_OF_CELL_MAX: usize = run::EDGES_MAX / 4;

/// The cells of a tile.
#[derive(Clone, Copy)]
pub(super) struct Cells {
    /// A cell has 2^bits units a side.
    pub(super) bits: u32,
}

impl Cells {
    pub(super) fn row_bits(self) -> u32 {
        TILE_BITS - self.bits
    }

    pub(super) fn in_row(self) -> u32 {
        1 << self.row_bits()
    }

    pub(super) fn count(self) -> usize {
        1 << (2 * self.row_bits())
    }

    fn number(self, column: i64, row: i64) -> u32 {
        (row << self.row_bits() | column) as u32
    }

    /// The side of the cell's north-western corner, see [`Touch`].
    fn is_inside_at_corner(self, crossing: &Crossing<'_>, column: i64, row: i64) -> bool {
        let corner = (column << self.bits, (row + 1) << self.bits);
        crossing.polygon.is_inside_beside(crossing.shift.back(corner))
    }
}

/// What the cells of a tile will say, not yet by cell.
#[derive(Default)]
pub(super) struct Content {
    pub(super) covered: Vec<Stretch>,
    /// (cell, fence).
    pub(super) asked: Vec<(u32, u32)>,
    /// By cell, polygons and their edges in ascending order.
    pub(super) edges: Vec<(u32, Touch)>,
}

/// An edge that touches a cell.
#[derive(Clone, Copy, Default)]
pub(super) struct Touch {
    /// Indexes in the draft.
    pub(super) polygon: u32,
    pub(super) edge: u32,
    /// Whether the polygon holds the cell's north-western corner, seen a bit to
    /// the east of it and a yet smaller one to the north.
    pub(super) inside: bool,
}

/// Cells of a row that a fence covers.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub(super) row: u32,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) fence: u32,
}

impl Content {
    /// Adds a polygon, numbered among the draft's, with those of `all` edges
    /// that are its own.
    pub(super) fn add_polygon(
        &mut self,
        cells: Cells,
        polygon: u32,
        crossing: &Crossing<'_>,
        all: &[Edge],
        edges: Range<usize>,
    ) {
        let (columns, rows) = crossing.shift.cells(&crossing.polygon.envelope(), cells.bits);
        let first = self.edges.len();
        for number in edges {
            raster::touched(&all[number], cells.bits, &columns, &rows, |column, row| {
                let touch = Touch { polygon, edge: number as u32, inside: false };
                self.edges.push((cells.number(column, row), touch));
            });
        }
        self.edges[first..].sort_unstable_by_key(|(cell, touch)| (*cell, touch.edge));
        let mut next = first;
        for row in rows {
            let mut inside = cells.is_inside_at_corner(crossing, *columns.start(), row);
            for column in columns.clone() {
                let cell = cells.number(column, row);
                let here = self.edges[next..].iter_mut().take_while(|entry| entry.0 == cell);
                let corner = (-(column << cells.bits), -(row << cells.bits));
                let (mut touches, mut next_inside) = (0, inside);
                for (_, touch) in here {
                    let edge = all[touch.edge as usize].moved(corner);
                    touch.inside = inside;
                    next_inside ^= edge.crosses_top(1 << cells.bits);
                    touches += 1;
                }
                if touches == 0 && inside {
                    self.cover(crossing.fence, column as u32, row as u32);
                }
                next += touches;
                inside = next_inside;
            }
        }
        self.ask_where_crowded(crossing.fence, first);
    }

    /// Has the fence asked in cells that too many of its edges touch, which
    /// are those from `first` on, by cell.
    fn ask_where_crowded(&mut self, fence: u32, first: usize) {
        let of_cells = self.edges[first..].chunk_by(|a, b| a.0 == b.0);
        let crowded: Vec<u32> =
            of_cells.filter(|same| same.len() > EDGES_OF_CELL_MAX).map(|same| same[0].0).collect();
        if !crowded.is_empty() {
            let is_crowded = |cell: &u32| crowded.binary_search(cell).is_ok();
            let own = self.edges.split_off(first);
            self.edges.extend(own.into_iter().filter(|(cell, _)| !is_crowded(cell)));
            self.asked.extend(crowded.iter().map(|cell| (*cell, fence)));
        }
    }

    pub(super) fn add_round(&mut self, cells: Cells, round: &Round<'_>) {
        let (columns, rows) = round.shift.cells(&round.shape.envelope(), cells.bits);
        for row in rows {
            for column in columns.clone() {
                let corner = round.shift.back((column << cells.bits, row << cells.bits));
                match round.shape.side_of_box(corner, 1 << cells.bits) {
                    BoxSide::Outside => {}
                    BoxSide::Inside => self.cover(round.fence, column as u32, row as u32),
                    BoxSide::Unknown => {
                        self.asked.push((cells.number(column, row), round.fence));
                    }
                }
            }
        }
    }

    /// Adds a cell that the fence covers, those of a fence row by row from the
    /// west.
    fn cover(&mut self, fence: u32, column: u32, row: u32) {
        match self.covered.last_mut() {
            Some(last) if (last.fence, last.row, last.last + 1) == (fence, row, column) => {
                last.last = column;
            }
            _ => self.covered.push(Stretch { row, first: column, last: column, fence }),
        }
    }
}

/// Things of cells, laid side by side cell by cell, in the order given.
pub(super) struct ByCell<T> {
    /// Cell `i` has `things[ends[i - 1]..ends[i]]`.
    ends: Vec<u32>,
    things: Vec<T>,
}

impl<T: Copy + Default> ByCell<T> {
    pub(super) fn new(cells: Cells, entries: &[(u32, T)]) -> Self {
        // Counting sort: sizes, where each cell begins, then where it ends.
        let mut ends = vec![0_u32; cells.count()];
        for (cell, _) in entries {
            ends[*cell as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        let mut things = vec![T::default(); entries.len()];
        for (cell, thing) in entries {
            let next = &mut ends[*cell as usize];
            things[*next as usize] = *thing;
            *next += 1;
        }
        Self { ends, things }
    }

    pub(super) fn of(&self, cell: u32) -> &[T] {
        let cell = cell as usize;
        let from = if cell == 0 { 0 } else { self.ends[cell - 1] };
        &self.things[from as usize..self.ends[cell] as usize]
    }
}
