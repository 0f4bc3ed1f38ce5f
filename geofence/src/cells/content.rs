//! What the cells of a tile will say, before it is written cell by cell:
//! stretches of cells that fences cover, fences to be asked, and edges.

use std::ops::{Range, RangeInclusive};

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
        let (width, height) = (length(&columns), length(&rows));
        let (west, south) = (*columns.start(), *rows.start());
        let mut entries: Vec<(u32, u32)> = Vec::new();
        for number in edges {
            raster::touched(&all[number], cells.bits, &columns, &rows, |column, row| {
                let in_box = (row - south) as usize * width + (column - west) as usize;
                entries.push((in_box as u32, number as u32));
            });
        }
        let entries = ByCell::new(width * height, &entries);
        let mut in_box = 0..;
        for row in rows {
            let mut inside = cells.is_inside_at_corner(crossing, west, row);
            for column in columns.clone() {
                let touching =
                    entries.of(in_box.next().expect("there are more numbers than cells"));
                let cell = cells.number(column, row);
                if touching.is_empty() {
                    if inside {
                        self.cover(crossing.fence, column as u32, row as u32);
                    }
                    continue;
                }
                if touching.len() > EDGES_OF_CELL_MAX {
                    self.asked.push((cell, crossing.fence));
                } else {
                    let touch = |edge: &u32| (cell, Touch { polygon, edge: *edge, inside });
                    self.edges.extend(touching.iter().map(touch));
                }
                let corner = (-(column << cells.bits), -(row << cells.bits));
                for edge in touching {
                    let edge = all[*edge as usize].moved(corner);
                    inside ^= edge.crosses_top(1 << cells.bits);
                }
            }
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

/// How many there are in the range.
fn length(range: &RangeInclusive<i64>) -> usize {
    (range.end() - range.start() + 1).max(0) as usize
}

/// Things of cells, laid side by side cell by cell, in the order given.
pub(super) struct ByCell<T> {
    /// Cell `i` has `things[ends[i - 1]..ends[i]]`.
    ends: Vec<u32>,
    things: Vec<T>,
}

impl<T: Copy + Default> ByCell<T> {
    pub(super) fn new(cells: usize, entries: &[(u32, T)]) -> Self {
        // Counting sort: sizes, where each cell begins, then where it ends.
        let mut ends = vec![0_u32; cells];
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
