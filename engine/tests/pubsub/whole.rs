//! Everything on at once: pings from a subscription; events and dead letters
//! to their topics, positions to Firestore, the archive to BigQuery.

mod input;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use google_cloud_pubsub::model::Message;
use local_cloud::bigquery::{Call, Code, Fault};
use serde_json::{Map as Fields, Value};
use tempfile::TempDir;

use crate::cloud::{self, Cloud, batch, events, metric, operations};
use crate::flow::over_http;
use crate::gate::Gate;
use crate::support::bigquery::{self, Bigquery};
use crate::support::map::Map;
use crate::support::{Launch, Worker, fold, wait_for};
use input::Input;

/// Of some 20 pings each.
const VEHICLES: usize = 120;

/// All services, a fleet's pings, and what was sent and seen of them.
struct World {
    cloud: Cloud,
    map: Map,
    /// Before Firestore.
    gate: Gate,
    bigquery: Bigquery,
    input: Input,
    dir: TempDir,
    /// Ids of the messages that are refused.
    refused: RefCell<BTreeSet<String>>,
    /// What came by the topic of events.
    seen: RefCell<Vec<Message>>,
}

impl World {
    /// `None` where an emulator is not installed.
    fn new(name: &'static str, vehicles: usize) -> Option<Self> {
        let map = Map::new(name)?;
        let cloud = Cloud::shared(name)?;
        let bigquery = Bigquery::new();
        assert_eq!(bigquery.ensure(&[]).0, Some(0));
        Some(Self {
            gate: Gate::to(map.host()),
            cloud,
            map,
            bigquery,
            input: Input::new(vehicles),
            dir: TempDir::new().unwrap(),
            refused: RefCell::default(),
            seen: RefCell::default(),
        })
    }

    fn launch(&self) -> Launch {
        let launch = self.map.with_address(self.cloud.worker(self.dir.path()));
        let launch = self.bigquery.with_addresses(launch);
        launch
            .env("FIRESTORE_EMULATOR_HOST", self.gate.host())
            .set("bigquery.dataset", bigquery::DATASET)
            .set("positions.min_interval", "1s")
            .set("shards", "2")
            .set("files.parquet", "false")
            .set("files.event_log", "false")
            .set("files.dead_letters", "false")
            .set("files.positions", "false")
    }

    /// Publishes a part of the input.
    fn publish(&self, part: usize) {
        let part = &self.input.parts[part];
        self.cloud.publish(part.pings());
        let (client, topic) = (&self.cloud.client, self.cloud.topic("pings"));
        let ids = self.cloud.runtime.block_on(client.publish(&topic, part.refused()));
        self.refused.borrow_mut().extend(ids.unwrap());
    }

    /// Waits until BigQuery has each distinct ping of the first `parts`.
    fn archives(&self, parts: usize) {
        let due = self.input.distinct(parts);
        let archived = || self.bigquery.pings().into_iter().map(|row| row.ping_id);
        wait_for(&format!("{} archived pings", due.len()), || {
            (archived().collect::<BTreeSet<_>>() == due).then_some(())
        });
    }

    /// As [`World::takes`], of their events.
    fn watches(&self, mut enough: impl FnMut(&[Value]) -> bool) {
        self.takes(|messages| enough(&events(messages)));
    }

    /// Takes events from their topic until `enough`, of all messages that
    /// came.
    fn takes(&self, mut enough: impl FnMut(&[Message]) -> bool) {
        let mut seen = self.seen.borrow_mut();
        if enough(&seen) {
            return;
        }
        let before = seen.clone();
        let more =
            self.cloud.collect("events", |found| enough(&[before.as_slice(), found].concat()));
        seen.extend(more);
    }

    /// Waits until everything sent has had its effect, stops `worker`, and
    /// holds each output against `expected` and the input.
    fn ends_well(&self, mut worker: Worker, expected: &BTreeMap<String, Fields<String, Value>>) {
        let parts = self.input.parts.len();
        self.archives(parts);
        self.watches(|events| fold(events) == *expected);
        self.map.shows(&self.input.newest(parts));
        // Every ping that waits for its acknowledgement, every sink.
        for gauge in ["fleetstream_in_flight", "fleetstream_release_lag_seconds"] {
            wait_for(gauge, || (metric(&worker, gauge) == 0.0).then_some(()));
        }
        assert!(worker.stop().success(), "{}", worker.log());

        let rows = self.bigquery.pings();
        assert_eq!(rows.len(), self.input.distinct(parts).len(), "each distinct ping once");
        let ancient = rows.iter().filter(|row| row.disposition == "ancient").count();
        assert_eq!(ancient, self.input.ancient());
        let mut operated: Vec<(String, u64)> =
            self.bigquery.events().into_iter().map(|(id, it)| (id, it as u64)).collect();
        let in_all = operated.len();
        operated.dedup();
        assert_eq!(in_all, operated.len(), "each operation once");
        let operated: BTreeSet<_> = operated.into_iter().collect();
        self.watches(|events| operations(events).is_superset(&operated));
        let events = events(&self.seen.borrow());
        assert_eq!(operations(&events), operated, "the topic has what the table has");
        assert!(fold(&events) == *expected, "and no more than that");

        let refused = self.refused.borrow();
        let id = |letter: &Message| letter.attributes["source_message_id"].clone();
        let letters = self.cloud.collect("letters", |found| {
            found.iter().map(id).collect::<BTreeSet<_>>().len() >= refused.len()
        });
        assert_eq!(letters.iter().map(id).collect::<BTreeSet<_>>(), *refused);
        self.cloud.assert_acknowledged("pings");
    }
}

#[test]
fn every_output_has_everything_of_a_good_day() {
    let Some(world) = World::new("whole", VEHICLES) else { return };
    let expected = over_http(&world.input.drives);
    let worker = world.launch().start();
    for part in 0..world.input.parts.len() {
        world.publish(part);
    }
    world.ends_well(worker, &expected);
}

/// Firestore is cut off, BigQuery refuses and cuts connections, and the worker
/// is killed in the midst of it.
#[test]
fn every_output_has_everything_after_bad_days_at_once() {
    let Some(world) = World::new("bad-days", VEHICLES) else { return };
    let expected = over_http(&world.input.drives);
    let mut worker = world.launch().start();
    world.publish(0);
    world.archives(1);
    world.map.shows(&world.input.newest(1));

    world.gate.shut();
    let seen_before = world.seen.borrow().len();
    for (fault, times) in [
        (Fault::Answer(Code::ResourceExhausted), 3),
        (Fault::Status(Code::Unavailable), 3),
        (Fault::CutAfter, 2),
    ] {
        world.bigquery.standin.inject(Call::AppendRows, fault, times).unwrap();
    }
    world.publish(1);
    cloud::wait_for_metric(&worker, "fleetstream_firestore_documents_waiting", VEHICLES);
    world.archives(2);
    let all_of =
        |vehicles| move |events: &[Value]| cloud::folded_by_vehicle(events).len() >= vehicles;
    world.watches(all_of(VEHICLES));
    assert!(world.seen.borrow().len() > seen_before, "events went on");
    assert_eq!(world.map.shown(), world.input.newest(1), "while positions stood still");

    world.publish(2);
    worker.kill();
    // What was pulled and not acknowledged comes again, some of it to streams
    // that the emulator does not yet know to be dead.
    let worker = world.launch().start();
    world.gate.open();
    world.ends_well(worker, &expected);
}

/// V40: `kill -9` between the publishing of an event and its
/// acknowledgement, which is the cursor.
#[test]
fn v40_an_event_published_again_after_a_kill_is_the_same_event() {
    let Some(world) = World::new("v40", 10) else { return };
    // A message holds the whole drive of a vehicle and nothing waits for
    // others: once they come, each segment has events.
    let launch = || world.launch().set("shards", "1").set("detection.reorder_delay", "0s");
    let mut worker = launch().dies_at("events_topic.published", 6).start();
    let (mut sent, mut pings) = (0, 0);
    for drive in &world.input.drives {
        world.cloud.publish([batch(drive)]);
        (sent, pings) = (sent + 1, pings + drive.len());
        let ended = wait_for("a segment, or the end", || {
            let archived = metric(&worker, "fleetstream_archived_total") >= pings as f64;
            worker.has_ended().map(|_| true).or(archived.then_some(false))
        });
        if ended {
            break;
        }
    }
    // What is published is committed, so nothing waits for a lease's end.
    assert!(worker.wait().code().is_none(), "killed:\n{}", worker.log());
    let expected = over_http(&world.input.drives[..sent]);

    let mut worker = launch().start();
    world.takes(|seen| fold(&events(seen)) == expected && published_again(seen));
    assert!(worker.stop().success(), "{}", worker.log());
    world.takes(|seen| operations(&events(seen)).len() == world.bigquery.events().len());
    let seen = world.seen.borrow();
    assert!(fold(&events(&seen)) == expected, "folded, nothing has changed");
    assert!(
        by_operation(&seen)
            .values()
            .all(|copies| copies.windows(2).all(|two| two[0].data == two[1].data))
    );
    assert_eq!(world.bigquery.events().len(), by_operation(&seen).len(), "each once");
}

/// Whether an operation was published twice, not only delivered twice.
fn published_again(seen: &[Message]) -> bool {
    let differ = |copies: Vec<&Message>| {
        copies.iter().any(|message| message.message_id != copies[0].message_id)
    };
    by_operation(seen).into_values().any(differ)
}

/// The messages of each operation, by the id and the revision in their
/// attributes.
fn by_operation(seen: &[Message]) -> BTreeMap<(&str, &str), Vec<&Message>> {
    let mut copies: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for message in seen {
        let attribute = |name: &str| message.attributes[name].as_str();
        copies.entry((attribute("event_id"), attribute("revision"))).or_default().push(message);
    }
    copies
}
