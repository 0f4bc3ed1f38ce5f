//! Days of UTC, by which the Parquet files are partitioned.

use std::fmt;

const DAY_MS: i64 = 86_400_000;
/// How far before the day of receipt a row's own day may lie.
const DAYS_BEHIND_MAX: i64 = 31;
/// How far after it.
const DAYS_AHEAD_MAX: i64 = 1;

/// Days since the Unix epoch, UTC; displayed as `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i32);

impl Day {
    /// The partition of a row: the date of its event time, held within 31 days
    /// before and one day after the day of receipt. So a wrong clock opens no
    /// partition of another century, and the partitions that can still change
    /// are known. Both times in milliseconds since the Unix epoch.
    pub(crate) fn of_row(event_time_ms: i64, receive_time_ms: i64) -> Self {
        let received = receive_time_ms.div_euclid(DAY_MS);
        let day = event_time_ms
            .div_euclid(DAY_MS)
            .clamp(received - DAYS_BEHIND_MAX, received + DAYS_AHEAD_MAX);
        // Receive times are clock readings; one that no i32 of days can hold
        // (beyond the year five million) lands in the last partition there is.
        Self(i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX }))
    }

    /// As Arrow's `Date32` has it.
    pub(crate) fn days_since_epoch(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(10);
        protos::json::push_date(&mut text, self.0.into());
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOON: i64 = 1_480_075_200_000; // 2016-11-25T12:00:00Z
    const MIDNIGHT: i64 = NOON - DAY_MS / 2;

    #[rstest]
    #[case::same_day(NOON, "2016-11-25")]
    #[case::first_ms_of_the_day(MIDNIGHT, "2016-11-25")]
    #[case::last_ms_of_the_day_before(MIDNIGHT - 1, "2016-11-24")]
    #[case::oldest_of_its_own(MIDNIGHT - 31 * DAY_MS, "2016-10-25")]
    #[case::older_is_held(MIDNIGHT - 31 * DAY_MS - 1, "2016-10-25")]
    #[case::rollover_is_held(NOON - 7168 * DAY_MS, "2016-10-25")]
    #[case::tomorrow(NOON + DAY_MS, "2016-11-26")]
    #[case::later_is_held(MIDNIGHT + 2 * DAY_MS, "2016-11-26")]
    #[case::far_past_is_held(i64::MIN, "2016-10-25")]
    #[case::far_future_is_held(i64::MAX, "2016-11-26")]
    fn the_partition_is_held_near_the_day_of_receipt(#[case] event_time: i64, #[case] day: &str) {
        assert_eq!(Day::of_row(event_time, NOON).to_string(), day);
    }

    #[test]
    fn days_before_the_epoch_round_down() {
        assert_eq!(Day::of_row(-1, 0).to_string(), "1969-12-31");
        assert_eq!(Day::of_row(-1, 0).days_since_epoch(), -1);
    }
}
