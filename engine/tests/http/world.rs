//! A server with everything around it played by the test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use engine::decode::ContentType;
use engine::fences::Editor;
use engine::http::{
    BindError, EventFeed, FeedLimits, Health, HttpLimits, HttpServer, Ingest, ReceiveClock,
    Services, decoder,
};
use engine::intake::{
    Delivery, Entry, Intake, OwnedShards, QueueLimits, Rejection, ShardQueue, Verdict,
};
use engine::journal::Store;
use engine::tags::Tagger;
use geofence::{FenceSet, TimeMs};
use object_store::memory::InMemory;
use protos::journal::Disposition;
use sinks::positions::PositionStore;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const START_MS: i64 = 1_700_000_000_000;

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) queue: ShardQueue,
    pub(crate) intake: Intake,
    pub(crate) feed: EventFeed,
    pub(crate) positions: PositionStore,
    pub(crate) fences: watch::Sender<Bytes>,
    pub(crate) health: Health,
    pub(crate) services: Services,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<()>,
}

pub(crate) struct Setup {
    pub(crate) owned: OwnedShards,
    pub(crate) limits: HttpLimits,
    pub(crate) queue: QueueLimits,
    pub(crate) feed: FeedLimits,
    pub(crate) clock: ReceiveClock,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            owned: OwnedShards::all(1),
            limits: HttpLimits::default(),
            queue: QueueLimits { max_pings: 10_000, max_bytes: 64 << 20 },
            feed: FeedLimits::default(),
            clock: ReceiveClock::event(TimeMs(START_MS)),
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn limited(limits: HttpLimits) -> Self {
        Self::with(Setup { limits, ..Setup::default() }).await
    }

    /// Another server at `address`, with its door shut.
    pub(crate) async fn bind_again(address: SocketAddr) -> Result<HttpServer, BindError> {
        HttpServer::bind(address, HttpLimits::default(), CancellationToken::new()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let (intake, mut queues) = Intake::new(setup.owned, setup.queue);
        let feed = EventFeed::new(setup.feed);
        let positions = PositionStore::new();
        let (fences, watched) = watch::channel(Bytes::from_static(b"{}"));
        let health = Health::new([0]);
        health.claimed(0);
        let services = Services {
            ingest: Ingest {
                intake: intake.clone(),
                source: 7,
                decode: Arc::new(decode),
                clock: Arc::new(setup.clock),
            },
            positions: positions.clone(),
            events: feed.clone(),
            journal: no_journal(),
            fences: watched,
            fence_editor: Editor::new(Arc::new(FenceSet::empty())).0,
            tagger: Tagger::new(intake.owned().clone(), Vec::new()),
            token_file: None,
            health: health.clone(),
            metrics: Arc::new(|| "fleetstream_test 1\n".to_owned()),
        };
        let stop = CancellationToken::new();
        let local = "127.0.0.1:0".parse().unwrap();
        let server = HttpServer::bind(local, setup.limits, stop.clone()).await.unwrap();
        server.door().open(services.clone());
        let address = server.address();
        let served = tokio::spawn(server.serve());
        let queue = queues.remove(0);
        Self { address, queue, intake, feed, positions, fences, health, services, stop, served }
    }

    /// The next delivery, held until the test answers it.
    pub(crate) async fn delivery(&mut self) -> Delivery {
        let next = tokio::time::timeout(crate::client::PATIENCE, self.queue.recv());
        next.await.expect("a delivery in time").expect("the intake is open")
    }

    /// Commits everything that comes from here on, as a shard would.
    pub(crate) fn commit_all(self) -> CommittingWorld {
        let Self { address, mut queue, stop, served, .. } = self;
        let entries = Arc::new(Mutex::new(Vec::new()));
        let committed = Arc::clone(&entries);
        tokio::spawn(async move {
            while let Some(delivery) = queue.recv().await {
                committed.lock().unwrap().extend(delivery.entries.iter().cloned());
                commit(delivery);
            }
        });
        CommittingWorld { address, entries, _stop: stop.drop_guard(), _served: served }
    }
}

/// A server whose shard commits at once.
pub(crate) struct CommittingWorld {
    pub(crate) address: SocketAddr,
    pub(crate) entries: Arc<Mutex<Vec<Entry>>>,
    _stop: tokio_util::sync::DropGuard,
    _served: JoinHandle<()>,
}

impl CommittingWorld {
    /// Vehicle ids of the pings committed so far, and reasons of the rejects.
    pub(crate) fn committed(&self) -> Vec<String> {
        let name = |entry: &Entry| match entry {
            Entry::Ping { ping, .. } => ping.vehicle_id.to_string(),
            Entry::Rejected(letter) => letter.reason.clone(),
        };
        self.entries.lock().unwrap().iter().map(name).collect()
    }
}

/// A store without a journal.
fn no_journal() -> Store {
    Store::shared(Arc::new(InMemory::new()))
}

/// Accepts pings, rejects rejects; a vehicle `twin` is a duplicate.
pub(crate) fn commit(delivery: Delivery) {
    let verdict = |entry: &Entry| match entry {
        Entry::Ping { ping, .. } if ping.vehicle_id == "twin" => Verdict::Duplicate,
        Entry::Ping { .. } => Verdict::Accepted(Disposition::OnTime),
        Entry::Rejected(letter) => Verdict::Rejected(Rejection::from(letter)),
    };
    let verdicts = delivery.entries.iter().map(verdict).collect();
    delivery.ack.resolve(verdicts);
}

/// The worker's decoder, with a bug that a vehicle `poison` brings to light.
fn decode(content_type: ContentType, payload: Bytes, receive_time: TimeMs) -> Entry {
    let entry = decoder(false)(content_type, payload, receive_time);
    if let Entry::Ping { ping, .. } = &entry {
        assert_ne!(ping.vehicle_id, "poison", "a decoder with a bug");
    }
    entry
}

pub(crate) fn json_ping(vehicle: &str) -> String {
    format!(
        "{{\"vehicle_id\":\"{vehicle}\",\"event_time_ms\":{START_MS},\"lat\":30.25,\"lon\":-97.75}}"
    )
}

pub(crate) fn json_pings(vehicles: &[&str]) -> String {
    let list: Vec<String> = vehicles.iter().map(|vehicle| json_ping(vehicle)).collect();
    format!("[{}]", list.join(","))
}
