//! Looking at the configured file again and again, like at the fences'.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::configured::{self, ConfiguredTags};
use super::tagger::Tagger;
use crate::fences::{Files, Problem, Target, Watched, watch_files};
use crate::http::ReceiveClock;
use crate::metrics;

/// Has other tags in the watched file taken up, until `stop`.
pub async fn watch(
    watched: Watched,
    tagger: Tagger,
    clock: Arc<ReceiveClock>,
    stop: CancellationToken,
) {
    watch_files(watched, Tags { tagger, clock }, stop).await;
}

struct Tags {
    tagger: Tagger,
    clock: Arc<ReceiveClock>,
}

impl Target for Tags {
    type Parsed = ConfiguredTags;
    type Before = ();
    const WHAT: &'static str = "vehicle tags";

    fn before(&self) {}

    fn parse((): &(), path: &Path, files: Files) -> Result<ConfiguredTags, Vec<Problem>> {
        configured::parse(path, &files)
    }

    async fn take_up(&self, tags: ConfiguredTags) -> Result<(), String> {
        let taken = self.tagger.configure(&tags, self.clock.read()).await;
        taken.map(drop).map_err(|error| error.to_string())
    }

    fn unusable(&self) {
        metrics::TAG_CHANGES.counter(&["configured", "unusable"]).increment(1);
    }
}
