//! Events that their topic refuses for good: dead letters, and sent again.
//!
//! The emulator knows schemas of Avro alone and looks at how a message begins.
//! One that passes over the fields before the vehicle's id and takes the id's
//! first byte for a number of 0 to 63 takes events of `bus-…` and refuses those
//! of `car-…`: in Avro an odd byte is negative.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use google_cloud_pubsub::model::Message;
use local_cloud::PubsubEmulator;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cloud::{self, Cloud, EVENTS_EACH, LEASES_MAX, complete, drives, events, operations};
use crate::support::{Launch, Outputs, wait_at_most, wait_for};

const VEHICLES: usize = 4;
const REASON: &str = "pubsub_refused_event";
/// Bytes of an event before its vehicle's id: the event's own, operation and
/// revision, which is a time of six bytes.
const HEAD: usize = 2 + 32 + 2 + 1 + 6 + 2;
/// What may be set aside before the topic takes another.
const IN_A_ROW_MAX: usize = 100;

/// A schema of messages with `head` bytes and then a number of 0 to 63.
fn schema(head: usize) -> String {
    let symbols: Vec<_> = (0..64).map(|n| format!("n{n}")).collect();
    json!({"type": "record", "name": "Event", "fields": [
        {"name": "head", "type": {"type": "fixed", "name": "Head", "size": head}},
        {"name": "id", "type": {"type": "enum", "name": "Id", "symbols": symbols}},
    ]})
    .to_string()
}

/// Topics of pings and letters, and one of events with a schema.
fn cloud_of(name: &str, schema: &str) -> Option<Cloud> {
    let cloud = Cloud::on(PubsubEmulator::shared().unwrap()?, name);
    cloud.runtime.block_on(async {
        for end in ["pings", "letters"] {
            cloud.client.create_pair(&format!("{name}-{end}")).await.unwrap();
        }
        let topic = cloud.client.create_topic_of(&format!("{name}-events"), schema).await.unwrap();
        subscribe(&cloud, &format!("{name}-events"), &topic).await;
    });
    Some(cloud)
}

async fn subscribe(cloud: &Cloud, id: &str, topic: &str) {
    let deadline = Duration::from_secs(10);
    cloud.client.create_subscription(id, topic, deadline).await.unwrap();
}

fn worker(cloud: &Cloud, dir: &Path) -> Launch {
    // However long it takes, all events are of vehicles.
    cloud.worker(dir).set("source.stalled_after", "1h")
}

#[test]
fn events_that_are_refused_are_dead_letters_once_and_can_be_sent_again() {
    let Some(cloud) = cloud_of("output", &schema(HEAD)) else { return };
    let (topic, letters) = (cloud.topic("again"), cloud.topic("letters"));
    cloud.runtime.block_on(async {
        cloud.client.create_pair("output-again").await.unwrap();
        subscribe(&cloud, "output-redriven", &letters).await;
        subscribe(&cloud, "output-left", &letters).await;
    });
    let dir = TempDir::new().unwrap();
    let launch = worker(&cloud, dir.path());
    // Published and refused, and neither recorded.
    let mut killed = launch.clone().dies_at("events_topic.refused", 1).start_or_die();
    let sent = ["bus", "car"].map(|prefix| drives(prefix, VEHICLES));
    cloud.publish(sent.iter().flatten().flatten().map(cloud::message));
    assert!(killed.wait().code().is_none(), "killed:\n{}", killed.log());

    let mut worker = launch.start();
    let taken = cloud.collect("events", |found| complete(&events(found), VEHICLES));
    let logged = || Outputs::of(dir.path()).event_log();
    wait_at_most(LEASES_MAX, "all events", || complete(&logged(), 2 * VEHICLES).then_some(()));
    wait_for("nothing behind", || {
        (cloud::metric(&worker, "fleetstream_unreleased_segments") == 0.0).then_some(())
    });
    let told = worker.line("output is refused for good: now dead letters").unwrap();
    assert_eq!((&told["sink"], &told["reason"]), (&json!("events_topic"), &json!(REASON)));
    let counted = worker.client().metric_of("fleetstream_rejected_total", |it| it.contains(REASON));
    assert!(worker.stop().success(), "{}", worker.log());

    let (of_cars, of_buses): (Vec<_>, Vec<_>) = logged()
        .into_iter()
        .partition(|event| event["vehicle_id"].as_str().unwrap().starts_with("car"));
    assert_eq!(operations(&events(&taken)), operations(&of_buses));
    let kept = Outputs::of(dir.path()).dead_letters();
    assert!(kept.iter().all(|letter| letter["reason"] == REASON), "{kept:?}");
    let ids: BTreeSet<_> = kept.iter().map(|letter| letter["source_message_id"].as_str()).collect();
    assert_eq!((kept.len(), ids.len()), (of_cars.len(), of_cars.len()), "each once");
    assert!(counted >= 1.0 && counted <= kept.len() as f64, "{counted} since the restart");
    let published = cloud.collect("letters", |found| found.len() == kept.len());
    assert_eq!(operations(&events(&published)), operations(&of_cars));

    // They are no pings, so nobody takes them for any.
    let left = redrive(&cloud, "left", &["--topic", &topic, "--dry-run"]);
    assert_eq!((&left["redriven"], &left["events"]), (&json!(0), &json!(kept.len())));
    let done = redrive(&cloud, "redriven", &["--topic", &topic, "--reason", REASON]);
    assert_eq!(done["by_reason"][REASON], kept.len());
    let again = cloud.collect("again", |found| found.len() == kept.len());
    assert_eq!(operations(&events(&again)), operations(&of_cars));
    for message in &again {
        // Pub/Sub adds the schema's, and no trace is continued.
        let is_own = |name: &&String| !name.starts_with("googclient_") && *name != "traceparent";
        let names = |message: &Message| {
            message.attributes.keys().filter(is_own).cloned().collect::<BTreeSet<_>>()
        };
        assert_eq!(names(message), names(&taken[0]), "as the worker publishes it");
        assert_eq!(message.attributes["ce-source"], "//fleetstream/default");
        assert!(!message.ordering_key.is_empty());
    }
}

#[test]
fn a_topic_that_refuses_everything_stops_its_sink_and_goes_on_once_it_is_mended() {
    let Some(cloud) = cloud_of("closed", &schema(1 << 20)) else { return };
    let dir = TempDir::new().unwrap();
    let mut worker = worker(&cloud, dir.path()).start();
    let vehicles = IN_A_ROW_MAX / EVENTS_EACH + 5;
    cloud.publish(drives("bus", vehicles).iter().flatten().map(cloud::message));
    let told = worker.wait_for_line("a sink fails: its backlog waits in the journal");
    let error = told["error"].as_str().unwrap();
    assert!(error.contains("100 messages in a row are set aside"), "{error}");
    let logged = || Outputs::of(dir.path()).event_log();
    wait_for("all events", || complete(&logged(), vehicles).then_some(()));
    assert!(cloud::metric(&worker, "fleetstream_unreleased_segments") > 0.0);

    let topic = cloud.topic("events");
    cloud.runtime.block_on(async {
        cloud.client.delete_topic(&topic).await.unwrap();
        cloud.client.create_topic("closed-events").await.unwrap();
        subscribe(&cloud, "closed-mended", &topic).await;
    });
    let due = operations(&logged());
    let kept = cloud.collect("letters", |found| found.len() == IN_A_ROW_MAX);
    let taken = cloud
        .collect("mended", |found| operations(&events(found)).len() == due.len() - IN_A_ROW_MAX);
    assert!(worker.stop().success(), "{}", worker.log());
    let mut all = operations(&events(&kept));
    all.extend(operations(&events(&taken)));
    assert_eq!(all, due, "each is on the topic or a dead letter");
    assert_eq!(Outputs::of(dir.path()).dead_letters().len(), IN_A_ROW_MAX);
}

fn redrive(cloud: &Cloud, of: &str, more: &[&str]) -> Value {
    let subscription = cloud.subscription(of);
    let arguments = ["dlq", "redrive", "--subscription", &subscription, "--format", "json"];
    let launch = Launch::of(&[&arguments, more].concat());
    let mut process = launch.env("PUBSUB_EMULATOR_HOST", &cloud.host).spawn();
    assert!(process.wait().success(), "{}", process.log());
    serde_json::from_str(&process.printed()).unwrap()
}
