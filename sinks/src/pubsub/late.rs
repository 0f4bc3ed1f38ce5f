//! Pings that came too late to correct events, as messages: whoever keeps
//! books of their own may still want them.

use bytes::Bytes;
use google_cloud_pubsub::model::Message;
use protos::journal::{Segment, input};

use super::{Messages, attributes, names, rfc3339};
use crate::archive::run;
use crate::dead_letters::content_id;
use crate::{SinkError, content_type};

pub(super) struct LateMessages;

impl Messages for LateMessages {
    const NAME: &'static str = names::LATE;

    fn of(&self, segment: &Segment) -> Result<Vec<Message>, SinkError> {
        let mut messages = Vec::new();
        for input in &segment.inputs {
            let Some(input::Input::Pings(run)) = &input.input else { continue };
            let pings = run::pings(run).map_err(|source| SinkError::Encode {
                what: "a run of pings",
                source: source.into(),
            })?;
            let late = pings.filter(|ping| ping.disposition == run::TOO_LATE);
            messages.extend(late.map(|ping| {
                let values = [
                    (attributes::CONTENT_TYPE, content_type::PING.to_owned()),
                    (attributes::ORIGINAL_PUBLISH_TIME, rfc3339(ping.receive_time_ms)),
                    // Not the message's own, which many pings may have come by.
                    (attributes::SOURCE_MESSAGE_ID, content_id(ping.payload)),
                ];
                let payload = Bytes::copy_from_slice(ping.payload);
                Message::new().set_data(payload).set_attributes(values)
            }));
        }
        Ok(messages)
    }
}
