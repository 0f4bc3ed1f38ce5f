//! How much is pulled from a subscription at a time: the arithmetic between
//! the expected rate, the commit delay and what may be outstanding.
//!
//! A message is outstanding from its delivery until the ack that follows its
//! commit. Pub/Sub delivers nothing more while the most that may be
//! outstanding is, so that number over the time a message is held is the
//! rate that can be had at all.

use std::time::Duration;

use super::domain::{duration_text, size_text};
use super::table::Config;

/// A stream is opened for each so many messages a second: a choice on the safe
/// side, not a measurement.
const STREAM_RATE: u32 = 1_000;
const STREAMS_MAX: u32 = 32;
/// A commit's own time, the client's ack every 100 ms, and the way there.
const COMMIT_AND_ACK: Duration = Duration::from_secs(1);
/// The largest message of Pub/Sub.
const MESSAGE_BYTES_MAX: u64 = 10 << 20;
/// What "auto" gives at the least.
const BYTES_MIN: u64 = 64 << 20;
const MESSAGES_MIN: u32 = 1_000;

/// What is pulled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Full name.
    pub name: String,
    /// The shard whose own it is; `None` for one of all shards.
    pub shard: Option<u32>,
}

/// What is pulled, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulling {
    /// One, or one for each owned shard.
    pub subscriptions: Vec<Subscription>,
    /// Pull streams, over all subscriptions.
    pub streams: u32,
    /// Messages outstanding at the most, over all streams.
    pub messages_max: u32,
    /// Bytes outstanding at the most, over all streams.
    pub bytes_max: u64,
    /// For how long a message is leased at a time.
    pub lease: Duration,
    rate: u32,
    message_bytes: u64,
    commit_delay: Duration,
}

impl Pulling {
    /// What `config` asks for; `None` where it names no subscription.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let pubsub = &config.pubsub;
        let subscriptions = subscriptions(config)?;
        let streams = pubsub
            .streams
            .unwrap_or_else(|| pubsub.expected_rate.div_ceil(STREAM_RATE).min(STREAMS_MAX));
        let count = u32::try_from(subscriptions.len()).expect("no more than there are shards");
        let mut pulling = Self {
            subscriptions,
            streams: streams.next_multiple_of(count),
            messages_max: 0,
            bytes_max: 0,
            lease: pubsub.lease,
            rate: pubsub.expected_rate,
            message_bytes: pubsub.expected_bytes,
            commit_delay: config.commit.max_delay,
        };
        let needed = pulling.messages_needed();
        pulling.messages_max = pubsub
            .max_outstanding
            .unwrap_or_else(|| u32::try_from(2 * needed).unwrap_or(u32::MAX).max(MESSAGES_MIN));
        pulling.bytes_max = pubsub.max_outstanding_bytes.unwrap_or_else(|| {
            let planned = u64::from(pulling.messages_max) * pulling.message_bytes;
            planned.max(BYTES_MIN).max(u64::from(pulling.streams) * MESSAGE_BYTES_MAX)
        });
        Some(pulling)
    }

    /// Pull streams of each subscription.
    #[must_use]
    pub fn streams_each(&self) -> u32 {
        let count = u32::try_from(self.subscriptions.len()).expect("they were counted before");
        self.streams / count
    }

    /// For how long a message is held: while its segment gathers and the one
    /// before is written, then its own commit and ack.
    fn held(&self) -> Duration {
        2 * self.commit_delay + COMMIT_AND_ACK
    }

    /// Messages outstanding at the expected rate.
    fn messages_needed(&self) -> u64 {
        u64::try_from(u128::from(self.rate) * self.held().as_millis() / 1000)
            .unwrap_or(u64::MAX / 4)
    }

    fn held_text(&self) -> String {
        format!(
            "2 × commit.max_delay + {} = {}",
            duration_text(&COMMIT_AND_ACK),
            duration_text(&self.held())
        )
    }

    pub(super) fn too_few_messages(&self) -> Option<String> {
        let needed = self.messages_needed();
        (u64::from(self.messages_max) < needed).then(|| {
            format!(
                "pubsub.max_outstanding = {}: a message is held for up to {}, so at most {} \
                 messages a second could pass, fewer than pubsub.expected_rate = {}; at least \
                 {needed} are needed",
                self.messages_max,
                self.held_text(),
                u128::from(self.messages_max) * 1000 / self.held().as_millis(),
                self.rate,
            )
        })
    }

    pub(super) fn too_few_bytes(&self) -> Option<String> {
        let needed = self.messages_needed().saturating_mul(self.message_bytes);
        if self.bytes_max < needed {
            return Some(format!(
                "pubsub.max_outstanding_bytes = {}: {} messages of {} are held at \
                 pubsub.expected_rate = {} for up to {}, which is {}",
                size_text(self.bytes_max),
                self.messages_needed(),
                size_text(self.message_bytes),
                self.rate,
                self.held_text(),
                size_text(needed),
            ));
        }
        let each = u64::from(self.streams) * MESSAGE_BYTES_MAX;
        (self.bytes_max < each).then(|| {
            format!(
                "pubsub.max_outstanding_bytes = {} over {} streams is less than one message of \
                 {} for each: a stream that waits for such a message would wait for ever",
                size_text(self.bytes_max),
                self.streams,
                size_text(MESSAGE_BYTES_MAX),
            )
        })
    }

    pub(super) fn too_small_a_queue(&self, queue_bytes: u64) -> Option<String> {
        (queue_bytes < 2 * MESSAGE_BYTES_MAX).then(|| {
            format!(
                "queue.max_bytes = {} is less than 2 × {} = {}: a message of Pub/Sub has up to \
                 {}, and one that never fits would be delivered again for ever",
                size_text(queue_bytes),
                size_text(MESSAGE_BYTES_MAX),
                size_text(2 * MESSAGE_BYTES_MAX),
                size_text(MESSAGE_BYTES_MAX),
            )
        })
    }

    pub(super) fn too_short_a_lease(&self) -> Option<String> {
        (self.lease < self.held()).then(|| {
            format!(
                "pubsub.lease = {} is shorter than {}: every message would have to be leased \
                 anew before its commit",
                duration_text(&self.lease),
                self.held_text(),
            )
        })
    }
}

/// What `config` names: the subscription, or that of each owned shard.
fn subscriptions(config: &Config) -> Option<Vec<Subscription>> {
    let named = config.pubsub.subscription.as_ref()?;
    if !named.is_per_shard() {
        return Some(vec![Subscription { name: named.to_string(), shard: None }]);
    }
    let owned = config.owned_shards();
    let of = |&shard: &u32| Subscription { name: named.of(shard), shard: Some(shard) };
    Some(owned.numbers().iter().map(of).collect())
}
