//! A city: a bent grid of streets, every fifth one an arterial.
//!
//! Crossings are moved off the grid by a twentieth of a block, so that no two
//! roads are parallel and hardly any runs along a meridian. They are computed
//! when asked for: a city of any size costs no memory.

use geofence::Position;

use crate::draws::{Draws, key};
use crate::geometry::Scale;

/// Length of a block, metres, roughly.
pub(super) const BLOCK_M: f64 = 200.0;
/// How far a crossing may be off the grid, as a share of a block.
const BEND: f64 = 0.05;
/// Every such road is an arterial.
const ARTERIAL_EVERY: u16 = 5;

/// A crossing, counted from the south-west corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Eastward.
    pub column: u16,
    /// Northward.
    pub row: u16,
}

/// The road from a crossing to its neighbour in the east or in the north.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Road {
    /// Its western or southern end.
    pub from: Node,
    /// To the north rather than to the east.
    pub northward: bool,
}

impl Road {
    /// Its other end.
    #[must_use]
    pub fn to(self) -> Node {
        if self.northward {
            Node { row: self.from.row + 1, ..self.from }
        } else {
            Node { column: self.from.column + 1, ..self.from }
        }
    }

    /// Whether it is part of an arterial.
    #[must_use]
    pub fn is_arterial(self) -> bool {
        let across = if self.northward { self.from.column } else { self.from.row };
        across.is_multiple_of(ARTERIAL_EVERY)
    }
}

/// The roads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct City {
    key: u64,
    /// South-west corner of the grid.
    origin: Position,
    /// Blocks along each side.
    blocks: u16,
    /// Size of a block in units of 1e-7 degree.
    block_lon: i32,
    block_lat: i32,
    scale: Scale,
}

impl City {
    /// `blocks` by `blocks` blocks, at most 1,000 each way, north-east of
    /// `origin`.
    #[must_use]
    pub fn new(seed: u64, origin: Position, blocks: u16) -> Self {
        let scale = Scale::at(origin.lat);
        Self {
            key: key(seed, "city", 0),
            origin,
            blocks: blocks.clamp(4, 1_000),
            block_lon: (BLOCK_M / scale.east_m) as i32,
            block_lat: (BLOCK_M / scale.north_m) as i32,
            scale,
        }
    }

    /// Blocks along each side; crossings are one more.
    #[must_use]
    pub fn blocks(&self) -> u16 {
        self.blocks
    }

    /// Metres per unit, in the whole city.
    #[must_use]
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// Where a crossing is.
    #[must_use]
    pub fn crossing(&self, node: Node) -> Position {
        let id = u64::from(node.column) << 16 | u64::from(node.row);
        let mut draws = Draws::new(key(self.key, "crossing", id));
        let mut bent = |block: i32| {
            let most = (f64::from(block) * BEND) as i64;
            draws.within(-most, most) as i32
        };
        let grid = self.corner(node);
        Position { lat: grid.lat + bent(self.block_lat), lon: grid.lon + bent(self.block_lon) }
    }

    /// Where it would be if no road were bent.
    fn corner(&self, node: Node) -> Position {
        Position {
            lat: self.origin.lat + self.block_lat * i32::from(node.row),
            lon: self.origin.lon + self.block_lon * i32::from(node.column),
        }
    }

    /// The middle of the block north-east of a crossing, off every road. Lines
    /// between such middles meet roads in the middle of a block, far from where
    /// vehicles turn.
    #[must_use]
    pub fn middle(&self, node: Node) -> Position {
        let corner = self.corner(node);
        Position { lat: corner.lat + self.block_lat / 2, lon: corner.lon + self.block_lon / 2 }
    }

    /// A place on a road, at a share of its length.
    #[must_use]
    pub fn along(&self, road: Road, share: f64) -> Position {
        let (a, b) = (self.crossing(road.from), self.crossing(road.to()));
        blend(a, b, share)
    }

    /// The course from `a` to `b`, degrees clockwise from north, in [0, 360).
    #[must_use]
    pub fn heading_deg(&self, a: Position, b: Position) -> f32 {
        let (east_m, north_m) = self.scale.offset_m(a, b);
        let degrees = libm::atan2(east_m, north_m).to_degrees();
        // Rounded, so that the last bit of a product does not show.
        (degrees.rem_euclid(360.0) * 10.0).round() as f32 / 10.0 % 360.0
    }

    /// Any road.
    pub fn any_road(&self, draws: &mut Draws) -> Road {
        let mut place = || draws.below(u64::from(self.blocks)) as u16;
        let from = Node { column: place(), row: place() };
        Road { from, northward: draws.chance(0.5) }
    }
}

/// The position at a share of the straight way from `a` to `b`, rounded to
/// 1e-7 degree.
#[must_use]
pub(super) fn blend(a: Position, b: Position, share: f64) -> Position {
    let between = |a: i32, b: i32| {
        let (a, b) = (f64::from(a), f64::from(b));
        (a + share * (b - a)).round() as i32
    };
    Position { lat: between(a.lat, b.lat), lon: between(a.lon, b.lon) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn city() -> City {
        City::new(1, Position::from_degrees(48.0, 11.0).unwrap(), 20)
    }

    #[test]
    fn roads_are_about_a_block_long_and_crossings_stay_where_they_are() {
        let city = city();
        for number in 0..400_u16 {
            let from = Node { column: number % 20, row: number / 20 };
            for northward in [false, true] {
                let road = Road { from, northward };
                let (a, b) = (city.crossing(road.from), city.crossing(road.to()));
                let length_m = city.scale().distance_m(a, b);
                assert!((170.0..230.0).contains(&length_m), "{road:?}: {length_m}");
                assert_eq!(city.crossing(from), a);
            }
        }
    }

    #[test]
    fn arterials_are_every_fifth_road_each_way() {
        let road = |column, row, northward| Road { from: Node { column, row }, northward };
        assert!(road(3, 5, false).is_arterial() && !road(5, 3, false).is_arterial());
        assert!(road(5, 3, true).is_arterial() && !road(3, 5, true).is_arterial());
    }
}
