//! Where a straight path is inside a region: the geometry that the truth rests
//! on.
//!
//! Written for being obviously right, apart from the engine's geometry: all
//! edges are asked, what lies between two crossings is judged by its middle.
//! Sides at the ends of a step are decided exactly, on 1e-7 degrees.
//!
//! Regions lie within one turn of longitude: a region over the 180th meridian
//! is refused by [`crate::fences`].

mod capsule;
mod polygon;

pub use capsule::Capsules;
pub use polygon::Polygon;

use geofence::{Position, WGS84_A_M, WGS84_E2};

/// Metres per 1e-7 degree at one latitude.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Metres per unit of longitude.
    pub east_m: f64,
    /// Metres per unit of latitude.
    pub north_m: f64,
}

impl Scale {
    /// At `lat_e7`, from the ellipsoid's radii of curvature N and M (Snyder,
    /// *Map Projections: A Working Manual*, USGS 1395, eq. 4-18 to 4-20).
    #[must_use]
    pub fn at(lat_e7: i32) -> Self {
        let unit = std::f64::consts::PI / 180.0 / geofence::E7;
        let (sin, cos) = libm::sincos(f64::from(lat_e7) * unit);
        let w2 = 1.0 - WGS84_E2 * sin * sin;
        let n = WGS84_A_M / w2.sqrt();
        let m = n * (1.0 - WGS84_E2) / w2;
        Self { east_m: n * cos * unit, north_m: m * unit }
    }

    /// East and north from `origin` to `p`, metres.
    #[must_use]
    pub fn offset_m(&self, origin: Position, p: Position) -> (f64, f64) {
        let east = f64::from(p.lon) - f64::from(origin.lon);
        let north = f64::from(p.lat) - f64::from(origin.lat);
        (east * self.east_m, north * self.north_m)
    }

    /// Distance from `a` to `b`, metres.
    #[must_use]
    pub fn distance_m(&self, a: Position, b: Position) -> f64 {
        let (x, y) = self.offset_m(a, b);
        (x * x + y * y).sqrt()
    }
}

/// The smallest box of whole 1e-7 degrees round something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Smallest latitude and longitude.
    pub south_west: Position,
    /// Largest latitude and longitude.
    pub north_east: Position,
}

impl Bounds {
    /// Round the step from `a` to `b`.
    #[must_use]
    pub fn of_step(a: Position, b: Position) -> Self {
        Self {
            south_west: Position { lat: a.lat.min(b.lat), lon: a.lon.min(b.lon) },
            north_east: Position { lat: a.lat.max(b.lat), lon: a.lon.max(b.lon) },
        }
    }

    /// Whether the two boxes share a point.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.south_west.lat <= other.north_east.lat
            && other.south_west.lat <= self.north_east.lat
            && self.south_west.lon <= other.north_east.lon
            && other.south_west.lon <= self.north_east.lon
    }

    fn around(points: impl Iterator<Item = Position>) -> Option<Self> {
        points.map(|p| Self::of_step(p, p)).reduce(|all, one| Self {
            south_west: Position {
                lat: all.south_west.lat.min(one.south_west.lat),
                lon: all.south_west.lon.min(one.south_west.lon),
            },
            north_east: Position {
                lat: all.north_east.lat.max(one.north_east.lat),
                lon: all.north_east.lon.max(one.north_east.lon),
            },
        })
    }

    fn widened(self, lat: i32, lon: i32) -> Self {
        Self {
            south_west: Position {
                lat: self.south_west.lat.saturating_sub(lat),
                lon: self.south_west.lon.saturating_sub(lon),
            },
            north_east: Position {
                lat: self.north_east.lat.saturating_add(lat),
                lon: self.north_east.lon.saturating_add(lon),
            },
        }
    }
}

/// A closed set of positions.
#[derive(Clone, Debug, PartialEq)]
pub enum Region {
    /// Polygons with holes.
    Polygon(Polygon),
    /// All within a distance of a line or a point.
    Capsules(Capsules),
}

impl Region {
    /// Whether `p` is inside; edges are.
    #[must_use]
    pub fn contains(&self, p: Position) -> bool {
        match self {
            Self::Polygon(polygon) => polygon.contains(p),
            Self::Capsules(capsules) => capsules.contains(p),
        }
    }

    /// Distance to the outline, metres, positive inside.
    #[must_use]
    pub fn depth_m(&self, p: Position) -> f64 {
        match self {
            Self::Polygon(polygon) => polygon.depth_m(p),
            Self::Capsules(capsules) => capsules.depth_m(p),
        }
    }

    /// A box round it.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        match self {
            Self::Polygon(polygon) => polygon.bounds(),
            Self::Capsules(capsules) => capsules.bounds(),
        }
    }

    /// Area in metres², of a capsule of several segments as if it were
    /// stretched out straight.
    #[must_use]
    pub fn area_m2(&self) -> f64 {
        match self {
            Self::Polygon(polygon) => polygon.area_m2(),
            Self::Capsules(capsules) => capsules.area_m2(),
        }
    }

    /// The stretches of the straight step from `a` to `b` that lie inside, as
    /// fractions of it, in order, apart from each other. They begin at 0
    /// exactly when `a` is inside and end at 1 exactly when `b` is. Touching an
    /// edge on the way is no stretch.
    #[must_use]
    pub fn stretches(&self, a: Position, b: Position) -> Vec<(f64, f64)> {
        let (from_inside, to_inside) = (self.contains(a), self.contains(b));
        if a == b {
            return if from_inside { vec![(0.0, 1.0)] } else { Vec::new() };
        }
        let within = match self {
            Self::Polygon(polygon) => polygon.stretches(a, b),
            Self::Capsules(capsules) => capsules.stretches(a, b),
        };
        held_to_ends(within, from_inside, to_inside)
    }
}

/// Fractions nearer to an end than this are the end: a position is rounded to
/// far more than that of any step that a vehicle takes.
const END: f64 = 1e-9;

/// Makes computed stretches agree with what the ends are, which is decided
/// exactly.
fn held_to_ends(within: Vec<(f64, f64)>, from_inside: bool, to_inside: bool) -> Vec<(f64, f64)> {
    let mut held: Vec<(f64, f64)> = Vec::with_capacity(within.len() + 2);
    if from_inside {
        held.push((0.0, 0.0));
    }
    held.extend(within);
    if to_inside {
        held.push((1.0, 1.0));
    }
    held.dedup_by(|next, kept| {
        let meets = next.0 <= kept.1 + END;
        if meets {
            kept.1 = kept.1.max(next.1);
        }
        meets
    });
    if !from_inside && let Some(first) = held.first_mut() {
        first.0 = first.0.max(f64::MIN_POSITIVE);
    }
    if !to_inside && let Some(last) = held.last_mut() {
        last.1 = last.1.min(1.0_f64.next_down());
    }
    held
}

/// Stretches in order, those that meet joined.
fn merged(mut stretches: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    stretches.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    stretches.dedup_by(|next, kept| {
        let meets = next.0 <= kept.1 + END;
        if meets {
            kept.1 = kept.1.max(next.1);
        }
        meets
    });
    stretches
}

#[cfg(test)]
mod tests;
