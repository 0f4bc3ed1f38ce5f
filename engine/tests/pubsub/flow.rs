//! Pings in, events out.

use std::collections::BTreeMap;

use google_cloud_pubsub::model::Message;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::cloud::{self, Cloud, complete, drives, events, operations};
use crate::support::{Launch, Outputs, fold};

const VEHICLES: usize = 20;
/// The trace that every message came with.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn a_subscription_gives_the_events_that_http_gives_and_a_drain_acknowledges_everything() {
    let Some(cloud) = Cloud::shared("flow") else { return };
    let drives = drives("bus", VEHICLES);
    let dir = TempDir::new().unwrap();
    let mut worker = cloud.worker(dir.path()).start();
    cloud.publish(messages(&drives));
    let mut collected = cloud.collect("events", |found| complete(&events(found), VEHICLES));
    assert!(worker.stop().success(), "{}", worker.log());

    let outputs = Outputs::of(dir.path());
    let log = outputs.event_log();
    let all = operations(&log);
    let rest: Vec<_> = all.difference(&operations(&events(&collected))).cloned().collect();
    if !rest.is_empty() {
        collected.extend(cloud.collect("events", |found| {
            let found = operations(&events(found));
            rest.iter().all(|operation| found.contains(operation))
        }));
    }
    assert_eq!(operations(&events(&collected)), all, "the topic has what the log has");
    for message in &collected {
        let [event] = events(std::slice::from_ref(message)).try_into().unwrap();
        assert_eq!(message.attributes["event_id"], event["event_id"].as_str().unwrap());
        assert_eq!(message.attributes["event_type"], event["kind"].as_str().unwrap());
    }
    // An event that only time decides belongs to no trace of a ping.
    let traced = |message: &Message| message.attributes["traceparent"].contains(TRACE);
    assert!(collected.iter().any(traced), "the trace goes on");
    let archived: Vec<_> = outputs.archive().into_iter().map(|row| row.ping_id).collect();
    let mut sent: Vec<_> =
        drives.iter().flatten().map(|ping| ping.ping_id.clone().unwrap()).collect();
    sent.sort();
    assert_eq!(archived, sent, "each distinct ping once");

    assert_eq!(fold(&log), over_http(&drives), "the same events, however they came");
    cloud.assert_acknowledged("pings");
}

/// Every form a message can have, in any order, some twice.
fn messages(drives: &[Vec<protos::telemetry::VehiclePing>]) -> Vec<Message> {
    let mut messages = Vec::new();
    for (vehicle, drive) in drives.iter().enumerate() {
        match vehicle % 3 {
            0 => messages.extend(drive.iter().map(cloud::message)),
            1 => messages.extend(drive.chunks(5).map(cloud::batch)),
            _ => messages.extend(drive.iter().map(|ping| {
                let typed = [("content-type", "application/json")];
                Message::new().set_data(cloud::json(ping)).set_attributes(typed)
            })),
        }
    }
    let again: Vec<_> = messages.iter().step_by(10).cloned().collect();
    messages.extend(again);
    for message in &mut messages {
        let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        message.attributes.insert("traceparent".into(), traceparent);
    }
    messages.shuffle(&mut StdRng::seed_from_u64(4));
    messages
}

/// The folded events of the same pings, in order, over HTTP.
pub(crate) fn over_http(
    drives: &[Vec<protos::telemetry::VehiclePing>],
) -> BTreeMap<String, Map<String, Value>> {
    let dir = TempDir::new().unwrap();
    let launch = Launch::run(dir.path()).fences(&cloud::fences(dir.path()));
    let launch = launch.set("commit.max_delay", "50ms").set("journal.min_free_percent", "1%");
    let mut worker = launch.start();
    for drive in drives {
        worker.client().deliver(&drive.iter().map(cloud::json).collect::<Vec<_>>());
    }
    let due = drives.len() * cloud::EVENTS_EACH;
    cloud::wait_for_metric(&worker, "fleetstream_events_total", due);
    assert!(worker.stop().success(), "{}", worker.log());
    let log = Outputs::of(dir.path()).event_log();
    assert!(complete(&log, drives.len()), "{:?}", cloud::folded_by_vehicle(&log));
    fold(&log)
}
