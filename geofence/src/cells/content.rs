//! What the cells of a tile will say, before it is written cell by cell:
//! stretches of cells that fences cover, fences to be asked, and outlines that
//! cross cells, in the words of their runs.

use std::ops::{Range, RangeInclusive};

use super::by_cell::ByCell;
use super::crossings::Crossings;
use super::draft::{Crossing, Round};
use super::raster::{self, Edge, Square};
use super::tile::BAND_BITS;
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

    /// Rows of a band, which are whole: there are fewer cells in a row than in a
    /// band.
    pub(super) fn rows_of_band(self) -> u32 {
        1 << (BAND_BITS - self.row_bits()).min(self.row_bits())
    }

    pub(super) fn count(self) -> usize {
        1 << (2 * self.row_bits())
    }

    fn number(self, column: i64, row: i64) -> u32 {
        (row << self.row_bits() | column) as u32
    }

    /// Whether the polygon holds the cell's north-western corner, seen a bit to
    /// the east of it and a yet smaller one to the north.
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
    /// (cell, words of `written`), of a cell by polygon.
    pub(super) crossings: Vec<(u32, Words)>,
    pub(super) written: Crossings,
    outline: Outline,
}

/// Where words begin and end.
pub(super) type Words = (u32, u32);

/// Cells of a row that a fence covers.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub(super) row: u32,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) fence: u32,
}

impl Stretch {
    /// Sorts them by row, from the west, and by fence. A row has fewer than 2^16
    /// cells.
    pub(super) fn place(&self) -> u64 {
        u64::from(self.row) << 48 | u64::from(self.first) << 32 | u64::from(self.fence)
    }
}

/// The outline of one polygon by cell; kept for its memory.
#[derive(Default)]
struct Outline {
    /// (cell, numbered within the polygon's box; edge that touches it).
    touches: Vec<(u32, Touch)>,
    by_cell: ByCell<Touch>,
}

/// An edge that touches a cell: its number among the draft's, and beneath it
/// whether it [crosses the top](Square::crosses_top).
#[derive(Clone, Copy, Default)]
struct Touch(u32);

impl Touch {
    fn new(edge: usize, crosses_top: bool) -> Self {
        Self((edge as u32) << 1 | u32::from(crosses_top))
    }

    fn edge(self) -> usize {
        self.0 as usize >> 1
    }

    fn crosses_top(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Content {
    /// Makes it empty again.
    pub(super) fn clear(&mut self) {
        self.covered.clear();
        self.asked.clear();
        self.crossings.clear();
        self.written.words.clear();
    }

    /// Adds a polygon with those of `all` edges that are its own.
    pub(super) fn add_polygon(
        &mut self,
        cells: Cells,
        crossing: &Crossing<'_>,
        all: &[Edge],
        edges: Range<usize>,
    ) {
        let (columns, rows) = crossing.shift.cells(&crossing.polygon.envelope(), cells.bits);
        let (width, height) = (length(&columns), length(&rows));
        let (west, south) = (*columns.start(), *rows.start());
        let mut outline = std::mem::take(&mut self.outline);
        outline.touches.clear();
        for number in edges {
            raster::touched(&all[number], cells.bits, &columns, &rows, |square| {
                let Square { column, row, crosses_top } = square;
                let in_box = (row - south) as usize * width + (column - west) as usize;
                outline.touches.push((in_box as u32, Touch::new(number, crosses_top)));
            });
        }
        outline.by_cell.lay_out(width * height, &outline.touches);
        for row in rows {
            let first = (row - south) as u32 * width as u32;
            let mut inside = cells.is_inside_at_corner(crossing, west, row);
            // The cells from here on that no edge touches are all on this side.
            let mut from = west;
            for (in_box, here) in outline.by_cell.filled(first..first + width as u32) {
                let column = west + i64::from(in_box - first);
                if inside && from < column {
                    self.cover(crossing.fence, row, from..column);
                }
                from = column + 1;
                let cell = cells.number(column, row);
                if here.len() > EDGES_OF_CELL_MAX {
                    self.asked.push((cell, crossing.fence));
                } else {
                    let corner = (-(column << cells.bits), -(row << cells.bits));
                    let edges = here.iter().map(|it| all[it.edge()].moved(corner));
                    let from = self.written.words.len() as u32;
                    self.written.add(crossing.fence, inside, edges, 1 << cells.bits);
                    self.crossings.push((cell, (from, self.written.words.len() as u32)));
                }
                inside ^= here.iter().fold(false, |odd, it| odd ^ it.crosses_top());
            }
            if inside && from <= *columns.end() {
                self.cover(crossing.fence, row, from..columns.end() + 1);
            }
        }
        self.outline = outline;
    }

    pub(super) fn add_round(&mut self, cells: Cells, round: &Round<'_>) {
        let (columns, rows) = round.shift.cells(&round.shape.envelope(), cells.bits);
        for row in rows {
            for column in columns.clone() {
                let corner = round.shift.back((column << cells.bits, row << cells.bits));
                match round.shape.side_of_box(corner, 1 << cells.bits) {
                    BoxSide::Outside => {}
                    BoxSide::Inside => self.cover(round.fence, row, column..column + 1),
                    BoxSide::Unknown => {
                        self.asked.push((cells.number(column, row), round.fence));
                    }
                }
            }
        }
    }

    /// Adds cells of a row that the fence covers, those of a fence row by row
    /// from the west.
    fn cover(&mut self, fence: u32, row: i64, columns: Range<i64>) {
        let (row, first, last) = (row as u32, columns.start as u32, columns.end as u32 - 1);
        match self.covered.last_mut() {
            Some(before) if (before.fence, before.row, before.last + 1) == (fence, row, first) => {
                before.last = last;
            }
            _ => self.covered.push(Stretch { row, first, last, fence }),
        }
    }
}

/// How many there are in the range.
fn length(range: &RangeInclusive<i64>) -> usize {
    (range.end() - range.start() + 1).max(0) as usize
}
