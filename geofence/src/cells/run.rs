//! What a cell knows, in one run of words: the fences that cover it whole,
//! those that must be asked, and those whose outline crosses it.
//!
//! ```text
//! covering, asked, crossing                        how many
//! fence × covering
//! fence × asked
//! (fence, edges, 2 × tops + inside,                for each crossing one
//!  top × tops, (x, y, dx, dy) × edges) × crossing
//! ```
//!
//! Places are relative to the cell's south-western corner. An edge runs from
//! its western end by (dx, dy), whole, not clipped: it spans less than half a
//! turn, and so fits. `inside` is the side of the north-western corner, seen an
//! infinitesimal step to the east and a yet smaller one to the north. A `top`
//! is the first whole unit at or east of where an edge crosses the cell's
//! northern edge.

use super::raster::{Edge, ceil_div};

/// What a cell says of a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// It holds the place.
    Holds(u32),
    /// It may: ask its shape.
    Ask(u32),
}

/// Words of an edge.
const EDGE: usize = 4;
/// Words of a run's head, and of that of a crossing fence.
const HEAD: usize = 3;

/// Calls `found` for every fence of the run at the start of `words` that holds
/// the place (x, y), in a cell of `side` units.
#[inline]
pub(super) fn query(words: &[u32], x: i64, y: i64, side: i64, mut found: impl FnMut(Hit)) {
    let [covering, asked, crossing] = [0, 1, 2].map(|i| words[i] as usize);
    let (covering, rest) = words[HEAD..].split_at(covering);
    for fence in covering {
        found(Hit::Holds(*fence));
    }
    let (asked, mut rest) = rest.split_at(asked);
    for fence in asked {
        found(Hit::Ask(*fence));
    }
    for _ in 0..crossing {
        let (fence, edges, sides) = (rest[0], rest[1] as usize, rest[2]);
        let (tops, after) = rest[HEAD..].split_at(sides as usize >> 1);
        let (edges, after) = after.split_at(edges * EDGE);
        rest = after;
        let east_of_tops = tops.iter().filter(|top| x >= i64::from(**top)).count() as u32;
        if is_inside(sides & 1 ^ east_of_tops & 1, edges, x, y, side) {
            found(Hit::Holds(fence));
        }
    }
}

/// Calls `found` for every polygon of the run at the start of `words` that has
/// an edge whose box meets the box from `low` to `high`, relative to the cell's
/// corner like the edges.
#[inline]
pub(super) fn outlines(
    words: &[u32],
    low: (i64, i64),
    high: (i64, i64),
    mut found: impl FnMut(u32),
) {
    let [covering, asked, crossing] = [0, 1, 2].map(|i| words[i] as usize);
    let mut rest = &words[HEAD + covering + asked..];
    for _ in 0..crossing {
        let (fence, edges, sides) = (rest[0], rest[1] as usize, rest[2]);
        let (edges, after) = rest[HEAD + (sides as usize >> 1)..].split_at(edges * EDGE);
        rest = after;
        let meets = |edge: &[u32]| {
            let [x, y, dx, dy] = [0, 1, 2, 3].map(|i| i64::from(edge[i] as i32));
            x <= high.0 && x + dx >= low.0 && y + dy.min(0) <= high.1 && y + dy.max(0) >= low.1
        };
        if edges.chunks_exact(EDGE).any(meets) {
            found(fence);
        }
    }
}

/// Goes south from the cell's northern edge, where the side is `above`, to the
/// place, through every edge on the way. A place on an edge is inside.
///
/// Products stay within `i64`: dx and dy are below 1.8e9, the place is less
/// than 1.81e9 from the edge's end, so that a product is below 3.3e18 and a
/// difference of two below 6.6e18.
#[inline]
fn is_inside(above: u32, edges: &[u32], x: i64, y: i64, side: i64) -> bool {
    let mut parity = above;
    let mut on_edge = false;
    for edge in edges.chunks_exact(EDGE) {
        let [at_x, at_y, dx, dy] = [0, 1, 2, 3].map(|i| i64::from(edge[i] as i32));
        let (east, north) = (x - at_x, y - at_y);
        // Negative where the edge passes north of the place.
        let height = north * dx - east * dy;
        let over = (0 <= east) & (east < dx);
        // How the top of the cell lies to the edge there. The way leads an
        // infinitesimal step east of the place: an edge that falls away from
        // the top to the east is crossed, one that rises from it is not.
        let top = height + (side - y) * dx;
        let below_top = (top > 0) | ((top == 0) & (dy <= 0));
        parity ^= u32::from(over & (height < 0) & below_top);
        let beside = (0 <= east) & (east <= dx) & ((dx != 0) | (0 <= north) & (north <= dy));
        on_edge |= (height == 0) & beside;
    }
    on_edge | (parity == 1)
}

/// Makes runs.
#[derive(Debug)]
pub(super) struct RunWriter {
    words: Vec<u32>,
}

impl RunWriter {
    /// A writer that has written nothing; no run begins at 0.
    pub(super) fn new() -> Self {
        Self { words: vec![0] }
    }

    /// Begins a run with the fences that cover the cell, those to be asked,
    /// and the number of those that cross it. Returns where it begins.
    pub(super) fn begin(&mut self, covering: &[u32], asked: &[u32], crossing: usize) -> u32 {
        let start = self.words.len();
        self.words.extend([covering.len() as u32, asked.len() as u32, crossing as u32]);
        self.words.extend(covering);
        self.words.extend(asked);
        u32::try_from(start).expect("a tile's runs are bounded, see its budget")
    }

    /// Adds a fence that crosses the cell: the edges that touch it, relative
    /// to its south-western corner, and the side of its north-western one.
    pub(super) fn crossing(&mut self, fence: u32, inside: bool, edges: &[Edge], side: i64) {
        let tops: Vec<u32> = edges.iter().filter_map(|edge| top(edge, side)).collect();
        let sides = (tops.len() as u32) << 1 | u32::from(inside);
        self.words.extend([fence, edges.len() as u32, sides]);
        self.words.extend(tops);
        for edge in edges {
            let (dx, dy) = (edge.east.0 - edge.west.0, edge.east.1 - edge.west.1);
            let words = [edge.west.0, edge.west.1, dx, dy];
            self.words.extend(words.map(|word| {
                i32::try_from(word).expect("an edge near a cell spans less than half a turn") as u32
            }));
        }
    }

    pub(super) fn finish(self) -> Box<[u32]> {
        self.words.into_boxed_slice()
    }
}

/// Where the edge crosses the cell's northern edge, seen a little north of it,
/// rounded up to whole units; nothing if that is not between the corners.
fn top(edge: &Edge, side: i64) -> Option<u32> {
    let (at_west, at_east) = (edge.west.1, edge.east.1);
    if (at_west > side) == (at_east > side) {
        return None;
    }
    let (num, den) = edge.crossing(side);
    let first = edge.west.0 + ceil_div(num, den);
    // Before the corner's own step to the east it is not on the way.
    (0 < first && first < side).then_some(first as u32)
}
