//! From when on a change judges that asks for no time of its own.

use geofence::TimeMs;

/// The newest change is taken for announced if it judges later than this from
/// now, milliseconds: clocks that were put back differ by less, and so do
/// changes that come one right after the other.
const AHEAD_MS: i64 = 60_000;

/// From its receipt on, but after the `newest` change, however little time has
/// passed between the two. A change that is announced for later is not waited
/// for: whoever makes another one before it would not know that it does nothing
/// yet. The shards refuse it ([`geofence::FenceRefusal::NotAfter`]).
pub(super) fn valid_from_now(newest: TimeMs, received: TimeMs) -> TimeMs {
    let after = newest.plus(1);
    if after.since(received) > AHEAD_MS { received } else { received.max(after) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::the_first(TimeMs::MIN, 100_000, 100_000)]
    #[case::long_ago(TimeMs(5), 100_000, 100_000)]
    #[case::at_the_same_moment(TimeMs(100_000), 100_000, 100_001)]
    #[case::by_a_clock_that_was_put_back(TimeMs(130_000), 100_000, 130_001)]
    #[case::announced(TimeMs(160_001), 100_000, 100_000)]
    #[case::announced_for_ever(TimeMs(i64::MAX), 100_000, 100_000)]
    fn a_change_judges_from_now(#[case] newest: TimeMs, #[case] now: i64, #[case] expected: i64) {
        assert_eq!(valid_from_now(newest, TimeMs(now)), TimeMs(expected));
    }

    #[test]
    fn before_the_first_ping_the_clock_says_nothing() {
        assert_eq!(valid_from_now(TimeMs::MIN, TimeMs::MIN), TimeMs::MIN.plus(1));
    }
}
