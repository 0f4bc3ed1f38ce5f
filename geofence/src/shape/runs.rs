//! Edges in runs of neighbours, with a box round each run: what a place is
//! near to, or a step meets, is found without asking every edge.

use std::sync::Arc;

use super::bounds::{Area, Bounds, Near};
use super::edge::{Edge, Packed};
use super::envelope::Envelope;
use crate::plane::{HALF_TURN, Scale, TURN};

/// Edges in a run. An outline of a hundred asks a dozen boxes and one or two
/// runs.
const RUN: usize = 8;

/// A box is passed over if it is farther than what was found by more than
/// this, metres: more than rounding ever makes of a distance on the Earth.
const SLACK_M: f64 = 1e-6;

/// Edges, neighbours next to each other; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    origin: i64,
    edges: Arc<[Packed]>,
    /// One for each [`RUN`] edges.
    boxes: Arc<[Bounds]>,
    /// Round all of them; `None` if there is no edge.
    around: Option<Envelope>,
}

impl Runs {
    /// Of edges whose western ends lie less than a turn east of `origin`.
    pub(super) fn new(edges: &[Edge], origin: i64) -> Self {
        let around = |run: &[Edge]| run.iter().map(Edge::envelope).reduce(Envelope::join);
        let boxes = edges.chunks(RUN).filter_map(around);
        let boxes = boxes.map(|around| Bounds::of(around, origin)).collect();
        let around = around(edges);
        let edges = edges.iter().map(|edge| Packed::new(*edge, origin)).collect();
        Self { origin, edges, boxes, around }
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> {
        self.edges.iter().map(|edge| edge.unpack(self.origin))
    }

    /// The edge at an index, in the order they were given in.
    #[inline]
    pub(super) fn edge(&self, index: u32) -> Edge {
        self.edges[index as usize].unpack(self.origin)
    }

    /// The edges whose boxes meet `area`, and some more; each once.
    pub(super) fn meeting(&self, area: Envelope) -> impl Iterator<Item = Edge> {
        let runs = self.boxes.iter().zip(self.edges.chunks(RUN));
        let area = Area::of(area, self.origin);
        let met = runs.filter(move |run| run.0.overlaps(&area));
        met.flat_map(|run| run.1.iter().map(|edge| edge.unpack(self.origin)))
    }

    /// Square of the distance from (x, y) to the nearest edge, in the plane of
    /// `scale`, metres²; infinite if there is none but along a pole.
    pub(super) fn distance2_m2(&self, x: i64, y: i64, scale: Scale) -> f64 {
        let place = Place { x, y, scale };
        if self.is_near(x) {
            let near = Near::new((x, y), self.origin, scale);
            let bound = |around: &Bounds| around.distance2_m2(&near);
            return self.nearest(bound, |run| self.nearest_of_near(run, place));
        }
        let bound = |around: &Bounds| {
            let around = around.envelope(self.origin);
            let turns = [-TURN, 0, TURN].into_iter();
            turns.map(|turn| place.distance2_m2(&around, turn)).fold(f64::INFINITY, f64::min)
        };
        self.nearest(bound, |run| self.nearest_of(run, place))
    }

    /// `bound` is no more than the square of the distance to what lies in a
    /// box, `nearest_of` that to the nearest edge of a run.
    #[inline]
    fn nearest(
        &self,
        bound: impl Fn(&Bounds) -> f64,
        nearest_of: impl Fn(&[Packed]) -> f64,
    ) -> f64 {
        // The run that is likely nearest first: it rules most others out.
        let (mut first, mut least) = (0, f64::INFINITY);
        for (i, around) in self.boxes.iter().enumerate() {
            let bound = bound(around);
            if bound < least {
                (first, least) = (i, bound);
            }
        }
        let Some(run) = self.edges.chunks(RUN).nth(first) else { return f64::INFINITY };
        let mut nearest = nearest_of(run);
        let mut limit = reach2_m2(nearest);
        for (i, around) in self.boxes.iter().enumerate() {
            if bound(around) <= limit && i != first {
                let run = &self.edges[i * RUN..self.edges.len().min((i + 1) * RUN)];
                nearest = nearest.min(nearest_of(run));
                limit = reach2_m2(nearest);
            }
        }
        nearest
    }

    fn nearest_of(&self, run: &[Packed], place: Place) -> f64 {
        let edges = run.iter().map(|edge| edge.unpack(self.origin));
        let edges = edges.filter(|edge| !edge.is_at_pole());
        let distances = edges.map(|edge| edge.distance2_m2(place.x, place.y, place.scale));
        distances.fold(f64::INFINITY, f64::min)
    }

    /// The same where [`Self::is_near`], for a full run without a branch, so
    /// that edges can be worked on side by side.
    #[inline]
    fn nearest_of_near(&self, run: &[Packed], place: Place) -> f64 {
        let Ok(run) = <&[Packed; RUN]>::try_from(run) else { return self.nearest_of(run, place) };
        let east_of_origin = (place.x - self.origin) as u32;
        let lat = place.y as i32;
        let mut distances = [f64::INFINITY; RUN];
        for (distance, edge) in distances.iter_mut().zip(run) {
            *distance = edge.near_distance2_m2(east_of_origin, lat, place.scale);
        }
        distances.into_iter().fold(f64::INFINITY, f64::min)
    }

    /// Whether the meridian is so near to all edges that no other copy of them
    /// round the Earth is nearer, as [`Edge::distance2_m2`] has it.
    fn is_near(&self, x: i64) -> bool {
        self.around.as_ref().is_some_and(|around| {
            (around.west - x).abs() <= HALF_TURN && (around.east - x).abs() <= HALF_TURN
        })
    }
}

/// A place, and the plane that distances from it are measured in.
#[derive(Clone, Copy)]
struct Place {
    x: i64,
    y: i64,
    scale: Scale,
}

impl Place {
    /// Square of the distance to a box after `turn`, metres².
    #[inline]
    fn distance2_m2(self, around: &Envelope, turn: i64) -> f64 {
        let gap = |low: i64, high: i64, at: i64| (low - at).max(at - high).max(0) as f64;
        let east_m = gap(around.west + turn, around.east + turn, self.x) * self.scale.east_m;
        let north_m = gap(around.south, around.north, self.y) * self.scale.north_m;
        east_m * east_m + north_m * north_m
    }
}

/// Square of a little more than the distance whose square is `distance2_m2`.
fn reach2_m2(distance2_m2: f64) -> f64 {
    let reach_m = distance2_m2.sqrt() + SLACK_M;
    reach_m * reach_m
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parts::Vertex;
    use super::*;

    fn runs(edges: &[Edge]) -> Runs {
        let origin = edges.iter().map(|edge| edge.west.x).min().unwrap_or(0);
        Runs::new(edges, origin)
    }

    /// A line of edges that wanders about, over the antimeridian or not.
    fn any_edges() -> impl Strategy<Value = Vec<Edge>> {
        let start = (-1_900_000_000..1_900_000_000_i64, -900_000_000..=900_000_000_i64);
        let size = prop_oneof![Just(10_i64), Just(100_000), Just(900_000_000)];
        let turns = prop::collection::vec((-1.0..1.0_f64, -1.0..1.0_f64), 0..60);
        (start, size, turns).prop_map(|(start, size, turns)| {
            let mut at = Vertex { x: start.0, y: start.1 };
            let stride = |share: f64| (share * size as f64) as i64;
            let mut edges = Vec::new();
            for (east, north) in turns {
                let x = (at.x + stride(east)).clamp(-1_900_000_000, 1_900_000_000);
                let y = (at.y + stride(north)).clamp(-900_000_000, 900_000_000);
                let next = Vertex { x, y };
                edges.push(Edge::between(at, next));
                at = next;
            }
            edges
        })
    }

    proptest! {
        #[test]
        fn the_nearest_of_all_is_found(
            edges in any_edges(),
            places in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64, any::<bool>()), 1..20),
        ) {
            let runs = runs(&edges);
            for (east, north, near) in places {
                let (x, y) = match edges.first().filter(|_| near) {
                    Some(edge) => (edge.west.x + (east * 1e6) as i64, edge.west.y),
                    None => ((3.6e9 * (east - 0.5)) as i64, (1.8e9 * (north - 0.5)) as i64),
                };
                let scale = Scale::at(y as f64);
                let real = edges.iter().filter(|edge| !edge.is_at_pole());
                let all = real.map(|edge| edge.distance2_m2(x, y, scale));
                let least = all.fold(f64::INFINITY, f64::min);
                prop_assert_eq!(runs.distance2_m2(x, y, scale).to_bits(), least.to_bits());
            }
        }

        #[test]
        fn no_edge_that_meets_is_left_out(
            edges in any_edges(),
            corner in (-1_900_000_000..1_900_000_000_i64, -900_000_000..=900_000_000_i64),
            size in (0..400_000_000_i64, 0..400_000_000_i64),
        ) {
            let area = Envelope {
                west: corner.0,
                east: corner.0 + size.0,
                south: corner.1,
                north: corner.1 + size.1,
            };
            let found: Vec<_> = runs(&edges).meeting(area).collect();
            let mut rest = found.iter();
            for edge in &edges {
                // In order, so that each is there once.
                let meets = edge.envelope().overlaps(&area);
                prop_assert!(!meets || rest.any(|found| found == edge));
            }
        }
    }
}
