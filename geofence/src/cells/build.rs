//! Making a tile from the shapes that may touch it.
//!
//! Cells in a row that no edge touches all lie on one side, which is asked
//! once: such stretches, not cells, are kept until the tile is written, row by
//! row. Nothing is held of one tile while another is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::content::{ByCell, Cells, Content, Stretch, Touch};
use super::draft::{Draft, Shift};
use super::raster::{Edge, clamped};
use super::run::{self, RunWriter};
use super::tile::Tile;
use super::{CellIndex, TILE_BITS, grid};
use crate::Shape;
use crate::plane::TURN;
use crate::shape::Envelope;

/// The tiles that a shape with this envelope may touch, if the index takes it.
pub(super) fn keys(envelope: &Envelope) -> impl Iterator<Item = u32> + use<> {
    let envelope = *envelope;
    let turns = CellIndex::takes(&envelope).then(|| turns(&envelope));
    turns.into_iter().flatten().flat_map(move |turn| {
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

/// The tile of this key, if one of the `members` lies in it: fences in
/// ascending order whose boxes touch it.
pub(super) fn tile<'a>(key: u32, members: impl Iterator<Item = (u32, &'a Shape)>) -> Option<Tile> {
    let mut draft = Draft::default();
    for (fence, shape) in members {
        for turn in turns(&shape.envelope()) {
            let shift = Shift::to_tile(key, turn);
            if shift.meets_tile(&shape.envelope()) {
                draft.add(fence, shape, shift);
            }
        }
    }
    (!draft.is_empty()).then(|| write(&draft))
}

/// The tile of what lies in it.
fn write(draft: &Draft<'_>) -> Tile {
    let cells = Cells { bits: draft.cell_bits() };
    let mut content = Content::default();
    let mut edges_from = 0;
    for (index, crossing) in (0_u32..).zip(&draft.polygons) {
        let edges = edges_from..crossing.edges_end;
        edges_from = crossing.edges_end;
        content.add_polygon(cells, index, crossing, &draft.edges, edges);
    }
    for round in &draft.round {
        content.add_round(cells, round);
    }
    let (starts, words) = write_runs(draft, cells, content);
    Tile { cell_bits: cells.bits, covering: draft.covering.as_slice().into(), starts, words }
}

/// Where each cell's run begins, and the runs.
fn write_runs(draft: &Draft<'_>, cells: Cells, mut content: Content) -> (Arc<[u32]>, Arc<[u32]>) {
    content.covered.sort_unstable_by_key(|it| (it.row, it.first, it.fence));
    let edges = ByCell::new(cells.count(), &content.edges);
    let asked = ByCell::new(cells.count(), &content.asked);
    let mut covered = content.covered.iter().peekable();
    let mut covering: Vec<Stretch> = Vec::new();
    let mut starts = Vec::with_capacity(cells.count());
    let mut last_plain = None;
    let mut runs =
        Runs { cells, draft, writer: RunWriter::new(), known: BTreeMap::new(), within: Vec::new() };
    for row in 0..cells.in_row() {
        covering.clear();
        for column in 0..cells.in_row() {
            let cell = row << cells.row_bits() | column;
            let here = covering.len();
            covering.retain(|stretch| stretch.last >= column);
            let mut changed = covering.len() != here || column == 0;
            while let Some(next) = covered.next_if(|it| (it.row, it.first) == (row, column)) {
                let place = covering.partition_point(|it| it.fence < next.fence);
                covering.insert(place, *next);
                changed = true;
            }
            let (edges, asked) = (edges.of(cell), asked.of(cell));
            let is_plain = edges.is_empty() && asked.is_empty();
            starts.push(match last_plain {
                Some(same) if is_plain && !changed => same,
                _ => runs.of_cell((column, row), &covering, asked, edges),
            });
            last_plain = starts.last().copied().filter(|_| is_plain);
        }
    }
    (starts.into(), runs.writer.finish())
}

/// The runs of a tile as they are written.
struct Runs<'a> {
    cells: Cells,
    draft: &'a Draft<'a>,
    writer: RunWriter,
    /// Where runs without edges begin, by the fences that cover and those to
    /// be asked.
    known: BTreeMap<(Vec<u32>, Vec<u32>), u32>,
    /// The edges that are being written.
    within: Vec<Edge>,
}

impl Runs<'_> {
    /// Where the run of a cell begins that says this.
    fn of_cell(
        &mut self,
        place: (u32, u32),
        covering: &[Stretch],
        asked: &[u32],
        edges: &[Touch],
    ) -> u32 {
        let covering: Vec<u32> = covering.iter().map(|stretch| stretch.fence).collect();
        if !edges.is_empty() {
            return self.crossed(place, &covering, asked, edges);
        }
        if covering.is_empty() && asked.is_empty() {
            return run::NOTHING;
        }
        let key = (covering, asked.to_vec());
        match self.known.get(&key) {
            Some(start) => *start,
            None => {
                let start = self.writer.begin(&key.0, &key.1, 0);
                self.known.insert(key, start);
                start
            }
        }
    }

    fn crossed(
        &mut self,
        (column, row): (u32, u32),
        covering: &[u32],
        asked: &[u32],
        edges: &[Touch],
    ) -> u32 {
        let by_polygon = || edges.chunk_by(|a, b| a.polygon == b.polygon);
        let start = self.writer.begin(covering, asked, by_polygon().count());
        let (column, row) = (i64::from(column), i64::from(row));
        let corner = (-(column << self.cells.bits), -(row << self.cells.bits));
        for of_polygon in by_polygon() {
            let Touch { polygon, inside, .. } = of_polygon[0];
            let edge = |touch: &Touch| self.draft.edges[touch.edge as usize].moved(corner);
            self.within.clear();
            self.within.extend(of_polygon.iter().map(edge));
            let fence = self.draft.polygons[polygon as usize].fence;
            self.writer.crossing(fence, inside, &self.within, 1 << self.cells.bits);
        }
        start
    }
}
