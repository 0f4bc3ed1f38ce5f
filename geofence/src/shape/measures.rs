//! Area and length of a polygon's outline.
//!
//! To the last bit they are sums of sines and logarithms, a fifth of what it took
//! to read fences. What is asked of them is mostly whether they are above
//! something: bounds say that, which cost a few products. Only where these do not
//! the sums are made, once.

use std::sync::OnceLock;

use super::confidence;
use super::edge::Edge;
use super::envelope::Envelope;
use super::parts::{Part, edges};
use crate::plane::{RADIANS, Scale, WGS84_A_M, WGS84_E2};

/// Bounds are found of outlines in boxes of up to so many units a side, half a
/// degree: so much of the ellipsoid is nearly flat.
const SIDE_UNITS_MAX: i64 = 5_000_000;
/// And of up to so many units along the axes: sums of products stay within 64 bits,
/// and what the exact ones are off by, below a square metre, within [`SLACK`].
const TAXICAB_UNITS_MAX: u64 = 1_000_000_000;
/// And of at least so many square metres, of which what sums are off by is little.
const AREA_M2_MIN: f64 = 1e4;
/// Bounds are wider by this share than they would have to be of exact sums.
const SLACK: f64 = 1e-3;
/// Bounds that are further off are none.
const ERROR_MAX: f64 = 0.1;

/// Area and length, or what they lie between.
#[derive(Clone, Debug)]
pub(super) struct Measures {
    /// From the least to the most that they may be.
    area_m2: (f64, f64),
    perimeter_m: (f64, f64),
    exact: OnceLock<Exact>,
}

/// Area and length as they are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact {
    pub(super) area_m2: f64,
    pub(super) perimeter_m: f64,
}

impl Measures {
    /// Of an outline that is `taxicab_units` long along the axes; its edges lie
    /// in `bounds`.
    pub(super) fn new(
        parts: &[Part],
        edges: &[Edge],
        bounds: Envelope,
        taxicab_units: u64,
    ) -> Self {
        let side = (bounds.east - bounds.west).max(bounds.north - bounds.south);
        let is_small = side <= SIDE_UNITS_MAX && taxicab_units <= TAXICAB_UNITS_MAX;
        let about = is_small.then(|| Self::about(parts, edges, bounds)).flatten();
        about.unwrap_or_else(|| {
            let exact = Exact::of(parts, edges.iter().copied());
            let Exact { area_m2, perimeter_m } = exact;
            Self {
                area_m2: (area_m2, area_m2),
                perimeter_m: (perimeter_m, perimeter_m),
                exact: exact.into(),
            }
        })
    }

    /// In the plane of the middle parallel, give or take what the scale is another
    /// on the outermost ones: towards a pole a unit of longitude, and one of
    /// longitude by one of latitude, become smaller, and a unit of latitude larger.
    fn about(parts: &[Part], outline: &[Edge], bounds: Envelope) -> Option<Self> {
        let Envelope { south, north, .. } = bounds;
        if south < 0 && north > 0 {
            return None;
        }
        let middle = Scale::at((south + north) as f64 / 2.0);
        let [length_error, area_error] = [south, north]
            .map(|lat| {
                let scale = Scale::at(lat as f64);
                let off = |a: f64, b: f64| (a / b - 1.0).abs();
                let by = (off(scale.east_m, middle.east_m), off(scale.north_m, middle.north_m));
                let area = |scale: Scale| scale.east_m * scale.north_m;
                [by.0.max(by.1), off(area(scale), area(middle))]
            })
            .into_iter()
            .reduce(|a, b| [a[0].max(b[0]), a[1].max(b[1])])?
            .map(|error| error + SLACK);

        let doubled: i64 = parts
            .iter()
            .flat_map(Part::rings)
            .map(|ring| {
                let from = ring[0];
                let beside = edges(ring)
                    .map(|(a, b)| (a.x - from.x) * (b.y - a.y) - (a.y - from.y) * (b.x - a.x));
                beside.sum::<i64>()
            })
            .sum();
        let area_m2 = doubled as f64 / 2.0 * middle.east_m * middle.north_m;
        let length_m = |edge: &Edge| {
            middle.length_m((edge.east.x - edge.west.x) as f64, (edge.east.y - edge.west.y) as f64)
        };
        let perimeter_m = outline.iter().map(length_m).sum::<f64>();
        let around = |about: f64, error: f64| (about * (1.0 - error), about * (1.0 + error));
        let is_near = length_error <= ERROR_MAX && area_error <= ERROR_MAX;
        (is_near && area_m2 >= AREA_M2_MIN).then(|| Self {
            area_m2: around(area_m2, area_error),
            perimeter_m: around(perimeter_m, length_error),
            exact: OnceLock::new(),
        })
    }

    /// What they are, which `sum` says.
    pub(super) fn exact(&self, sum: impl FnOnce() -> Exact) -> Exact {
        let exact = *self.exact.get_or_init(sum);
        debug_assert!(self.area_m2.0 <= exact.area_m2 && exact.area_m2 <= self.area_m2.1);
        debug_assert!(
            self.perimeter_m.0 <= exact.perimeter_m && exact.perimeter_m <= self.perimeter_m.1
        );
        exact
    }

    /// The area as far as it lies between `low` and `high`, the nearer of them
    /// otherwise; nothing if bounds do not say it.
    pub(super) fn area_m2_within(&self, low: f64, high: f64) -> Option<f64> {
        let (least, most) = self.area_m2;
        if least >= high { Some(high) } else { (most <= low).then_some(low) }
    }

    /// [`confidence::is_wide`]; nothing if bounds do not say it.
    pub(super) fn is_wide(&self, sigma_m: f64) -> Option<bool> {
        let at_least = confidence::is_wide(self.area_m2.0, self.perimeter_m.1, sigma_m);
        let at_most = confidence::is_wide(self.area_m2.1, self.perimeter_m.0, sigma_m);
        (at_least == at_most).then_some(at_least)
    }
}

impl Exact {
    /// Of all edges of an outline, in their order.
    pub(super) fn of(parts: &[Part], edges: impl Iterator<Item = Edge>) -> Self {
        Self {
            area_m2: parts.iter().map(part_area_m2).sum(),
            perimeter_m: edges.filter(|edge| !edge.is_at_pole()).map(|edge| length_m(&edge)).sum(),
        }
    }
}

/// Area on the ellipsoid, metres².
///
/// `∮ −F dλ` over the rings, where `F(φ)` is the area between the equator and
/// φ per radian of longitude, `b²/2 · (sin φ / (1 − e² sin² φ) + artanh(e sin
/// φ) / e)` (Snyder, USGS 1395, eq. 3-12), integrated along each straight
/// lon/lat edge by Gauss and Legendre's three points.
fn part_area_m2(part: &Part) -> f64 {
    let node = 0.6_f64.sqrt() / 2.0;
    let ring_area = |ring| {
        let mut sum = 0.0;
        let mut base = None;
        for (a, b) in edges(ring) {
            // Areas from the first vertex's parallel: less to cancel.
            let base = *base.get_or_insert_with(|| area_to_parallel(a.y as f64));
            let at = |t: f64| area_to_parallel(a.y as f64 + t * (b.y - a.y) as f64) - base;
            let mean = (5.0 * at(0.5 - node) + 8.0 * at(0.5) + 5.0 * at(0.5 + node)) / 18.0;
            sum -= mean * (b.x - a.x) as f64 * RADIANS;
        }
        sum
    };
    // Holes run clockwise: their area is negative.
    part.rings().map(ring_area).sum()
}

fn area_to_parallel(lat: f64) -> f64 {
    let e = WGS84_E2.sqrt();
    let b2 = WGS84_A_M * WGS84_A_M * (1.0 - WGS84_E2);
    let sin = libm::sin(lat * RADIANS);
    b2 / 2.0 * (sin / (1.0 - WGS84_E2 * sin * sin) + libm::atanh(e * sin) / e)
}

/// Length in the plane at the edge's middle latitude, metres.
fn length_m(edge: &Edge) -> f64 {
    let (a, b) = (edge.west, edge.east);
    Scale::at((a.y + b.y) as f64 / 2.0).length_m((b.x - a.x) as f64, (b.y - a.y) as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parts::{Vertex, extent};
    use super::*;

    /// Corners of a star round the origin, by their reach, the same way round as
    /// exteriors go.
    fn star(reaches: &[i64]) -> Vec<Vertex> {
        let corner = |(k, reach): (usize, &i64)| {
            let angle = std::f64::consts::TAU * k as f64 / reaches.len() as f64;
            let (north, east) = libm::sincos(angle);
            Vertex { x: (*reach as f64 * east) as i64, y: (*reach as f64 * north) as i64 }
        };
        reaches.iter().enumerate().map(corner).collect()
    }

    proptest! {
        /// With a star of half the reach as its hole.
        #[test]
        fn area_and_length_lie_within_their_bounds(
            lat in -890_000_000..=890_000_000_i64,
            reaches in prop::collection::vec(200..2_600_000_i64, 3..40),
            log in 0..12_u32,
            has_hole in any::<bool>(),
        ) {
            let reaches: Vec<i64> = reaches.iter().map(|reach| (reach >> log) + 200).collect();
            let moved = |reaches: &[i64]| -> Vec<Vertex> {
                star(reaches).iter().map(|at| Vertex { x: at.x, y: at.y + lat }).collect()
            };
            let halves: Vec<i64> = reaches.iter().map(|reach| reach / 2).collect();
            let hole: Vec<Vertex> = moved(&halves).into_iter().rev().collect();
            let holes = if has_hole { vec![hole] } else { Vec::new() };
            let part = Part { exterior: moved(&reaches), holes };
            let bounds = extent(&part.exterior);
            let outline: Vec<Edge> = part
                .rings()
                .flat_map(edges)
                .map(|(a, b)| Edge::between(a, b))
                .collect();
            let parts = [part];
            let sums = Exact::of(&parts, outline.iter().copied());
            if let Some(about) = Measures::about(&parts, &outline, bounds) {
                let (area, length) = (about.area_m2, about.perimeter_m);
                prop_assert!(area.0 < sums.area_m2 && sums.area_m2 < area.1, "{area:?} {sums:?}");
                let within = length.0 < sums.perimeter_m && sums.perimeter_m < length.1;
                prop_assert!(within, "{length:?} {sums:?}");
                for sigma_m in [0.1, 3.3, 30.0, sums.area_m2 / sums.perimeter_m / 3.0] {
                    let is_wide = confidence::is_wide(sums.area_m2, sums.perimeter_m, sigma_m);
                    prop_assert!(about.is_wide(sigma_m).is_none_or(|it| it == is_wide));
                }
                for (low, high) in [(1e4, 1e5), (1e6, 1e7), (sums.area_m2, sums.area_m2)] {
                    let clamped = sums.area_m2.clamp(low, high);
                    prop_assert!(about.area_m2_within(low, high).is_none_or(|it| it == clamped));
                }
            }
        }
    }

    #[test]
    fn of_most_fences_bounds_tell_enough() {
        let at = |star: &[Vertex]| -> Vec<Vertex> {
            star.iter().map(|at| Vertex { x: at.x, y: at.y + 520_000_000 }).collect()
        };
        let part = Part { exterior: at(&star(&[100_000; 60])), holes: Vec::new() };
        let bounds = extent(&part.exterior);
        let outline: Vec<Edge> = edges(&part.exterior).map(|(a, b)| Edge::between(a, b)).collect();
        let measures = Measures::new(&[part], &outline, bounds, 1_000_000);
        assert_eq!(measures.is_wide(3.3), Some(true));
        assert_eq!(measures.is_wide(200.0), Some(false));
        assert_eq!(measures.area_m2_within(1.0, 1e5), Some(1e5));
        assert_eq!(measures.area_m2_within(1e8, 1e9), Some(1e8));
        assert_eq!(measures.area_m2_within(1.0, 1e9), None);
        assert!(measures.exact.get().is_none());
    }
}
