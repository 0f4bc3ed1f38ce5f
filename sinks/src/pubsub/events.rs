//! Events as messages: the payload is the `FleetEvent`, the attributes let
//! subscribers filter and route without reading it.

use prost::Message as _;
use protos::event_json;
use protos::events::FleetEvent;
use protos::journal::{DeadLetter, Segment};
use xxhash_rust::xxh3::xxh3_64;

use super::outbox::Outbox;
use super::refusal::Refusal;
use super::{Messages, REFUSED_EVENT, SOURCE, attributes, names, rfc3339};
use crate::dead_letters::of_output;
use crate::{SinkError, content_type};

/// Ordering keys there are: enough for subscribers to share the work, few
/// enough for requests to be full, for each key has its own.
const KEYS: u64 = 256;

pub(super) struct EventMessages {
    /// `ce-source`.
    source: String,
}

impl EventMessages {
    pub(super) fn new(tenant: &str) -> Self {
        Self { source: format!("//fleetstream/{tenant}") }
    }

    pub(super) fn add(&self, event: &FleetEvent, outbox: &mut Outbox) {
        let kind = event_json::kind(event);
        let id = event.event_id.text();
        let revision = event.revision.to_string();
        // Events of one vehicle share a key, so that they are delivered in the
        // order of the journal.
        let key = (xxh3_64(event.vehicle_id.as_bytes()) % KEYS) as u16;
        outbox.add(Some(key), |draft| {
            draft.encoded(event);
            draft.ordering_key(&key.to_string());
            draft.attribute(attributes::CONTENT_TYPE, content_type::EVENT);
            draft.attribute("event_id", &id);
            draft.attribute("event_type", kind);
            draft.attribute("op", event_json::op_name(event.op));
            draft.attribute("ce-specversion", "1.0");
            // An operation, not an event: each revision is a message of its own.
            draft.joined("ce-id", &[&id, "/", &revision]);
            draft.attribute("ce-source", &self.source);
            draft.joined("ce-type", &["fleet.events.v1.", kind]);
            draft.attribute("ce-time", &rfc3339(event.event_time_ms));
            draft.attribute("revision", &revision);
            if !event.vehicle_id.is_empty() {
                draft.attribute("ce-subject", &event.vehicle_id);
            }
        });
    }
}

impl Messages for EventMessages {
    const NAME: &'static str = names::EVENTS;

    fn add_to(&self, outbox: &mut Outbox, segment: &Segment) -> Result<(), SinkError> {
        segment.events.iter().for_each(|event| self.add(event, outbox));
        Ok(())
    }
}

/// An operation that the topic refuses. It was received when what decided the
/// event was.
pub(super) fn dead_letter(refusal: &Refusal) -> DeadLetter {
    let payload = &refusal.message.data;
    let event = FleetEvent::decode(&payload[..]).expect("an operation as it was encoded");
    let detail = refusal.detail.clone();
    of_output(SOURCE, REFUSED_EVENT, content_type::EVENT, payload, event.observed_at_ms, detail)
}
