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

    /// Where the edge meets the parallel `y`, which lies between its ends: the
    /// quotient that [`ceil_div`] and its like take apart, from the western
    /// end. The edge is not level.
    pub(super) fn crossing(&self, y: i64) -> (i64, i64) {
        let (dx, dy) = (self.east.0 - self.west.0, self.east.1 - self.west.1);
        let (num, den) = ((y - self.west.1) * dx, dy);
        if den < 0 { (-num, -den) } else { (num, den) }
    }

    /// Whether the edge crosses the northern edge of the square of `side` units
    /// between its corners, seen a bit to the east of them and a yet smaller one
    /// to the north.
    pub(super) fn crosses_top(&self, side: i64) -> bool {
        if (self.west.1 > side) == (self.east.1 > side) {
            return false;
        }
        let (num, den) = self.crossing(side);
        let first = self.west.0 + ceil_div(num, den);
        0 < first && first <= side
    }

    /// Squares of 2^`bits` units a side that the edge touches within a square of
    /// 2^`within` units, at the most, about.
    pub(super) fn squares_at_most(&self, within: u32, bits: u32) -> u64 {
        let (across, up) = (self.east.0 - self.west.0, (self.east.1 - self.west.1).abs());
        let steps = |length: i64| (length.min(1 << within) >> bits) as u64;
        steps(across) + steps(up) + 1
    }

    /// The meridians that the edge covers between the parallels, widened to
    /// whole units; nothing if it stays clear of them.
    fn extent(&self, south: i64, north: i64) -> Option<RangeInclusive<i64>> {
        let ((west, at_west), (east, at_east)) = (self.west, self.east);
        if at_west.max(at_east) < south || at_west.min(at_east) > north {
            return None;
        }
        if at_west == at_east {
            return Some(west..=east);
        }
        let within = |y: i64| (south..=north).contains(&y);
        let (mut low, mut high) = (east, west);
        let mut take = |from: i64, to: i64| {
            low = low.min(from);
            high = high.max(to);
        };
        if within(at_west) {
            take(west, west);
        }
        if within(at_east) {
            take(east, east);
        }
        for y in [south, north] {
            if (at_west.min(at_east)..=at_west.max(at_east)).contains(&y) {
                let (num, den) = self.crossing(y);
                take(west + num.div_euclid(den), west + ceil_div(num, den));
            }
        }
        Some(low..=high)
    }
}

/// The quotient rounded up, `den` > 0.
fn ceil_div(num: i64, den: i64) -> i64 {
    -(-num).div_euclid(den)
}

/// Calls `touched(column, row)` for every square of 2^`bits` units a side whose
/// closed box the edge touches, and few others, within the columns and rows.
pub(super) fn touched(
    edge: &Edge,
    bits: u32,
    columns: &RangeInclusive<i64>,
    rows: &RangeInclusive<i64>,
    mut touched: impl FnMut(i64, i64),
) {
    let (low, high) = (edge.west.1.min(edge.east.1), edge.west.1.max(edge.east.1));
    for row in clamped(low, high, bits, rows) {
        let south = row << bits;
        let Some(extent) = edge.extent(south, south + (1 << bits)) else { continue };
        for column in clamped(*extent.start(), *extent.end(), bits, columns) {
            touched(column, row);
        }
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
