//! Which changes of a position are worth a write (semantics §10).

use geofence::{LivePosition, Plane};

/// A move shorter than this is not shown by itself.
const MOVE_M: f64 = 5.0;
/// Nor is a turn smaller than this.
const TURN_DEG: f64 = 10.0;

/// How much a position differs from the one that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Nobody would see it: goes out with the next heartbeat.
    Minor,
    /// Goes out once the interval is over.
    Moved,
    /// Another status, or another set of fences: does not wait for the
    /// interval.
    Told,
}

impl Change {
    /// From `stored` to `newest`.
    pub(super) fn between(stored: &LivePosition, newest: &LivePosition) -> Self {
        if stored.status != newest.status || stored.fences != newest.fences {
            return Self::Told;
        }
        let moved_m = Plane::at(stored.position).distance_m(newest.position);
        if moved_m >= MOVE_M || turn_deg(stored.heading_deg, newest.heading_deg) >= TURN_DEG {
            return Self::Moved;
        }
        Self::Minor
    }
}

/// Degrees between two headings, 0 to 180. An unknown one is no turn:
/// vehicles that stand lose and find theirs all the time.
fn turn_deg(a: Option<f64>, b: Option<f64>) -> f64 {
    let (Some(a), Some(b)) = (a, b) else { return 0.0 };
    let turn = (a - b).abs() % 360.0;
    turn.min(360.0 - turn)
}

#[cfg(test)]
mod tests {
    use geofence::Status;
    use rstest::rstest;

    use super::*;
    use crate::testing::live_position;

    /// A metre to the north, in degrees.
    const METRE: f64 = 1.0 / 111_132.0;

    #[rstest]
    #[case::nothing(0.0, None, None, Change::Minor)]
    #[case::just_under_five_metres(4.9, None, None, Change::Minor)]
    #[case::five_metres(5.1, None, None, Change::Moved)]
    #[case::a_small_turn(0.0, Some(0.0), Some(9.9), Change::Minor)]
    #[case::a_turn(0.0, Some(0.0), Some(10.0), Change::Moved)]
    #[case::a_small_turn_over_north(0.0, Some(355.0), Some(4.9), Change::Minor)]
    #[case::a_turn_over_north(0.0, Some(355.0), Some(5.0), Change::Moved)]
    #[case::a_heading_lost(0.0, Some(90.0), None, Change::Minor)]
    fn moves_and_turns(
        #[case] north_m: f64,
        #[case] stored: Option<f64>,
        #[case] newest: Option<f64>,
        #[case] expected: Change,
    ) {
        let a = LivePosition { heading_deg: stored, ..live_position("v", 50.0, 10.0, 1) };
        let lat = 50.0 + north_m * METRE;
        let b = LivePosition { heading_deg: newest, ..live_position("v", lat, 10.0, 2) };
        assert_eq!(Change::between(&a, &b), expected);
    }

    #[test]
    fn status_and_fences_are_told() {
        let stored = live_position("v", 50.0, 10.0, 1);
        let idle = LivePosition { status: Status::Idle, ..stored.clone() };
        assert_eq!(Change::between(&stored, &idle), Change::Told);
        let inside = LivePosition { fences: ["depot"].into_iter().collect(), ..stored.clone() };
        assert_eq!(Change::between(&stored, &inside), Change::Told);
        assert_eq!(Change::between(&inside, &stored), Change::Told);
    }

    #[test]
    fn a_move_over_the_180th_meridian_is_short() {
        let west = live_position("v", -17.0, 179.999_99, 1);
        let east = live_position("v", -17.0, -179.999_99, 2);
        assert_eq!(Change::between(&west, &east), Change::Minor);
    }
}
