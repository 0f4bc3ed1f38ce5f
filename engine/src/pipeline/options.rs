//! What a pipeline is started with.

use std::sync::Arc;

use geofence::{FenceSet, Settings};

use crate::config::Config;
use crate::http::FeedLimits;
use crate::shard::Cut;
use crate::tags::ConfiguredTags;

/// What to run.
pub struct PipelineOptions {
    /// Settings of every part.
    pub config: Config,
    /// Detection settings from here on.
    pub settings: Settings,
    /// When input is applied.
    pub cut: Cut,
    /// Seq of the first segment of a new journal.
    pub first_seq: u64,
    /// Move a bad tail of the journal away instead of refusing it.
    pub set_aside_tail: bool,
    /// Names of the sources, by number.
    pub sources: Vec<String>,
    /// How many events the feed keeps for its readers.
    pub feed: FeedLimits,
}

/// What the configuration names in files of their own.
pub struct Configured {
    /// The configured fences. They count if they are others than those last
    /// taken up; see [`crate::fences::reconcile`].
    pub fences: Arc<FenceSet>,
    /// The configured tags of vehicles, if a file of them is named. They count
    /// like the fences.
    pub tags: Option<ConfiguredTags>,
}
