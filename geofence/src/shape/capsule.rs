//! All that lies within a radius of a segment: the piece corridors are made
//! of, and, round a segment of no length, the circle.
//!
//! Every question is asked in the plane at the position asked about, so the
//! shape changes a little along a step; the stretches of a step are therefore
//! searched with the very test that judges its ends.

use super::BoxSide;
use super::edge::{nearest_turn, segment_distance_m};
use super::envelope::Envelope;
use crate::Position;
use crate::plane::{Scale, rounds_inside, short_way};

/// Longest a boundary search goes on; it halves at worst every other time.
const SEARCH_STEPS_MAX: usize = 100;
/// How near to the boundary, in metres, a search ends.
const SEARCH_TOLERANCE_M: f64 = 1e-6;
/// Share of the radius by which a step may miss in the plane of its nearest
/// place and yet be inside in the planes along it.
const NEAR_MISS: f64 = 0.2;

/// Across a box of up to 0.2 degrees, up to this latitude (80 degrees, in
/// units), lengths in the planes at its places differ by less than this share:
/// 0.1 degrees from the middle the cosine changes by tan 80° · 0.1°, 1 %.
const PLANE_LAT_MAX: f64 = 8e8;
const PLANE_CHANGE: f64 = 0.02;

#[derive(Clone, Copy, Debug)]
pub(super) struct Capsule {
    /// Ends of the axis, (lon, lat) in units, on an unwrapped axis.
    a: (i64, i64),
    b: (i64, i64),
    radius_m: f64,
    envelope: Envelope,
}

impl Capsule {
    pub(super) fn new(a: (i64, i64), b: (i64, i64), radius_m: f64) -> Self {
        Self { a, b, radius_m, envelope: Envelope::around_segment(a, b, radius_m) }
    }

    pub(super) fn envelope(&self) -> Envelope {
        self.envelope
    }

    /// Length of the axis in the plane at its middle latitude, metres.
    pub(super) fn axis_m(&self) -> f64 {
        let (along, north) = (self.b.0 - self.a.0, self.b.1 - self.a.1);
        Scale::at((self.a.1 + self.b.1) as f64 / 2.0).length_m(along as f64, north as f64)
    }

    /// Whether `p` lies within, `scale` being that at `p`.
    pub(super) fn contains(&self, p: Position, scale: Scale) -> bool {
        self.envelope.holds(p)
            && rounds_inside(self.depth_m(f64::from(p.lon), f64::from(p.lat), scale))
    }

    /// Radius less the distance to the axis, unrounded: positive within.
    pub(super) fn depth_m(&self, lon: f64, lat: f64, scale: Scale) -> f64 {
        let (a, along) = self.seen_from(lon, lat);
        self.radius_m - segment_distance_m(a, along, scale)
    }

    /// See [`Shape::side_of_box`](super::Shape::side_of_box).
    pub(super) fn side_of_box(&self, corner: (i64, i64), size: i64) -> BoxSide {
        let half = size as f64 / 2.0;
        let (lon, lat) = (corner.0 as f64 + half, corner.1 as f64 + half);
        if lat.abs() > PLANE_LAT_MAX {
            return BoxSide::Unknown;
        }
        let scale = Scale::at(lat);
        let depth = self.depth_m(lon, lat, scale);
        let slack = scale.length_m(half, half) * (1.0 + PLANE_CHANGE)
            + (self.radius_m + depth.abs()) * PLANE_CHANGE
            + 1.0;
        if depth > slack {
            BoxSide::Inside
        } else if depth < -slack {
            BoxSide::Outside
        } else {
            BoxSide::Unknown
        }
    }

    /// The axis's start and its run, in units, seen from a position.
    fn seen_from(&self, lon: f64, lat: f64) -> ((f64, f64), (f64, f64)) {
        let middle = (self.a.0 + self.b.0) / 2 - lon as i64;
        // Axes of long lines may lie further round than one turn.
        let mut turn = nearest_turn(middle);
        while nearest_turn(middle + turn) != 0 {
            turn += nearest_turn(middle + turn);
        }
        let a = ((self.a.0 + turn) as f64 - lon, self.a.1 as f64 - lat);
        (a, ((self.b.0 - self.a.0) as f64, (self.b.1 - self.a.1) as f64))
    }

    /// The stretch of the step within the capsule, if there is one. Its ends
    /// agree with [`Self::contains`] at the step's ends.
    pub(super) fn stretch(&self, from: Position, to: Position) -> Option<(f64, f64)> {
        if !self.envelope.meets(&Envelope::of_step(from, to)) {
            return None;
        }
        let start = (f64::from(from.lon), f64::from(from.lat));
        let by = (
            short_way(i64::from(to.lon) - i64::from(from.lon)) as f64,
            f64::from(to.lat) - start.1,
        );
        let depth = |t: f64| {
            let lat = start.1 + t * by.1;
            self.depth_m(start.0 + t * by.0, lat, Scale::at(lat))
        };
        let within = |t: &f64| rounds_inside(depth(*t));
        let near = self.inmost(start, by);
        let inmost = [near, 0.0, 1.0].into_iter().find(within).or_else(|| {
            // A near miss of a wide shape, over which the plane changes.
            let missed_narrowly = depth(near) > -self.radius_m * NEAR_MISS;
            missed_narrowly.then(|| deepest(depth)).filter(within)
        })?;
        let end = |edge: f64| if within(&edge) { edge } else { boundary(depth, inmost, edge) };
        Some((end(0.0), end(1.0)))
    }

    /// The fraction of the step that comes nearest to the axis.
    fn inmost(&self, start: (f64, f64), by: (f64, f64)) -> f64 {
        let mut t = 0.5;
        // The plane moves with the answer, which hardly moves after that.
        for _ in 0..3 {
            let lat = start.1 + t * by.1;
            let (a, along) = self.seen_from(start.0 + t * by.0, lat);
            // Both segments seen from where the step is at `t`.
            let begin = (-t * by.0, -t * by.1);
            t = nearest_fraction(begin, by, a, along, Scale::at(lat));
        }
        t
    }

    /// The stretch within, in metres, of the ray from `p` towards the unit
    /// vector (east, north) in the plane at `p`.
    pub(super) fn ray(&self, p: Position, scale: Scale, dir: (f64, f64)) -> Option<(f64, f64)> {
        let (a, along) = self.seen_from(f64::from(p.lon), f64::from(p.lat));
        let a = (a.0 * scale.east_m, a.1 * scale.north_m);
        let e = (along.0 * scale.east_m, along.1 * scale.north_m);
        let r = self.radius_m;
        let length = (e.0 * e.0 + e.1 * e.1).sqrt();
        let mut hit: Option<(f64, f64)> = None;
        let mut add = |(from, to): (f64, f64)| {
            hit = Some(hit.map_or((from, to), |h| (h.0.min(from), h.1.max(to))));
        };

        // Round caps: |t·dir − c|² = r².
        for c in [a, (a.0 + e.0, a.1 + e.1)] {
            let middle = c.0 * dir.0 + c.1 * dir.1;
            let past = middle * middle - (c.0 * c.0 + c.1 * c.1) + r * r;
            if past >= 0.0 {
                add((middle - past.sqrt(), middle + past.sqrt()));
            }
        }
        // The box between them: along the axis 0..length, across it −r..r.
        if length > 0.0 {
            let u = (e.0 / length, e.1 / length);
            let slabs = [
                (dir.0 * u.0 + dir.1 * u.1, a.0 * u.0 + a.1 * u.1, 0.0, length),
                (dir.1 * u.0 - dir.0 * u.1, a.1 * u.0 - a.0 * u.1, -r, r),
            ];
            let mut span = (f64::NEG_INFINITY, f64::INFINITY);
            for (speed, origin, low, high) in slabs {
                if speed != 0.0 {
                    let (p, q) = ((origin + low) / speed, (origin + high) / speed);
                    span = (span.0.max(p.min(q)), span.1.min(p.max(q)));
                } else if -origin < low || -origin > high {
                    span.1 = f64::NEG_INFINITY;
                }
            }
            if span.0 <= span.1 {
                add(span);
            }
        }
        hit.filter(|h| h.1 > 0.0).map(|h| (h.0.max(0.0), h.1))
    }

    /// Whether the capsule may reach within `reach_m` of `p`.
    pub(super) fn is_near(&self, p: Position, reach_m: f64) -> bool {
        let here = (i64::from(p.lon), i64::from(p.lat));
        self.envelope.meets(&Envelope::around_segment(here, here, reach_m))
    }
}

/// The fraction of the step where `depth` is greatest, by golden sections: it
/// rises to one peak and falls again.
fn deepest(depth: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    let (mut low, mut high) = (0.0, 1.0);
    let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut fa, mut fb) = (depth(a), depth(b));
    for _ in 0..40 {
        if fa > fb {
            (high, b, fb) = (b, a, fa);
            a = high - GOLDEN * (high - low);
            fa = depth(a);
        } else {
            (low, a, fa) = (a, b, fb);
            b = low + GOLDEN * (high - low);
            fb = depth(b);
        }
    }
    (low + high) / 2.0
}

/// Where `depth` goes through the millimetre rule's zero between a fraction
/// `within` and one `without`: regula falsi, Illinois variant.
fn boundary(depth: impl Fn(f64) -> f64, within: f64, without: f64) -> f64 {
    let shifted = |t: f64| depth(t) + 0.000_5;
    let (mut a, mut fa) = (within, shifted(within));
    let (mut b, mut fb) = (without, shifted(without));
    let mut side = 0;
    for _ in 0..SEARCH_STEPS_MAX {
        if fa - fb <= 0.0 {
            break;
        }
        let t = (a * fb - b * fa) / (fb - fa);
        let f = shifted(t);
        if f.abs() < SEARCH_TOLERANCE_M {
            return t;
        }
        if f > 0.0 {
            (a, fa) = (t, f);
            fb = if side == 1 { fb / 2.0 } else { fb };
            side = 1;
        } else {
            (b, fb) = (t, f);
            fa = if side == -1 { fa / 2.0 } else { fa };
            side = -1;
        }
    }
    a
}

/// The fraction of segment `p` + t·`d` nearest to segment `q` + u·`e`, in the
/// plane of `scale` (Ericson, *Real-Time Collision Detection*, 5.1.9).
fn nearest_fraction(
    p: (f64, f64),
    d: (f64, f64),
    q: (f64, f64),
    e: (f64, f64),
    scale: Scale,
) -> f64 {
    let metres = |v: (f64, f64)| (v.0 * scale.east_m, v.1 * scale.north_m);
    let dot = |v: (f64, f64), w: (f64, f64)| v.0 * w.0 + v.1 * w.1;
    let (d, e) = (metres(d), metres(e));
    let (p, q) = (metres(p), metres(q));
    let r = (p.0 - q.0, p.1 - q.1);
    let (dd, ee, de) = (dot(d, d), dot(e, e), dot(d, e));
    let (dr, er) = (dot(d, r), dot(e, r));
    if dd == 0.0 {
        return 0.0;
    }
    if ee == 0.0 {
        return (-dr / dd).clamp(0.0, 1.0);
    }
    let denominator = dd * ee - de * de;
    // Parallel segments: any start does, the clamps below find the rest.
    let t =
        if denominator > 0.0 { ((de * er - dr * ee) / denominator).clamp(0.0, 1.0) } else { 0.0 };
    let u = (de * t + er) / ee;
    if u < 0.0 {
        (-dr / dd).clamp(0.0, 1.0)
    } else if u > 1.0 {
        ((de - dr) / dd).clamp(0.0, 1.0)
    } else {
        t
    }
}
