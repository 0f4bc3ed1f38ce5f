//! A project with all services on, a fleet's pings, and what was sent and
//! seen of them.

mod input;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use google_cloud_pubsub::model::Message;
use local_cloud::Network;
use serde_json::{Map as Fields, Value};
use tempfile::TempDir;

use crate::cloud::{Cloud, LEASES_MAX, events, metric, operation, operations};
use crate::support::bigquery::{self, Bigquery};
use crate::support::map::Map;
use crate::support::{Launch, Worker, fold, wait_at_most, wait_for};
pub(crate) use input::{Input, poison};

/// Of 22 pings each.
pub(crate) const VEHICLES: usize = 120;
/// Parts in which their pings are published.
pub(crate) const PARTS: usize = 3;
/// More memory than any of these days may take, bytes.
const MEMORY_MAX: f64 = 512.0 * 1024.0 * 1024.0;

pub(crate) struct World {
    pub(crate) cloud: Cloud,
    pub(crate) map: Map,
    /// The worker's way to Pub/Sub.
    pub(crate) broker: Network,
    /// The worker's way to Firestore.
    pub(crate) firestore: Network,
    pub(crate) bigquery: Bigquery,
    pub(crate) input: Input,
    dir: TempDir,
    /// Ids of the messages that are refused.
    refused: RefCell<BTreeSet<String>>,
    /// What came by the topic of events.
    pub(crate) seen: RefCell<Vec<Message>>,
}

impl World {
    /// `None` where an emulator is not installed.
    pub(crate) fn new(name: &'static str, vehicles: usize, parts: usize) -> Option<Self> {
        let map = Map::new(name)?;
        let cloud = Cloud::shared(name)?;
        let bigquery = Bigquery::new();
        assert_eq!(bigquery.ensure(&[]).0, Some(0));
        let to = |host: &str| cloud.runtime.block_on(Network::to(host)).unwrap();
        Some(Self {
            broker: to(&cloud.host),
            firestore: to(&map.host()),
            cloud,
            map,
            bigquery,
            input: Input::new(vehicles, parts),
            dir: TempDir::new().unwrap(),
            refused: RefCell::default(),
            seen: RefCell::default(),
        })
    }

    pub(crate) fn launch(&self) -> Launch {
        let launch = self.map.with_address(self.cloud.worker(self.dir.path()));
        let launch = self.bigquery.with_addresses(launch);
        launch
            .env("PUBSUB_EMULATOR_HOST", self.broker.host())
            .env("FIRESTORE_EMULATOR_HOST", self.firestore.host())
            .set("bigquery.dataset", bigquery::DATASET)
            .set("positions.min_interval", "1s")
            // However long the day, its events are those of the vehicles.
            .set("source.stalled_after", "1h")
            .set("shards", "2")
            .set("files.parquet", "false")
            .set("files.event_log", "false")
            .set("files.dead_letters", "false")
            .set("files.positions", "false")
    }

    /// Publishes a part of the input, past what is between the worker and the
    /// broker. How many messages that are.
    pub(crate) fn publish(&self, part: usize) -> usize {
        let part = &self.input.parts[part];
        let pings = part.pings();
        let sent = pings.len();
        self.cloud.publish(pings);
        sent + self.publish_refused(part.refused())
    }

    /// Publishes messages of which nothing can be accepted.
    pub(crate) fn publish_refused(&self, messages: impl IntoIterator<Item = Message>) -> usize {
        let (client, topic) = (&self.cloud.client, self.cloud.topic("pings"));
        let ids = self.cloud.runtime.block_on(client.publish(&topic, messages)).unwrap();
        let sent = ids.len();
        self.refused.borrow_mut().extend(ids);
        sent
    }

    /// Waits until BigQuery has each distinct ping of the first `parts`.
    pub(crate) fn archives(&self, parts: usize) {
        let due = self.input.distinct(parts);
        let archived = || self.bigquery.pings().into_iter().map(|row| row.ping_id);
        wait_at_most(LEASES_MAX, &format!("{} archived pings", due.len()), || {
            (archived().collect::<BTreeSet<_>>() == due).then_some(())
        });
    }

    /// As [`World::takes`], of their events, each operation once. A worker
    /// that is killed again and again publishes them as often, so each message
    /// is read once and only what is new is judged.
    pub(crate) fn watches(&self, mut enough: impl FnMut(&[Value]) -> bool) {
        let (mut read, mut known, mut distinct) = (0, BTreeSet::new(), Vec::new());
        let mut judged = None;
        self.takes(|messages| {
            let new = events(&messages[read..]);
            read = messages.len();
            let before = distinct.len();
            distinct.extend(new.into_iter().filter(|event| known.insert(operation(event))));
            if distinct.len() > before || judged.is_none() {
                judged = Some(enough(&distinct));
            }
            judged == Some(true)
        });
    }

    /// Takes events from their topic until `enough`, of all messages that
    /// came.
    pub(crate) fn takes(&self, mut enough: impl FnMut(&[Message]) -> bool) {
        let mut seen = self.seen.borrow_mut();
        if enough(&seen) {
            return;
        }
        let before = seen.len();
        self.cloud.collect("events", |found| {
            let taken = seen.len() - before;
            seen.extend_from_slice(&found[taken..]);
            enough(&seen)
        });
    }

    /// Waits until every sink but those of `bad` has taken every segment there
    /// is.
    pub(crate) fn keep_up_but(&self, worker: &Worker, bad: &str) {
        let others = |labels: &str| !labels.contains(&format!("sink=\"{bad}"));
        wait_for(&format!("all sinks but {bad}"), || {
            (worker.client().metric_of("fleetstream_unreleased_segments", others) == 0.0)
                .then_some(())
        });
    }

    /// [`Self::comes_out`], with every message acknowledged.
    pub(crate) fn ends_well(
        &self,
        worker: Worker,
        expected: &BTreeMap<String, Fields<String, Value>>,
    ) {
        self.comes_out(worker, expected);
        self.cloud.assert_acknowledged("pings");
    }

    /// The same where acknowledgements were lost, on their way or with a worker
    /// that was killed: what was leased may come again when the last one has gone.
    pub(crate) fn ends_well_at_last(
        &self,
        worker: Worker,
        expected: &BTreeMap<String, Fields<String, Value>>,
    ) {
        self.comes_out(worker, expected);
        self.cloud.settle(&self.launch());
    }

    /// Waits until everything sent has had its effect, stops `worker`, and
    /// holds each output against `expected` and the input.
    fn comes_out(&self, mut worker: Worker, expected: &BTreeMap<String, Fields<String, Value>>) {
        let parts = self.input.parts.len();
        self.archives(parts);
        self.watches(|events| fold(events) == *expected);
        self.map.shows(&self.input.newest(parts));
        // No other output tells whether what is refused has come again.
        assert_eq!(self.letters(), *self.refused.borrow());
        // Every ping that waits for its acknowledgement, every sink.
        for gauge in ["fleetstream_in_flight", "fleetstream_release_lag_seconds"] {
            wait_for(gauge, || (metric(&worker, gauge) == 0.0).then_some(()));
        }
        let memory = metric(&worker, "process_resident_memory_max_bytes");
        assert!(memory > 0.0 && memory < MEMORY_MAX, "{memory} bytes");
        assert!(worker.stop().success(), "{}", worker.log());

        let (ancient, judged): (Vec<_>, Vec<_>) =
            self.bigquery.pings().into_iter().partition(|row| row.disposition == "ancient");
        let ancient: BTreeSet<_> = ancient.into_iter().map(|row| row.ping_id).collect();
        assert_eq!(ancient.len(), self.input.ancient());
        // What is too old to be judged is not remembered: delivered again, it
        // is archived again, which the view `pings_unique` mends.
        let distinct = self.input.distinct(parts).len() - ancient.len();
        assert_eq!(judged.len(), distinct, "each distinct ping once");
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
    }

    /// Ids of the messages that are dead letters, when there are as many as were
    /// refused.
    fn letters(&self) -> BTreeSet<String> {
        let due = self.refused.borrow().len();
        let id = |letter: &Message| letter.attributes["source_message_id"].clone();
        let ids = |found: &[Message]| found.iter().map(id).collect::<BTreeSet<_>>();
        ids(&self.cloud.collect("letters", |found| ids(found).len() >= due))
    }
}
