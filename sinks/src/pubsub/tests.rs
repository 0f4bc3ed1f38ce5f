//! What the messages of each topic carry.

use std::collections::BTreeMap;

use google_cloud_pubsub::model::Message;
use prost::Message as _;
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, GeofenceEnter};
use protos::journal::Segment;

use super::outbox::Outbox;
use super::refusal::Refusal;
use super::{Messages, cut, dead_letters, event_message, events, late};
use crate::SinkError;
use crate::content_type::PING;
use crate::dead_letters::content_id;
use crate::testing::{NOON_MS, dead_letter, event, ping, run, segment};

/// Messages as they are read.
trait Read: Messages {
    fn of(&self, segment: &Segment) -> Result<Vec<Message>, SinkError> {
        let mut outbox = Outbox::default();
        self.add_to(&mut outbox, segment)?;
        Ok(outbox.messages())
    }
}

impl<M: Messages> Read for M {}

fn attributes(message: &Message) -> BTreeMap<&str, &str> {
    message.attributes.iter().map(|(name, value)| (&name[..], &value[..])).collect()
}

#[test]
fn an_event_carries_its_id_kind_and_operation() {
    let mut enter = event(0x0af7, Detail::GeofenceEnter(GeofenceEnter {}));
    enter.vehicle_id = "bus-7".into();
    let segment = Segment { events: vec![enter.clone()], ..Segment::default() };
    let messages = events::EventMessages::new("acme").of(&segment).unwrap();
    let [message] = messages.as_slice() else { panic!("one message: {messages:?}") };
    assert_eq!(FleetEvent::decode(message.data.clone()).unwrap(), enter);
    // By an independent xxh3_64 of "bus-7".
    assert_eq!(
        message.ordering_key.parse::<u64>().unwrap(),
        xxhash_rust::xxh3::xxh3_64(b"bus-7") % 256
    );
    let expected = [
        ("ce-id", "00000000000000000000000000000af7/9"),
        ("ce-source", "//fleetstream/acme"),
        ("ce-specversion", "1.0"),
        ("ce-subject", "bus-7"),
        ("ce-time", "2016-11-25T12:00:00.000Z"),
        ("ce-type", "fleet.events.v1.geofence_enter"),
        ("content-type", "application/x-protobuf; messageType=fleet.events.v1.FleetEvent"),
        ("event_id", "00000000000000000000000000000af7"),
        ("event_type", "geofence_enter"),
        ("op", "assert"),
        ("revision", "9"),
    ];
    assert_eq!(attributes(message), BTreeMap::from(expected));
}

#[test]
fn a_dead_letter_carries_the_original_bytes_and_why() {
    let mut letter = dead_letter(b"\xff\x00");
    letter.detail = "é".repeat(600);
    let segment = Segment { dead_letters: vec![letter], ..Segment::default() };
    let messages = dead_letters::LetterMessages.of(&segment).unwrap();
    assert_eq!(&messages[0].data[..], b"\xff\x00");
    let found = attributes(&messages[0]);
    assert_eq!(found["dlq_reason"], "undecodable");
    assert_eq!(found["dlq_detail"], "é".repeat(512), "an attribute has 1,024 bytes at most");
    assert_eq!(found["dlq_source"], "http");
    assert_eq!(found["source_message_id"], "0f");
    assert_eq!(found["content-type"], "application/x-protobuf");
    assert!(found["original_publish_time"].ends_with('Z'));
    assert!(!found.contains_key("dlq_truncated_from"));
}

#[test]
fn a_dead_letter_too_large_to_publish_is_cut_and_says_so() {
    let segment =
        Segment { dead_letters: vec![dead_letter(&vec![7; 10_000_000])], ..Segment::default() };
    let messages = dead_letters::LetterMessages.of(&segment).unwrap();
    assert!(messages[0].data.len() < 10_000_000);
    assert_eq!(attributes(&messages[0])["dlq_truncated_from"], "10000000");
}

#[test]
fn only_pings_that_are_too_late_go_to_the_late_topic() {
    let pings: Vec<_> = (0..4).map(|n| ping(n, 1_000)).collect();
    let mut run = run(&pings);
    run.dispositions = vec![1, 3, 2, 3];
    run.message_ids = vec!["m7".into(); 4];
    let messages = late::LateMessages.of(&segment(5, [run])).unwrap();
    let payloads: Vec<_> = messages.iter().map(|message| message.data.to_vec()).collect();
    assert_eq!(payloads, [pings[1].encode_to_vec(), pings[3].encode_to_vec()]);
    let ids = messages.iter().map(|message| attributes(message)["source_message_id"].to_owned());
    let of_their_bytes: Vec<_> = payloads.iter().map(|payload| content_id(payload)).collect();
    assert_eq!(ids.collect::<Vec<_>>(), of_their_bytes, "all came by one message");
}

#[test]
fn text_is_cut_between_characters() {
    assert_eq!((cut("aé", 2), cut("aé", 3), cut("", 3)), ("a", "aé", ""));
}

#[test]
fn what_a_topic_refuses_is_a_letter_with_its_bytes_and_can_be_a_message_again() {
    let mut enter = event(0x0af7, Detail::GeofenceEnter(GeofenceEnter {}));
    (enter.vehicle_id, enter.observed_at_ms) = ("bus-7".into(), NOON_MS + 5);
    let segment = Segment { events: vec![enter.clone()], ..Segment::default() };
    let mut outbox = Outbox::default();
    let messages = events::EventMessages::new("acme");
    messages.add_to(&mut outbox, &segment).unwrap();
    let refusal = refusal_of(outbox);
    let letter = events::dead_letter(&refusal);
    assert_eq!(letter.reason, "pubsub_refused_event");
    assert_eq!(letter.payload, enter.encode_to_vec());
    assert_eq!(letter.source_message_id, content_id(&letter.payload));
    assert_eq!((letter.source.as_str(), letter.receive_time_ms), ("pubsub", NOON_MS + 5));
    assert!(letter.content_type.ends_with("messageType=fleet.events.v1.FleetEvent"));
    assert_eq!(letter.detail, "t: no such field");
    let again = event_message(letter.payload, "acme").unwrap();
    assert_eq!(again, messages.of(&segment).unwrap()[0]);
    assert!(event_message(b"\xff"[..].into(), "acme").is_err());
}

#[test]
fn a_late_ping_that_its_topic_refuses_is_a_letter_with_its_receive_time() {
    let late = ping(1, 1_000);
    let mut run = run(std::slice::from_ref(&late));
    run.dispositions = vec![3];
    let received_ms = run.receive_time_ms;
    let mut outbox = Outbox::default();
    late::LateMessages.add_to(&mut outbox, &segment(5, [run])).unwrap();
    let letter = late::dead_letter(&refusal_of(outbox));
    assert_eq!(letter.reason, "pubsub_refused_late");
    assert_eq!(letter.payload, late.encode_to_vec());
    assert_eq!((letter.receive_time_ms, &letter.content_type[..]), (received_ms, PING));
}

/// The one message of `outbox` as its topic refuses it.
fn refusal_of(mut outbox: Outbox) -> Refusal {
    let mut request = outbox.take().remove(0).pop_front().unwrap();
    let message = request.messages().remove(0);
    Refusal { message, detail: "t: no such field".into() }
}
