//! Shapes of fences and the questions detection asks of them (semantics §5).
//!
//! Sides of polygons are decided exactly, on the 1e-7 degree integers; metres
//! are measured in the plane at the position asked about. Shapes are
//! immutable, and made only from checked input (see [`crate::parse_fences`]).

mod bounds;
mod capsule;
mod circle;
mod confidence;
mod corridor;
mod dissolve;
mod edge;
mod envelope;
mod measures;
mod noding;
mod parts;
mod polygonal;
mod run;
mod runs;
mod simple;
mod slabs;
mod sweep;
mod trace;

use std::cell::LazyCell;

pub use circle::{Circle, RADIUS_M_MAX};
pub use corridor::Corridor;
pub(crate) use dissolve::{Mend, RingId};
pub(crate) use envelope::Envelope;
pub(crate) use parts::{Part, Ring, Vertex, extent};
pub use polygonal::Polygonal;
pub(crate) use polygonal::Unusable;
pub(crate) use sweep::Stretches;

use crate::Position;
use crate::plane::{Plane, Scale, round_mm};
use capsule::Capsule;

/// What a fence encloses: a closed set of positions.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Polygons with holes.
    Polygon(Polygonal),
    /// All within a radius of a point.
    Circle(Circle),
    /// All within half a width of a line.
    Corridor(Corridor),
}

impl Shape {
    /// Whether `p` is inside. An edge is inside, an edge of a hole too; the
    /// interior of a hole is not. Circles and corridors hold what is at most
    /// their radius away, to the millimetre.
    #[must_use]
    pub fn contains(&self, p: Position) -> bool {
        self.contains_at(p, &LazyCell::new(|| Plane::at(p)))
    }

    /// [`Self::contains`] with the plane at `p`, made only where one is needed.
    #[inline]
    pub(crate) fn contains_at<F: FnOnce() -> Plane>(
        &self,
        p: Position,
        plane: &LazyCell<Plane, F>,
    ) -> bool {
        match self {
            Self::Polygon(polygonal) => polygonal.contains(p),
            Self::Circle(circle) => circle.body().contains(p, plane.scale()),
            Self::Corridor(corridor) => corridor.contains(p, plane.scale()),
        }
    }

    /// Distance from `p` to the outline in the plane at `p`, metres, positive
    /// inside, rounded to the millimetre. The sign for a polygon is that of
    /// [`Self::contains`]. Where parts of a polygon overlap or touch, the edges
    /// between them are no outline; inside a corridor the distance is to the
    /// outline of the widest capsule that holds `p`. Cost: linear in vertices.
    #[must_use]
    pub fn signed_distance_m(&self, p: Position) -> f64 {
        self.signed_distance_on_side_m(p, self.contains(p))
    }

    /// [`Self::signed_distance_m`] where it is known on which side `p` lies,
    /// as the index tells: to find it out anew reads as much again.
    pub(crate) fn signed_distance_on_side_m(&self, p: Position, inside: bool) -> f64 {
        let (lon, lat) = (f64::from(p.lon), f64::from(p.lat));
        match self {
            Self::Polygon(polygonal) => polygonal.signed_distance_m(p, inside),
            Self::Circle(_) | Self::Corridor(_) => {
                let scale = Scale::at(lat);
                let depths = self.capsules().iter().map(|c| c.depth_m(lon, lat, scale));
                round_mm(depths.fold(f64::NEG_INFINITY, f64::max))
            }
        }
    }

    /// Whether `p`, outside, is more than `limit_m` from the outline, as
    /// [`Self::signed_distance_m`] measures it. Cheaper than the distance.
    pub(crate) fn is_beyond(&self, p: Position, limit_m: f64) -> bool {
        match self {
            Self::Polygon(polygonal) => polygonal.is_beyond(p, limit_m),
            Self::Circle(_) | Self::Corridor(_) => {
                -self.signed_distance_on_side_m(p, false) > limit_m
            }
        }
    }

    /// Probability that a fix at `p` with this 68 % radius was taken inside:
    /// the mass within the shape of a Gaussian with σ = accuracy / 1.515,
    /// rounded to 1e-4, in 0..=1. An accuracy that is not above 0 is taken for
    /// exact.
    #[must_use]
    pub fn confidence(&self, p: Position, accuracy_m: f64) -> f64 {
        self.confidence_given(p, accuracy_m, || self.signed_distance_m(p))
    }

    /// [`Self::signed_distance_m`] and [`Self::confidence`] in one go, where it
    /// is known on which side `p` lies.
    pub(crate) fn margin_on_side(&self, p: Position, accuracy_m: f64, inside: bool) -> (f64, f64) {
        let distance_m = self.signed_distance_on_side_m(p, inside);
        (distance_m, self.confidence_given(p, accuracy_m, || distance_m))
    }

    fn confidence_given(
        &self,
        p: Position,
        accuracy_m: f64,
        signed_distance_m: impl FnOnce() -> f64,
    ) -> f64 {
        if accuracy_m.is_nan() || accuracy_m <= 0.0 {
            return f64::from(u8::from(self.contains(p)));
        }
        let sigma_m = confidence::sigma_m(accuracy_m);
        if self.is_wide(sigma_m) {
            return confidence::beside_edge(signed_distance_m(), sigma_m);
        }
        let reach_m = confidence::reach_m(sigma_m);
        match self {
            Self::Polygon(polygonal) => confidence::over_rays(sigma_m, polygonal.rays(p, reach_m)),
            Self::Circle(_) | Self::Corridor(_) => {
                let scale = Scale::at(f64::from(p.lat));
                let near: Vec<&Capsule> =
                    self.capsules().iter().filter(|c| c.is_near(p, reach_m)).collect();
                confidence::over_rays(sigma_m, |direction| {
                    merged(near.iter().filter_map(|c| c.ray(p, scale, direction)).collect())
                })
            }
        }
    }

    /// Whether a fix that is so blurred sees an edge as straight.
    fn is_wide(&self, sigma_m: f64) -> bool {
        let told = match self {
            Self::Polygon(polygonal) => polygonal.measures().is_wide(sigma_m),
            Self::Circle(_) | Self::Corridor(_) => None,
        };
        told.unwrap_or_else(|| confidence::is_wide(self.area_m2(), self.perimeter_m(), sigma_m))
    }

    /// The maximal stretches inside the closed shape of the straight step from
    /// `from` to `to` (longitudes the short way), as fractions of it: sorted,
    /// disjoint, within 0..=1. A touch from outside is a stretch of no length.
    /// They begin at 0 exactly when `from` is inside and end at 1 exactly when
    /// `to` is. A circle or corridor that is grazed by less than a millimetre
    /// may count as missed. Cost: linear in vertices.
    #[must_use]
    pub fn inside_stretches(&self, from: Position, to: Position) -> Vec<(f64, f64)> {
        match self {
            Self::Polygon(polygonal) => polygonal.inside_stretches(from, to).into_vec(),
            Self::Circle(_) | Self::Corridor(_) => self.capsule_stretches(from, to),
        }
    }

    /// [`Self::inside_stretches`] where it is known on which side `to` lies.
    pub(crate) fn stretches_to(&self, from: Position, to: Position, inside: bool) -> Stretches {
        match self {
            Self::Polygon(polygonal) => polygonal.stretches_to(from, to, inside),
            Self::Circle(_) | Self::Corridor(_) => self.capsule_stretches(from, to).into(),
        }
    }

    fn capsule_stretches(&self, from: Position, to: Position) -> Vec<(f64, f64)> {
        merged(self.capsules().iter().filter_map(|c| c.stretch(from, to)).collect())
    }

    /// Area, metres²: of polygons on the ellipsoid, of circles in the plane, of
    /// corridors as if stretched out straight.
    #[must_use]
    pub fn area_m2(&self) -> f64 {
        match self {
            Self::Polygon(polygonal) => polygonal.exact().area_m2,
            Self::Circle(circle) => circle.area_m2(),
            Self::Corridor(corridor) => corridor.area_m2(),
        }
    }

    /// [`Self::area_m2`] as far as it lies between `low` and `high`, the nearer of
    /// them otherwise, at less cost where it lies far from both.
    pub(crate) fn area_m2_within(&self, low: f64, high: f64) -> f64 {
        let told = match self {
            Self::Polygon(polygonal) => polygonal.measures().area_m2_within(low, high),
            Self::Circle(_) | Self::Corridor(_) => None,
        };
        told.unwrap_or_else(|| self.area_m2().clamp(low, high))
    }

    /// Length of the outline, holes included, metres; of corridors as if
    /// stretched out straight.
    #[must_use]
    pub fn perimeter_m(&self) -> f64 {
        match self {
            Self::Polygon(polygonal) => polygonal.exact().perimeter_m,
            Self::Circle(circle) => circle.perimeter_m(),
            Self::Corridor(corridor) => corridor.perimeter_m(),
        }
    }

    /// A box that holds every position inside.
    pub(crate) fn envelope(&self) -> Envelope {
        match self {
            Self::Polygon(polygonal) => polygonal.envelope(),
            Self::Circle(circle) => circle.body().envelope(),
            Self::Corridor(corridor) => corridor.envelope(),
        }
    }

    /// On which side of the outline of a circle or corridor the closed box of
    /// `size` units a side lies whole, `corner` its south-western corner (lon,
    /// lat). Of polygons nothing is known.
    pub(crate) fn side_of_box(&self, corner: (i64, i64), size: i64) -> BoxSide {
        if matches!(self, Self::Polygon(_)) {
            return BoxSide::Unknown;
        }
        let mut side = BoxSide::Outside;
        for capsule in self.capsules() {
            match capsule.side_of_box(corner, size) {
                BoxSide::Inside => return BoxSide::Inside,
                BoxSide::Unknown => side = BoxSide::Unknown,
                BoxSide::Outside => {}
            }
        }
        side
    }

    fn capsules(&self) -> &[Capsule] {
        match self {
            Self::Polygon(_) => &[],
            Self::Circle(circle) => std::slice::from_ref(circle.body()),
            Self::Corridor(corridor) => corridor.segments(),
        }
    }
}

/// Where a box lies to an outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BoxSide {
    /// All of it is inside.
    Inside,
    /// All of it is outside.
    Outside,
    /// Neither is certain.
    Unknown,
}

/// Sorted, with stretches that meet joined.
fn merged(mut stretches: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    stretches.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    stretches.dedup_by(|next, kept| {
        let meets = next.0 <= kept.1;
        if meets {
            kept.1 = kept.1.max(next.1);
        }
        meets
    });
    stretches
}
