//! Making the tiles from shapes.
//!
//! A shape is first spread over the tiles it touches, then each tile over its
//! cells. Cells in a row that no edge touches all lie on one side, which is
//! asked once.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::raster::{self, Edge, clamped};
use super::run::RunWriter;
use super::tile::Tile;
use super::{CellIndex, TILE_BITS, grid};
use crate::Shape;
use crate::plane::TURN;
use crate::shape::{BoxSide, Envelope, Polygonal};

/// A tile has at least as many cells for each edge.
const CELLS_PER_EDGE: usize = 2;
/// An outline that must be asked about counts for so many edges.
const EDGES_OF_ROUND: usize = 16;
/// Cells are not finer than this: 23 m from south to north.
const CELL_BITS_MIN: u32 = 11;
/// Entries that a tile's cells may come to before they are made coarser.
const ENTRIES_MAX: u64 = 1 << 21;

/// Shapes spread over tiles.
#[derive(Default)]
pub(super) struct Builder<'a> {
    tiles: BTreeMap<u32, Spread<'a>>,
}

/// What of the shapes lies in one tile.
#[derive(Default)]
struct Spread<'a> {
    covering: Vec<u32>,
    polygons: Vec<Crossing<'a>>,
    round: Vec<Round<'a>>,
}

/// How a shape's own longitudes and latitudes become units from a tile's
/// south-western corner.
#[derive(Clone, Copy)]
struct Shift {
    east: i64,
    north: i64,
}

/// A polygon whose outline touches the tile.
struct Crossing<'a> {
    fence: u32,
    polygon: &'a Polygonal,
    shift: Shift,
    /// Relative to the tile's corner.
    edges: Vec<Edge>,
}

/// A circle or corridor whose outline may touch the tile.
struct Round<'a> {
    fence: u32,
    shape: &'a Shape,
    shift: Shift,
}

/// What a cell will say of a fence; sorted by cell, then kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    cell: u32,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The fence covers it.
    Covering(u32),
    /// The fence must be asked.
    Asked(u32),
    /// Indexes of the polygon in its tile and of one of its edges there.
    Edge(u32, u32),
}

impl<'a> Builder<'a> {
    /// Adds a shape, unless it is none that the index [takes](CellIndex::takes).
    pub(super) fn add(&mut self, fence: u32, shape: &'a Shape) {
        let envelope = shape.envelope();
        if !CellIndex::takes(&envelope) {
            return;
        }
        for turn in turns(envelope.west, envelope.east) {
            match shape {
                Shape::Polygon(polygon) => self.add_polygon(fence, polygon, turn),
                Shape::Circle(_) | Shape::Corridor(_) => self.add_round(fence, shape, turn),
            }
        }
    }

    fn add_polygon(&mut self, fence: u32, polygon: &'a Polygonal, turn: i64) {
        let mut by_tile: BTreeMap<u32, Vec<Edge>> = BTreeMap::new();
        let (columns, rows) = (0..=grid::COLUMNS - 1, 0..=grid::ROWS - 1);
        for (west, east) in polygon.outline() {
            let on_map = Edge { west, east }.moved(grid::corner_of(turn, 0));
            raster::touched(&on_map, TILE_BITS, &columns, &rows, |column, row| {
                let within = on_map.moved((-(column << TILE_BITS), -(row << TILE_BITS)));
                let key = grid::tile_key(column as u32, row as u32);
                by_tile.entry(key).or_default().push(within);
            });
        }
        each_tile(&polygon.envelope(), turn, |key, shift| {
            if !by_tile.contains_key(&key) && polygon.is_inside_beside((-shift.east, -shift.north))
            {
                self.tile(key).covering.push(fence);
            }
        });
        for (key, edges) in by_tile {
            let shift = Shift::to_tile(key, turn);
            self.tile(key).polygons.push(Crossing { fence, polygon, shift, edges });
        }
    }

    fn add_round(&mut self, fence: u32, shape: &'a Shape, turn: i64) {
        each_tile(&shape.envelope(), turn, |key, shift| {
            match shape.side_of_box(shift.back((0, 0)), 1 << TILE_BITS) {
                BoxSide::Outside => {}
                BoxSide::Inside => self.tile(key).covering.push(fence),
                BoxSide::Unknown => self.tile(key).round.push(Round { fence, shape, shift }),
            }
        });
    }

    fn tile(&mut self, key: u32) -> &mut Spread<'a> {
        self.tiles.entry(key).or_default()
    }

    /// The tiles by key.
    pub(super) fn tiles(self) -> impl Iterator<Item = (u32, Tile)> {
        self.tiles.into_iter().map(|(key, spread)| (key, spread.into_tile()))
    }
}

impl Shift {
    fn to_tile(key: u32, turn: i64) -> Self {
        let (x, y) = grid::corner_of(turn, 0);
        let (column, row) = grid::of_key(key);
        Self { east: x - (column << TILE_BITS), north: y - (row << TILE_BITS) }
    }

    /// The shape's own longitude and latitude of a place in the tile.
    fn back(self, (x, y): (i64, i64)) -> (i64, i64) {
        (x - self.east, y - self.north)
    }

    /// Columns and rows of the tile's cells that the box touches.
    fn cells(self, bounds: &Envelope, bits: u32) -> (RangeInclusive<i64>, RangeInclusive<i64>) {
        let all = 0..=(1 << (TILE_BITS - bits)) - 1;
        (
            clamped(bounds.west + self.east, bounds.east + self.east, bits, &all),
            clamped(bounds.south + self.north, bounds.north + self.north, bits, &all),
        )
    }
}

/// The turns by which an extent of longitudes must be moved to meet the map,
/// which ends within a tile.
fn turns(west: i64, east: i64) -> impl Iterator<Item = i64> + use<> {
    let reach = TURN / 2 + (1 << TILE_BITS);
    (-2..=2)
        .map(|turn| turn * TURN)
        .filter(move |turn| west + turn <= reach && east + turn >= -reach)
}

/// Calls `each` for every tile that the box, moved by `turn`, touches.
fn each_tile(envelope: &Envelope, turn: i64, mut each: impl FnMut(u32, Shift)) {
    let (west, south) = grid::corner_of(envelope.west + turn, envelope.south);
    let (east, north) = grid::corner_of(envelope.east + turn, envelope.north);
    for row in clamped(south, north, TILE_BITS, &(0..=grid::ROWS - 1)) {
        for column in clamped(west, east, TILE_BITS, &(0..=grid::COLUMNS - 1)) {
            let key = grid::tile_key(column as u32, row as u32);
            each(key, Shift::to_tile(key, turn));
        }
    }
}

impl Spread<'_> {
    fn into_tile(mut self) -> Tile {
        let cells = Cells { bits: self.cell_bits() };
        let mut entries = Vec::new();
        for (index, crossing) in (0_u32..).zip(&self.polygons) {
            cells.spread_polygon(index, crossing, &mut entries);
        }
        for round in &self.round {
            cells.spread_round(round, &mut entries);
        }
        entries.sort_unstable();

        let mut starts = vec![0_u32; 1 << (2 * cells.row_bits())];
        let mut writer = RunWriter::new();
        for of_cell in entries.chunk_by(|a, b| a.cell == b.cell) {
            starts[of_cell[0].cell as usize] = cells.write(of_cell, &self.polygons, &mut writer);
        }
        self.covering.sort_unstable();
        Tile {
            cell_bits: cells.bits,
            row_bits: cells.row_bits(),
            covering: self.covering.into(),
            starts: starts.into(),
            words: writer.finish(),
        }
    }

    /// Fine where there are many edges, as long as the entries are not too
    /// many.
    fn cell_bits(&self) -> u32 {
        let edges: usize = self.polygons.iter().map(|crossing| crossing.edges.len()).sum();
        let cells = (edges + self.round.len() * EDGES_OF_ROUND) * CELLS_PER_EDGE;
        let row_bits = cells.max(1).ilog2().div_ceil(2);
        let mut bits = TILE_BITS.saturating_sub(row_bits).max(CELL_BITS_MIN);
        while bits < TILE_BITS && self.entries_at_most(bits) > ENTRIES_MAX {
            bits += 1;
        }
        bits
    }

    /// Entries that cells of this size may come to, about.
    fn entries_at_most(&self, bits: u32) -> u64 {
        let edges = self.polygons.iter().flat_map(|crossing| &crossing.edges);
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
        edges.map(|edge| edge.squares_at_most(TILE_BITS, bits)).sum::<u64>()
            + boxes.map(of_box).sum::<u64>()
    }
}

/// The cells of a tile.
#[derive(Clone, Copy)]
struct Cells {
    /// A cell has 2^bits units a side.
    bits: u32,
}

impl Cells {
    fn row_bits(self) -> u32 {
        TILE_BITS - self.bits
    }

    fn number(self, column: i64, row: i64) -> u32 {
        (row << self.row_bits() | column) as u32
    }

    fn spread_polygon(self, index: u32, crossing: &Crossing<'_>, entries: &mut Vec<Entry>) {
        let polygon = crossing.polygon;
        let (columns, rows) = crossing.shift.cells(&polygon.envelope(), self.bits);
        let first = entries.len();
        for (number, edge) in (0_u32..).zip(&crossing.edges) {
            raster::touched(edge, self.bits, &columns, &rows, |column, row| {
                let kind = Kind::Edge(index, number);
                entries.push(Entry { cell: self.number(column, row), kind });
            });
        }
        let mut touched: Vec<u32> = entries[first..].iter().map(|entry| entry.cell).collect();
        touched.sort_unstable();
        touched.dedup();
        let mut touched = touched.into_iter().peekable();
        for row in rows {
            let mut stretch_is_inside = None;
            for column in columns.clone() {
                let cell = self.number(column, row);
                if touched.next_if_eq(&cell).is_some() {
                    stretch_is_inside = None;
                    continue;
                }
                let inside = *stretch_is_inside
                    .get_or_insert_with(|| self.is_inside_at_corner(crossing, column, row));
                if inside {
                    entries.push(Entry { cell, kind: Kind::Covering(crossing.fence) });
                }
            }
        }
    }

    /// The side of the cell's north-western corner, a bit to the east of it and
    /// a yet smaller one to the north.
    fn is_inside_at_corner(self, crossing: &Crossing<'_>, column: i64, row: i64) -> bool {
        let corner = (column << self.bits, (row + 1) << self.bits);
        crossing.polygon.is_inside_beside(crossing.shift.back(corner))
    }

    fn spread_round(self, round: &Round<'_>, entries: &mut Vec<Entry>) {
        let (columns, rows) = round.shift.cells(&round.shape.envelope(), self.bits);
        for row in rows {
            for column in columns.clone() {
                let corner = round.shift.back((column << self.bits, row << self.bits));
                let kind = match round.shape.side_of_box(corner, 1 << self.bits) {
                    BoxSide::Outside => continue,
                    BoxSide::Inside => Kind::Covering(round.fence),
                    BoxSide::Unknown => Kind::Asked(round.fence),
                };
                entries.push(Entry { cell: self.number(column, row), kind });
            }
        }
    }

    /// Writes the run of a cell and returns where it begins.
    fn write(self, entries: &[Entry], polygons: &[Crossing<'_>], writer: &mut RunWriter) -> u32 {
        let mut covering = Vec::new();
        let mut asked = Vec::new();
        let mut edges: Vec<(u32, u32)> = Vec::new();
        for entry in entries {
            match entry.kind {
                Kind::Covering(fence) => covering.push(fence),
                Kind::Asked(fence) => asked.push(fence),
                Kind::Edge(polygon, edge) => edges.push((polygon, edge)),
            }
        }
        let by_polygon = || edges.chunk_by(|a, b| a.0 == b.0);
        let start = writer.begin(&covering, &asked, by_polygon().count());
        let cell = i64::from(entries[0].cell);
        let (column, row) = (cell & ((1 << self.row_bits()) - 1), cell >> self.row_bits());
        let corner = (-(column << self.bits), -(row << self.bits));
        for of_polygon in by_polygon() {
            let crossing = &polygons[of_polygon[0].0 as usize];
            let within: Vec<Edge> = of_polygon
                .iter()
                .map(|(_, edge)| crossing.edges[*edge as usize].moved(corner))
                .collect();
            let inside = self.is_inside_at_corner(crossing, column, row);
            writer.crossing(crossing.fence, inside, &within, 1 << self.bits);
        }
        start
    }
}
