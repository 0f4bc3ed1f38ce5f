//! A project on the emulator: topics, a worker between them, and vehicles that
//! drive through a fence.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use google_cloud_pubsub::model::Message;
use jiff::Timestamp;
use local_cloud::{PubsubClient, PubsubEmulator};
use prost::Message as _;
use protos::event_json::{Rendering, push_event};
use protos::events::FleetEvent;
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::support::{Launch, Worker, wait_at_most};

/// What was leased to somebody who is gone the emulator hands out again bit by
/// bit: after 46 to 63 s, and later beside other work.
pub(crate) const LEASES_MAX: Duration = Duration::from_secs(300);
/// Workers that each take some of what comes again; more is for ever.
const ROUNDS_MAX: usize = 20;

/// Topics and subscriptions of one test, named after it.
pub(crate) struct Cloud {
    pub(crate) client: PubsubClient,
    pub(crate) host: String,
    pub(crate) runtime: Runtime,
    name: String,
}

impl Cloud {
    /// On the emulator that the tests share.
    pub(crate) fn shared(name: &str) -> Option<Self> {
        let emulator = PubsubEmulator::shared().unwrap()?;
        let cloud = Self::on(emulator, name);
        cloud.create();
        Some(cloud)
    }

    /// On this emulator, with nothing on it yet.
    pub(crate) fn on(emulator: &PubsubEmulator, name: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let client = runtime.block_on(PubsubClient::connect(&emulator.endpoint())).unwrap();
        Self { client, host: emulator.host(), runtime, name: name.to_owned() }
    }

    /// Creates pings, events and letters: a topic and a subscription each.
    pub(crate) fn create(&self) {
        for end in ["pings", "events", "letters"] {
            self.runtime.block_on(self.client.create_pair(&self.id(end))).unwrap();
        }
    }

    fn id(&self, end: &str) -> String {
        format!("{}-{end}", self.name)
    }

    pub(crate) fn topic(&self, end: &str) -> String {
        self.client.topic(&self.id(end))
    }

    pub(crate) fn subscription(&self, end: &str) -> String {
        self.client.subscription(&self.id(end))
    }

    /// A worker between the topics.
    pub(crate) fn worker(&self, dir: &Path) -> Launch {
        Launch::run(dir)
            .env("PUBSUB_EMULATOR_HOST", &self.host)
            .fences(&fences(dir))
            .set("commit.max_delay", "50ms")
            // The disk of a test machine may well be nearly full.
            .set("journal.min_free_percent", "1%")
            .set("pubsub.lease", "10s")
            .set("pubsub.streams", "4")
            .set("pubsub.subscription", &self.subscription("pings"))
            .set("pubsub.events_topic", &self.topic("events"))
            .set("pubsub.dead_letter_topic", &self.topic("letters"))
    }

    pub(crate) fn publish(&self, messages: impl IntoIterator<Item = Message>) {
        self.runtime.block_on(self.client.publish(&self.topic("pings"), messages)).unwrap();
    }

    /// Messages of `end` until there are enough.
    pub(crate) fn collect(
        &self,
        end: &str,
        enough: impl FnMut(&[Message]) -> bool,
    ) -> Vec<Message> {
        let subscription = self.subscription(end);
        self.runtime.block_on(self.client.collect(&subscription, LEASES_MAX, enough)).unwrap()
    }

    /// Asserts that nothing of `end` is delivered again, for longer than any
    /// lease lasts.
    pub(crate) fn assert_acknowledged(&self, end: &str) {
        let found = self.delivered_again(end);
        assert!(found.is_none(), "delivered again: {found:?}");
    }

    /// What comes again gets a worker, until nothing does.
    pub(crate) fn settle(&self, launch: &Launch) {
        for _ in 0..ROUNDS_MAX {
            if self.delivered_again("pings").is_none() {
                return;
            }
            let mut worker = launch.start();
            wait_for_metric(&worker, "fleetstream_received_total", 1);
            assert!(worker.stop().success(), "{}", worker.log());
        }
        panic!("what is taken comes again after {ROUNDS_MAX} workers");
    }

    /// What of `end` is delivered again first, and goes back; `None` if nothing
    /// is for longer than any lease lasts.
    pub(crate) fn delivered_again(&self, end: &str) -> Option<Message> {
        let subscription = self.subscription(end);
        self.runtime.block_on(async {
            let mut stream = self.client.stream(&subscription).await.unwrap();
            let next = timeout(Duration::from_secs(12), stream.next()).await.ok();
            let message = next.map(|next| next.expect("the stream goes on").unwrap().0);
            stream.shutdown_token().shutdown().await;
            message
        })
    }
}

/// A square, in a file of `dir`.
pub(crate) fn fences(dir: &Path) -> PathBuf {
    let path = dir.join("fences.geojson");
    let square = r#"{"type":"FeatureCollection","features":[{"type":"Feature","id":"square",
        "properties":{"name":"Square"},"geometry":{"type":"Polygon","coordinates":
        [[[10,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50]]]}}]}"#;
    fs::write(&path, square).unwrap();
    path
}

/// Pings of each vehicle on its way through the square.
const STEPS: i64 = 22;
const STEP_MS: i64 = 12_000;
/// An enter, an exit and a visit.
pub(crate) const EVENTS_EACH: usize = 3;

/// Pings of `vehicles` vehicles that drove through the square within the last
/// minutes, vehicle by vehicle.
pub(crate) fn drives(prefix: &str, vehicles: usize) -> Vec<Vec<VehiclePing>> {
    let start_ms = Timestamp::now().as_millisecond() - STEPS * STEP_MS - 20_000;
    let drive = |vehicle| {
        let ping = |step: i64| VehiclePing {
            vehicle_id: format!("{prefix}-{vehicle}"),
            ping_id: Some(format!("{prefix}-{vehicle}-{step}")),
            event_time_us: (start_ms + step * STEP_MS) * 1_000,
            lat: 50.005,
            lon: 9.995 + 0.001 * step as f64,
            ..VehiclePing::default()
        };
        (0..STEPS).map(ping).collect()
    };
    (0..vehicles).map(drive).collect()
}

/// One ping as a message.
pub(crate) fn message(ping: &VehiclePing) -> Message {
    Message::new().set_data(ping.encode_to_vec())
}

/// Pings as one message.
pub(crate) fn batch(pings: &[VehiclePing]) -> Message {
    let name = "application/x-protobuf; messageType=fleet.telemetry.v1.VehiclePingBatch";
    let batch = VehiclePingBatch { pings: pings.to_vec() };
    Message::new().set_data(batch.encode_to_vec()).set_attributes([("content-type", name)])
}

/// One ping as a line of JSON.
pub(crate) fn json(ping: &VehiclePing) -> String {
    serde_json::json!({
        "vehicle_id": ping.vehicle_id,
        "ping_id": ping.ping_id,
        "event_time_us": ping.event_time_us,
        "lat": ping.lat,
        "lon": ping.lon,
    })
    .to_string()
}

/// The events in messages as the event log writes them, each operation once:
/// a topic may have it twice.
pub(crate) fn events(messages: &[Message]) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut events: Vec<Value> = messages.iter().map(event).collect();
    events.retain(|event| seen.insert(operation(event)));
    events
}

fn event(message: &Message) -> Value {
    let event = FleetEvent::decode(message.data.clone()).unwrap();
    let mut text = Vec::new();
    push_event(&mut text, &event, Rendering::Full);
    serde_json::from_slice(&text).unwrap()
}

/// Id and revision.
pub(crate) fn operation(event: &Value) -> (String, u64) {
    (event["event_id"].as_str().unwrap().to_owned(), event["revision"].as_u64().unwrap())
}

/// Ids and revisions, each once.
pub(crate) fn operations(events: &[Value]) -> BTreeSet<(String, u64)> {
    events.iter().map(operation).collect()
}

/// Events of each vehicle after folding.
pub(crate) fn folded_by_vehicle(events: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let folded = crate::support::fold(events);
    for vehicle in folded.values().filter_map(|event| event.get("vehicle_id")?.as_str()) {
        *counts.entry(vehicle.to_owned()).or_default() += 1;
    }
    counts
}

/// Whether `vehicles` vehicles have all their events.
pub(crate) fn complete(events: &[Value], vehicles: usize) -> bool {
    let counts = folded_by_vehicle(events);
    counts.len() == vehicles && counts.values().all(|&count| count == EVENTS_EACH)
}

/// Sum of the samples of a metric; NaN where the worker does not answer.
pub(crate) fn metric(worker: &Worker, name: &str) -> f64 {
    worker.client().metric(name)
}

/// Waits until a metric's sum is at least `least`.
pub(crate) fn wait_for_metric(worker: &Worker, name: &str, least: usize) {
    let reached = || (metric(worker, name) >= least as f64).then_some(());
    wait_at_most(LEASES_MAX, &format!("{name} {least}"), reached);
}
