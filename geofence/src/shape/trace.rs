//! From an outline back to rings: simple ones, in a canonical order.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::parts::{Part, Ring, Vertex, cross, edges, extent};

/// Joins directed edges (inside on the left, sorted) into parts. Rings that
/// visit a vertex twice are taken apart there, so every ring is simple;
/// exteriors run counter-clockwise and holes clockwise, each begins at its
/// smallest vertex, and rings and parts are sorted. Equal outlines thus give
/// equal parts.
pub(super) fn trace(outline: &[(Vertex, Vertex)]) -> Vec<Part> {
    let (mut exteriors, mut holes) = (Vec::new(), Vec::new());
    for ring in rings(outline) {
        if doubled_area(&ring) > 0 { exteriors.push(ring) } else { holes.push(ring) }
    }
    exteriors.sort_unstable();
    holes.sort_unstable();
    let mut parts: Vec<Part> =
        exteriors.into_iter().map(|exterior| Part { exterior, holes: vec![] }).collect();
    let boxes: Vec<_> = parts.iter().map(|part| extent(&part.exterior)).collect();
    for hole in holes {
        let bounds = extent(&hole);
        let home = (0..parts.len())
            .filter(|&i| {
                let outer = boxes[i];
                outer.west <= bounds.west
                    && bounds.east <= outer.east
                    && outer.south <= bounds.south
                    && bounds.north <= outer.north
            })
            .filter(|&i| encloses(&parts[i].exterior, &hole))
            .min_by_key(|&i| doubled_area(&parts[i].exterior));
        let home = home.expect("a hole of an outline lies in one of its exteriors");
        parts[home].holes.push(hole);
    }
    parts
}

/// Twice the signed area in square units; positive when counter-clockwise.
pub(super) fn doubled_area(ring: &Ring) -> i128 {
    let origin = ring[0];
    edges(ring).map(|(a, b)| cross(origin, a, b)).sum()
}

/// Whether the ring goes round the middle of the hole's first edge. The two
/// rings share no edge and cross nowhere.
fn encloses(ring: &Ring, hole: &Ring) -> bool {
    let middle = (hole[0].x + hole[1].x, hole[0].y + hole[1].y);
    let double = |v: Vertex| Vertex { x: 2 * v.x, y: 2 * v.y };
    let point = Vertex { x: middle.0, y: middle.1 };
    let crossed = edges(ring).filter(|&(a, b)| {
        let (low, high) = (double(a.min(b)), double(a.max(b)));
        low.x <= point.x && point.x < high.x && cross(low, high, point) < 0
    });
    crossed.count() % 2 == 1
}

/// The closed walks of the outline, each keeping its inside close on the left,
/// as simple rings.
fn rings(outline: &[(Vertex, Vertex)]) -> Vec<Ring> {
    let mut walked = vec![false; outline.len()];
    let mut rings = Vec::new();
    for first in 0..outline.len() {
        if walked[first] {
            continue;
        }
        let mut walk = Vec::new();
        let mut edge = first;
        while !walked[edge] {
            walked[edge] = true;
            walk.push(outline[edge].0);
            edge = next_edge(outline, edge);
        }
        take_apart(walk, &mut rings);
    }
    rings
}

/// The edge that follows: of those that leave the end, the first one clockwise
/// from the way back, so that nothing lies between the two on the left.
fn next_edge(outline: &[(Vertex, Vertex)], edge: usize) -> usize {
    let (from, at) = outline[edge];
    let first = outline.partition_point(|e| e.0 < at);
    let leaving = outline[first..].iter().take_while(|e| e.0 == at).count();
    (first..first + leaving)
        .min_by(|&a, &b| clockwise(at, from, outline[a].1, outline[b].1))
        .expect("as many edges of an outline leave a vertex as reach it")
}

/// Orders `a` and `b` by the angle, seen from `at`, clockwise from `back`.
fn clockwise(at: Vertex, back: Vertex, a: Vertex, b: Vertex) -> Ordering {
    // Less than half a turn, half a turn, more.
    let sector = |p: Vertex| match cross(at, back, p).signum() {
        -1 => 0,
        0 => 1,
        _ => 2,
    };
    sector(a).cmp(&sector(b)).then_with(|| cross(at, a, b).cmp(&0))
}

/// Splits a closed walk at the vertices it visits more than once.
fn take_apart(walk: Vec<Vertex>, rings: &mut Vec<Ring>) {
    let mut path: Ring = Vec::with_capacity(walk.len());
    let mut place: BTreeMap<Vertex, usize> = BTreeMap::new();
    for vertex in walk {
        if let Some(&at) = place.get(&vertex) {
            let ring = path.split_off(at);
            for left in &ring {
                place.remove(left);
            }
            rings.push(canonical(ring));
        }
        place.insert(vertex, path.len());
        path.push(vertex);
    }
    rings.push(canonical(path));
}

fn canonical(mut ring: Ring) -> Ring {
    let first = (0..ring.len()).min_by_key(|&i| ring[i]).expect("a walk has edges");
    ring.rotate_left(first);
    ring
}
