//! What two settings must have to do with each other.

use std::collections::BTreeSet;

use super::domain::{duration_text, size_text};
use super::pulling::Pulling;
use super::shard_name::ShardName;
use super::table::{Clock, Config};

/// A relation between settings, judged when all of them could be read.
pub(super) struct Check {
    /// The keys concerned; a mistake is reported where the first of them that
    /// somebody set was set.
    pub(super) keys: &'static [&'static str],
    /// What is wrong, with the arithmetic.
    judge: fn(&Config) -> Option<String>,
}

const CHECKS: &[Check] = &[
    Check {
        keys: &["shards_owned", "shards"],
        judge: |config| {
            let beyond =
                config.shards_owned.iter().flatten().find(|shard| **shard >= config.shards);
            beyond.map(|shard| {
                format!(
                    "shards_owned names shard {shard}, but shards = {} are numbered from 0 to {}",
                    config.shards,
                    config.shards - 1
                )
            })
        },
    },
    Check {
        keys: &["shards_owned", "journal.url", "shards"],
        judge: |config| {
            (is_one_of_several(config) && config.journal.url.is_none()).then(|| {
                "shards_owned leaves shards to other processes, which cannot reach a journal under \
                 data_dir: set journal.url"
                    .into()
            })
        },
    },
    Check {
        keys: &["shards_owned", "pubsub.subscription", "shards"],
        judge: |config| {
            let named = config.pubsub.subscription.as_ref();
            let is_per_shard = named.is_some_and(ShardName::is_per_shard);
            (is_one_of_several(config) && !is_per_shard).then(|| {
                "shards_owned leaves shards to other processes, so pings come by a subscription of \
                 each shard alone: set pubsub.subscription, with {shard} where its name has the \
                 shard's number"
                    .into()
            })
        },
    },
    Check {
        keys: &["shards_owned", "http.token_file", "shards"],
        judge: |config| {
            (is_one_of_several(config) && config.http.token_file.is_some()).then(|| {
                "shards_owned leaves shards to other processes, so fences and tags cannot be changed \
                 over HTTP, in all shards or in none: leave http.token_file out, and name files"
                    .into()
            })
        },
    },
    Check {
        keys: &["detection.reorder_delay", "detection.hot_lateness"],
        judge: |config| {
            let d = &config.detection;
            let (delay, lateness) = (d.reorder_delay, d.hot_lateness);
            (delay > lateness).then(|| {
                format!(
                    "detection.reorder_delay = {} is longer than detection.hot_lateness = {}: \
                     a ping would be too late before its turn came",
                    duration_text(&delay),
                    duration_text(&lateness)
                )
            })
        },
    },
    Check {
        keys: &["detection.forget_after", "detection.offline_after", "detection.hot_lateness"],
        judge: |config| {
            let d = &config.detection;
            let needed = d.offline_after.max(d.hot_lateness);
            (d.forget_after <= needed).then(|| {
                format!(
                    "detection.forget_after = {} must be longer than the longer of \
                     detection.offline_after = {} and detection.hot_lateness = {}: \
                     a forgotten vehicle can neither go offline nor be corrected",
                    duration_text(&d.forget_after),
                    duration_text(&d.offline_after),
                    duration_text(&d.hot_lateness)
                )
            })
        },
    },
    Check {
        keys: &["queue.max_bytes", "commit.max_bytes"],
        judge: |config| {
            let (queue, commit) = (config.queue.max_bytes, config.commit.max_bytes);
            (queue < 2 * commit).then(|| {
                format!(
                    "queue.max_bytes = {} is less than 2 × commit.max_bytes = 2 × {} = {}: \
                     one segment gathers while the one before it is written",
                    size_text(queue),
                    size_text(commit),
                    size_text(2 * commit)
                )
            })
        },
    },
    Check {
        keys: &["http.max_body", "queue.max_bytes"],
        judge: |config| {
            let (body, queue) = (config.http.max_body, config.queue.max_bytes);
            (body > queue).then(|| {
                format!(
                    "http.max_body = {} is larger than queue.max_bytes = {}: \
                     such a body would be answered 503 for ever",
                    size_text(body),
                    size_text(queue)
                )
            })
        },
    },
    Check {
        keys: &["journal.heartbeat", "commit.max_delay"],
        judge: |config| {
            let (heartbeat, delay) = (config.journal.heartbeat, config.commit.max_delay);
            (heartbeat < delay).then(|| {
                format!(
                    "journal.heartbeat = {} is shorter than commit.max_delay = {}: \
                     it would fall due while input still gathers",
                    duration_text(&heartbeat),
                    duration_text(&delay)
                )
            })
        },
    },
    Check {
        keys: &["journal.url", "files.parquet", "files.event_log", "files.dead_letters"],
        judge: |config| {
            let url = config.journal.url.as_ref()?;
            let files = &config.files;
            let on: Vec<&str> = [
                ("files.parquet", files.parquet),
                ("files.event_log", files.event_log),
                ("files.dead_letters", files.dead_letters),
            ]
            .into_iter()
            .filter_map(|(key, on)| on.then_some(key))
            .collect();
            (!on.is_empty()).then(|| {
                format!(
                    "journal.url = \"{url}\" goes with no files under data_dir: a worker that \
                     takes over elsewhere has none of them; set {} = false",
                    on.join(" = false, ")
                )
            })
        },
    },
    Check {
        keys: &["source.stalled_after", "commit.max_delay"],
        judge: |config| {
            let (stalled, delay) = (config.source.stalled_after, config.commit.max_delay);
            (stalled < 2 * delay).then(|| {
                format!(
                    "source.stalled_after = {} is shorter than 2 × commit.max_delay = 2 × {} = {}: \
                     a source that waits for its commit would be called stalled",
                    duration_text(&stalled),
                    duration_text(&delay),
                    duration_text(&(2 * delay))
                )
            })
        },
    },
    Check {
        keys: &["positions.max_delay", "positions.min_interval", "firestore.database"],
        judge: |config| {
            let (delay, interval) = (config.positions.max_delay, config.positions.min_interval);
            (config.firestore.database.is_some() && delay < interval).then(|| {
                format!(
                    "positions.max_delay = {} is shorter than positions.min_interval = {}: \
                     a change right after a write could not be shown in time",
                    duration_text(&delay),
                    duration_text(&interval)
                )
            })
        },
    },
    Check {
        keys: &["archive.max_bytes", "commit.max_bytes"],
        judge: |config| {
            let (file, commit) = (config.archive.max_bytes, config.commit.max_bytes);
            (file < commit).then(|| {
                format!(
                    "archive.max_bytes = {} is less than commit.max_bytes = {}: \
                     a file could not hold one segment",
                    size_text(file),
                    size_text(commit)
                )
            })
        },
    },
    Check {
        keys: &["clock", "pubsub.subscription"],
        judge: |config| {
            (config.clock == Clock::Event && config.pubsub.subscription.is_some()).then(|| {
                "clock = \"event\" with pubsub.subscription: a message's receive time is its \
                 publish time; \"event\" is for old traces over HTTP and replays"
                    .into()
            })
        },
    },
    Check {
        keys: &[
            "pubsub.max_outstanding",
            "pubsub.expected_rate",
            "commit.max_delay",
            "pubsub.subscription",
        ],
        judge: |config| Pulling::of(config)?.too_few_messages(),
    },
    Check {
        keys: &[
            "pubsub.max_outstanding_bytes",
            "pubsub.expected_bytes",
            "pubsub.expected_rate",
            "commit.max_delay",
            "pubsub.streams",
            "pubsub.subscription",
        ],
        judge: |config| Pulling::of(config)?.too_few_bytes(),
    },
    Check {
        keys: &["queue.max_bytes", "pubsub.subscription"],
        judge: |config| Pulling::of(config)?.too_small_a_queue(config.queue.max_bytes),
    },
    Check {
        keys: &["pubsub.lease", "commit.max_delay", "pubsub.subscription"],
        judge: |config| Pulling::of(config)?.too_short_a_lease(),
    },
];

/// The relations that do not hold, leaving out those that concern a key with
/// a mistake of its own.
pub(super) fn failed<'a>(
    config: &'a Config,
    mistaken: &'a BTreeSet<&'static str>,
) -> impl Iterator<Item = (&'static Check, String)> + 'a {
    CHECKS
        .iter()
        .filter(|check| !check.keys.iter().any(|key| mistaken.contains(key)))
        .filter_map(|check| Some((check, (check.judge)(config)?)))
}

/// Whether other processes own shards too.
fn is_one_of_several(config: &Config) -> bool {
    !config.owned_shards().is_all()
}
