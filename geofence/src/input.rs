//! What enters the core. Everything that influences an answer is one of
//! these, and the journal records them all.

use std::sync::Arc;

use crate::{FenceSet, Ping, Settings, TagChanges, TimeMs};

/// One thing that enters the core, in order.
#[derive(Clone, Debug)]
pub enum Input {
    /// Pings handed over by one source at one moment.
    Pings(PingRun),
    /// Detection settings in force from here on. Comes before the pings of
    /// its segment.
    Settings(Settings),
    /// The fence set in force from `valid_from` on.
    Fences {
        /// All fences, not only those that changed.
        set: Arc<FenceSet>,
        /// Event time from which the set judges, after that of every set
        /// before it. [`TimeMs::MIN`] for the set that a new shard starts
        /// with.
        valid_from: TimeMs,
    },
    /// Tags of vehicles. The first ones have the tags of fences count.
    Tags {
        /// Which vehicles have which.
        changes: TagChanges,
        /// Event time from which they decide, not after the receive time and
        /// after that of every change of the same vehicle before it.
        /// [`TimeMs::MIN`] for those that a new shard starts with.
        valid_from: TimeMs,
    },
    /// A source fell silent, or speaks again.
    Source(SourceState),
    /// The input is over: every watermark runs to `end`.
    End {
        /// The largest event time of the whole input, over all shards.
        end: TimeMs,
    },
}

/// Pings of one source with the source's low mark (semantics §2).
#[derive(Clone, Debug, Default)]
pub struct PingRun {
    /// The source's number.
    pub source: u32,
    /// The source's low mark; `None` while it has none.
    pub low_mark: Option<TimeMs>,
    /// Whether the low mark bounds lateness. False where receive times say
    /// nothing of the sender's own backlog, as over HTTP.
    pub low_mark_bounds_lateness: bool,
    /// In order of arrival.
    pub pings: Vec<Ping>,
}

/// A change of a source's own liveness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// The source's number.
    pub source: u32,
    /// Its name.
    pub name: String,
    /// Silent (true) or speaking again (false).
    pub stalled: bool,
    /// Receive time of the change.
    pub at: TimeMs,
}
