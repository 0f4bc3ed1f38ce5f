//! Events as messages: the payload is the `FleetEvent`, the attributes let
//! subscribers filter and route without reading it.

use google_cloud_pubsub::model::Message;
use prost::Message as _;
use protos::event_json;
use protos::events::FleetEvent;
use protos::journal::Segment;
use xxhash_rust::xxh3::xxh3_64;

use super::{Messages, attributes, names, rfc3339};
use crate::{SinkError, content_type};

/// Ordering keys there are: enough for subscribers to share the work, few
/// enough for the publisher, which keeps a task for each.
const KEYS: u64 = 256;

pub(super) struct EventMessages {
    /// `ce-source`.
    source: String,
}

impl EventMessages {
    pub(super) fn new(tenant: &str) -> Self {
        Self { source: format!("//fleetstream/{tenant}") }
    }

    /// Events of one vehicle share a key, so that they are delivered in the
    /// order of the journal.
    fn message(&self, event: &FleetEvent) -> Message {
        let kind = event_json::kind(event);
        let key = xxh3_64(event.vehicle_id.as_bytes()) % KEYS;
        let revision = event.revision.to_string();
        let mut attributes = vec![
            (attributes::CONTENT_TYPE, content_type::EVENT.to_owned()),
            ("event_id", event.event_id.clone()),
            ("event_type", kind.to_owned()),
            ("op", event_json::op_name(event.op).to_owned()),
            ("ce-specversion", "1.0".to_owned()),
            // An operation, not an event: each revision is a message of its own.
            ("ce-id", format!("{}/{revision}", event.event_id)),
            ("ce-source", self.source.clone()),
            ("ce-type", format!("fleet.events.v1.{kind}")),
            ("ce-time", rfc3339(event.event_time_ms)),
            ("revision", revision),
        ];
        if !event.vehicle_id.is_empty() {
            attributes.push(("ce-subject", event.vehicle_id.clone()));
        }
        Message::new()
            .set_data(event.encode_to_vec())
            .set_ordering_key(key.to_string())
            .set_attributes(attributes)
    }
}

impl Messages for EventMessages {
    const NAME: &'static str = names::EVENTS;

    fn of(&self, segment: &Segment) -> Result<Vec<Message>, SinkError> {
        Ok(segment.events.iter().map(|event| self.message(event)).collect())
    }
}
