//! Tiles and where places lie in them.

use super::TILE_BITS;
use crate::Position;
use crate::plane::HALF_TURN;
use crate::shape::Envelope;

/// Units from the equator to a pole.
const QUARTER_TURN: i64 = HALF_TURN / 2;
/// Columns of tiles fit in so many bits, rows in fewer.
const COLUMN_BITS: u32 = 12;

/// Units east of 180° W and north of the south pole.
#[inline]
pub(super) fn from_corner(p: Position) -> (u32, u32) {
    let (x, y) = corner_of(i64::from(p.lon), i64::from(p.lat));
    (x as u32, y as u32)
}

/// [`from_corner`] of any place, also past the ends of the map.
#[inline]
pub(super) fn corner_of(lon: i64, lat: i64) -> (i64, i64) {
    (lon + HALF_TURN, lat + QUARTER_TURN)
}

/// Names the tile in this column and row.
#[inline]
pub(super) fn tile_key(column: u32, row: u32) -> u32 {
    row << COLUMN_BITS | column
}

/// The tile's box, closed, as far as it lies within ±180 and ±90 degrees.
pub(super) fn box_of(key: u32) -> Envelope {
    let (column, row) = of_key(key);
    let (west, south) = (column << TILE_BITS, row << TILE_BITS);
    let side = 1 << TILE_BITS;
    Envelope {
        west: west - HALF_TURN,
        east: (west + side - HALF_TURN).min(HALF_TURN),
        south: south - QUARTER_TURN,
        north: (south + side - QUARTER_TURN).min(QUARTER_TURN),
    }
}

/// Column and row of a tile.
pub(super) fn of_key(key: u32) -> (i64, i64) {
    (i64::from(key & ((1 << COLUMN_BITS) - 1)), i64::from(key >> COLUMN_BITS))
}

/// Units from the tile's western or southern edge.
#[inline]
pub(super) fn within_tile(units: u32) -> u32 {
    units & ((1 << TILE_BITS) - 1)
}

/// Columns and rows of tiles there are.
pub(super) const COLUMNS: i64 = ((2 * HALF_TURN) >> TILE_BITS) + 1;
pub(super) const ROWS: i64 = ((2 * QUARTER_TURN) >> TILE_BITS) + 1;
