//! Dead letters as messages: the original bytes, and why they were refused.

use protos::journal::{DeadLetter, Segment};

use super::outbox::Outbox;
use super::wire::Draft;
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

    fn add_to(&self, outbox: &mut Outbox, segment: &Segment) -> Result<(), SinkError> {
        for letter in &segment.dead_letters {
            outbox.add(None, |draft| write(letter, draft));
        }
        Ok(())
    }
}

fn write(letter: &DeadLetter, draft: &mut Draft) {
    let whole = letter.payload.len();
    let kept = whole.min(PAYLOAD_BYTES_MAX);
    draft.data(&letter.payload[..kept]);
    let mut attribute = |name, value: &str| {
        if !value.is_empty() {
            draft.attribute(name, cut(value, ATTRIBUTE_BYTES_MAX));
        }
    };
    attribute(attributes::DLQ_REASON, &letter.reason);
    attribute(attributes::DLQ_DETAIL, &letter.detail);
    attribute(attributes::DLQ_SOURCE, &letter.source);
    attribute(attributes::SOURCE_MESSAGE_ID, &letter.source_message_id);
    attribute(attributes::CONTENT_TYPE, &letter.content_type);
    attribute(attributes::ORIGINAL_PUBLISH_TIME, &rfc3339(letter.receive_time_ms));
    if kept < whole {
        attribute(attributes::DLQ_TRUNCATED_FROM, &whole.to_string());
    }
}
