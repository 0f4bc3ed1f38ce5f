//! Edges in runs of neighbours, with a box round each run: what a place is
//! near to, or a step meets, is found without asking every edge.

use std::sync::Arc;

use super::bounds::{Area, Bounds, LANES, Near, ROUNDING};
use super::edge::Edge;
use super::envelope::Envelope;
use super::run::{RUN, Run};
use crate::plane::{HALF_TURN, Scale, TURN};

/// Groups of boxes that are asked before the runs in them are: of the longest
/// outlines more boxes than are kept at hand.
const BLOCK: usize = 16;

/// A box is passed over if it is farther than what was found by more than
/// this, metres: more than rounding ever makes of a distance on the Earth.
const SLACK_M: f64 = 1e-6;

/// Edges, neighbours next to each other; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    origin: i64,
    runs: Arc<[Run]>,
    /// Round each run, [`LANES`] at a time; the last one may be there more than
    /// once.
    boxes: Arc<[Bounds]>,
    /// How many there are: the last run may be filled up.
    edges: u32,
    /// Some edge lies along a pole.
    touches_pole: bool,
}

/// Which distances are wanted, by their squares, metres².
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// One no greater than this need not be the least.
    near_enough: f64,
    /// One greater than this need not be found.
    too_far: f64,
}

impl Wanted {
    pub(super) const LEAST: Self = Self { near_enough: 0.0, too_far: f64::INFINITY };

    /// The least if it is between these two, metres; else whether it is less or
    /// more.
    pub(super) fn between(low_m: f64, high_m: f64) -> Self {
        let low_m = low_m.max(0.0);
        Self { near_enough: low_m * low_m, too_far: high_m * high_m }
    }
}

impl Runs {
    /// Of edges whose western ends lie less than a turn east of `origin`.
    pub(super) fn new(edges: &[Edge], origin: i64) -> Self {
        let around = |run: &[Edge]| run.iter().map(Edge::envelope).reduce(Envelope::join);
        let boxes: Vec<Envelope> = edges.chunks(RUN).filter_map(around).collect();
        let boxes = boxes.chunks(LANES).filter_map(|boxes| Bounds::of(boxes, origin)).collect();
        let runs = edges.chunks(RUN).filter_map(|run| Run::of(run, origin)).collect();
        let touches_pole = edges.iter().any(Edge::is_at_pole);
        Self { origin, runs, boxes, edges: edges.len() as u32, touches_pole }
    }

    #[inline]
    pub(super) fn origin(&self) -> i64 {
        self.origin
    }

    pub(super) fn len(&self) -> usize {
        self.edges as usize
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> {
        (0..self.edges).map(|index| self.edge(index))
    }

    /// The edge at an index, in the order they were given in.
    #[inline]
    pub(super) fn edge(&self, index: u32) -> Edge {
        let index = index as usize;
        self.runs[index / RUN].edge(index % RUN, self.origin)
    }

    /// Calls `met` with the edges whose boxes meet `area`, and some more; each
    /// once and in order.
    pub(super) fn each_meeting(&self, area: Envelope, mut met: impl FnMut(Edge)) {
        let area = Area::of(area, self.origin);
        for (boxes, runs) in self.boxes.iter().zip((0..self.runs.len()).step_by(LANES)) {
            let overlaps = boxes.overlap(&area);
            if overlaps == [0; LANES] {
                continue;
            }
            for (i, overlaps) in (runs..self.runs.len()).zip(overlaps) {
                if overlaps != 0 {
                    self.each_of_run_meeting(i, &area, &mut met);
                }
            }
        }
    }

    #[inline]
    fn each_of_run_meeting(&self, i: usize, area: &Area, mut met: impl FnMut(Edge)) {
        let run = &self.runs[i];
        let overlaps = run.overlap(area);
        // The last run may be filled up.
        let edges = (self.edges as usize - i * RUN).min(RUN);
        for lane in (0..edges).filter(|lane| overlaps[*lane] != 0) {
            met(run.edge(lane, self.origin));
        }
    }

    /// Boxes with the runs that they are round.
    fn blocks(&self) -> impl Iterator<Item = (&[Bounds], &[Run])> {
        self.boxes.chunks(BLOCK).zip(self.runs.chunks(BLOCK * LANES))
    }

    /// Square of the distance from (x, y) to the nearest edge, in the plane of
    /// `scale`, metres²; infinite if there is none but along a pole, or if it is
    /// too far to be `wanted`. All edges lie within `around`.
    pub(super) fn distance2_m2(&self, place: Place, around: &Envelope, wanted: Wanted) -> f64 {
        if place.is_near(around) && !self.touches_pole {
            let near = Near::new((place.x, place.y), self.origin, place.scale);
            let bounds = |boxes: &Bounds| boxes.distances2_m2(&near);
            return self.nearest(wanted, bounds, |run| self.nearest_of_near(run, place));
        }
        let bounds = |boxes: &Bounds| {
            boxes.envelopes(self.origin).map(|around| {
                let turns = [-TURN, 0, TURN].into_iter();
                let distances = turns.map(|turn| place.distance2_m2(&around, turn));
                distances.fold(f64::INFINITY, f64::min) as f32
            })
        };
        self.nearest(wanted, bounds, |run| self.nearest_of(run, place))
    }

    /// `bounds` are no more than the squares of the distances to what lies in
    /// boxes, `nearest_of` that to the nearest edge of a run.
    #[inline]
    fn nearest(
        &self,
        wanted: Wanted,
        bounds: impl Fn(&Bounds) -> [f32; LANES],
        nearest_of: impl Fn(&Run) -> f64,
    ) -> f64 {
        let mut nearest = f64::INFINITY;
        let mut limit = reach2_m2(wanted.too_far);
        for (boxes, runs) in self.blocks() {
            let mut all = [[f32::INFINITY; LANES]; BLOCK];
            // Lane by lane, the least and its group.
            let (mut least, mut group) = ([f32::INFINITY; LANES], [0; LANES]);
            for (i, (kept, boxes)) in all.iter_mut().zip(boxes).enumerate() {
                *kept = bounds(boxes);
                for lane in 0..LANES {
                    let is_less = kept[lane] < least[lane];
                    group[lane] = if is_less { i } else { group[lane] };
                    least[lane] = if is_less { kept[lane] } else { least[lane] };
                }
            }
            // The run that is likely nearest first: it rules most others out.
            let lane =
                (1..LANES).fold(0, |it, lane| if least[lane] < least[it] { lane } else { it });
            if least[lane] > limit {
                continue;
            }
            let first = (group[lane] * LANES + lane).min(runs.len() - 1);
            nearest = nearest.min(nearest_of(&runs[first]));
            limit = limit.min(reach2_m2(nearest));
            for (i, bounds) in all[..boxes.len()].iter().enumerate() {
                if bounds.map(|bound| u32::from(bound <= limit)) == [0; LANES] {
                    continue;
                }
                for (i, bound) in (i * LANES..runs.len()).zip(bounds) {
                    if *bound > limit || i == first {
                        continue;
                    }
                    if nearest <= wanted.near_enough {
                        return nearest;
                    }
                    nearest = nearest.min(nearest_of(&runs[i]));
                    limit = limit.min(reach2_m2(nearest));
                }
            }
        }
        nearest
    }

    fn nearest_of(&self, run: &Run, place: Place) -> f64 {
        let edges = (0..RUN).map(|lane| run.edge(lane, self.origin));
        let edges = edges.filter(|edge| !edge.is_at_pole());
        let distances = edges.map(|edge| edge.distance2_m2(place.x, place.y, place.scale));
        distances.fold(f64::INFINITY, f64::min)
    }

    /// The same where [`Place::is_near`] and no edge lies along a pole.
    #[inline]
    fn nearest_of_near(&self, run: &Run, place: Place) -> f64 {
        let east_of_origin = (place.x - self.origin) as u32;
        run.near_distance2_m2(east_of_origin, place.y as i32, place.scale)
    }
}

/// A place, and the plane that distances from it are measured in.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) scale: Scale,
}

impl Place {
    /// Whether its meridian is so near to all of a box that no other copy of what
    /// lies there is nearer, as [`Edge::distance2_m2`] has it.
    fn is_near(self, around: &Envelope) -> bool {
        (around.west - self.x).abs() <= HALF_TURN && (around.east - self.x).abs() <= HALF_TURN
    }

    /// Square of the distance to a box after `turn`, metres².
    #[inline]
    fn distance2_m2(self, around: &Envelope, turn: i64) -> f64 {
        let gap = |low: i64, high: i64, at: i64| (low - at).max(at - high).max(0) as f64;
        let east_m = gap(around.west + turn, around.east + turn, self.x) * self.scale.east_m;
        let north_m = gap(around.south, around.north, self.y) * self.scale.north_m;
        east_m * east_m + north_m * north_m
    }
}

/// Square of a little more than the distance whose square is `distance2_m2`, to
/// compare the bounds of boxes with.
fn reach2_m2(distance2_m2: f64) -> f32 {
    let reach_m = distance2_m2.sqrt() + SLACK_M;
    (reach_m * reach_m) as f32 * ROUNDING
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parts::Vertex;
    use super::*;

    const NOWHERE: Vertex = Vertex { x: 0, y: 0 };

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
            let around = edges.iter().map(Edge::envelope).reduce(Envelope::join);
            let around = around.unwrap_or(Edge::between(NOWHERE, NOWHERE).envelope());
            for (east, north, near) in places {
                let (x, y) = match edges.first().filter(|_| near) {
                    Some(edge) => (edge.west.x + (east * 1e6) as i64, edge.west.y),
                    None => ((3.6e9 * (east - 0.5)) as i64, (1.8e9 * (north - 0.5)) as i64),
                };
                let scale = Scale::at(y as f64);
                let real = edges.iter().filter(|edge| !edge.is_at_pole());
                let all = real.map(|edge| edge.distance2_m2(x, y, scale));
                let least = all.fold(f64::INFINITY, f64::min);
                let place = Place { x, y, scale };
                let found = runs.distance2_m2(place, &around, Wanted::LEAST);
                prop_assert_eq!(found.to_bits(), least.to_bits());
                // The least may lie at, above or below what is wanted.
                for (low, high) in [(0.9, 1.1), (1.0, 1.0), (0.5, 0.9), (1.1, 2.0)] {
                    let (low_m, high_m) = (low * least.sqrt(), high * least.sqrt());
                    let wanted = Wanted::between(low_m, high_m);
                    let found = runs.distance2_m2(place, &around, wanted);
                    if found.is_infinite() {
                        prop_assert!(least >= high_m * high_m, "{} below {}", least, high_m);
                    } else if found != least {
                        prop_assert!(least < found && (found <= low_m * low_m || found > high_m * high_m), "{} for {}", found, least);
                    }
                }
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
            let mut found = Vec::new();
            runs(&edges).each_meeting(area, |edge| found.push(edge));
            let mut rest = found.iter();
            for edge in &edges {
                // In order, so that each is there once.
                let meets = edge.envelope().overlaps(&area);
                prop_assert!(!meets || rest.any(|found| found == edge));
            }
        }
    }
}
