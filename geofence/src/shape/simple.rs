//! Knowing a ring that needs no mending: most are such, and what takes others
//! apart costs many times as much.

use super::parts::{Part, Ring, Vertex, edges};

/// Pairs of edges looked at for each edge before the search is given up. A
/// ring of a hundred corners asks for a dozen or two.
const PAIRS_MAX: usize = 128;

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

/// An edge of a ring by its ends from the west, narrow so that many lie in a
/// line of memory: longitudes are counted from the ring's western end, as a ring
/// spans at most a turn.
#[derive(Clone, Copy)]
struct Span {
    west: u32,
    east: u32,
    /// Latitudes that it covers.
    low: i32,
    high: i32,
    /// The edge's number.
    edge: u32,
}

impl Span {
    fn of(edge: usize, (a, b): (Vertex, Vertex), origin: i64) -> Self {
        let lon = |x: i64| u32::try_from(x - origin).expect("a ring spans at most a turn");
        let lat = |y: i64| i32::try_from(y).expect("latitudes are within a quarter turn");
        Self {
            west: lon(a.x.min(b.x)),
            east: lon(a.x.max(b.x)),
            low: lat(a.y.min(b.y)),
            high: lat(a.y.max(b.y)),
            edge: edge as u32,
        }
    }
}

/// Whether two edges of the ring share more than neighbours do, or may.
fn meets_itself(ring: &Ring) -> bool {
    let count = ring.len();
    let origin = ring.iter().map(|vertex| vertex.x).min().unwrap_or(0);
    let spans = edges(ring).enumerate().map(|(i, ends)| Span::of(i, ends, origin));
    let mut by_west: Vec<Span> = spans.collect();
    by_west.sort_unstable_by_key(|span| u64::from(span.west) << 32 | u64::from(span.edge));
    let mut pairs_left = PAIRS_MAX * count;
    // Those that reach the western end of the edge at hand.
    let mut over: Vec<Span> = Vec::new();
    for span in by_west {
        let Some(left) = pairs_left.checked_sub(over.len()) else { return true };
        pairs_left = left;
        over.retain(|other| other.east >= span.west);
        for other in &over {
            if other.high < span.low || other.low > span.high {
                continue;
            }
            let (i, j) = (span.edge as usize, other.edge as usize);
            let ends = |i: usize| (ring[i], ring[if i + 1 == count { 0 } else { i + 1 }]);
            let meet = match if j >= i { j - i } else { j + count - i } {
                1 => folds_back(ring, i),
                gap if gap == count - 1 => folds_back(ring, j),
                _ => meet(ends(i), ends(j)),
            };
            if meet {
                return true;
            }
        }
        over.push(span);
    }
    false
}

/// Whether the edge after edge `i` of the ring runs back along it, or one of
/// them has no length.
fn folds_back(ring: &Ring, i: usize) -> bool {
    let at = |i: usize| ring[i % ring.len()];
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
