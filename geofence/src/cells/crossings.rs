//! Outlines that cross cells, in words of the cells' runs.

use super::raster::Edge;
use super::run::{EDGES_MAX, Line};

/// Writes outlines that cross cells into words of their runs.
#[derive(Debug, Default)]
pub(super) struct Crossings {
    pub(super) words: Vec<u32>,
    /// Meridians over a cell at which edges end north of it.
    ends: Vec<i64>,
}

impl Crossings {
    /// Adds a fence that crosses a cell of `side` units: the edges that touch
    /// it, at most half of [`EDGES_MAX`], relative to its south-western corner,
    /// and whether the place a bit to the east of its north-western one, and a
    /// yet smaller bit to the north, is inside.
    pub(super) fn add(
        &mut self,
        fence: u32,
        inside: bool,
        edges: impl Iterator<Item = Edge> + Clone,
        side: i64,
    ) {
        let Self { words, ends } = self;
        let counts_at = words.len() + 1;
        words.extend_from_slice(&[fence, 0]);
        let (mut narrow, mut wide) = (0, 0);
        let mut write_narrow = |edge: &Edge| {
            if is_narrow(edge) {
                let packed = |(x, y): (i64, i64)| u32::from(y as u16) << 16 | u32::from(x as u16);
                words.extend_from_slice(&[packed(edge.west), packed(edge.east)]);
                narrow += 1;
            } else {
                wide += 1;
            }
        };
        let mut above = inside;
        ends.clear();
        let mut end_at = |(x, y): (i64, i64)| {
            if y > side && 0 < x && x < side {
                ends.push(x);
            }
        };
        for edge in edges.clone() {
            above ^= is_north_of_corner(&edge, side);
            end_at(edge.west);
            end_at(edge.east);
            write_narrow(&edge);
        }
        keep_odd(ends);
        let far = ends.iter().map(|x| {
            let y = (side + 1).max(i64::from(i16::MAX));
            Edge { west: (*x, y), east: (side, y) }
        });
        far.clone().for_each(|edge| write_narrow(&edge));
        debug_assert!(narrow.max(wide) <= EDGES_MAX as u32);
        words[counts_at] = wide << 16 | narrow << 1 | u32::from(above);
        if wide == 0 {
            return;
        }
        for edge in edges.chain(far).filter(|edge| !is_narrow(edge)) {
            let (dx, dy) = (edge.east.0 - edge.west.0, edge.east.1 - edge.west.1);
            words.extend([edge.west.0, edge.west.1, dx, dy].map(|word| {
                i32::try_from(word).expect("an edge near a cell spans less than half a turn") as u32
            }));
        }
    }
}

/// Whether both ends fit into 16 bits an axis.
fn is_narrow(edge: &Edge) -> bool {
    let above_least = |units: i64| (units - i64::from(i16::MIN)) as u64;
    let (west, east) = (edge.west, edge.east);
    let all = above_least(west.0) | above_least(west.1) | above_least(east.0) | above_least(east.1);
    all <= u64::from(u16::MAX)
}

/// Whether the edge passes north of the place beside the cell's north-western
/// corner of which [`Crossings::add`] speaks.
fn is_north_of_corner(edge: &Edge, side: i64) -> bool {
    let ((x, y), (east, north)) = (edge.west, edge.east);
    if x > 0 || east <= 0 {
        return false;
    }
    let line = Line { x, y, dx: east - x, dy: north - y };
    let height = line.height(0, side);
    height < 0 || height == 0 && line.dy > 0
}

/// Sorts meridians, and keeps one of each that is there an odd number of times.
fn keep_odd(meridians: &mut Vec<i64>) {
    if meridians.len() < 2 {
        return;
    }
    meridians.sort_unstable();
    let mut kept = 0;
    for i in 0..meridians.len() {
        // Of two alike the second takes away the first.
        if kept > 0 && meridians[kept - 1] == meridians[i] {
            kept -= 1;
        } else {
            meridians[kept] = meridians[i];
            kept += 1;
        }
    }
    meridians.truncate(kept);
}
