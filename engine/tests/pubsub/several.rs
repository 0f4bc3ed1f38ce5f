//! Several workers on one journal in Cloud Storage, each with shards and
//! subscriptions of its own: together they are as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use engine::intake::shard_of;
use google_cloud_pubsub::model::Message;
use local_cloud::storage::Storage;
use protos::telemetry::VehiclePing;
use serde_json::{Map as Fields, Value};
use tempfile::TempDir;

use crate::cloud::{self, Cloud, LEASES_MAX, drives, events, metric};
use crate::flow::over_http;
use crate::support::bigquery::{self, Bigquery};
use crate::support::{Launch, PATIENCE, Worker, fold, wait_at_most, wait_for};

const BUCKET: &str = "fleet-journal";
const SHARDS: u32 = 2;
const VEHICLES: usize = 24;
/// What a worker says that finds a shard another's.
const STANDING_BY: &str = "standing by until the journal stops moving";

/// A topic and a subscription for each shard, and all that several workers
/// share.
struct Fleet {
    cloud: Cloud,
    storage: Storage,
    bigquery: Bigquery,
    /// Of the fences.
    dir: TempDir,
    name: &'static str,
}

/// A worker's own directory, and how to start it.
struct Seat {
    dir: TempDir,
    owned: &'static str,
}

impl Seat {
    fn of(owned: &'static str) -> Self {
        Self { dir: TempDir::new().unwrap(), owned }
    }
}

impl Fleet {
    fn new(name: &'static str) -> Option<Self> {
        let cloud = Cloud::shared(name)?;
        let storage = cloud.runtime.block_on(Storage::start()).unwrap();
        storage.create_bucket(BUCKET);
        let bigquery = Bigquery::new();
        assert_eq!(bigquery.ensure(&[]).0, Some(0));
        for shard in 0..SHARDS {
            let id = format!("{name}-shard-{shard:03}");
            cloud.runtime.block_on(cloud.client.create_pair(&id)).unwrap();
        }
        let dir = TempDir::new().unwrap();
        cloud::fences(dir.path());
        Some(Self { cloud, storage, bigquery, dir, name })
    }

    fn launch(&self, seat: &Seat) -> Launch {
        let subscription =
            self.cloud.client.subscription(&format!("{}-shard-{{shard}}", self.name));
        let launch = self.cloud.worker(seat.dir.path());
        self.bigquery
            .with_addresses(launch)
            .env("STORAGE_EMULATOR_HOST", &self.storage.endpoint())
            .fences(&self.dir.path().join("fences.geojson"))
            .set("fences_poll", "50ms")
            .set("journal.url", &format!("gs://{BUCKET}/journal"))
            .set("bigquery.dataset", bigquery::DATASET)
            .set("files.parquet", "false")
            .set("files.event_log", "false")
            .set("files.dead_letters", "false")
            .set("shards", &SHARDS.to_string())
            .set("shards_owned", seat.owned)
            .set("pubsub.subscription", &subscription)
            // However long a test, its events are those of the vehicles.
            .set("source.stalled_after", "1h")
    }

    fn topic_of(&self, shard: u32) -> String {
        self.cloud.client.topic(&format!("{}-shard-{shard:03}", self.name))
    }

    fn publish_to(&self, shard: u32, messages: impl IntoIterator<Item = Message>) {
        let (client, topic) = (&self.cloud.client, self.topic_of(shard));
        self.cloud.runtime.block_on(client.publish(&topic, messages)).unwrap();
    }

    /// Publishes each ping to the topic of its vehicle's shard.
    fn publish<'a>(&self, pings: impl IntoIterator<Item = &'a VehiclePing> + Clone) {
        for shard in 0..SHARDS {
            let own = pings.clone().into_iter().filter(|ping| shard_of_ping(ping) == shard);
            self.publish_to(shard, own.map(cloud::message));
        }
    }

    /// Ids of the archived pings, each once.
    fn archived(&self) -> Vec<String> {
        self.bigquery.pings().into_iter().map(|row| row.ping_id).collect()
    }

    /// Waits until these pings are archived, and holds that each is once.
    fn archives<'a>(&self, pings: impl IntoIterator<Item = &'a VehiclePing>) {
        let due: BTreeSet<String> = pings.into_iter().map(id_of).collect();
        wait_at_most(LEASES_MAX, &format!("{} archived pings", due.len()), || {
            due.is_subset(&self.archived().into_iter().collect()).then_some(())
        });
        let archived = self.archived();
        let distinct: BTreeSet<_> = archived.iter().collect();
        assert_eq!(archived.len(), distinct.len(), "each once");
    }

    /// Waits until the topic of events folds to `expected`.
    fn tells(&self, expected: &BTreeMap<String, Fields<String, Value>>) {
        self.cloud.collect("events", |found| fold(&events(found)) == *expected);
    }
}

fn shard_of_ping(ping: &VehiclePing) -> u32 {
    shard_of(&ping.vehicle_id, SHARDS)
}

fn id_of(ping: &VehiclePing) -> String {
    ping.ping_id.clone().unwrap()
}

/// The pings of each vehicle in two halves.
fn halves(drives: &[Vec<VehiclePing>]) -> [Vec<&VehiclePing>; 2] {
    let half = |of: fn(&Vec<VehiclePing>) -> &[VehiclePing]| drives.iter().flat_map(of).collect();
    [half(|drive| &drive[..drive.len() / 2]), half(|drive| &drive[drive.len() / 2..])]
}

fn of_shard<'a>(pings: &[&'a VehiclePing], shard: u32) -> Vec<&'a VehiclePing> {
    pings.iter().copied().filter(|ping| shard_of_ping(ping) == shard).collect()
}

fn stop(mut worker: Worker) {
    assert!(worker.stop().success(), "{}", worker.log());
}

#[test]
fn two_workers_with_a_shard_each_are_as_one_with_both_also_after_a_kill() {
    let Some(fleet) = Fleet::new("several") else { return };
    let drives = drives("bus", VEHICLES);
    let expected = over_http(&drives);
    let [early, late] = halves(&drives);
    let seats = [Seat::of("0"), Seat::of("1")];
    let second = fleet.launch(&seats[1]).start();
    assert_eq!(shard_of("nobody-1", SHARDS), 1, "as any library of XXH3 says");
    let stranger = "/v1/explain?vehicle=nobody-1&fence=square&at=2026-03-01T12:00:00Z";
    let told = second.client().get(stranger).unwrap().json();
    assert_eq!(told["code"], "vehicle_unknown", "there is no shard 0 yet: {told}");
    let mut first = fleet.launch(&seats[0]).start();
    for (worker, shard) in [(&first, 0), (&second, 1)] {
        let own = format!("{{shard=\"{shard}\"}}");
        assert_eq!(metric(worker, "fleetstream_shard_owned"), 1.0);
        assert_eq!(
            worker.client().metric_of("fleetstream_shard_owned", |labels| labels == own),
            1.0
        );
    }
    fleet.publish(early.iter().copied());
    fleet.archives(early.iter().copied());

    // What is on its way when the first is killed comes again to the next.
    fleet.publish(late.iter().copied());
    first.kill();
    fleet.archives(of_shard(&late, 1));
    let source = |labels: &str| labels.contains("source=\"pubsub-001\"");
    assert!(second.client().metric_of("fleetstream_received_total", source) > 0.0);
    let first = fleet.launch(&seats[0]).start();
    fleet.archives(drives.iter().flatten());
    fleet.tells(&expected);
    let archived = fleet.archived().len();
    assert_eq!(archived, drives.iter().flatten().count(), "and nothing else");
    stop(first);
    stop(second);
}

#[test]
fn a_stray_ping_is_a_dead_letter_and_goes_where_it_belongs_when_it_is_redriven() {
    let Some(fleet) = Fleet::new("stray") else { return };
    let drives = drives("bus", VEHICLES);
    let pings: Vec<&VehiclePing> = drives.iter().flatten().collect();
    let strays: Vec<&VehiclePing> = of_shard(&pings, 1).into_iter().step_by(9).collect();
    let rest: Vec<&VehiclePing> =
        pings.iter().copied().filter(|ping| !strays.contains(ping)).collect();
    let seats = [Seat::of("0"), Seat::of("1")];
    let workers = seats.each_ref().map(|seat| fleet.launch(seat).start());
    // Among those of the shard whose topic it is, one by one and in a batch
    // with them.
    let own = of_shard(&pings, 0)[0].clone();
    let mixed: Vec<VehiclePing> =
        [own].into_iter().chain(strays[1..].iter().copied().cloned()).collect();
    fleet.publish_to(0, [cloud::message(strays[0]), cloud::batch(&mixed)]);
    fleet.publish(rest.iter().copied());
    fleet.archives(rest.iter().copied());
    let refused = |labels: &str| labels.contains("reason=\"foreign_shard\"");
    wait_for("every stray is counted", || {
        let count = workers[0].client().metric_of("fleetstream_rejected_total", refused);
        (count == strays.len() as f64).then_some(())
    });
    assert_eq!(metric(&workers[1], "fleetstream_rejected_total"), 0.0);

    // Whoever redrives knows neither the shards nor who owns them.
    let (subscription, topic) = (fleet.cloud.subscription("letters"), fleet.topic_of(0));
    let topic = topic.replace("000", "{shard}");
    let redrive = Launch::of(&["dlq", "redrive", "--subscription", &subscription])
        .arg("--topic")
        .arg(&topic)
        .arg("--shards")
        .arg(&SHARDS.to_string())
        .arg("--reason")
        .arg("foreign_shard")
        .arg("--format")
        .arg("json")
        .env("PUBSUB_EMULATOR_HOST", &fleet.cloud.host);
    let mut redriven = redrive.spawn();
    assert!(redriven.wait().success(), "{}", redriven.log());
    let done: Value = serde_json::from_str(&redriven.printed()).unwrap();
    assert_eq!(done["by_reason"]["foreign_shard"], strays.len(), "{done}");
    fleet.archives(pings.iter().copied());
    assert_eq!(fleet.archived().len(), pings.len());
    fleet.tells(&over_http(&drives));
    workers.into_iter().for_each(stop);
}

#[test]
fn of_two_workers_told_to_own_one_shard_one_stands_by_and_nothing_is_lost_or_doubled() {
    let Some(fleet) = Fleet::new("overlap") else { return };
    let drives = drives("bus", VEHICLES);
    let mut pings: Vec<&VehiclePing> = drives.iter().flatten().collect();
    pings.sort_by_key(|ping| ping.event_time_us);
    let seats = [Seat::of("0,1"), Seat::of("0"), Seat::of("1")];
    let mut both = fleet.launch(&seats[0]).start();
    let mut parts = pings.chunks(pings.len() / 12);
    let mut publish =
        || fleet.publish(parts.next().expect("more than are asked for").iter().copied());
    publish();
    let mut second = fleet.launch(&seats[1]).set("journal.takeover_after", "20s").spawn();
    second.wait_for_line(STANDING_BY);
    // For longer than shard 0 may stand still: that nobody takes it over shows by
    // nothing but the time.
    for _ in 0..5 {
        std::thread::sleep(Duration::from_secs(5));
        publish();
    }
    assert!(second.line("listening").is_none(), "it stood by: {}", second.log());
    assert!(both.has_ended().is_none(), "{}", both.log());
    both.kill();
    second.wait_until_ready();
    let third = fleet.launch(&seats[2]).start();
    for part in parts {
        fleet.publish(part.iter().copied());
    }
    fleet.archives(pings.iter().copied());
    assert_eq!(fleet.archived().len(), pings.len());
    fleet.tells(&over_http(&drives));
    stop(second);
    stop(third);
}

/// The other one goes on.
#[test]
fn a_subscription_that_falls_silent_is_a_source_that_stalls_by_itself() {
    let Some(fleet) = Fleet::new("silent") else { return };
    let seat = Seat::of("all");
    let worker = fleet.launch(&seat).set("source.stalled_after", "5s").start();
    let drives = drives("bus", VEHICLES);
    let pings: Vec<&VehiclePing> = drives.iter().flatten().collect();
    let mut of_the_other = of_shard(&pings, 0).into_iter().cycle();
    let told = |labels: &str| labels.contains("kind=\"source_stalled\"");
    wait_at_most(PATIENCE, "the silent one to be told of", || {
        fleet.publish(of_the_other.next());
        (worker.client().metric_of("fleetstream_events_total", told) > 0.0).then_some(())
    });
    stop(worker);
    let stalled = |event: &Value| event["kind"] == "source_stalled";
    let told = fleet.cloud.collect("events", |found| events(found).iter().any(stalled));
    let told: Vec<Value> = events(&told).into_iter().filter(stalled).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["source"], "pubsub-001");
}

#[test]
fn each_worker_takes_up_a_change_of_the_files_and_whoever_owns_both_shards_has_it_once() {
    let Some(fleet) = Fleet::new("regroup") else { return };
    let seats = [Seat::of("0"), Seat::of("1"), Seat::of("all")];
    let [first, second] = [&seats[0], &seats[1]].map(|seat| fleet.launch(seat).start());
    let path = fleet.dir.path().join("fences.geojson");
    let square = fs::read_to_string(&path).unwrap();
    let change = |name: &str| fs::write(&path, square.replace("Square", name)).unwrap();
    let serves = |worker: &Worker, name: &str| {
        wait_for("the changed fences", || {
            let fences = worker.client().get("/v1/fences")?.body;
            fences.contains(name).then_some(())
        });
    };
    change("Plaza");
    serves(&first, "Plaza");
    serves(&second, "Plaza");
    // The second misses what comes next.
    stop(second);
    change("Court");
    serves(&first, "Court");
    stop(first);
    let both = fleet.launch(&seats[2]).start();
    assert!(both.line("makes a change of the fences that it missed").is_some(), "{}", both.log());
    serves(&both, "Court");
    let drives = drives("bus", VEHICLES);
    fleet.publish(drives.iter().flatten());
    fleet.archives(drives.iter().flatten());
    stop(both);
}
