//! What the builders of both tables share.

use arrow_array::builder::{ArrayBuilder, Date32Builder, TimestampMicrosecondBuilder};

/// A builder of times in UTC.
pub(crate) fn times(capacity: usize) -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::with_capacity(capacity).with_timezone("UTC")
}

/// Rows of a table, by the one column every row has in both: its day.
pub(crate) fn rows(day: &Date32Builder) -> usize {
    day.len()
}

/// Milliseconds since the Unix epoch as the tables have them.
pub(crate) fn microseconds(ms: i64) -> i64 {
    ms.saturating_mul(1000)
}
