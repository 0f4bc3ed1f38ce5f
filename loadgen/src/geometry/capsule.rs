//! Circles and corridors: all within a distance of a point or a line.

use geofence::Position;

use super::polygon::distance_to_segment_m;
use super::{Bounds, Scale, merged};

/// Everything at most `radius_m` away from a line, its ends included, to the
/// millimetre. A circle is a line of one position.
#[derive(Clone, Debug, PartialEq)]
pub struct Capsules {
    line: Vec<Position>,
    radius_m: f64,
    bounds: Bounds,
    scale: Scale,
}

impl Capsules {
    /// Round `line`, which has at least one position, `radius_m` above 0;
    /// `None` otherwise.
    #[must_use]
    pub fn new(line: Vec<Position>, radius_m: f64) -> Option<Self> {
        if !(radius_m.is_finite() && radius_m > 0.0) {
            return None;
        }
        let extent = Bounds::around(line.iter().copied())?;
        let scale = Scale::at(extent.south_west.lat / 2 + extent.north_east.lat / 2);
        let units =
            |per_unit: f64| (radius_m / per_unit * 1.01).min(f64::from(i32::MAX)) as i32 + 1;
        let bounds = extent.widened(units(scale.north_m), units(scale.east_m));
        Some(Self { line, radius_m, bounds, scale })
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn segments(&self) -> impl Iterator<Item = (Position, Position)> {
        let next = self.line.iter().skip(1).chain(self.line.last());
        let segments = self.line.iter().zip(next).map(|(&a, &b)| (a, b));
        // The last position of a line ends a segment and begins none.
        segments.take(self.line.len().saturating_sub(1).max(1))
    }

    pub(super) fn contains(&self, p: Position) -> bool {
        self.bounds.meets(&Bounds::of_step(p, p)) && self.depth_m(p) * 1e3 > -0.5
    }

    /// Metres at the position asked about, as the specification has it.
    pub(super) fn depth_m(&self, p: Position) -> f64 {
        let scale = Scale::at(p.lat);
        let depth = |(a, b)| self.radius_m - distance_to_segment_m(scale, p, a, b);
        self.segments().map(depth).fold(f64::NEG_INFINITY, f64::max)
    }

    pub(super) fn area_m2(&self) -> f64 {
        let length: f64 = self.segments().map(|(a, b)| self.scale.distance_m(a, b)).sum();
        2.0 * self.radius_m * length + std::f64::consts::PI * self.radius_m * self.radius_m
    }

    pub(super) fn stretches(&self, a: Position, b: Position) -> Vec<(f64, f64)> {
        if !self.bounds.meets(&Bounds::of_step(a, b)) {
            return Vec::new();
        }
        merged(self.segments().filter_map(|(from, to)| self.stretch(a, b, from, to)).collect())
    }

    /// The part of the step within the radius of one segment. A capsule is
    /// convex, so there is one: from where any of its two discs and its
    /// rectangle is first met to where any is last left.
    fn stretch(
        &self,
        a: Position,
        b: Position,
        from: Position,
        to: Position,
    ) -> Option<(f64, f64)> {
        let step = self.scale.offset_m(a, b);
        let (from, to) = (self.scale.offset_m(a, from), self.scale.offset_m(a, to));
        let parts = [
            disc(step, from, self.radius_m),
            disc(step, to, self.radius_m),
            rectangle(step, from, to, self.radius_m),
        ];
        parts
            .into_iter()
            .flatten()
            .reduce(|all, part| (all.0.min(part.0), all.1.max(part.1)))
            .filter(|(enter, leave)| leave > enter)
    }
}

/// Where the step from the origin by `step` is within `radius` of `centre`.
fn disc(step: (f64, f64), centre: (f64, f64), radius: f64) -> Option<(f64, f64)> {
    let a = step.0 * step.0 + step.1 * step.1;
    let half_b = -(step.0 * centre.0 + step.1 * centre.1);
    let c = centre.0 * centre.0 + centre.1 * centre.1 - radius * radius;
    let discriminant = half_b * half_b - a * c;
    if a == 0.0 || discriminant <= 0.0 {
        return None;
    }
    let root = discriminant.sqrt();
    clipped((-half_b - root) / a, (-half_b + root) / a)
}

/// Where it is beside the segment and within `radius` of its line.
fn rectangle(
    step: (f64, f64),
    from: (f64, f64),
    to: (f64, f64),
    radius: f64,
) -> Option<(f64, f64)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = (dx * dx + dy * dy).sqrt();
    if length == 0.0 {
        return None;
    }
    let (ux, uy) = (dx / length, dy / length);
    let along = slab(-(from.0 * ux + from.1 * uy), step.0 * ux + step.1 * uy, 0.0, length)?;
    let across = slab(from.0 * uy - from.1 * ux, step.1 * ux - step.0 * uy, -radius, radius)?;
    clipped(along.0.max(across.0), along.1.min(across.1))
}

/// Where `start + t × rate` lies in [low, high].
fn slab(start: f64, rate: f64, low: f64, high: f64) -> Option<(f64, f64)> {
    if rate == 0.0 {
        return (low..=high).contains(&start).then_some((f64::NEG_INFINITY, f64::INFINITY));
    }
    let (one, other) = ((low - start) / rate, (high - start) / rate);
    Some((one.min(other), one.max(other)))
}

fn clipped(enter: f64, leave: f64) -> Option<(f64, f64)> {
    let (enter, leave) = (enter.max(0.0), leave.min(1.0));
    (enter < leave).then_some((enter, leave))
}
