//! A dead letter, as the commands show it.

use google_cloud_pubsub::model::Message;
use serde::Serialize;
use sinks::bigquery;
use sinks::pubsub::{self, attributes, published_ms};

/// A dead letter without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Letter {
    /// When it was received, RFC 3339.
    pub(super) receive_time: String,
    /// Stable code.
    pub(super) reason: String,
    /// What exactly was wrong.
    pub(super) detail: String,
    /// The source that it came by.
    pub(super) source: String,
    /// Its id there, or the hash of its bytes.
    pub(super) source_message_id: String,
    /// What its bytes claimed to be.
    pub(super) content_type: String,
    /// How many there are.
    pub(super) bytes: usize,
}

impl Letter {
    /// The letter in a message of the dead-letter topic. One that the
    /// subscription's own policy forwarded has no reason of ours.
    pub(super) fn of_message(message: &Message) -> Self {
        let attribute = |name: &str| message.attributes.get(name).cloned().unwrap_or_default();
        let reason = attribute(attributes::DLQ_REASON);
        Self {
            receive_time: original_publish_time(message),
            reason: if reason.is_empty() { "undelivered".to_owned() } else { reason },
            detail: attribute(attributes::DLQ_DETAIL),
            source: attribute(attributes::DLQ_SOURCE),
            source_message_id: attribute(attributes::SOURCE_MESSAGE_ID),
            content_type: attribute(attributes::CONTENT_TYPE),
            bytes: message.data.len(),
        }
    }
}

impl Letter {
    /// Whether it is of what the engine has put out, which no topic of pings
    /// is to be given.
    pub(super) fn is_output(&self) -> bool {
        self.reason == bigquery::REFUSED_EVENT || is_of_topic(&self.reason)
    }
}

/// Whether letters of `reason` are what a topic has refused that the engine
/// publishes to.
pub(super) fn is_of_topic(reason: &str) -> bool {
    [pubsub::REFUSED_EVENT, pubsub::REFUSED_LATE].contains(&reason)
}

/// When the input was published first, as far as the message tells.
pub(super) fn original_publish_time(message: &Message) -> String {
    /// What Pub/Sub adds to a message that its own policy forwards.
    const FORWARDED: &str = "CloudPubSubDeadLetterSourceTopicPublishTime";
    let told = [attributes::ORIGINAL_PUBLISH_TIME, FORWARDED];
    if let Some(time) = told.iter().find_map(|name| message.attributes.get(*name)) {
        return time.clone();
    }
    let published = published_ms(message).and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    published.map(|time| time.to_string()).unwrap_or_default()
}
