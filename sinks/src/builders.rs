//! What the builders of both tables share.

mod points;
mod sparse;

use arrow_array::builder::{ArrayBuilder, Date32Builder, TimestampMicrosecondBuilder};

pub(crate) use self::points::Points;
pub(crate) use self::sparse::Sparse;
use crate::day::{DAY_MS, STORABLE};

/// A builder of times in UTC.
pub(crate) fn times(capacity: usize) -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::with_capacity(capacity).with_timezone("UTC")
}

/// Rows of a table, by the one column every row has in both, and gets last: its
/// day. So it is also the number of the row that is being appended.
pub(crate) fn rows(day: &Date32Builder) -> usize {
    day.len()
}

/// `us`, microseconds since the Unix epoch, held within the years 1 to 9999,
/// which is all a warehouse has.
pub(crate) fn storable(us: i64) -> i64 {
    const FIRST_US: i64 = STORABLE.0 * DAY_MS * 1000;
    const LAST_US: i64 = (STORABLE.1 + 1) * DAY_MS * 1000 - 1;
    us.clamp(FIRST_US, LAST_US)
}

/// The same of milliseconds.
pub(crate) fn storable_ms(ms: i64) -> i64 {
    storable(microseconds(ms)).div_euclid(1000)
}

/// Milliseconds since the Unix epoch as the tables have them.
pub(crate) fn microseconds(ms: i64) -> i64 {
    ms.saturating_mul(1000)
}
