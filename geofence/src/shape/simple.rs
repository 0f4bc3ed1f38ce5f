//! Knowing a ring that needs no mending: most are such, and what takes others
//! apart costs many times as much.

use std::ops::Range;

use super::parts::{Part, Ring, Vertex, edges};

/// Edges in the smallest boxes of the search.
const RUN: usize = 4;
/// Pairs of boxes that meet, looked into for each edge before the search is given
/// up: a pair is at most `RUN + RUN²` comparisons, so that a fence of the most
/// corners there may be takes a second. A ring of a hundred corners asks for one
/// or two.
const PAIRS_MAX: usize = 64;

/// The exterior of the only part, counter-clockwise from its smallest vertex,
/// if it has no hole and no two of its edges meet but neighbours at their
/// common end. `None` says nothing.
pub(super) fn simple(parts: &[Part]) -> Option<Ring> {
    let [Part { exterior, holes }] = parts else { return None };
    if !holes.is_empty() || exterior.len() < 3 || meets_itself(exterior) {
        return None;
    }
    let first = (0..exterior.len()).min_by_key(|&i| exterior[i])?;
    let mut ring = exterior.clone();
    ring.rotate_left(first);
    // At the smallest vertex a simple ring turns to the left if it runs
    // counter-clockwise.
    if side(ring[ring.len() - 1], ring[0], ring[1]) < 0 {
        ring[1..].reverse();
    }
    Some(ring)
}

/// A box round edges that follow each other, narrow so that many lie in a line of
/// memory: longitudes are counted from the ring's western end, as a ring spans at
/// most a turn.
#[derive(Clone, Copy)]
struct Span {
    west: u32,
    east: u32,
    low: i32,
    high: i32,
}

impl Span {
    fn of((a, b): (Vertex, Vertex), origin: i64) -> Self {
        let lon = |x: i64| u32::try_from(x - origin).expect("a ring spans at most a turn");
        let lat = |y: i64| i32::try_from(y).expect("latitudes are within a quarter turn");
        Self {
            west: lon(a.x.min(b.x)),
            east: lon(a.x.max(b.x)),
            low: lat(a.y.min(b.y)),
            high: lat(a.y.max(b.y)),
        }
    }

    fn join(self, other: Self) -> Self {
        Self {
            west: self.west.min(other.west),
            east: self.east.max(other.east),
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    fn meets(&self, other: &Self) -> bool {
        (self.west <= other.east)
            & (other.west <= self.east)
            & (self.low <= other.high)
            & (other.low <= self.high)
    }
}

/// Whether two edges of the ring share more than neighbours do, or may.
fn meets_itself(ring: &Ring) -> bool {
    let mut search = Search::new(ring);
    // Any two edges lie in one run, or in two boxes that are halves of one.
    (0..search.levels[0].len()).any(|run| search.is_met_in(run))
        || (0..search.levels.len()).any(|level| {
            let last = search.levels[level].len() - 1;
            (0..last).step_by(2).any(|i| search.is_met_between(level, i, i + 1))
        })
}

/// The search for edges that meet, down from large boxes to the edges in them.
struct Search<'a> {
    ring: &'a Ring,
    spans: Vec<Span>,
    /// Boxes of each [`RUN`] edges, then of each two boxes of the level before, up
    /// to one box.
    levels: Vec<Vec<Span>>,
    pairs_left: usize,
}

impl<'a> Search<'a> {
    fn new(ring: &'a Ring) -> Self {
        let origin = ring.iter().map(|vertex| vertex.x).min().unwrap_or(0);
        let spans: Vec<Span> = edges(ring).map(|ends| Span::of(ends, origin)).collect();
        let around = |spans: &[Span], size| -> Vec<Span> {
            let around = |spans: &[Span]| spans.iter().copied().reduce(Span::join);
            spans.chunks(size).filter_map(around).collect()
        };
        let mut levels = vec![around(&spans, RUN)];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            levels.push(around(level, 2));
        }
        Self { ring, spans, levels, pairs_left: PAIRS_MAX * ring.len() }
    }

    /// Whether two edges of a run meet.
    fn is_met_in(&self, run: usize) -> bool {
        let edges = self.edges_of(run);
        edges.clone().any(|j| (edges.start..j).any(|i| self.do_meet(i, j)))
    }

    /// Whether an edge of run `i` meets one of run `j`, which comes after it.
    fn is_met_between_runs(&self, i: usize, j: usize) -> bool {
        let around = self.levels[0][j];
        let mut near = self.edges_of(i).filter(|i| self.spans[*i].meets(&around));
        near.any(|i| self.edges_of(j).any(|j| self.do_meet(i, j)))
    }

    fn do_meet(&self, i: usize, j: usize) -> bool {
        self.spans[i].meets(&self.spans[j]) && edges_meet(self.ring, i, j)
    }

    fn edges_of(&self, run: usize) -> Range<usize> {
        RUN * run..self.spans.len().min(RUN * (run + 1))
    }

    /// Whether an edge in box `i` of the level meets one in box `j`, which comes
    /// after it, or may. The boxes meet.
    fn is_met_between(&mut self, level: usize, i: usize, j: usize) -> bool {
        let Some(left) = self.pairs_left.checked_sub(1) else { return true };
        self.pairs_left = left;
        let Some(below) = level.checked_sub(1) else { return self.is_met_between_runs(i, j) };
        let count = self.levels[below].len();
        let halves = |of: usize| 2 * of..count.min(2 * of + 2);
        halves(i).any(|i| {
            halves(j).any(|j| {
                let boxes = &self.levels[below];
                boxes[i].meets(&boxes[j]) && self.is_met_between(below, i, j)
            })
        })
    }
}

/// Whether edge `i` of the ring shares more with edge `j`, which comes after it,
/// than neighbours do.
fn edges_meet(ring: &Ring, i: usize, j: usize) -> bool {
    let count = ring.len();
    let ends = |i: usize| (ring[i], ring[if i + 1 == count { 0 } else { i + 1 }]);
    match j - i {
        1 => folds_back(ring, i),
        gap if gap == count - 1 => folds_back(ring, j),
        _ => meet(ends(i), ends(j)),
    }
}

/// Whether the edge after edge `i` of the ring runs back along it, or one of
/// them has no length.
fn folds_back(ring: &Ring, i: usize) -> bool {
    let at = |i: usize| ring[if i < ring.len() { i } else { i - ring.len() }];
    let (a, b, c) = (at(i), at(i + 1), at(i + 2));
    let along = |p: i64, q: i64, r: i64| i128::from(q - p) * i128::from(r - q);
    side(a, b, c) == 0 && along(a.x, b.x, c.x) + along(a.y, b.y, c.y) <= 0
}

/// Whether two edges share a place.
fn meet(a: (Vertex, Vertex), b: (Vertex, Vertex)) -> bool {
    let (b0, b1) = (side(a.0, a.1, b.0), side(a.0, a.1, b.1));
    let (a0, a1) = (side(b.0, b.1, a.0), side(b.0, b.1, a.1));
    // On one line they may or may not: rare enough to be looked at closely.
    b0 * b1 <= 0 && a0 * a1 <= 0
}

/// 1 where `c` lies left of the line from a to b, −1 right of it, 0 on it.
///
/// Products stay within `i64`: an edge spans less than half a turn (1.8e9),
/// and so do latitudes; a ring spans at most a turn, so that a product is below
/// 6.5e18.
fn side(a: Vertex, b: Vertex, c: Vertex) -> i32 {
    let left = (b.x - a.x) * (c.y - a.y);
    let right = (b.y - a.y) * (c.x - a.x);
    left.cmp(&right) as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dissolve::dissolve;
    use super::super::trace::trace;
    use super::*;

    fn part(corners: &[(i64, i64)]) -> Part {
        let exterior = corners.iter().map(|&(x, y)| Vertex { x, y }).collect();
        Part { exterior, holes: vec![] }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        /// On a grid so narrow that many rings touch themselves or worse.
        #[test]
        fn a_simple_ring_is_what_taking_it_apart_leaves(
            corners in prop::collection::vec((0..12_i64, 0..12_i64), 3..8),
        ) {
            let part = part(&corners);
            if let Some(ring) = simple(std::slice::from_ref(&part)) {
                let outline = dissolve(&[part]).unwrap();
                prop_assert!(outline.mends.is_empty());
                prop_assert_eq!(trace(&outline.edges), [Part { exterior: ring, holes: vec![] }]);
            }
        }
    }

    proptest! {
        /// Rings that wander and mostly meet themselves late, if at all.
        #[test]
        fn edges_that_meet_are_found_whichever_they_are(
            radii in prop::collection::vec(prop_oneof![9 => 60..100_i32, 1 => -90..60_i32], 3..80),
        ) {
            let count = radii.len() as f64;
            let corner = |(k, radius): (usize, &i32)| {
                let (sin, cos) = libm::sincos(k as f64 / count * std::f64::consts::TAU);
                let at = |by: f64| (f64::from(*radius) * by * 100.0) as i64;
                Vertex { x: at(cos), y: at(sin) }
            };
            let ring: Ring = radii.iter().enumerate().map(corner).collect();
            let mut pairs = (0..ring.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
            let any = pairs.any(|(i, j)| edges_meet(&ring, i, j));
            prop_assert_eq!(meets_itself(&ring), any);
        }
    }

    /// Of what is given up too early nothing wrong is said, but it costs many times
    /// as much.
    #[test]
    fn a_ring_of_many_corners_is_searched_to_the_end() {
        let star = |k: i64| {
            let (sin, cos) = libm::sincos(k as f64 / 20_000.0 * std::f64::consts::TAU);
            let radius = if k % 2 == 0 { 1e7 } else { 6e6 };
            ((radius * cos) as i64, (radius * sin) as i64)
        };
        let comb = |k: i64| (k / 2 * 10, [10, 1_000, 1_000, 10][k as usize % 4]);
        let stair = |k: i64| ((k + 1) / 2 * 10, k / 2 * 10);
        let closed = |mut line: Vec<(i64, i64)>| {
            let east = line[line.len() - 1].0;
            line.extend([(east + 50, -50), (-50, -50)]);
            line
        };
        let line = |at: &dyn Fn(i64) -> (i64, i64)| (0..20_000).map(at).collect::<Vec<_>>();
        for ring in [line(&star), closed(line(&comb)), closed(line(&stair))] {
            assert!(simple(&[part(&ring)]).is_some(), "{:?}", &ring[..8]);
        }
    }

    /// Lines side by side across the boxes of all others: a search without bound
    /// would compare each with each.
    #[test]
    fn a_search_that_takes_too_long_is_given_up() {
        const LENGTH: i64 = 100_000_000;
        let zigzag = |lines: i64| {
            let line = |k: i64| [(10 * k, 0), (10 * k + 5 + LENGTH, LENGTH)];
            let east = 10 * lines + LENGTH + 100;
            let home = [(east, LENGTH), (east, -50), (-50, -50)];
            part(&(0..lines).flat_map(line).chain(home).collect::<Vec<_>>())
        };
        assert!(simple(&[zigzag(100)]).is_some());
        assert_eq!(simple(&[zigzag(10_000)]), None);
    }

    #[test]
    fn what_meets_itself_is_not_simple() {
        let bow = [(0, 0), (10, 10), (10, 0), (0, 10)];
        let spike = [(0, 0), (10, 0), (20, 0), (10, 0), (10, 10)];
        let spike_home = [(0, 0), (10, 0), (10, 10), (0, 0), (-5, -5)];
        let touch = [(0, 0), (10, 0), (10, 10), (5, 0), (0, 10)];
        let repeated = [(0, 0), (0, 0), (10, 0), (10, 10)];
        let flat = [(0, 0), (10, 0), (5, 0)];
        for corners in [&bow[..], &spike, &spike_home, &touch, &repeated, &flat] {
            assert_eq!(simple(&[part(corners)]), None, "{corners:?}");
        }
    }

    #[test]
    fn a_simple_ring_runs_counter_clockwise_from_its_smallest_vertex() {
        let ring = |corners: &[(i64, i64)]| simple(&[part(corners)]).unwrap();
        let square = part(&[(0, 0), (10, 0), (10, 10), (0, 10)]).exterior;
        assert_eq!(ring(&[(10, 10), (10, 0), (0, 0), (0, 10)]), square);
        assert_eq!(ring(&[(10, 0), (10, 10), (0, 10), (0, 0)]), square);
        // A corner on a straight side stays.
        assert_eq!(ring(&[(0, 0), (5, 0), (10, 0), (10, 10)]).len(), 4);
    }
}
