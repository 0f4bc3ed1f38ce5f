//! Live positions in Firestore, written by the real worker into Google's
//! emulator.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use tempfile::TempDir;

use crate::support::map::{self, Map};
use crate::support::{Launch, ping, wait_for};

const VEHICLES: usize = 30;

fn launch(map: &Map, data_dir: &Path) -> Launch {
    map.with_address(Launch::run(data_dir))
        .set("positions.min_interval", "1s")
        .set("commit.max_delay", "20ms")
        .set("shards", "3")
}

/// The n-th round of the fleet's pings, a second apart.
fn round(start: Timestamp, n: i64) -> BTreeMap<String, (Timestamp, f64)> {
    let time = start + jiff::Span::new().seconds(n);
    let lat = |vehicle: usize| (50_000.0 + vehicle as f64 + 10.0 * n as f64) / 1000.0;
    (0..VEHICLES).map(|vehicle| (format!("bus-{vehicle}"), (time, lat(vehicle)))).collect()
}

fn lines(round: &BTreeMap<String, (Timestamp, f64)>) -> Vec<String> {
    let line = |(id, (time, lat)): (&String, &(Timestamp, f64))| {
        ping(id, &time.to_string(), 10.0, *lat, "")
    };
    round.iter().map(line).collect()
}

fn minutes_ago(minutes: i64) -> Timestamp {
    let now = Timestamp::now().round(jiff::Unit::Second).expect("in range");
    now - jiff::Span::new().minutes(minutes)
}

#[test]
fn the_map_shows_the_newest_pings_through_stops_and_kills() {
    let Some(map) = Map::new("newest") else { return };
    let dir = TempDir::new().unwrap();
    let start = minutes_ago(10);
    let mut worker = launch(&map, dir.path()).start();
    for n in 0..20 {
        worker.client().deliver(&lines(&round(start, n)));
    }
    // The newest time wins, not the last to come.
    worker.client().deliver(&lines(&round(start, 3)));
    map.shows(&round(start, 19));
    assert!(
        worker.client().metric("fleetstream_firestore_documents_written_total") >= VEHICLES as f64
    );

    // What was committed right before a stop is written by it.
    worker.client().deliver(&lines(&round(start, 20)));
    worker.terminate();
    assert!(worker.wait().success(), "{}", worker.log());
    let stopped = map.documents();
    map.shows(&round(start, 20));
    assert_eq!(stopped, map.documents(), "nothing is written after the end");

    // A start that has nothing new reads, at the most.
    let mut worker = launch(&map, dir.path()).start();
    worker.client().deliver(&lines(&round(start, 20)));
    worker.client().deliver(&lines(&round(start, 21)));
    worker.kill();
    worker.wait();

    // What was committed before a kill is written by the next start.
    let worker = launch(&map, dir.path()).start();
    map.shows(&round(start, 21));
    let waiting = || worker.client().metric("fleetstream_firestore_documents_waiting");
    wait_for("nothing waits", || (waiting() == 0.0).then_some(()));
}

#[test]
fn another_collection_is_given_every_vehicle() {
    let Some(map) = Map::new("before") else { return };
    let Some(other) = Map::new("after") else { return };
    let dir = TempDir::new().unwrap();
    let start = minutes_ago(10);
    let mut worker = launch(&map, dir.path()).start();
    worker.client().deliver(&lines(&round(start, 1)));
    map.shows(&round(start, 1));
    assert!(worker.stop().success(), "{}", worker.log());
    // Nobody reports again.
    let mut worker = launch(&other, dir.path()).start();
    other.shows(&round(start, 1));
    assert!(worker.stop().success(), "{}", worker.log());
}

#[test]
fn v8_a_duplicate_writes_nothing_and_v9_the_future_is_shown_as_now() {
    let Some(map) = Map::new("vectors") else { return };
    let dir = TempDir::new().unwrap();
    let worker = launch(&map, dir.path()).start();
    let start = minutes_ago(5);
    let written = || worker.client().metric("fleetstream_firestore_documents_written_total");

    worker.client().deliver(&lines(&round(start, 1)));
    map.shows(&round(start, 1));
    wait_for("as many writes as vehicles", || (written() == VEHICLES as f64).then_some(()));
    let answer = worker.client().deliver(&lines(&round(start, 1)));
    assert_eq!(answer["duplicate"], VEHICLES);

    let ahead = Timestamp::now() + jiff::Span::new().hours(3);
    worker.client().deliver(&[ping("early", &ahead.to_string(), 10.0, 50.0, "")]);
    let fields = wait_for("the early vehicle", || map.documents().remove("early"));
    let shown = fields["event_time"]["timestampValue"].as_str().unwrap();
    let shown: Timestamp = shown.parse().unwrap();
    assert!(shown <= Timestamp::now() && shown > start, "{shown}");
    // The early one came after the duplicates: they would be there by now.
    wait_for("one write more", || (written() == VEHICLES as f64 + 1.0).then_some(()));
}

#[test]
fn a_dead_firestore_stops_neither_ingest_nor_the_end() {
    let dir = TempDir::new().unwrap();
    // Nobody listens there.
    let launch = Launch::run(dir.path())
        .env("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
        .set("firestore.database", map::DATABASE)
        .set("commit.max_delay", "20ms");
    let mut worker = launch.start();
    for n in 0..20 {
        worker.client().deliver(&lines(&round(minutes_ago(5), n)));
    }
    worker.terminate();
    assert!(worker.wait().success(), "{}", worker.log());
    assert!(worker.line("drained").is_some(), "{}", worker.log());
}

#[test]
fn plain_text_to_another_machine_is_a_wrong_configuration() {
    let dir = TempDir::new().unwrap();
    let launch = Launch::run(dir.path())
        .env("FIRESTORE_EMULATOR_HOST", "10.0.0.1:8080")
        .set("firestore.database", map::DATABASE);
    let output = launch.output();
    assert_eq!(output.status.code(), Some(78));
    let error = crate::support::text(&output.stderr);
    assert!(error.contains("FIRESTORE_EMULATOR_HOST"), "{error}");
}
