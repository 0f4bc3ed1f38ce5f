//! What a message becomes, and when it is acknowledged.

use std::sync::{Arc, Mutex};

use geofence::TimeMs;
use google_cloud_pubsub::model::Message;
use prost::Message as _;
use protos::telemetry::{VehiclePing, VehiclePingBatch};

use super::decode::{Decoder, receive_time};
use super::in_flight::{Handle, InFlight, MessageKey};
use crate::decode::ContentType;
use crate::intake::{Entry, OwnedShards, shard_of};

fn ping(vehicle: &str) -> VehiclePing {
    VehiclePing {
        vehicle_id: vehicle.into(),
        event_time_us: 1_770_000_000_000_000,
        lat: 50.0,
        lon: 10.0,
        ..VehiclePing::default()
    }
}

fn entries(message: &Message) -> Vec<Entry> {
    entries_of(None, message)
}

fn entries_of(owned: Option<OwnedShards>, message: &Message) -> Vec<Entry> {
    let decoder = Decoder { source: "pubsub".into(), allow_null_island: false, owned };
    let mut out = Vec::new();
    decoder.entries(message, TimeMs(1_770_000_000_500), &mut out);
    out
}

fn message(content_type: Option<&str>, data: Vec<u8>) -> Message {
    let message = Message::new().set_data(data).set_message_id("m7");
    match content_type {
        Some(name) => message.set_attributes([("content-type", name)]),
        None => message,
    }
}

fn summary(entries: &[Entry]) -> Vec<String> {
    let one = |entry: &Entry| match entry {
        Entry::Ping { ping, message_id, .. } => {
            format!("{} {message_id} {}", ping.vehicle_id, ping.receive_time.0)
        }
        Entry::Rejected(letter) => {
            format!("{} {} {}", letter.reason, letter.source, letter.source_message_id)
        }
    };
    entries.iter().map(one).collect()
}

#[test]
fn the_content_type_says_what_the_bytes_are() {
    let one = ping("bus").encode_to_vec();
    let batch = VehiclePingBatch { pings: vec![ping("a"), ping("b")] }.encode_to_vec();
    let json = br#"{"vehicle_id":"c","event_time_us":1770000000000000,"lat":50,"lon":10}"#.to_vec();
    let marked = |text: &[u8]| [b"\xef\xbb\xbf", text].concat();
    let received = "m7 1770000000500";
    for (content_type, data, expected) in [
        (None, one.clone(), vec![format!("bus {received}")]),
        (Some("application/x-protobuf"), one, vec![format!("bus {received}")]),
        (
            Some(ContentType::Batch.name()),
            batch,
            vec![format!("a {received}"), format!("b {received}")],
        ),
        (Some("application/json"), json.clone(), vec![format!("c {received}")]),
        (Some("application/json"), marked(&json), vec![format!("c {received}")]),
        (Some("application/x-ndjson"), marked(&json), vec![format!("c {received}")]),
        (Some(ContentType::Batch.name()), Vec::new(), vec![]),
        (None, b"junk".to_vec(), vec!["undecodable pubsub m7".into()]),
        (Some("text/html"), b"junk".to_vec(), vec!["undecodable pubsub m7".into()]),
    ] {
        assert_eq!(summary(&entries(&message(content_type, data))), expected, "{content_type:?}");
    }
}

#[test]
fn a_ping_of_a_shard_of_another_process_is_refused_with_its_bytes() {
    let vehicle = |shard| {
        (0..).map(|n| format!("bus-{n}")).find(|id| shard_of(id, 2) == shard).expect("one of many")
    };
    let (own, foreign) = (ping(&vehicle(0)), ping(&vehicle(1)));
    let batch = VehiclePingBatch { pings: vec![own.clone(), foreign.clone()] }.encode_to_vec();
    let message = message(Some(ContentType::Batch.name()), batch);
    let found = entries_of(Some(OwnedShards::some(2, [0])), &message);
    let expected =
        [format!("{} m7 1770000000500", own.vehicle_id), "foreign_shard pubsub m7#1".into()];
    assert_eq!(summary(&found), expected);
    let Entry::Rejected(letter) = &found[1] else { panic!("{found:?}") };
    assert_eq!(letter.payload, foreign.encode_to_vec());
    assert!(letter.detail.contains("belongs to shard 1"), "{}", letter.detail);
}

#[test]
fn a_reject_keeps_its_bytes_and_the_type_it_claimed() {
    let found = entries(&message(Some("text/html"), b"<p>".to_vec()));
    let [Entry::Rejected(letter)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&letter.payload[..], &letter.content_type[..]), (&b"<p>"[..], "text/html"));
    assert_eq!(letter.receive_time_ms, 1_770_000_000_500);
}

#[test]
fn without_a_publish_time_a_message_is_received_now_and_an_older_original_counts() {
    let at = |text: &str| {
        let message = Message::new().set_attributes([("original_publish_time", text)]);
        receive_time(&message).0
    };
    let now = crate::wall_clock::WallClock::read().0;
    assert_eq!(at("2026-02-02T02:40:00.250Z"), 1_770_000_000_250);
    assert!(at("no time") >= now);
    assert!(at("-009000-01-01T00:00:00Z") > now - 367 * 24 * 3_600_000);
    assert!(at("9000-01-01T00:00:00Z") < now + 60_000, "no original lies after the publishing");
}

/// Notes how it was settled.
struct Noted(&'static str, Arc<Mutex<Vec<String>>>, bool);

impl Handle for Noted {
    fn ack(mut self) {
        self.2 = true;
        self.1.lock().unwrap().push(format!("{} acked", self.0));
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if !self.2 {
            self.1.lock().unwrap().push(format!("{} given back", self.0));
        }
    }
}

fn key(id: &str) -> MessageKey {
    MessageKey { id: id.into(), published_ms: Some(1_770_000_000_000) }
}

#[test]
fn a_message_delivered_again_in_flight_is_settled_once_with_all_its_handles() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let handle = |name| Noted(name, Arc::clone(&notes), false);
    let mut in_flight = InFlight::new();
    assert!(in_flight.add(key("m1"), handle("first")));
    assert!(!in_flight.add(key("m1"), handle("second")), "it is in flight already");
    assert!(in_flight.add(key("m2"), handle("other")));
    assert!(notes.lock().unwrap().is_empty(), "nothing goes back needlessly");
    in_flight.ack(&[key("m1")]);
    in_flight.give_back(&[key("m2")]);
    assert_eq!(*notes.lock().unwrap(), ["first acked", "second acked", "other given back"]);
    assert!(in_flight.add(key("m1"), handle("third")), "settled, it may come anew");
}

/// As those of an emulator that has lost its state: it counts from 1 again.
#[test]
fn a_message_with_the_id_of_another_in_flight_is_settled_by_itself() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let handle = |name| Noted(name, Arc::clone(&notes), false);
    let other = MessageKey { published_ms: Some(1_770_000_007_000), ..key("1") };
    let mut in_flight = InFlight::new();
    assert!(in_flight.add(key("1"), handle("old")));
    assert!(in_flight.add(other.clone(), handle("new")), "it says something else");
    in_flight.ack(&[key("1")]);
    assert_eq!(*notes.lock().unwrap(), ["old acked"]);
    in_flight.ack(&[other]);
    assert_eq!(*notes.lock().unwrap(), ["old acked", "new acked"]);
}
