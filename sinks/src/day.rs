//! Days of UTC, by which the Parquet files are partitioned.

use std::fmt;

pub(crate) const DAY_MS: i64 = 86_400_000;
/// How far before the day of receipt a row's own day may lie.
const DAYS_BEHIND_MAX: i64 = 31;
/// How far after it.
const DAYS_AHEAD_MAX: i64 = 1;
/// The first day of the year 1 and the last of the year 9999, in days since the
/// Unix epoch: all a warehouse has.
pub(crate) const STORABLE: (i64, i64) = (-719_162, 2_932_896);

/// Days since the Unix epoch, UTC; displayed as `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i32);

impl Day {
    /// The partition of a row: the date of its event time, held within 31 days
    /// before and one day after the day of receipt. So a wrong clock opens no
    /// partition of another century, and the partitions that can still change
    /// are known; and within the years 1 to 9999, wherever that is. Both times
    /// in milliseconds since the Unix epoch.
    pub(crate) fn of_row(event_time_ms: i64, receive_time_ms: i64) -> Self {
        let received = receive_time_ms.div_euclid(DAY_MS);
        let day = event_time_ms
            .div_euclid(DAY_MS)
            .clamp(received - DAYS_BEHIND_MAX, received + DAYS_AHEAD_MAX)
            .clamp(STORABLE.0, STORABLE.1);
        Self(day as i32)
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

    #[rstest]
    #[case::past(i64::MIN, "0001-01-01")]
    #[case::future(i64::MAX, "9999-12-31")]
    fn no_partition_is_of_a_year_that_no_table_has(#[case] received: i64, #[case] day: &str) {
        assert_eq!(Day::of_row(received, received).to_string(), day);
    }

    #[test]
    fn days_before_the_epoch_round_down() {
        assert_eq!(Day::of_row(-1, 0).to_string(), "1969-12-31");
        assert_eq!(Day::of_row(-1, 0).days_since_epoch(), -1);
    }
}
