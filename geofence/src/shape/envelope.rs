//! Boxes in longitude and latitude that know that longitude is a circle.

use crate::Position;
use crate::plane::{HALF_TURN, RADIANS, TURN, WGS84_A_M, WGS84_E2, short_way};

/// A closed box on the 1e-7 degree grid. West lies anywhere on the unwrapped
/// longitude axis; `east` is not before it, so a box over the antimeridian is
/// one box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) west: i64,
    pub(crate) east: i64,
    pub(crate) south: i64,
    pub(crate) north: i64,
}

impl Envelope {
    /// The box of the straight step between two positions, the short way.
    pub(crate) fn of_step(from: Position, to: Position) -> Self {
        let start = i64::from(from.lon);
        let end = start + short_way(i64::from(to.lon) - start);
        Self {
            west: start.min(end),
            east: start.max(end),
            south: i64::from(from.lat.min(to.lat)),
            north: i64::from(from.lat.max(to.lat)),
        }
    }

    /// A box that holds every position whose distance, in the plane at that
    /// position, to some point of the segment `a`–`b` (lon, lat) is at most
    /// `reach_m` metres. Never too small: it uses the smallest radius of
    /// curvature and the latitude where a degree of longitude is shortest.
    pub(crate) fn around_segment(a: (i64, i64), b: (i64, i64), reach_m: f64) -> Self {
        // A margin over rounding: millimetres of the distance, then whole units.
        let reach_m = reach_m + 0.01;
        let m_min = WGS84_A_M * (1.0 - WGS84_E2);
        // An accuracy may be any number; nothing reaches past the other pole.
        let rise = (reach_m / m_min / RADIANS).min(HALF_TURN as f64).ceil() as i64 + 1;
        let south = (a.1.min(b.1) - rise).max(-900_000_000);
        let north = (a.1.max(b.1) + rise).min(900_000_000);
        let cos_min = libm::cos(south.abs().max(north.abs()) as f64 * RADIANS);
        let run = reach_m / (WGS84_A_M * cos_min) / RADIANS;
        // At a pole, and next to it, all longitudes are near.
        let run = if run < HALF_TURN as f64 { run.ceil() as i64 + 1 } else { HALF_TURN };
        Self { west: a.0.min(b.0) - run, east: a.0.max(b.0) + run, south, north }
    }

    /// The smallest box that holds both, on the same unwrapped axis.
    pub(crate) fn join(self, other: Self) -> Self {
        Self {
            west: self.west.min(other.west),
            east: self.east.max(other.east),
            south: self.south.min(other.south),
            north: self.north.max(other.north),
        }
    }

    /// Whether the box holds `p`, on whichever turn.
    pub(crate) fn holds(&self, p: Position) -> bool {
        let (lon, lat) = (i64::from(p.lon), i64::from(p.lat));
        (self.south..=self.north).contains(&lat)
            && (lon - self.west).rem_euclid(TURN) <= self.east - self.west
    }

    /// Whether the boxes share a place of the axis, without a turn.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.west <= other.east
            && other.west <= self.east
            && self.south <= other.north
            && other.south <= self.north
    }

    /// The box after `turn` more units of longitude.
    pub(crate) fn turned(self, turn: i64) -> Self {
        Self { west: self.west + turn, east: self.east + turn, ..self }
    }

    /// Whether the boxes share a position, on whichever turn.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let (a, b) = (self, other);
        a.south <= b.north
            && b.south <= a.north
            && ((b.west - a.west).rem_euclid(TURN) <= a.east - a.west
                || (a.west - b.west).rem_euclid(TURN) <= b.east - b.west)
    }

    /// Calls `piece` for each of [`Self::pieces`]: mostly for the box itself.
    #[inline]
    pub(crate) fn each_piece(&self, mut piece: impl FnMut(&Self)) {
        if -HALF_TURN < self.west && self.east < HALF_TURN {
            piece(self);
        } else {
            self.pieces().for_each(|it| piece(&it));
        }
    }

    /// The box cut into pieces within ±180 degrees. A piece that ends on one
    /// side of the antimeridian comes with its (narrow) copy on the other, so
    /// that a position at −180 and at 180 finds the same boxes.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Self> + use<> {
        let whole = self.east - self.west >= TURN;
        let turned = *self;
        (-2..=2).filter_map(move |turn| {
            let west = (turned.west + turn * TURN).max(-HALF_TURN);
            let east = (turned.east + turn * TURN).min(HALF_TURN);
            match (whole, turn) {
                (true, 0) => Some(Self { west: -HALF_TURN, east: HALF_TURN, ..turned }),
                (true, _) => None,
                _ => (west <= east).then_some(Self { west, east, ..turned }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lon_box(west: f64, east: f64) -> Envelope {
        let e7 = |degrees: f64| (degrees * 1e7) as i64;
        Envelope { west: e7(west), east: e7(east), south: -10, north: 10 }
    }

    fn at_lon(lon: f64) -> Position {
        Position::from_degrees(0.0, lon).unwrap()
    }

    /// Of an accuracy that is a number and no distance.
    #[test]
    fn nothing_reaches_farther_than_the_earth_does() {
        for reach_m in [4e7, 1e15, 1e20, f64::MAX] {
            let all = Envelope::around_segment((0, 0), (10, -10), reach_m);
            assert_eq!((all.south, all.north), (-900_000_000, 900_000_000), "{reach_m}");
            assert!(all.holds(at_lon(179.9)), "{reach_m}");
        }
    }

    #[test]
    fn holds_on_every_turn() {
        let over = lon_box(179.0, 181.0);
        for lon in [179.0, 180.0, -180.0, -179.0] {
            assert!(over.holds(at_lon(lon)), "{lon}");
        }
        for lon in [178.9, -178.9, 0.0] {
            assert!(!over.holds(at_lon(lon)), "{lon}");
        }
    }

    #[test]
    fn pieces_cover_both_sides_of_the_antimeridian() {
        let spans = |west, east| {
            lon_box(west, east)
                .pieces()
                .map(|p| (p.west / 10_000_000, p.east / 10_000_000))
                .collect::<Vec<_>>()
        };
        assert_eq!(spans(10.0, 20.0), [(10, 20)]);
        assert_eq!(spans(170.0, 190.0), [(-180, -170), (170, 180)]);
        assert_eq!(spans(170.0, 180.0), [(-180, -180), (170, 180)]);
        assert_eq!(spans(-180.0, -170.0), [(-180, -170), (180, 180)]);
        assert_eq!(spans(-200.0, 160.0), [(-180, 180)]);
        assert_eq!(spans(350.0, 370.0), [(-10, 10)]);
    }

    #[test]
    fn boxes_meet_round_the_back() {
        assert!(lon_box(170.0, 190.0).meets(&lon_box(-175.0, -160.0)));
        assert!(lon_box(-175.0, -160.0).meets(&lon_box(170.0, 190.0)));
        assert!(!lon_box(170.0, 180.0).meets(&lon_box(-175.0, -160.0)));
    }

    #[test]
    fn a_reach_over_the_pole_takes_all_longitudes() {
        let near_pole = Envelope::around_segment((0, 899_000_000), (0, 899_000_000), 20_000.0);
        assert_eq!(near_pole.north, 900_000_000);
        assert!(near_pole.holds(Position { lat: 900_000_000, lon: 1_800_000_000 }));
    }
}
