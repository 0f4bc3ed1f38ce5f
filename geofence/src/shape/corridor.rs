//! A corridor along a line.

use std::f64::consts::PI;

use super::capsule::Capsule;
use super::circle::checked_radius_m;
use super::envelope::Envelope;
use super::parts::Vertex;
use crate::Position;
use crate::plane::Scale;

/// All positions within `half_width_m` of a line, round caps included: the
/// union of one capsule per segment, each measured in the plane at the
/// position asked about.
#[derive(Clone, Debug)]
pub struct Corridor {
    /// On an unwrapped longitude axis; at least two, neighbours differ.
    line: Vec<Vertex>,
    half_width_m: f64,
    segments: Vec<Capsule>,
    envelope: Envelope,
}

/// Same line and width.
impl PartialEq for Corridor {
    fn eq(&self, other: &Self) -> bool {
        self.line == other.line && self.half_width_m == other.half_width_m
    }
}

impl Corridor {
    /// A corridor along `line`, which is unwrapped and has at least two
    /// vertices, neighbours distinct. `None` if the half width is no length of
    /// a shape (see [`Circle::new`](super::Circle::new)).
    pub(crate) fn new(line: Vec<Vertex>, half_width_m: f64) -> Option<Self> {
        let half_width_m = checked_radius_m(half_width_m)?;
        let ends = |v: &Vertex| (v.x, v.y);
        let segments: Vec<Capsule> = line
            .windows(2)
            .map(|pair| Capsule::new(ends(&pair[0]), ends(&pair[1]), half_width_m))
            .collect();
        let envelope = segments.iter().map(Capsule::envelope).reduce(Envelope::join)?;
        Some(Self { line, half_width_m, segments, envelope })
    }

    /// Half the width, metres.
    #[must_use]
    pub fn half_width_m(&self) -> f64 {
        self.half_width_m
    }

    pub(crate) fn line(&self) -> &[Vertex] {
        &self.line
    }

    pub(crate) fn envelope(&self) -> Envelope {
        self.envelope
    }

    pub(super) fn segments(&self) -> &[Capsule] {
        &self.segments
    }

    pub(super) fn contains(&self, p: Position, scale: Scale) -> bool {
        self.segments.iter().any(|segment| segment.contains(p, scale))
    }

    /// Area of the corridor stretched out straight: parts covered twice, at
    /// bends and where the line meets itself, count twice.
    pub(super) fn area_m2(&self) -> f64 {
        2.0 * self.length_m() * self.half_width_m + PI * self.half_width_m * self.half_width_m
    }

    /// Perimeter of the corridor stretched out straight.
    pub(super) fn perimeter_m(&self) -> f64 {
        2.0 * self.length_m() + 2.0 * PI * self.half_width_m
    }

    fn length_m(&self) -> f64 {
        self.segments.iter().map(Capsule::axis_m).sum()
    }
}
