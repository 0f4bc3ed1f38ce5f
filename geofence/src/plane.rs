//! Metres: the local plane at a ping, on the WGS 84 ellipsoid.
//!
//! A plane is a pair of scales. East of it one unit of longitude is
//! `N cos φ`, north of it one unit of latitude is `M`, where `N` and `M` are
//! the ellipsoid's radii of curvature at the plane's latitude:
//! `N = a / √(1 − e² sin² φ)`, `M = a (1 − e²) / (1 − e² sin² φ)^(3/2)`
//! (Snyder, *Map Projections: A Working Manual*, USGS 1395, eq. 4-18 to 4-20).
//! Good to 1e-4 of the length over tens of kilometres; a definition beyond.

use std::f64::consts::PI;

use crate::{E7, Position};

/// Equatorial radius of WGS 84, metres.
pub const WGS84_A_M: f64 = 6_378_137.0;
/// First eccentricity squared of WGS 84, `f (2 − f)` with `f = 1/298.257223563`.
pub const WGS84_E2: f64 = {
    let f = 1.0 / 298.257_223_563;
    f * (2.0 - f)
};

/// Units of longitude once round the Earth.
pub(crate) const TURN: i64 = 3_600_000_000;
/// Units of longitude half round the Earth.
pub(crate) const HALF_TURN: i64 = TURN / 2;
/// Radians in a unit of 1e-7 degree.
pub(crate) const RADIANS: f64 = PI / 180.0 / E7;

/// A difference of longitudes, read the short way: within ±[`HALF_TURN`]. A
/// difference of exactly half a turn keeps its sign.
pub(crate) fn short_way(delta: i64) -> i64 {
    if delta > HALF_TURN {
        delta - TURN
    } else if delta < -HALF_TURN {
        delta + TURN
    } else {
        delta
    }
}

/// Metres per unit of 1e-7 degree at one latitude.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) east_m: f64,
    pub(crate) north_m: f64,
}

impl Scale {
    /// Scales at `lat` units of latitude, which need not be whole.
    pub(crate) fn at(lat: f64) -> Self {
        let (sin, cos) = libm::sincos(lat * RADIANS);
        let w2 = 1.0 - WGS84_E2 * sin * sin;
        let n = WGS84_A_M / w2.sqrt();
        let m = n * (1.0 - WGS84_E2) / w2;
        Self { east_m: n * cos * RADIANS, north_m: m * RADIANS }
    }

    /// Length of an offset given in units, metres.
    pub(crate) fn length_m(&self, east: f64, north: f64) -> f64 {
        let (x, y) = (east * self.east_m, north * self.north_m);
        (x * x + y * y).sqrt()
    }
}

/// The local plane at one position: x east, y north, metres.
///
/// ```
/// use geofence::{Plane, Position};
///
/// let at = |lat, lon| Position::from_degrees(lat, lon).unwrap();
/// let plane = Plane::at(at(50.005, 10.0));
/// let (east, north) = plane.offset_m(at(50.005, 10.01));
/// assert!((east - 717.0).abs() < 0.5 && north == 0.0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    origin: Position,
    scale: Scale,
}

impl Plane {
    /// The plane that touches the ellipsoid at `origin`.
    #[must_use]
    pub fn at(origin: Position) -> Self {
        Self { origin, scale: Scale::at(f64::from(origin.lat)) }
    }

    /// Where `p` lies in the plane: metres east and north of the origin,
    /// longitudes taken the short way.
    #[must_use]
    pub fn offset_m(&self, p: Position) -> (f64, f64) {
        let east = short_way(i64::from(p.lon) - i64::from(self.origin.lon));
        let north = i64::from(p.lat) - i64::from(self.origin.lat);
        (east as f64 * self.scale.east_m, north as f64 * self.scale.north_m)
    }

    /// Distance from the origin to `p` in the plane, metres.
    #[must_use]
    pub fn distance_m(&self, p: Position) -> f64 {
        let (x, y) = self.offset_m(p);
        (x * x + y * y).sqrt()
    }

    pub(crate) fn scale(&self) -> Scale {
        self.scale
    }
}

/// Metres rounded to the millimetre, half away from zero, never −0.
pub(crate) fn round_mm(metres: f64) -> f64 {
    (metres * 1e3).round() / 1e3 + 0.0
}

/// Whether a signed distance rounds to zero or more at the millimetre: the
/// rule of circles and corridors.
pub(crate) fn rounds_inside(metres: f64) -> bool {
    metres * 1e3 > -0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lon: f64, lat: f64) -> Position {
        Position::from_degrees(lat, lon).unwrap()
    }

    #[test]
    fn the_specification_square_is_717_by_1112_metres() {
        let plane = Plane::at(at(10.0, 50.0));
        assert!((plane.distance_m(at(10.01, 50.0)) - 717.0).abs() < 0.5);
        assert!((plane.distance_m(at(10.0, 50.01)) - 1112.0).abs() < 0.5);
    }

    #[test]
    fn a_step_over_the_antimeridian_is_short() {
        let plane = Plane::at(at(179.995, -17.0));
        assert!((plane.distance_m(at(-179.995, -17.0)) - 1065.0).abs() < 0.5);
    }

    #[test]
    fn radii_of_curvature_are_those_of_the_equator_and_the_pole() {
        let equator = Scale::at(0.0);
        assert!((equator.east_m / RADIANS - WGS84_A_M).abs() < 1e-6);
        assert!((equator.north_m / RADIANS - 6_335_439.327).abs() < 1e-2);
        let pole = Scale::at(9e8);
        assert!((pole.north_m / RADIANS - 6_399_593.626).abs() < 1e-2);
    }

    #[test]
    fn rounding_to_the_millimetre_keeps_the_sign_rule() {
        assert_eq!(round_mm(-0.000_4), 0.0);
        assert!(round_mm(-0.000_4).is_sign_positive());
        assert_eq!(round_mm(-0.000_6), -0.001);
        for s in [-0.0006, -0.0005, -0.000_499, 0.0, 0.1] {
            assert_eq!(rounds_inside(s), round_mm(s) >= 0.0, "{s}");
        }
    }
}
