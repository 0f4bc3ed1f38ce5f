//! Pings that came too late to correct events, as messages: whoever keeps
//! books of their own may still want them.

use bytes::Bytes;
use google_cloud_pubsub::model::Message;
use protos::journal::{Segment, input};

use super::{Messages, attributes, names, rfc3339};
use crate::SinkError;
use crate::archive::run;

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
                let mut values = vec![
                    (attributes::CONTENT_TYPE, "application/x-protobuf".to_owned()),
                    (attributes::ORIGINAL_PUBLISH_TIME, rfc3339(ping.receive_time_ms)),
                ];
                if let Some(id) = ping.message_id {
                    values.push((attributes::SOURCE_MESSAGE_ID, id.to_owned()));
                }
                let payload = Bytes::copy_from_slice(ping.payload);
                Message::new().set_data(payload).set_attributes(values)
            }));
        }
        Ok(messages)
    }
}
