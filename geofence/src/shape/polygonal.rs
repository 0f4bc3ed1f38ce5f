//! Polygons and multipolygons: exact sides, distances to the outline, area.
//!
//! Two views of one shape. The *parts* are simple rings in canonical order:
//! what is compared, written and hashed. The *outline* is what questions are
//! asked of: the edges with inside on one side only, on a longitude axis that
//! closes on itself after a turn. Where parts touch, at the antimeridian or
//! elsewhere, no edge is left between them.

use std::sync::Arc;

use super::dissolve::{Mend, dissolve};
use super::edge::{Edge, Sight};
use super::envelope::Envelope;
use super::measures::{Exact, Measures};
use super::noding::Tangled;
use super::parts::{Part, edges, extent, place};
use super::runs::{Place, Runs, Wanted};
use super::simple::simple;
use super::slabs::Slabs;
use super::sweep::{Marks, Meetings, Step, Stretches, mark};
use super::trace::trace;
use crate::Position;
use crate::plane::{Scale, TURN, round_mm, short_way};

/// Distance reported by a shape that has no edge, the whole Earth: half way
/// round the equator.
const HALF_WAY_ROUND_M: f64 = 20_037_508.343;

/// A union of polygons with holes. Clones share what is long of it.
#[derive(Clone, Debug)]
pub struct Polygonal {
    /// What is asked of a place or step near the outline first, side by side:
    /// mostly it has to come from memory. The edges' origin lies west of every
    /// edge's western end and less than a turn from it.
    edges: Runs,
    envelope: Envelope,
    measures: Measures,
    /// See [`Self::taxicab_units`].
    taxicab_units: u64,
    /// Indexes of the edges.
    slabs: Slabs<u32>,
    parts: Arc<[Part]>,
}

/// Why rings make no shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// They enclose nothing.
    ZeroArea,
    /// Too many edges cross or lie above each other to be sorted out.
    Tangled,
}

impl From<Tangled> for Unusable {
    fn from(_: Tangled) -> Self {
        Self::Tangled
    }
}

/// Same parts; everything else follows from them.
impl PartialEq for Polygonal {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.parts, &other.parts) || self.parts == other.parts
    }
}

impl Polygonal {
    /// Builds the union of `parts`. Each ring is unwrapped (no edge spans half
    /// a turn or more), goes round no pole and has three distinct vertices.
    pub(crate) fn new(mut parts: Vec<Part>) -> Result<(Self, Vec<Mend>), Unusable> {
        place(&mut parts);
        let (mut parts, mends) = match simple(&parts) {
            Some(exterior) => (vec![Part { exterior, holes: Vec::new() }], Vec::new()),
            None => {
                let outline = dissolve(&parts)?;
                (trace(&outline.edges), outline.mends)
            }
        };
        if parts.is_empty() {
            return Err(Unusable::ZeroArea);
        }
        let origin = place(&mut parts);
        parts.sort_unstable();

        let edges = outline_on_the_globe(&parts, origin)?;
        let envelope = parts
            .iter()
            .map(|part| extent(&part.exterior))
            .chain(edges.iter().map(Edge::envelope))
            .reduce(Envelope::join)
            .expect("there is a part");
        let taxicab_units = edges.iter().map(Edge::taxicab_units).sum();
        let numbers: Vec<u32> = (0..edges.len() as u32).collect();
        let polygonal = Self {
            measures: Measures::new(&parts, &edges, envelope, taxicab_units),
            taxicab_units,
            slabs: Slabs::build(&numbers, |i| {
                (edges[*i as usize].west.x, edges[*i as usize].east.x)
            }),
            parts: parts.into(),
            envelope,
            edges: Runs::new(&edges, origin),
        };
        Ok((polygonal, mends))
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(crate) fn envelope(&self) -> Envelope {
        self.envelope
    }

    /// Corners of all rings.
    #[must_use]
    pub fn vertices(&self) -> usize {
        self.parts.iter().flat_map(Part::rings).map(Vec::len).sum()
    }

    /// From the western end to the eastern one, units.
    pub(crate) fn width(&self) -> i64 {
        self.envelope.east - self.envelope.west
    }

    /// Edges of the outline.
    pub(crate) fn edges(&self) -> usize {
        self.edges.len()
    }

    /// Length of the outline along the axes, each edge's from west to east and
    /// from south to north, units: how many squares of a grid it touches follows
    /// from it.
    pub(crate) fn taxicab_units(&self) -> u64 {
        self.taxicab_units
    }

    pub(super) fn measures(&self) -> &Measures {
        &self.measures
    }

    pub(super) fn exact(&self) -> Exact {
        self.measures.exact(|| Exact::of(&self.parts, self.edges.edges()))
    }

    #[inline]
    pub(super) fn contains(&self, p: Position) -> bool {
        let (mut x, y) = (self.unwrap(p.lon), i64::from(p.lat));
        let bounds = self.envelope;
        if y < bounds.south || y > bounds.north {
            return false;
        }
        // An outline longer than a turn lies over some meridians twice.
        let mut inside = false;
        while x <= bounds.east {
            for edge in self.over(x) {
                match edge.sight(x, y) {
                    Sight::On => return true,
                    Sight::North => inside = !inside,
                    Sight::Elsewhere => {}
                }
            }
            x += TURN;
        }
        inside
    }

    /// `inside` is what [`Self::contains`] says of `p`.
    pub(super) fn signed_distance_m(&self, p: Position, inside: bool) -> f64 {
        debug_assert_eq!(inside, self.contains(p), "{p:?}");
        let distance_m = self.distance_m(p, Wanted::LEAST);
        round_mm(if inside { distance_m } else { -distance_m })
    }

    /// Whether `p`, outside, is more than `limit_m` from the outline, as
    /// [`Self::signed_distance_m`] measures it. Mostly less than that need be
    /// known of the distance.
    pub(super) fn is_beyond(&self, p: Position, limit_m: f64) -> bool {
        // What may round to the limit is measured.
        let wanted = Wanted::between(limit_m - 1e-3, limit_m + 1e-3);
        let beyond = round_mm(self.distance_m(p, wanted)) > limit_m;
        debug_assert_eq!(beyond, -self.signed_distance_m(p, false) > limit_m, "{p:?}");
        beyond
    }

    fn distance_m(&self, p: Position, wanted: Wanted) -> f64 {
        let scale = Scale::at(f64::from(p.lat));
        let place = Place { x: self.unwrap(p.lon), y: i64::from(p.lat), scale };
        let nearest = self.edges.distance2_m2(place, &self.envelope, wanted);
        if nearest.is_finite() { nearest.sqrt() } else { HALF_WAY_ROUND_M }
    }

    pub(super) fn inside_stretches(&self, from: Position, to: Position) -> Stretches {
        self.stretches(from, to, |step, _| self.inside_ahead(step))
    }

    /// The same, `inside` being what [`Self::contains`] says of `to`: that
    /// spares the edges over the step's start, which lie elsewhere in memory.
    pub(super) fn stretches_to(&self, from: Position, to: Position, inside: bool) -> Stretches {
        debug_assert_eq!(inside, self.contains(to), "{to:?}");
        self.stretches(from, to, |step, meetings| {
            meetings.inside_ahead(inside).unwrap_or_else(|| self.inside_ahead(step))
        })
    }

    fn stretches(
        &self,
        from: Position,
        to: Position,
        inside_ahead: impl FnOnce(Step, &Meetings<'_>) -> bool,
    ) -> Stretches {
        let step = self.step(from, to);
        if step.by == (0, 0) {
            return self.contains(from).then_some((0.0, 1.0)).into_iter().collect();
        }
        let mut marks = Marks::new();
        for (area, turn) in self.turns_meeting(step.envelope()) {
            self.edges.each_meeting(area, |edge| mark(step, edge, turn, &mut marks));
        }
        let meetings = Meetings::of(&mut marks);
        meetings.stretches(inside_ahead(step, &meetings))
    }

    /// The copies of `area` round the Earth that meet the shape's box, each
    /// with the turn that brings the shape's edges to `area`.
    fn turns_meeting(&self, area: Envelope) -> impl Iterator<Item = (Envelope, i64)> {
        let copies = [-TURN, 0, TURN].into_iter().map(move |turn| (area.turned(-turn), turn));
        copies.filter(|(area, _)| self.envelope.overlaps(area))
    }

    /// Stretches inside, in metres, along a ray from `p` towards (east, north)
    /// in the plane at `p`. Only what lies within `reach_m` is certain.
    pub(super) fn rays(&self, p: Position, reach_m: f64) -> impl Fn((f64, f64)) -> Stretches {
        let start = (self.unwrap(p.lon), i64::from(p.lat));
        let scale = Scale::at(f64::from(p.lat));
        let near = self.edges_within(start, reach_m, scale);
        // Beside the outline all rays begin on the same side.
        let is_on_edge = near.iter().any(|(edge, turn)| {
            let (x, y) = start;
            edge.sight(x - turn, y) == Sight::On
        });
        let side = (!is_on_edge).then(|| self.inside_ahead(Step { start, by: (1, 0) }));
        move |(east, north)| {
            // The step is long, so that its whole units keep the direction,
            // and short enough for exact products.
            let towards = (east / scale.east_m, north / scale.north_m);
            let stretch = 1.2e9 / towards.0.abs().max(towards.1.abs());
            let by = ((towards.0 * stretch) as i64, (towards.1 * stretch) as i64);
            let step = Step { start, by };
            let length_m = scale.length_m(by.0 as f64, by.1 as f64);
            let inside = side.unwrap_or_else(|| self.inside_ahead(step));
            debug_assert_eq!(inside, self.inside_ahead(step), "{step:?}");
            let mut marks = Marks::new();
            near.iter().for_each(|(edge, turn)| mark(step, *edge, *turn, &mut marks));
            let mut stretches = Meetings::of(&mut marks).stretches(inside);
            stretches.iter_mut().for_each(|(a, b)| (*a, *b) = (*a * length_m, *b * length_m));
            stretches
        }
    }

    /// The edges whose boxes come within `reach_m` of the point, measured along
    /// each axis, and the turn that brings each there.
    fn edges_within(&self, (x, y): (i64, i64), reach_m: f64, scale: Scale) -> Vec<(Edge, i64)> {
        // Near a pole farther than any edge lies away, with its copies.
        let units = |of_m: f64| (reach_m / of_m).min(3.0 * TURN as f64) as i64 + 1;
        let (east, north) = (units(scale.east_m), units(scale.north_m));
        let area = Envelope { west: x - east, east: x + east, south: y - north, north: y + north };
        let mut within = Vec::new();
        for (area, turn) in self.turns_meeting(area) {
            self.edges.each_meeting(area, |edge| {
                if edge.is_within((x, y), turn, reach_m, scale) {
                    within.push((edge, turn));
                }
            });
        }
        within
    }

    /// The short way between two positions, on the shape's own axis.
    fn step(&self, from: Position, to: Position) -> Step {
        let east = short_way(i64::from(to.lon) - i64::from(from.lon));
        let north = i64::from(to.lat) - i64::from(from.lat);
        Step { start: (self.unwrap(from.lon), i64::from(from.lat)), by: (east, north) }
    }

    /// `lon` on the shape's own axis, less than a turn from its origin.
    #[inline]
    fn unwrap(&self, lon: i32) -> i64 {
        let (lon, origin) = (i64::from(lon), self.edges.origin());
        if lon < origin {
            lon + TURN
        } else if lon >= origin + TURN {
            lon - TURN
        } else {
            lon
        }
    }

    /// Whether the step's first infinitesimal piece, moved a yet smaller bit
    /// to its left, is inside.
    fn inside_ahead(&self, step: Step) -> bool {
        let (x, y) = step.start;
        let north =
            |x| self.over(x).filter(move |edge| edge.is_north_of_step((x, y), step.by)).count();
        (north(x) + north(x + TURN)) % 2 == 1
    }

    /// The edges over the meridian `x`, and some more.
    #[inline]
    fn over(&self, x: i64) -> impl Iterator<Item = Edge> {
        self.slabs.over(x).iter().map(|i| self.edges.edge(*i))
    }

    /// Calls `near` with the edges of the outline whose boxes meet `area`, and
    /// some more, on the shape's own axis, each from its western end to its
    /// eastern one, northwards if vertical.
    pub(crate) fn outline_near(
        &self,
        area: Envelope,
        mut near: impl FnMut((i64, i64), (i64, i64)),
    ) {
        let ends = |edge: Edge| near((edge.west.x, edge.west.y), (edge.east.x, edge.east.y));
        self.edges.each_meeting(area, ends);
    }

    /// Whether the place an infinitesimal step east of this longitude and
    /// latitude, and a yet smaller one north, is inside.
    pub(crate) fn is_inside_beside(&self, (lon, lat): (i64, i64)) -> bool {
        let origin = self.edges.origin();
        let x = origin + (lon - origin).rem_euclid(TURN);
        self.inside_ahead(Step { start: (x, lat), by: (1, 0) })
    }
}

/// The edges with inside on one side only, once the axis is closed to a ring.
fn outline_on_the_globe(parts: &[Part], origin: i64) -> Result<Vec<Edge>, Tangled> {
    let east = parts.iter().map(|part| extent(&part.exterior).east).max().unwrap_or(origin);
    if east - origin < TURN {
        let all = parts.iter().flat_map(Part::rings).flat_map(edges);
        return Ok(all.map(|(a, b)| Edge::between(a, b)).collect());
    }
    // Parts reach round to the first ones: dissolve them among their copies
    // one turn on and one turn back, and keep one turn of the result.
    let copies: Vec<Part> = [-TURN, 0, TURN]
        .into_iter()
        .flat_map(|turn| parts.iter().map(move |part| part.moved(turn)))
        .collect();
    let all = dissolve(&copies)?.edges.into_iter().map(|(a, b)| Edge::between(a, b));
    Ok(all.filter(|edge| (origin..origin + TURN).contains(&edge.west.x)).collect())
}

impl Edge {
    fn taxicab_units(&self) -> u64 {
        self.west.x.abs_diff(self.east.x) + self.west.y.abs_diff(self.east.y)
    }

    /// Whether the box round the edge, moved by `turn`, comes within `reach_m`
    /// of the point, measured along each axis.
    fn is_within(&self, (x, y): (i64, i64), turn: i64, reach_m: f64, scale: Scale) -> bool {
        let gap = |low: i64, high: i64, at: i64| (low - at).max(at - high).max(0) as f64;
        let east_m = gap(self.west.x + turn, self.east.x + turn, x) * scale.east_m;
        let (south, north) = (self.west.y.min(self.east.y), self.west.y.max(self.east.y));
        east_m <= reach_m && gap(south, north, y) * scale.north_m <= reach_m
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::Vertex;
    use super::*;

    #[test]
    fn a_limit_is_passed_where_the_distance_as_it_is_rounded_passes_it() {
        // Some hundred corners on a circle, so that most boxes are passed over.
        let corner = |k: i64| {
            let (north, east) = libm::sincos(f64::from(k as u32) * 0.06);
            Vertex { x: (east * 3e5) as i64, y: (north * 2e5) as i64 }
        };
        let part = Part { exterior: (0..104).map(corner).collect(), holes: Vec::new() };
        let (shape, _) = Polygonal::new(vec![part]).expect("a polygon");
        let places =
            [(300_001, 0), (300_100, 9), (400_000, 70_000), (-3_000_000, 5), (0, 9_000_000)];
        for (lon, lat) in places {
            let p = Position { lon, lat };
            let distance_m = -shape.signed_distance_m(p, shape.contains(p));
            for by in [-500.0, -1.0, -0.002, -0.001, -0.0005, 0.0, 0.0005, 0.001, 0.002, 1.0, 500.0]
            {
                let limit_m = distance_m + by;
                assert_eq!(shape.is_beyond(p, limit_m), distance_m > limit_m, "{p:?} by {by}");
            }
        }
    }

    #[test]
    fn edges_within_reach_are_those_that_a_look_at_all_finds() {
        let ring = |corners: &[(i64, i64)]| Part {
            exterior: corners.iter().map(|&(x, y)| Vertex { x, y }).collect(),
            holes: Vec::new(),
        };
        let wave = |k: i64| (k * 40_000, if k % 2 == 0 { 0 } else { 30_000 });
        let sawtooth: Vec<_> = (0..60).map(wave).chain([(2_400_000, 900_000)]).collect();
        let over_seam = [(1_799_999_000, 0), (1_800_001_000, 0), (1_800_000_000, 2_000)];
        let cap = [(-900_000_000, 899_999_000), (900_000_000, 899_998_000), (0, 900_000_000)];
        let places =
            [(1_200_000, 15_000), (1_799_999_500, 10), (-1_799_999_500, 10), (7, 899_999_990)];
        for corners in [&sawtooth[..], &over_seam, &cap] {
            let (shape, _) = Polygonal::new(vec![ring(corners)]).expect("a polygon");
            for (lon, lat) in places {
                let at = (shape.unwrap(lon), lat);
                let scale = Scale::at(lat as f64);
                for reach_m in [0.0, 3.0, 400.0, 1e6, 1e9] {
                    let all = [-TURN, 0, TURN]
                        .into_iter()
                        .flat_map(|turn| (0..shape.edges.len()).map(move |i| (i as u32, turn)));
                    let all = all.map(|(i, turn)| (shape.edges.edge(i), turn));
                    let within: Vec<_> = all
                        .filter(|(edge, turn)| edge.is_within(at, *turn, reach_m, scale))
                        .collect();
                    assert_eq!(shape.edges_within(at, reach_m, scale), within, "{at:?} {reach_m}");
                }
            }
        }
    }
}
