//! From a message of Pub/Sub to entries.

use geofence::TimeMs;
use google_cloud_pubsub::model::Message;
use sinks::pubsub::{attributes, published_ms};

use crate::decode::ContentType;
use crate::decode::entry::Envelope;
use crate::intake::{Entry, OwnedShards};
use crate::wall_clock::WallClock;

/// Decodes and admits messages.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    /// Name of the source in dead letters and metrics.
    pub(super) source: String,
    pub(super) allow_null_island: bool,
    /// Shards of this process; `None` where that is all.
    pub(super) owned: Option<OwnedShards>,
}

impl Decoder {
    /// The entries of `message`, which was received at `receive_time`: one for
    /// each ping, or a dead letter of the whole where it cannot be read.
    pub(super) fn entries(&self, message: &Message, receive_time: TimeMs, out: &mut Vec<Entry>) {
        let envelope = Envelope {
            source: &self.source,
            message_id: &message.message_id,
            receive_time,
            allow_null_island: self.allow_null_island,
            owned: self.owned.as_ref(),
        };
        let named = message.attributes.get(attributes::CONTENT_TYPE).map(String::as_str);
        let first = out.len();
        match named.map_or(Some(ContentType::Ping), ContentType::named) {
            Some(content_type) => envelope.entries(content_type, &message.data, out),
            None => {
                let named = named.unwrap_or_default();
                let detail = format!(
                    "content-type is {named:?}; expected a protobuf ping or batch, JSON or NDJSON"
                );
                let letter =
                    envelope.dead_letter("undecodable", detail, message.data.clone(), named);
                out.push(Entry::Rejected(letter));
            }
        }
        out[first..].iter().for_each(crate::source::count_dropped);
    }
}

/// How long before its publishing a message may have been published first,
/// milliseconds: 366 days, more than dead letters are kept for. Whoever
/// publishes says so, and could say any year.
const FIRST_BEFORE_MS_MAX: i64 = 366 * 24 * 3_600_000;

/// When a message was received: when it was published; on one that was
/// published again, when it was published first, as its attribute says, if that
/// can be.
pub(super) fn receive_time(message: &Message) -> TimeMs {
    let published = published_ms(message).unwrap_or_else(|| WallClock::read().0);
    let original = message
        .attributes
        .get(attributes::ORIGINAL_PUBLISH_TIME)
        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .map(jiff::Timestamp::as_millisecond);
    // Nothing is published before it is published first.
    TimeMs(original.unwrap_or(published).clamp(published - FIRST_BEFORE_MS_MAX, published))
}
