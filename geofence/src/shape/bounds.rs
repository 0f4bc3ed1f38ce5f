//! Boxes round a few edges each, in half the bytes of an [`Envelope`] and side by
//! side, so that what is asked of one is asked of its neighbours at once.

use super::envelope::Envelope;
use crate::plane::Scale;

/// Boxes side by side.
pub(super) const LANES: usize = 4;

/// Closed boxes on the axis of a shape, in one line of memory. Longitudes are
/// kept in pairs of units east of an origin, rounded outwards and less
/// [`BIAS`]: an edge that begins less than a turn east of it ends at 2.7e9 of
/// them at the most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    west: [i32; LANES],
    east: [i32; LANES],
    south: [i32; LANES],
    north: [i32; LANES],
}

/// What is asked of many boxes, on their axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    west: i32,
    east: i32,
    south: i32,
    north: i32,
}

/// A place within half a turn of both ends of every box asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    /// Longitude as boxes have it, rounded either way, modulo 2^32.
    low: i32,
    high: i32,
    lat: i32,
    /// Metres of a pair of units, and of one.
    east_m: f32,
    north_m: f32,
}

/// Brings all pairs of units that boxes have into 32 bits with a sign, which
/// processors compare four at a time.
const BIAS: i64 = 1 << 31;

fn pairs_down(units: i64) -> i64 {
    units.div_euclid(2) - BIAS
}

fn pairs_up(units: i64) -> i64 {
    (units + 1).div_euclid(2) - BIAS
}

impl Bounds {
    /// Of at most [`LANES`] boxes, and of the last one again where they are
    /// fewer; `None` if there are none.
    pub(super) fn of(around: &[Envelope], origin: i64) -> Option<Self> {
        let last = around.last()?;
        let pairs = |pairs: i64| i32::try_from(pairs).expect("edges begin east of their origin");
        let lat = |lat: i64| i32::try_from(lat).expect("latitudes end at the poles");
        let each = |side: &dyn Fn(&Envelope) -> i32| {
            std::array::from_fn(|lane| side(around.get(lane).unwrap_or(last)))
        };
        Some(Self {
            west: each(&|around| pairs(pairs_down(around.west - origin))),
            east: each(&|around| pairs(pairs_up(around.east - origin))),
            south: each(&|around| lat(around.south)),
            north: each(&|around| lat(around.north)),
        })
    }

    /// Boxes that hold what these are of, and at most a unit more on either
    /// side.
    pub(super) fn envelopes(&self, origin: i64) -> [Envelope; LANES] {
        let units = |pairs: i32| origin + 2 * (i64::from(pairs) + BIAS);
        std::array::from_fn(|lane| Envelope {
            west: units(self.west[lane]),
            east: units(self.east[lane]),
            south: i64::from(self.south[lane]),
            north: i64::from(self.north[lane]),
        })
    }

    /// Not 0 for each that overlaps `area`, and maybe for one at the origin if
    /// that lies west of it.
    #[inline]
    pub(super) fn overlap(&self, area: &Area) -> [u32; LANES] {
        std::array::from_fn(|lane| {
            u32::from(self.west[lane] <= area.east)
                & u32::from(self.east[lane] >= area.west)
                & u32::from(self.south[lane] <= area.north)
                & u32::from(self.north[lane] >= area.south)
        })
    }

    /// The squares of the distances to what lies in the boxes, metres², or less:
    /// as much but for two units of longitude on either side, and for what
    /// [`ROUNDING`] allows.
    #[inline]
    pub(super) fn distances2_m2(&self, place: &Near) -> [f32; LANES] {
        let gap = |low: i32, high: i32| {
            let (low, high) = (low as f32, high as f32);
            let gap = if low > high { low } else { high };
            if gap > 0.0 { gap } else { 0.0 }
        };
        std::array::from_fn(|lane| {
            let (west, east) = (self.west[lane], self.east[lane]);
            let east = gap(west.wrapping_sub(place.high), place.low.wrapping_sub(east));
            let north = gap(self.south[lane] - place.lat, place.lat - self.north[lane]);
            let (east_m, north_m) = (east * place.east_m, north * place.north_m);
            east_m * east_m + north_m * north_m
        })
    }
}

/// By what a square in 32 bits may exceed the true one, what it is compared with
/// included: ten roundings of 2^-24 each at the most.
pub(super) const ROUNDING: f32 = 1.0 + 1e-6;

impl Area {
    pub(super) fn of(area: Envelope, origin: i64) -> Self {
        let near = |at: i64| at.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        Self {
            west: near(pairs_down(area.west - origin)),
            east: near(pairs_up(area.east - origin)),
            south: near(area.south),
            north: near(area.north),
        }
    }

    /// Not 0 if the box overlaps that begins `east_of_origin` and goes on for
    /// `width` units, and maybe if it lies a unit or two beside; `south` and
    /// `north` are its other sides.
    #[inline]
    pub(super) fn overlaps(&self, east_of_origin: u32, width: i32, south: i32, north: i32) -> u32 {
        let bias = BIAS as u32;
        let west = (east_of_origin / 2).wrapping_sub(bias).cast_signed();
        // Rounded up, whichever of the two are odd.
        let east = (east_of_origin / 2 + width as u32 / 2 + 1).wrapping_sub(bias).cast_signed();
        u32::from(west <= self.east)
            & u32::from(east >= self.west)
            & u32::from(south <= self.north)
            & u32::from(north >= self.south)
    }
}

impl Near {
    /// The place (x, y), from boxes with this origin.
    pub(super) fn new((x, y): (i64, i64), origin: i64, scale: Scale) -> Self {
        Self {
            low: pairs_down(x - origin) as i32,
            high: pairs_up(x - origin) as i32,
            lat: y as i32,
            east_m: (2.0 * scale.east_m) as f32,
            north_m: scale.north_m as f32,
        }
    }
}
