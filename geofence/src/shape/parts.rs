//! Rings on the grid, and where they lie on the unwrapped longitude axis.

use super::envelope::Envelope;
use crate::plane::{HALF_TURN, TURN};

/// A corner of a ring: `x` longitude on an unwrapped axis, `y` latitude, both
/// in 1e-7 degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Vertex {
    pub(crate) x: i64,
    pub(crate) y: i64,
}

/// `(b − a) × (c − a)`: positive when `c` lies left of the line from a to b.
pub(super) fn cross(a: Vertex, b: Vertex, c: Vertex) -> i128 {
    let wide = |v: i64| i128::from(v);
    wide(b.x - a.x) * wide(c.y - a.y) - wide(b.y - a.y) * wide(c.x - a.x)
}

/// Vertices in order, the first not repeated at the end.
pub(crate) type Ring = Vec<Vertex>;

/// One exterior ring and the holes in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) exterior: Ring,
    pub(crate) holes: Vec<Ring>,
}

impl Part {
    /// The exterior, then the holes.
    pub(crate) fn rings(&self) -> impl Iterator<Item = &Ring> {
        std::iter::once(&self.exterior).chain(&self.holes)
    }

    /// The part moved along the longitude axis.
    pub(super) fn moved(&self, by: i64) -> Self {
        let ring = |r: &Ring| r.iter().map(|v| Vertex { x: v.x + by, y: v.y }).collect();
        Self { exterior: ring(&self.exterior), holes: self.holes.iter().map(ring).collect() }
    }
}

/// The extent of a ring or line, which has at least one vertex.
pub(crate) fn extent(ring: &[Vertex]) -> Envelope {
    let point = |v: &Vertex| Envelope { west: v.x, east: v.x, south: v.y, north: v.y };
    ring.iter().map(point).reduce(Envelope::join).expect("a ring has vertices")
}

/// Edges of a ring in its own direction, the closing one included.
pub(super) fn edges(ring: &Ring) -> impl Iterator<Item = (Vertex, Vertex)> {
    ring.iter().zip(ring.iter().skip(1).chain(ring.first())).map(|(&from, &to)| (from, to))
}

/// Moves whole parts by turns so that all lie on one axis: each exterior
/// begins within one turn of the returned longitude, each hole has its middle
/// within half a turn of its exterior's. The axis is cut in the widest gap between
/// the parts, so that parts cut at the antimeridian come to lie side by side.
pub(super) fn place(parts: &mut [Part]) -> i64 {
    let origin = widest_gap_end(parts);
    for part in parts.iter_mut() {
        let west = extent(&part.exterior).west;
        move_ring(&mut part.exterior, origin + (west - origin).rem_euclid(TURN) - west);
        let exterior_middle = middle(&part.exterior);
        for hole in &mut part.holes {
            // A hole drawn askew may begin west of its exterior.
            let turns = (exterior_middle - middle(hole) + HALF_TURN).div_euclid(TURN);
            move_ring(hole, turns * TURN);
        }
    }
    origin
}

/// The western end of the part behind the widest gap in longitude, within
/// ±[`HALF_TURN`]; of the first part where no gap is left.
fn widest_gap_end(parts: &[Part]) -> i64 {
    let mut spans: Vec<(i64, i64)> = parts
        .iter()
        .map(|part| {
            let extent = extent(&part.exterior);
            let west = (extent.west + HALF_TURN).rem_euclid(TURN) - HALF_TURN;
            (west, west + extent.east - extent.west)
        })
        .collect();
    spans.sort_unstable();
    // What the parts cover from the turn before.
    let mut covered = spans.iter().map(|span| span.1).max().unwrap_or(0) - TURN;
    let mut best = (-1, spans.first().map_or(0, |span| span.0));
    for (west, east) in spans {
        if west - covered > best.0 {
            best = (west - covered, west);
        }
        covered = covered.max(east);
    }
    best.1
}

fn middle(ring: &Ring) -> i64 {
    let extent = extent(ring);
    (extent.west + extent.east) / 2
}

fn move_ring(ring: &mut Ring, by: i64) {
    for vertex in ring {
        vertex.x += by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(west_deg: i64, east_deg: i64) -> Part {
        let (w, e) = (west_deg * 10_000_000, east_deg * 10_000_000);
        let ring = [(w, 0), (e, 0), (e, 10), (w, 10)].map(|(x, y)| Vertex { x, y });
        Part { exterior: ring.to_vec(), holes: vec![] }
    }

    fn placed(mut parts: Vec<Part>) -> (i64, Vec<i64>) {
        let origin = place(&mut parts);
        let wests = parts.iter().map(|p| extent(&p.exterior).west / 10_000_000).collect();
        (origin / 10_000_000, wests)
    }

    #[test]
    fn the_axis_is_cut_in_the_widest_gap() {
        assert_eq!(placed(vec![bar(10, 20)]), (10, vec![10]));
        assert_eq!(placed(vec![bar(170, 180), bar(-180, -170)]), (170, vec![170, 180]));
        assert_eq!(placed(vec![bar(-180, -170), bar(170, 180)]), (170, vec![180, 170]));
        assert_eq!(placed(vec![bar(530, 540)]), (170, vec![170]));
    }

    #[test]
    fn a_gap_of_no_width_still_cuts_and_no_gap_takes_the_first() {
        assert_eq!(placed(vec![bar(-180, 180)]), (-180, vec![-180]));
        assert_eq!(placed(vec![bar(-180, 0), bar(0, 180)]), (-180, vec![-180, 0]));
        assert_eq!(placed(vec![bar(-175, 100), bar(90, 175), bar(170, 190)]).0, -175);
    }
}
