//! Where pings come from, and what every source computes once for all the
//! shards it feeds.

pub mod demo;
pub mod file;
pub mod low_mark;

use geofence::TimeMs;

use crate::intake::Entry;

/// Input that a source hands over at one moment, in order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceBatch {
    /// The source's low mark as of every entry of the batch; `None` while it
    /// has none.
    pub low_mark: Option<TimeMs>,
    /// At least one.
    pub entries: Vec<Entry>,
}
