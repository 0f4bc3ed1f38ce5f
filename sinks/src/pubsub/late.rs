//! Pings that came too late to correct events, as messages: whoever keeps
//! books of their own may still want them.

use jiff::Timestamp;
use protos::journal::{DeadLetter, Segment, input};

use super::outbox::Outbox;
use super::refusal::Refusal;
use super::{Messages, REFUSED_LATE, SOURCE, attributes, names, rfc3339};
use crate::archive::run;
use crate::dead_letters::{content_id, of_output};
use crate::{SinkError, content_type};

pub(super) struct LateMessages;

impl Messages for LateMessages {
    const NAME: &'static str = names::LATE;

    fn add_to(&self, outbox: &mut Outbox, segment: &Segment) -> Result<(), SinkError> {
        for input in &segment.inputs {
            let Some(input::Input::Pings(run)) = &input.input else { continue };
            let pings = run::pings(run).map_err(|source| SinkError::Encode {
                what: "a run of pings",
                source: source.into(),
            })?;
            for ping in pings.filter(|ping| ping.disposition == run::TOO_LATE) {
                outbox.add(None, |draft| {
                    draft.data(ping.payload);
                    draft.attribute(attributes::CONTENT_TYPE, content_type::PING);
                    let received = rfc3339(ping.receive_time_ms);
                    draft.attribute(attributes::ORIGINAL_PUBLISH_TIME, &received);
                    // Not the message's own, which many pings may have come by.
                    draft.attribute(attributes::SOURCE_MESSAGE_ID, &content_id(ping.payload));
                });
            }
        }
        Ok(())
    }
}

/// A ping that the topic refuses.
pub(super) fn dead_letter(refusal: &Refusal) -> DeadLetter {
    let message = &refusal.message;
    let received: Timestamp = message.attributes[attributes::ORIGINAL_PUBLISH_TIME]
        .parse()
        .expect("a time as it was written");
    let (received_ms, detail) = (received.as_millisecond(), refusal.detail.clone());
    of_output(SOURCE, REFUSED_LATE, content_type::PING, &message.data, received_ms, detail)
}
