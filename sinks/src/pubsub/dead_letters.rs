//! Dead letters as messages: the original bytes, and why they were refused.

use google_cloud_pubsub::model::Message;
use protos::journal::{DeadLetter, Segment};

use super::{Messages, attributes, cut, names, rfc3339};
use crate::SinkError;

/// Bytes Pub/Sub takes for the value of an attribute.
const ATTRIBUTE_BYTES_MAX: usize = 1_024;
/// A message of Pub/Sub has 10,000,000 bytes at most; the attributes need some
/// of them.
const PAYLOAD_BYTES_MAX: usize = 9_980_000;

pub(super) struct LetterMessages;

impl Messages for LetterMessages {
    const NAME: &'static str = names::DEAD_LETTERS;

    fn of(&self, segment: &Segment) -> Result<Vec<Message>, SinkError> {
        Ok(segment.dead_letters.iter().map(message).collect())
    }
}

fn message(letter: &DeadLetter) -> Message {
    let whole = letter.payload.len();
    let payload = letter.payload.slice(..whole.min(PAYLOAD_BYTES_MAX));
    let mut values = vec![
        (attributes::DLQ_REASON, letter.reason.clone()),
        (attributes::DLQ_DETAIL, letter.detail.clone()),
        (attributes::DLQ_SOURCE, letter.source.clone()),
        (attributes::SOURCE_MESSAGE_ID, letter.source_message_id.clone()),
        (attributes::CONTENT_TYPE, letter.content_type.clone()),
        (attributes::ORIGINAL_PUBLISH_TIME, rfc3339(letter.receive_time_ms)),
    ];
    if payload.len() < whole {
        values.push((attributes::DLQ_TRUNCATED_FROM, whole.to_string()));
    }
    values.retain(|(_, value)| !value.is_empty());
    let values = values.iter().map(|(name, value)| (*name, cut(value, ATTRIBUTE_BYTES_MAX)));
    Message::new().set_data(payload).set_attributes(values)
}
