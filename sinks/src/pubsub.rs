//! The ends that are Pub/Sub topics: events, dead letters and late pings.
//!
//! A topic gets what a segment holds for it, all of it, before its cursor
//! moves past that segment: at least once, each with the id under which
//! readers know a repetition.

mod client;
mod dead_letters;
mod events;
mod late;
mod outbox;
mod probe;
mod publisher;
mod refusal;
mod sink;
mod topic;
mod trace;
mod wire;

pub use client::{FoundTopic, PubsubClient, PubsubError, SubscriptionFacts};
pub use probe::{Looked, SubscriptionProbe};
pub use topic::Topic;
pub use trace::traceparent;

use bytes::Bytes;
use google_cloud_pubsub::model::Message;
use prost::Message as _;
use protos::events::FleetEvent;
use protos::json::push_time;

use crate::{Sink, SinkError};

/// Source of the dead letters of what a topic refuses.
const SOURCE: &str = "pubsub";

/// Names of the sinks in cursors, metrics and logs.
pub mod names {
    /// Events to their topic.
    pub const EVENTS: &str = "events_topic";
    /// Dead letters to their topic.
    pub const DEAD_LETTERS: &str = "dead_letter_topic";
    /// Pings that came too late, to their topic.
    pub const LATE: &str = "late_topic";
}

/// Reason of the dead letter of an operation on an event that the topic of
/// events has refused. It is no input, and goes to a topic of events again.
pub const REFUSED_EVENT: &str = "pubsub_refused_event";
/// The same of a ping that came too late. It was taken in, and goes to a topic
/// of late pings again.
pub const REFUSED_LATE: &str = "pubsub_refused_late";

/// Names of attributes that more than one end reads or writes.
pub mod attributes {
    /// What the bytes are.
    pub const CONTENT_TYPE: &str = "content-type";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// The same, as Google's own clients write it.
    pub const GOOGCLIENT_TRACEPARENT: &str = "googclient_traceparent";
    /// When a message that is published again was published first: RFC 3339.
    pub const ORIGINAL_PUBLISH_TIME: &str = "original_publish_time";
    /// Why a message was refused: a stable code.
    pub const DLQ_REASON: &str = "dlq_reason";
    /// What exactly was wrong with it.
    pub const DLQ_DETAIL: &str = "dlq_detail";
    /// The source that it came by.
    pub const DLQ_SOURCE: &str = "dlq_source";
    /// Its id there, or the hash of its bytes.
    pub const SOURCE_MESSAGE_ID: &str = "source_message_id";
    /// Bytes it had, where it was too large to be published again whole.
    pub const DLQ_TRUNCATED_FROM: &str = "dlq_truncated_from";
}

/// A sink that publishes every event operation to `topic`. `tenant` names
/// the source of CloudEvents. Where somebody `keeps_letters`, what the topic
/// refuses for good is one; else the sink asks until it is taken.
#[must_use]
pub fn events(topic: Topic, tenant: &str, keeps_letters: bool) -> Box<dyn Sink> {
    let set_aside = keeps_letters.then_some(events::dead_letter as refusal::SetAside);
    Box::new(sink::TopicSink::new(events::EventMessages::new(tenant), topic, set_aside))
}

/// A sink that publishes every dead letter to `topic`. One that is refused has
/// no other place: the sink asks until it is taken.
#[must_use]
pub fn dead_letters(topic: Topic) -> Box<dyn Sink> {
    Box::new(sink::TopicSink::new(dead_letters::LetterMessages, topic, None))
}

/// A sink that publishes every ping that came too late to `topic`. What becomes
/// of those that are refused: see [`events`].
#[must_use]
pub fn late(topic: Topic, keeps_letters: bool) -> Box<dyn Sink> {
    let set_aside = keeps_letters.then_some(late::dead_letter as refusal::SetAside);
    Box::new(sink::TopicSink::new(late::LateMessages, topic, set_aside))
}

/// The message that the topic of events gets of an encoded operation: see
/// [`events`].
///
/// # Errors
/// It is none.
pub fn event_message(operation: Bytes, tenant: &str) -> Result<Message, prost::DecodeError> {
    let event = FleetEvent::decode(operation)?;
    let mut outbox = outbox::Outbox::default();
    events::EventMessages::new(tenant).add(&event, &mut outbox);
    Ok(outbox.messages().pop().expect("an operation is a message"))
}

/// When Pub/Sub took the message, milliseconds since the epoch; `None` for one
/// that was never published.
#[must_use]
pub fn published_ms(message: &Message) -> Option<i64> {
    let time = message.publish_time.as_ref()?;
    Some(time.seconds() * 1_000 + i64::from(time.nanos() / 1_000_000))
}

/// A time in milliseconds since the epoch as RFC 3339.
fn rfc3339(ms: i64) -> String {
    let mut text = Vec::new();
    push_time(&mut text, ms);
    String::from_utf8(text).expect("a time is written in ASCII")
}

/// At most `bytes_max` bytes of `text`, cut between characters: Pub/Sub takes
/// 1,024 bytes for an attribute.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Turns segments into the messages of one topic.
trait Messages: Send + Sync + 'static {
    /// Name of the sink.
    const NAME: &'static str;

    /// Adds the messages of `segment`, in order. The same segment gives the same
    /// messages.
    fn add_to(
        &self,
        outbox: &mut outbox::Outbox,
        segment: &protos::journal::Segment,
    ) -> Result<(), SinkError>;
}

#[cfg(test)]
mod tests;
