//! A box round a few edges, in half the bytes of an [`Envelope`].

use super::envelope::Envelope;
use crate::plane::Scale;

/// A closed box on the axis of a shape. Longitudes are kept in pairs of units
/// east of an origin, rounded outwards: an edge that begins less than a turn
/// east of it ends at 2.7e9 of them at the most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    west: u32,
    east: u32,
    south: i32,
    north: i32,
}

/// What is asked of many boxes, on their axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    west: i64,
    east: i64,
    south: i64,
    north: i64,
}

/// A place within half a turn of both ends of every box asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    /// Longitude in pairs of units, rounded either way, modulo 2^32.
    low: u32,
    high: u32,
    lat: i32,
    /// Metres of a pair of units, and of one.
    east_m: f64,
    north_m: f64,
}

fn pairs_down(units: i64) -> i64 {
    units.div_euclid(2)
}

fn pairs_up(units: i64) -> i64 {
    (units + 1).div_euclid(2)
}

impl Bounds {
    pub(super) fn of(around: Envelope, origin: i64) -> Self {
        let pairs = |pairs: i64| u32::try_from(pairs).expect("edges begin east of their origin");
        let lat = |lat: i64| i32::try_from(lat).expect("latitudes end at the poles");
        Self {
            west: pairs(pairs_down(around.west - origin)),
            east: pairs(pairs_up(around.east - origin)),
            south: lat(around.south),
            north: lat(around.north),
        }
    }

    /// A box that holds what this one is of, and at most a unit more on either
    /// side.
    pub(super) fn envelope(self, origin: i64) -> Envelope {
        Envelope {
            west: origin + 2 * i64::from(self.west),
            east: origin + 2 * i64::from(self.east),
            south: i64::from(self.south),
            north: i64::from(self.north),
        }
    }

    #[inline]
    pub(super) fn overlaps(&self, area: &Area) -> bool {
        (i64::from(self.west) <= area.east)
            & (i64::from(self.east) >= area.west)
            & (i64::from(self.south) <= area.north)
            & (i64::from(self.north) >= area.south)
    }

    /// No more than the square of the distance to what lies in the box, metres²,
    /// and as much but for two units of longitude on either side.
    #[inline]
    pub(super) fn distance2_m2(&self, place: &Near) -> f64 {
        let gap = |low: i32, high: i32| f64::from(low.max(high).max(0));
        let east = gap(
            self.west.wrapping_sub(place.high).cast_signed(),
            place.low.wrapping_sub(self.east).cast_signed(),
        );
        let north = gap(self.south - place.lat, place.lat - self.north);
        let (east_m, north_m) = (east * place.east_m, north * place.north_m);
        east_m * east_m + north_m * north_m
    }
}

impl Area {
    pub(super) fn of(area: Envelope, origin: i64) -> Self {
        Self {
            west: pairs_down(area.west - origin),
            east: pairs_up(area.east - origin),
            south: area.south,
            north: area.north,
        }
    }
}

impl Near {
    /// The place (x, y), from boxes with this origin.
    pub(super) fn new((x, y): (i64, i64), origin: i64, scale: Scale) -> Self {
        Self {
            low: pairs_down(x - origin) as u32,
            high: pairs_up(x - origin) as u32,
            lat: y as i32,
            east_m: 2.0 * scale.east_m,
            north_m: scale.north_m,
        }
    }
}
