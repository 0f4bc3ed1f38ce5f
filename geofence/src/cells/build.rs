//! Making a tile from the shapes that may touch it.
//!
//! Cells in a row that no edge touches all lie on one side, which is asked
//! once: such stretches, not cells, are kept until the tile is written, row by
//! row. Nothing is held of one tile while another is made but memory to use
//! again.

use std::iter::Peekable;
use std::sync::Arc;

use super::by_cell::ByCell;
use super::content::{Cells, Content, Stretch, Words};
use super::draft::{Draft, Shift};
use super::raster::clamped;
use super::run::RunWriter;
use super::tile::{Tile, in_band};
use super::{TILE_BITS, grid};
use crate::Shape;
use crate::plane::TURN;
use crate::shape::Envelope;

/// The tiles that a shape with this envelope may touch.
pub(super) fn keys(envelope: Envelope) -> impl Iterator<Item = u32> + use<> {
    turns(&envelope).flat_map(move |turn| {
        let (west, south) = grid::corner_of(envelope.west + turn, envelope.south);
        let (east, north) = grid::corner_of(envelope.east + turn, envelope.north);
        let columns = clamped(west, east, TILE_BITS, &(0..=grid::COLUMNS - 1));
        let rows = clamped(south, north, TILE_BITS, &(0..=grid::ROWS - 1));
        rows.flat_map(move |row| {
            columns.clone().map(move |column| grid::tile_key(column as u32, row as u32))
        })
    })
}

/// The turns by which an extent of longitudes must be moved to meet the map,
/// which ends within a tile.
fn turns(envelope: &Envelope) -> impl Iterator<Item = i64> + use<> {
    let reach = TURN / 2 + (1 << TILE_BITS);
    let (west, east) = (envelope.west, envelope.east);
    (-2..=2)
        .map(|turn| turn * TURN)
        .filter(move |turn| west + turn <= reach && east + turn >= -reach)
}

/// Makes tiles one after the other, and keeps the memory that it takes.
#[derive(Default)]
pub(super) struct Builder {
    content: Content,
    crossings: ByCell<Words>,
    asked: ByCell<u32>,
    covering: Covering,
    runs: RunWriter,
}

impl Builder {
    /// The tile of this key, if one of the `members` lies in it: fences in
    /// ascending order whose boxes touch it.
    pub(super) fn tile<'a>(
        &mut self,
        key: u32,
        members: impl Iterator<Item = (u32, &'a Shape)>,
    ) -> Option<Tile> {
        let mut draft = Draft::default();
        for (fence, shape) in members {
            for turn in turns(&shape.envelope()) {
                let shift = Shift::to_tile(key, turn);
                if shift.meets_tile(&shape.envelope()) {
                    draft.add(fence, shape, shift);
                }
            }
        }
        (!draft.is_empty()).then(|| self.write(&draft))
    }

    /// The tile of what lies in it.
    fn write(&mut self, draft: &Draft<'_>) -> Tile {
        let cells = Cells { bits: draft.cell_bits() };
        self.content.clear();
        let mut edges_from = 0;
        for crossing in &draft.polygons {
            let edges = edges_from..crossing.edges_end;
            edges_from = crossing.edges_end;
            self.content.add_polygon(cells, crossing, &draft.edges, edges);
        }
        for round in &draft.round {
            self.content.add_round(cells, round);
        }
        Tile {
            cell_bits: cells.bits,
            covering: draft.covering.as_slice().into(),
            bands: self.write_bands(cells).into(),
        }
    }

    /// Writes where each cell's run begins, and the runs, band by band.
    fn write_bands(&mut self, cells: Cells) -> Vec<Arc<[u32]>> {
        let Self { content, crossings, asked, covering, runs } = self;
        content.covered.sort_unstable_by_key(Stretch::place);
        crossings.lay_out(cells.count(), &content.crossings);
        asked.lay_out(cells.count(), &content.asked);
        let words = |(from, end): &Words| &content.written.words[*from as usize..*end as usize];
        let mut covered = content.covered.iter().peekable();
        let mut bands = Vec::new();
        for first in (0..cells.in_row()).step_by(cells.rows_of_band() as usize) {
            runs.begin_band(cells.rows_of_band() * cells.in_row());
            for row in first..first + cells.rows_of_band() {
                let (west, mut column) = (row << cells.row_bits(), 0);
                while column < cells.in_row() {
                    let end = covering.go_to((row, column), &mut covered, cells.in_row());
                    let fences = covering.fences.as_slice();
                    // The run of cells that are covered as here and know no more.
                    let mut plain = None;
                    let here = west + column..west + end;
                    let known = crossings.each(here.clone()).zip(asked.each(here.clone()));
                    for (cell, (crossings, asked)) in here.zip(known) {
                        let start = if !crossings.is_empty() {
                            runs.crossed(fences, asked, crossings.iter().map(words))
                        } else if asked.is_empty() {
                            *plain.get_or_insert_with(|| runs.uncrossed(fences, &[]))
                        } else {
                            runs.uncrossed(fences, asked)
                        };
                        runs.set(in_band(cell), start);
                    }
                    column = end;
                }
            }
            bands.push(runs.finish());
        }
        bands
    }
}

/// Which fences cover the cells of a row, from the west to the east.
#[derive(Default)]
struct Covering {
    stretches: Vec<Stretch>,
    /// Theirs, ascending.
    fences: Vec<u32>,
}

impl Covering {
    /// Knows the fences that cover this cell, and tells the column at which
    /// they are others, or the row of so many cells ends. `covered` are the
    /// stretches from here on.
    fn go_to<'a>(
        &mut self,
        (row, column): (u32, u32),
        covered: &mut Peekable<impl Iterator<Item = &'a Stretch>>,
        in_row: u32,
    ) -> u32 {
        self.stretches.retain(|stretch| stretch.row == row && stretch.last >= column);
        while let Some(next) = covered.next_if(|it| (it.row, it.first) == (row, column)) {
            let place = self.stretches.partition_point(|it| it.fence < next.fence);
            self.stretches.insert(place, *next);
        }
        self.fences.clear();
        self.fences.extend(self.stretches.iter().map(|stretch| stretch.fence));
        let ends = self.stretches.iter().map(|stretch| stretch.last + 1);
        let next = covered.peek().filter(|it| it.row == row).map(|it| it.first);
        ends.chain(next).min().unwrap_or(in_row)
    }
}
