//! A circle round a point.

use std::f64::consts::PI;

use super::capsule::Capsule;
use crate::Position;
use crate::plane::round_mm;

/// Largest radius of a circle and largest half width of a corridor, metres:
/// further out a local plane is no map of the ground.
pub const RADIUS_M_MAX: f64 = 1_000_000.0;

/// All positions within `radius_m` of the centre, measured in the plane at the
/// position asked about.
#[derive(Clone, Debug)]
pub struct Circle {
    center: Position,
    radius_m: f64,
    body: Capsule,
}

/// Same centre and radius.
impl PartialEq for Circle {
    fn eq(&self, other: &Self) -> bool {
        self.center == other.center && self.radius_m == other.radius_m
    }
}

impl Circle {
    /// A circle; the radius is rounded to the millimetre. `None` unless it is
    /// then above 0 and at most [`RADIUS_M_MAX`].
    #[must_use]
    pub fn new(center: Position, radius_m: f64) -> Option<Self> {
        let radius_m = checked_radius_m(radius_m)?;
        let middle = (i64::from(center.lon), i64::from(center.lat));
        Some(Self { center, radius_m, body: Capsule::new(middle, middle, radius_m) })
    }

    /// Where its middle is.
    #[must_use]
    pub fn center(&self) -> Position {
        self.center
    }

    /// Metres, in (0, [`RADIUS_M_MAX`]].
    #[must_use]
    pub fn radius_m(&self) -> f64 {
        self.radius_m
    }

    pub(super) fn body(&self) -> &Capsule {
        &self.body
    }

    pub(super) fn area_m2(&self) -> f64 {
        PI * self.radius_m * self.radius_m
    }

    pub(super) fn perimeter_m(&self) -> f64 {
        2.0 * PI * self.radius_m
    }
}

/// `radius_m` to the millimetre, if that is a length a shape can have.
pub(super) fn checked_radius_m(radius_m: f64) -> Option<f64> {
    let rounded = round_mm(radius_m);
    (rounded > 0.0 && rounded <= RADIUS_M_MAX).then_some(rounded)
}
