//! An edge of an outline, and the exact questions asked of it.
//!
//! Products of two coordinate differences stay within `i64`: an edge spans
//! less than half a turn (1.8e9) and latitudes at most 1.8e9, so a product is
//! below 3.3e18. Differences of products are compared, never formed.

use std::cmp::Ordering;

use super::envelope::Envelope;
use super::parts::Vertex;
use crate::plane::{HALF_TURN, Scale, TURN};

/// Latitude of a pole, units.
const POLE_LAT: u64 = 900_000_000;

/// From the western end to the eastern one; from south to north if vertical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) west: Vertex,
    pub(super) east: Vertex,
}

/// Where a point lies as seen from an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// On the edge, its ends included.
    On,
    /// The edge passes north of the point; of an edge's ends, the western one
    /// counts.
    North,
    /// Anything else.
    Elsewhere,
}

impl Edge {
    pub(super) fn between(a: Vertex, b: Vertex) -> Self {
        Self { west: a.min(b), east: a.max(b) }
    }

    pub(super) fn envelope(&self) -> Envelope {
        let (a, b) = (self.west, self.east);
        Envelope { west: a.x, east: b.x, south: a.y.min(b.y), north: a.y.max(b.y) }
    }

    #[inline]
    pub(super) fn sight(&self, x: i64, y: i64) -> Sight {
        let (west, east) = (self.west, self.east);
        if x < west.x || x > east.x {
            return Sight::Elsewhere;
        }
        if west.x == east.x {
            let on = (west.y..=east.y).contains(&y);
            return if on { Sight::On } else { Sight::Elsewhere };
        }
        let height = (y - west.y) * (east.x - west.x);
        let rise = (x - west.x) * (east.y - west.y);
        match height.cmp(&rise) {
            Ordering::Equal => Sight::On,
            Ordering::Less if x < east.x => Sight::North,
            _ => Sight::Elsewhere,
        }
    }

    /// Whether the edge passes north of the point that lies an infinitesimal
    /// step from (x, y) along (dx, dy), and a yet smaller one to the left.
    pub(super) fn is_north_of_step(&self, (x, y): (i64, i64), (dx, dy): (i64, i64)) -> bool {
        let (west, east) = (self.west, self.east);
        let reached =
            |meridian: i64| x.cmp(&meridian).then(dx.cmp(&0)).then(0.cmp(&dy)) == Ordering::Greater;
        if !reached(west.x) || reached(east.x) {
            return false;
        }
        let (ex, ey) = (i128::from(east.x - west.x), i128::from(east.y - west.y));
        let (dx, dy) = (i128::from(dx), i128::from(dy));
        let height = i128::from(y - west.y) * ex - i128::from(x - west.x) * ey;
        let side =
            height.cmp(&0).then((dy * ex - dx * ey).cmp(&0)).then((dx * ex + dy * ey).cmp(&0));
        side == Ordering::Less
    }

    /// Square of the distance from (x, y) in the plane of `scale`, metres², to
    /// the nearest copy of the edge round the Earth.
    #[inline]
    pub(super) fn distance2_m2(&self, x: i64, y: i64, scale: Scale) -> f64 {
        let turn = nearest_turn((self.west.x + self.east.x) / 2 - x);
        let a = ((self.west.x + turn - x) as f64, (self.west.y - y) as f64);
        let along = ((self.east.x - self.west.x) as f64, (self.east.y - self.west.y) as f64);
        segment_distance2_m2(a, along, scale)
    }

    /// Edges along a pole bound nothing on the ground.
    pub(super) fn is_at_pole(&self) -> bool {
        self.west.y == self.east.y && self.west.y.unsigned_abs() == POLE_LAT
    }
}

/// What to add to a difference of longitudes to bring it within half a turn,
/// for differences below one and a half.
pub(super) fn nearest_turn(delta: i64) -> i64 {
    if delta > HALF_TURN {
        -TURN
    } else if delta < -HALF_TURN {
        TURN
    } else {
        0
    }
}

/// Distance in metres from the origin to the segment that starts at `a` and
/// runs by `along`, both in units.
pub(super) fn segment_distance_m(a: (f64, f64), along: (f64, f64), scale: Scale) -> f64 {
    segment_distance2_m2(a, along, scale).sqrt()
}

/// The square of [`segment_distance_m`], metres²: of many, only the least needs
/// its root.
#[inline]
fn segment_distance2_m2(a: (f64, f64), along: (f64, f64), scale: Scale) -> f64 {
    let (ax, ay) = (a.0 * scale.east_m, a.1 * scale.north_m);
    let (ex, ey) = (along.0 * scale.east_m, along.1 * scale.north_m);
    let length2 = ex * ex + ey * ey;
    let t = if length2 > 0.0 { (-(ax * ex + ay * ey) / length2).clamp(0.0, 1.0) } else { 0.0 };
    let (x, y) = (ax + t * ex, ay + t * ey);
    x * x + y * y
}
