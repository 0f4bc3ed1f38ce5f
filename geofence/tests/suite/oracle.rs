//! Plain readings of rings, to compare ours with: by the rule of winding and
//! by that of parity, on exact integers.

use super::grid::Corner;

/// On which rings, and how often round by each.
pub struct Reading {
    /// On an edge of any ring.
    pub on_edge: bool,
    /// Inside some part: gone round by its exterior and by none of its holes.
    pub by_winding: bool,
    /// Gone round an odd number of times by all rings together.
    pub by_parity: bool,
}

pub fn read(parts: &[Vec<Vec<Corner>>], p: Corner) -> Reading {
    let rings = || parts.iter().flatten();
    let winds = |ring: &Vec<Corner>| winding(ring, p) != 0;
    Reading {
        on_edge: rings().any(|ring| edges(ring).any(|(a, b)| is_on(a, b, p))),
        by_winding: parts.iter().any(|part| {
            part.split_first().is_some_and(|(e, holes)| winds(e) && !holes.iter().any(winds))
        }),
        by_parity: rings().map(|ring| winding(ring, p)).sum::<i64>() % 2 != 0,
    }
}

/// Edges of a ring that ends where it begins.
pub fn edges(ring: &[Corner]) -> impl Iterator<Item = (Corner, Corner)> {
    ring.windows(2).map(|pair| (pair[0], pair[1]))
}

/// Positive where `p` is left of the line from `a` to `b`.
fn side(a: Corner, b: Corner, p: Corner) -> i128 {
    let wide = i128::from;
    wide(b.0 - a.0) * wide(p.1 - a.1) - wide(b.1 - a.1) * wide(p.0 - a.0)
}

fn is_on(a: Corner, b: Corner, p: Corner) -> bool {
    let between = |a: i64, b: i64, p: i64| (a.min(b)..=a.max(b)).contains(&p);
    side(a, b, p) == 0 && between(a.0, b.0, p.0) && between(a.1, b.1, p.1)
}

/// How often the ring goes round `p`, which is not on it, anticlockwise.
fn winding(ring: &[Corner], p: Corner) -> i64 {
    edges(ring)
        .map(|(a, b)| match (a.1 <= p.1, b.1 <= p.1) {
            (true, false) if side(a, b, p) > 0 => 1,
            (false, true) if side(a, b, p) < 0 => -1,
            _ => 0,
        })
        .sum()
}
