//! Where pings come from, and what every source computes once for all the
//! shards it feeds.

pub mod demo;
pub mod file;
pub mod id;
pub mod low_mark;
pub mod pubsub;

use geofence::TimeMs;

use crate::intake::Entry;
use crate::metrics;

/// Input that a source hands over at one moment, in order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceBatch {
    /// The source's low mark as of every entry of the batch; `None` while it
    /// has none.
    pub low_mark: Option<TimeMs>,
    /// At least one.
    pub entries: Vec<Entry>,
}

/// Counts the values of a ping that were taken for unknown.
pub(crate) fn count_dropped(entry: &Entry) {
    let Entry::Ping { dropped, .. } = entry else { return };
    for (field, was_dropped) in [
        ("speed_mps", dropped.speed),
        ("heading_deg", dropped.heading),
        ("accuracy_m", dropped.accuracy),
    ] {
        if was_dropped {
            metrics::VALUES_DROPPED.counter(&[field]).increment(1);
        }
    }
}
