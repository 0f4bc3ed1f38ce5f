//! Which squares of a grid a straight edge touches.

use std::ops::RangeInclusive;

/// An edge from its western end to its eastern one, northwards if vertical,
/// in units from some corner. It spans less than half a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) west: (i64, i64),
    pub(super) east: (i64, i64),
}

impl Edge {
    pub(super) fn moved(self, (east, north): (i64, i64)) -> Self {
        let by = |(x, y): (i64, i64)| (x + east, y + north);
        Self { west: by(self.west), east: by(self.east) }
    }

    /// Squares of 2^`bits` units a side that the edge touches within a square of
    /// 2^`within` units, at the most, about.
    pub(super) fn squares_at_most(&self, within: u32, bits: u32) -> u64 {
        let (across, up) = (self.east.0 - self.west.0, (self.east.1 - self.west.1).abs());
        let steps = |length: i64| (length.min(1 << within) >> bits) as u64;
        steps(across) + steps(up) + 1
    }

    /// Where the edge meets the parallel `y`; nothing if it is level or ends
    /// before it.
    fn meridian(&self, y: i64) -> Option<Meridian> {
        let (low, high) = (self.west.1.min(self.east.1), self.west.1.max(self.east.1));
        if low == high || y < low || y > high {
            return None;
        }
        let (dx, dy) = (self.east.0 - self.west.0, self.east.1 - self.west.1);
        let num = (y - self.west.1) * dx * dy.signum();
        let (quotient, rest) = (num / dy.abs(), num % dy.abs());
        let floor = self.west.0 + quotient - i64::from(rest < 0);
        Some(Meridian { floor, ceil: floor + i64::from(rest != 0) })
    }

    /// The meridians that the edge covers between the parallels `south` and
    /// `north`, widened to whole units; `at_south` and `at_north` are where it
    /// meets these. It does not stay clear of them.
    fn extent(
        &self,
        (south, at_south): (i64, Option<Meridian>),
        (north, at_north): (i64, Option<Meridian>),
    ) -> (i64, i64) {
        let ((west, at_west), (east, at_east)) = (self.west, self.east);
        if at_west == at_east {
            return (west, east);
        }
        let (mut low, mut high) = (east, west);
        let mut reach = |floor: i64, ceil: i64| (low, high) = (low.min(floor), high.max(ceil));
        for (x, y) in [self.west, self.east] {
            if south <= y && y <= north {
                reach(x, x);
            }
        }
        for met in [at_south, at_north].into_iter().flatten() {
            reach(met.floor, met.ceil);
        }
        (low, high)
    }
}

/// A longitude that need not be whole.
#[derive(Clone, Copy)]
struct Meridian {
    floor: i64,
    ceil: i64,
}

/// A square that an edge touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Square {
    pub(super) column: i64,
    pub(super) row: i64,
    /// Whether the edge crosses the square's northern edge between its corners,
    /// seen a bit to the east of them and a yet smaller one to the north.
    pub(super) crosses_top: bool,
}

/// Calls `touched` for every square of 2^`bits` units a side whose closed box
/// the edge touches, and few others, within the columns and rows.
pub(super) fn touched(
    edge: &Edge,
    bits: u32,
    columns: &RangeInclusive<i64>,
    rows: &RangeInclusive<i64>,
    mut touched: impl FnMut(Square),
) {
    let (low, high) = (edge.west.1.min(edge.east.1), edge.west.1.max(edge.east.1));
    let rows = clamped(low, high, bits, rows);
    let mut at_south = edge.meridian(rows.start() << bits);
    // Half-open ranges: they take less to go through.
    for row in *rows.start()..rows.end() + 1 {
        let (south, north) = (row << bits, (row + 1) << bits);
        let at_north = edge.meridian(north);
        let (west, east) = edge.extent((south, at_south), (north, at_north));
        // An end on the parallel itself counts as south of it.
        let top = at_north.filter(|_| high > north).map(|it| (it.ceil - 1) >> bits);
        let columns = clamped(west, east, bits, columns);
        for column in *columns.start()..columns.end() + 1 {
            touched(Square { column, row, crosses_top: top == Some(column) });
        }
        at_south = at_north;
    }
}

/// The squares of a line of them whose closed extent meets `low..=high`.
pub(super) fn clamped(
    low: i64,
    high: i64,
    bits: u32,
    within: &RangeInclusive<i64>,
) -> RangeInclusive<i64> {
    // One that ends where the extent begins touches it too.
    let first = (low - 1) >> bits;
    first.max(*within.start())..=(high >> bits).min(*within.end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `n / d` rounded down, `d` > 0; to be sure of `i64`, numbers are small.
    fn floor(n: i64, d: i64) -> i64 {
        n.div_euclid(d)
    }

    /// Whether the edge shares a place with the closed box, by the corners that
    /// lie on either side of it.
    fn meets(edge: &Edge, (west, south): (i64, i64), side: i64) -> bool {
        let (east, north) = (west + side, south + side);
        let ((ax, ay), (bx, by)) = (edge.west, edge.east);
        let apart = bx < west || ax > east || ay.max(by) < south || ay.min(by) > north;
        let height = |x: i64, y: i64| ((y - ay) * (bx - ax) - (x - ax) * (by - ay)).signum();
        let corners = [(west, south), (east, south), (west, north), (east, north)];
        let heights = corners.map(|(x, y)| height(x, y));
        !apart && (heights.contains(&0) || heights.iter().any(|it| *it != heights[0]))
    }

    /// Whether the edge goes over the parallel `north` in (`west`, `east`].
    fn crosses(edge: &Edge, north: i64, (west, east): (i64, i64)) -> bool {
        let ((ax, ay), (bx, by)) = (edge.west, edge.east);
        if (ay > north) == (by > north) {
            return false;
        }
        let (num, den) = ((north - ay) * (bx - ax), by - ay);
        let (num, den) = if den < 0 { (-num, -den) } else { (num, den) };
        let x = ax - floor(-num, den);
        west < x && x <= east
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn no_square_that_is_touched_is_left_out(
            from in (-40..80_i64, -40..80_i64),
            to in (-40..80_i64, -40..80_i64),
        ) {
            const BITS: u32 = 3;
            let edge = Edge { west: from.min(to), east: from.max(to) };
            let (columns, rows) = (-2..=6, -1..=7);
            let mut found = Vec::new();
            touched(&edge, BITS, &columns, &rows, |square| found.push(square));
            for row in rows {
                for column in columns.clone() {
                    let side = 1 << BITS;
                    let (west, north) = (column << BITS, (row + 1) << BITS);
                    let here: Vec<_> =
                        found.iter().filter(|it| (it.column, it.row) == (column, row)).collect();
                    prop_assert!(here.len() <= 1, "{} times", here.len());
                    if meets(&edge, (west, row << BITS), side) {
                        prop_assert!(!here.is_empty(), "{column} {row}");
                    }
                    let crosses = crosses(&edge, north, (west, west + side));
                    prop_assert_eq!(here.iter().any(|it| it.crosses_top), crosses);
                }
            }
        }
    }
}
