//! Noding: cutting edges where they meet, so that afterwards edges share
//! nothing but ends (or are the same edge).
//!
//! Where an end lies on another edge, the cut is exact. Where two edges
//! cross between grid points, both are led through the nearest grid point,
//! which moves them by less than 1e-7 degree and may make new crossings: the
//! search is repeated until none is left.

use std::ops::ControlFlow;

use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use super::parts::{Vertex, cross};

/// Rounds of cutting after which a tangle is given up. Real input takes two.
const ROUNDS_MAX: usize = 16;
/// Cuts after which a tangle is given up: bounds memory on hostile input.
const CUTS_MAX: usize = 1_000_000;

/// Work after which a fence is given up, in edges that are asked whether they
/// pass over a place: some seconds. A document of 250,000 corners in thousands
/// of rings takes about the half.
const WORK_MAX: u64 = 200_000_000;
/// What it costs beside that to find two edges that may meet, and look at them.
const WORK_OF_A_PAIR: usize = 10;
/// What it costs to make an edge ready for being found.
const WORK_OF_AN_EDGE: usize = 40;

/// What may yet be done for one fence.
pub(super) struct Work {
    left: u64,
}

impl Work {
    /// All that a fence is worth.
    pub(super) fn of_one_fence() -> Self {
        Self { left: WORK_MAX }
    }

    /// Takes so much of it.
    pub(super) fn take(&mut self, amount: usize) -> Result<(), Tangled> {
        self.left = self.left.checked_sub(amount as u64).ok_or(Tangled)?;
        Ok(())
    }
}

/// A directed piece of a ring's outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strand {
    pub(super) from: Vertex,
    pub(super) to: Vertex,
    pub(super) ring: u32,
}

/// Where outlines of two rings (or of one ring) cross.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crossing {
    pub(super) at: Vertex,
    pub(super) rings: (u32, u32),
}

/// There are too many edges across or above each other to be sorted out.
#[derive(Debug)]
pub(super) struct Tangled;

/// Cuts `strands` at all their meeting points, in place. Returns the proper
/// crossings, which valid rings have none of.
pub(super) fn node(strands: &mut Vec<Strand>, work: &mut Work) -> Result<Vec<Crossing>, Tangled> {
    let mut crossings = Vec::new();
    let mut cuts_made = 0;
    for round in 0..ROUNDS_MAX {
        work.take(WORK_OF_AN_EDGE * strands.len())?;
        let mut cuts = Vec::new();
        find_cuts(strands, work, &mut cuts, |crossing| {
            // Later rounds meet only what the rounding of the first made.
            if round == 0 {
                crossings.push(crossing);
            }
        })?;
        if cuts.is_empty() {
            return Ok(crossings);
        }
        cuts_made += cuts.len();
        if cuts_made > CUTS_MAX {
            return Err(Tangled);
        }
        *strands = cut(strands, cuts);
    }
    Err(Tangled)
}

/// All points at which a strand must be cut, as (strand, point).
fn find_cuts(
    strands: &[Strand],
    work: &mut Work,
    cuts: &mut Vec<(u32, Vertex)>,
    mut on_crossing: impl FnMut(Crossing),
) -> Result<(), Tangled> {
    let boxes = strands.iter().enumerate().map(|(i, s)| {
        let corners = Rectangle::from_corners([s.from.x, s.from.y], [s.to.x, s.to.y]);
        GeomWithData::new(corners, i as u32)
    });
    let tree = RTree::bulk_load(boxes.collect());
    for (i, a) in strands.iter().enumerate() {
        let near = AABB::from_corners([a.from.x, a.from.y], [a.to.x, a.to.y]);
        let flow = tree.locate_in_envelope_intersecting_int(near, |found| {
            if work.take(WORK_OF_A_PAIR).is_err() {
                return ControlFlow::Break(());
            }
            let j = found.data as usize;
            if j <= i {
                return ControlFlow::Continue(());
            }
            let b = &strands[j];
            for end in [b.from, b.to] {
                if lies_within(end, a) {
                    cuts.push((i as u32, end));
                }
            }
            for end in [a.from, a.to] {
                if lies_within(end, b) {
                    cuts.push((j as u32, end));
                }
            }
            if let Some(at) = proper_crossing(a, b) {
                on_crossing(Crossing { at, rings: (a.ring, b.ring) });
                cuts.extend(at_if_between(i, a, at));
                cuts.extend(at_if_between(j, b, at));
            }
            if cuts.len() > CUTS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if flow.is_break() {
            return Err(Tangled);
        }
    }
    Ok(())
}

fn at_if_between(index: usize, strand: &Strand, at: Vertex) -> Option<(u32, Vertex)> {
    (at != strand.from && at != strand.to).then_some((index as u32, at))
}

/// Whether `p` lies on the strand, between its ends.
fn lies_within(p: Vertex, strand: &Strand) -> bool {
    let (a, b) = (strand.from, strand.to);
    p != a
        && p != b
        && (a.x.min(b.x)..=a.x.max(b.x)).contains(&p.x)
        && (a.y.min(b.y)..=a.y.max(b.y)).contains(&p.y)
        && cross(a, b, p) == 0
}

/// The grid point nearest to where the two strands cross, if each has its ends
/// strictly on both sides of the other.
fn proper_crossing(a: &Strand, b: &Strand) -> Option<Vertex> {
    let opposite = |p: i128, q: i128| (p > 0 && q < 0) || (p < 0 && q > 0);
    let (from, to) = (cross(b.from, b.to, a.from), cross(b.from, b.to, a.to));
    if !opposite(from, to) || !opposite(cross(a.from, a.to, b.from), cross(a.from, a.to, b.to)) {
        return None;
    }
    // The fraction of `a` at the crossing is from / (from − to).
    let along =
        |start: i64, end: i64| start + div_round(from * i128::from(end - start), from - to) as i64;
    Some(Vertex { x: along(a.from.x, a.to.x), y: along(a.from.y, a.to.y) })
}

/// `n / d` to the nearest integer, half away from zero.
fn div_round(n: i128, d: i128) -> i128 {
    let (quotient, rest) = (n / d, n % d);
    let half = (rest.abs() >= (d.abs() + 1) / 2) as i128;
    quotient + half * (n.signum() * d.signum())
}

fn cut(strands: &[Strand], mut cuts: Vec<(u32, Vertex)>) -> Vec<Strand> {
    let progress = |strand: &Strand, p: Vertex| {
        let (dx, dy) = (strand.to.x - strand.from.x, strand.to.y - strand.from.y);
        i128::from(p.x - strand.from.x) * i128::from(dx)
            + i128::from(p.y - strand.from.y) * i128::from(dy)
    };
    cuts.sort_unstable_by_key(|&(i, p)| (i, progress(&strands[i as usize], p), p));
    cuts.dedup();
    let mut pieces = Vec::with_capacity(strands.len() + cuts.len());
    let mut next = cuts.iter().peekable();
    for (i, strand) in strands.iter().enumerate() {
        let mut from = strand.from;
        while let Some(&(_, at)) = next.next_if(|cut| cut.0 as usize == i) {
            pieces.push(Strand { from, to: at, ..*strand });
            from = at;
        }
        pieces.push(Strand { from, ..*strand });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strand(from: (i64, i64), to: (i64, i64)) -> Strand {
        let at = |(x, y)| Vertex { x, y };
        Strand { from: at(from), to: at(to), ring: 0 }
    }

    type Point = (i64, i64);

    fn noded(strands: &[(Point, Point)]) -> (Vec<Strand>, usize) {
        let mut strands: Vec<_> = strands.iter().map(|&(a, b)| strand(a, b)).collect();
        let crossings = node(&mut strands, &mut Work::of_one_fence()).unwrap();
        (strands, crossings.len())
    }

    #[test]
    fn division_rounds_half_away_from_zero() {
        for (n, d, q) in [(7, 2, 4), (-7, 2, -4), (7, -2, -4), (7, 3, 2), (8, 3, 3), (-8, 3, -3)] {
            assert_eq!(div_round(n, d), q, "{n}/{d}");
        }
    }

    #[test]
    fn a_cross_is_cut_into_four() {
        let (strands, crossings) = noded(&[((0, 0), (10, 10)), ((0, 10), (10, 0))]);
        assert_eq!((strands.len(), crossings), (4, 1));
        let centre = Vertex { x: 5, y: 5 };
        assert!(strands.iter().all(|s| s.from == centre || s.to == centre));
    }

    #[test]
    fn a_touch_and_an_overlap_are_cut_exactly_and_are_no_crossings() {
        let (strands, crossings) = noded(&[((0, 0), (10, 0)), ((5, 0), (5, 5))]);
        assert_eq!((strands.len(), crossings), (3, 0));
        let (strands, crossings) = noded(&[((0, 0), (10, 0)), ((15, 0), (5, 0))]);
        assert_eq!((strands.len(), crossings), (4, 0));
    }

    #[test]
    fn ends_that_meet_stay_whole() {
        let (strands, crossings) = noded(&[((0, 0), (10, 0)), ((10, 0), (10, 10))]);
        assert_eq!((strands.len(), crossings), (2, 0));
    }

    #[test]
    fn after_noding_nothing_crosses_even_on_a_crowded_grid() {
        // A fan of 60 lines through an area of 11 × 11 grid points.
        let lines: Vec<_> = (0..60).map(|i| ((i % 11, 0), ((i * 7) % 11, 10))).collect();
        let lines: Vec<_> =
            lines.into_iter().chain((0..11).map(|y| ((0, y), (10, 10 - y)))).collect();
        let (strands, _) = noded(&lines);
        for (i, a) in strands.iter().enumerate() {
            for b in &strands[i + 1..] {
                assert!(proper_crossing(a, b).is_none(), "{a:?} {b:?}");
                assert!(![b.from, b.to].iter().any(|&end| lies_within(end, a)), "{a:?} {b:?}");
            }
        }
    }
}
