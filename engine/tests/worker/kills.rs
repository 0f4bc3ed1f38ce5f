//! `kill -9`, again and again: what was acknowledged is archived exactly once,
//! and the events are those of a run that nothing disturbed.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt, SeedableRng};
use rustix::process::{Signal, kill_process};
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::support::{Client, Launch, Outputs, Worker, fold};
use world::World;

/// A round of input lasts at least this long while kills are to come, so that
/// what happens once a second happens in each life.
const PACE: Duration = Duration::from_millis(30);
/// Rounds that must be left after the last kill, for the low mark to come back.
const ROUNDS_AFTER: usize = 150;

/// How one life of the worker ends.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// At a random instant, some rounds after its start.
    Random { rounds: usize, delay: Duration },
    /// At the n-th hit of a fail point.
    At(&'static str, u32),
}

/// Every fail point of the pipeline.
const FAIL_POINTS: [(&str, u32); 22] = [
    ("commit.before", 15),
    ("commit.after", 15),
    ("ack.before", 20),
    ("ack.after", 20),
    ("release.before", 10),
    ("release.after", 10),
    ("snapshot.write", 1),
    ("snapshot.write", 2),
    ("retention.delete", 1),
    ("retention.delete", 5),
    ("archive.write", 30),
    ("archive.publish", 1),
    ("archive.recorded", 1),
    ("event_files.write", 30),
    ("event_files.publish", 1),
    ("event_files.recorded", 1),
    ("event_log.write", 40),
    ("event_log.flush", 2),
    ("dead_letters.write", 25),
    ("dead_letters.flush", 2),
    ("positions.write", 1),
    ("positions.write", 2),
];
const RANDOM_KILLS: usize = 12;

fn deaths(random: &mut StdRng) -> Vec<Death> {
    let named = FAIL_POINTS.into_iter().map(|(name, nth)| Death::At(name, nth));
    let mut deaths: Vec<Death> = named.collect();
    deaths.extend((0..RANDOM_KILLS).map(|_| Death::Random {
        rounds: random.random_range(1..25),
        delay: Duration::from_micros(random.random_range(0..25_000)),
    }));
    deaths.shuffle(random);
    deaths
}

fn launch(data_dir: &Path, fences: &Path) -> Launch {
    Launch::run(data_dir)
        .fences(fences)
        .set("clock", "event")
        .set("commit.max_delay", "3ms")
        .set("detection.reorder_delay", "0s")
        .set("journal.keep", "0s")
        .set("journal.snapshot_min_segments", "8")
        .set("journal.heartbeat", "500ms")
        .set("archive.max_age", "1s")
        .set("positions.min_interval", "1s")
}

/// A client with several connections that sends everything until it is
/// acknowledged, round by round.
struct Sender<'w> {
    world: &'w World,
    round: usize,
    /// Which parts of the round were acknowledged.
    acknowledged: Vec<bool>,
}

impl<'w> Sender<'w> {
    fn new(world: &'w World) -> Self {
        let mut sender = Self { world, round: 0, acknowledged: Vec::new() };
        sender.begin();
        sender
    }

    fn begin(&mut self) {
        let parts = self.world.rounds.get(self.round).map_or(0, Vec::len);
        self.acknowledged = vec![false; parts];
    }

    fn rounds_left(&self) -> usize {
        self.world.rounds.len() - self.round
    }

    /// Sends what is left of the round, over as many connections as it has
    /// parts. Whether all of it was acknowledged.
    fn send(&mut self, client: &Client) -> bool {
        let round = &self.world.rounds[self.round];
        std::thread::scope(|scope| {
            for (lines, acknowledged) in round.iter().zip(&mut self.acknowledged) {
                if !*acknowledged {
                    scope.spawn(move || *acknowledged = is_acknowledged(client, lines));
                }
            }
        });
        let all = self.acknowledged.iter().all(|&acknowledged| acknowledged);
        if all {
            self.round += 1;
            self.begin();
        }
        all
    }
}

fn is_acknowledged(client: &Client, lines: &[String]) -> bool {
    match client.send(lines) {
        Some(answer) if answer.status == 202 => {
            let taken = answer.json();
            let rejected = taken["rejected"].as_array().expect("a list").len() as u64;
            let known = |field: &str| taken[field].as_u64().expect("a count");
            assert_eq!(
                known("accepted") + known("duplicate") + rejected,
                lines.len() as u64,
                "{taken}"
            );
            true
        }
        // The worker is on its way down.
        Some(answer) => {
            assert_eq!(answer.status, 503, "{answer:?}");
            false
        }
        None => false,
    }
}

/// One life. Returns when the worker is dead.
fn live(mut worker: Worker, death: Death, sender: &mut Sender<'_>) {
    let client = worker.client();
    let kill_from = match death {
        Death::Random { rounds, .. } => sender.round + rounds,
        Death::At(..) => usize::MAX,
    };
    let mut killer = None;
    loop {
        let begun = Instant::now();
        assert!(sender.rounds_left() > ROUNDS_AFTER, "{death:?} did not come:\n{}", worker.log());
        if let Death::Random { delay, .. } = death
            && sender.round >= kill_from
            && killer.is_none()
        {
            let pid = worker.process();
            killer = Some(std::thread::spawn(move || {
                std::thread::sleep(delay);
                kill_process(pid, Signal::KILL)
            }));
        }
        let acknowledged = sender.send(&client);
        if !acknowledged || worker.has_ended().is_some() {
            break;
        }
        std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
    }
    let status = worker.wait();
    if let Some(killer) = killer {
        killer.join().expect("no panic").expect("it was there to be killed");
    }
    assert_eq!(status.signal(), Some(9), "{death:?}: {status}:\n{}", worker.log());
}

/// The rest of the input as fast as it goes, and an orderly end.
fn finish(mut worker: Worker, sender: &mut Sender<'_>) {
    let client = worker.client();
    while sender.rounds_left() > 0 {
        assert!(sender.send(&client), "{}", worker.log());
    }
    assert!(worker.stop().success(), "{}", worker.log());
}

/// `KILL_SEED=n` draws other instants and another order.
#[test]
fn events_and_archive_are_those_of_an_undisturbed_run() {
    let seed =
        std::env::var("KILL_SEED").map_or(20_260_301, |seed| seed.parse().expect("a number"));
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::new(&mut random);
    let (calm, killed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let fences = world.write_fences(calm.path());

    finish(launch(calm.path(), &fences).start(), &mut Sender::new(&world));

    // Nor does it matter how many shards there are.
    let launch_killed = || launch(killed.path(), &fences).set("shards", "2");
    let mut sender = Sender::new(&world);
    for death in deaths(&mut random) {
        let launch = launch_killed();
        let launch = match death {
            Death::At(name, nth) => launch.dies_at(name, nth),
            Death::Random { .. } => launch,
        };
        live(launch.start_or_die(), death, &mut sender);
    }
    finish(launch_killed().start(), &mut sender);

    let (calm, killed) = (Outputs::of(calm.path()), Outputs::of(killed.path()));
    compare_archives(&world, &calm, &killed);
    compare_events(&calm, &killed);
    compare_positions(&world, &calm, &killed);
    let reasons = |outputs: &Outputs| -> BTreeSet<String> {
        let letters = outputs.dead_letters();
        letters.iter().map(|letter| letter["payload_base64"].to_string()).collect()
    };
    // At least once, so as a set.
    assert_eq!(reasons(&killed), reasons(&calm));
    assert_eq!(reasons(&calm).len(), world.rejects);
}

fn compare_archives(world: &World, calm: &Outputs, killed: &Outputs) {
    let archived = killed.archive();
    let ids: Vec<&str> = archived.iter().map(|row| row.ping_id.as_str()).collect();
    let sent: Vec<&str> = world.pings.keys().map(String::as_str).collect();
    assert!(ids == sent, "each exactly once: {} archived of {}", ids.len(), sent.len());
    assert!(archived == calm.archive(), "rows are the same");
}

/// The kinds of semantics §9 follow receive times and the low mark. Receive
/// times are the running maximum of event times over connections that race,
/// and a restart holds the low mark back for two minutes' worth of messages.
/// A silence much longer than that is found all the same, as the same event;
/// only its times may differ. Shorter ones, of which the buses have some, may
/// pass unnoticed after a restart, so only the nappers' are compared.
const LIVENESS: [&str; 2] = ["vehicle_offline", "vehicle_online"];

fn compare_events(calm: &Outputs, killed: &Outputs) {
    let (calm_log, killed_log) = (calm.event_log(), killed.event_log());
    let (calm_events, killed_events) = (fold(&calm_log), fold(&killed_log));
    let by_event_time = |events: &BTreeMap<String, Map<String, Value>>| {
        let mut events = events.clone();
        events.retain(|_, event| !LIVENESS.contains(&kind(event)));
        events
    };
    let (expected, found) = (by_event_time(&calm_events), by_event_time(&killed_events));
    for (id, event) in &expected {
        assert_eq!(found.get(id), Some(event), "of the undisturbed run");
    }
    assert_eq!(found.len(), expected.len(), "and no others");
    assert_eq!(naps(&killed_events), naps(&calm_events));

    let kinds: BTreeSet<&str> = calm_events.values().map(kind).collect();
    let wanted = [
        "geofence_dwell",
        "geofence_enter",
        "geofence_exit",
        "geofence_visit",
        "idle_end",
        "idle_start",
        "stationary_end",
        "stationary_start",
        "vehicle_offline",
        "vehicle_online",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), wanted);
    assert!(killed_log.iter().any(|operation| operation["op"] != "assert"), "corrections came");

    // Both event sinks have the same, and each operation once.
    let mut logged: Vec<(String, i64)> = killed_log
        .iter()
        .map(|operation| {
            let id = operation["event_id"].as_str().expect("an id").to_owned();
            (id, operation["revision"].as_i64().expect("a revision"))
        })
        .collect();
    logged.sort();
    assert!(killed.event_files() == logged, "Parquet and NDJSON hold the same operations");
}

fn kind(event: &Map<String, Value>) -> &str {
    event["kind"].as_str().expect("a kind")
}

/// Id and kind of what is said of the vehicles that fall silent on purpose.
fn naps(events: &BTreeMap<String, Map<String, Value>>) -> BTreeSet<(String, String)> {
    let of_a_napper = |event: &Map<String, Value>| {
        LIVENESS.contains(&kind(event))
            && event["vehicle_id"].as_str().is_some_and(|id| id.starts_with("napper"))
    };
    let naps = events.iter().filter(|(_, event)| of_a_napper(event));
    naps.map(|(id, event)| (id.clone(), kind(event).to_owned())).collect()
}

fn compare_positions(world: &World, calm: &Outputs, killed: &Outputs) {
    let place =
        |position: &Value| ["event_time", "lat", "lon", "fences"].map(|key| position[key].clone());
    let (calm, killed) = (calm.positions(), killed.positions());
    assert_eq!(killed.keys().collect::<Vec<_>>(), calm.keys().collect::<Vec<_>>());
    for (vehicle, position) in &killed {
        assert_eq!(place(position), place(&calm[vehicle]), "{vehicle}");
        let time: jiff::Timestamp = position["event_time"].as_str().unwrap().parse().unwrap();
        assert_eq!(time.as_millisecond(), world.newest_ms[vehicle], "{vehicle}: the newest");
    }
    assert_eq!(killed.len(), world.newest_ms.len());
}
