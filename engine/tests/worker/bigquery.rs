//! The worker with BigQuery, which a stand-in plays: each row once whatever
//! dies, and what the tables must be before the first one.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use local_cloud::bigquery::{Call, Code, Fault};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::bigquery::{self, Bigquery};
use crate::support::{Client, Launch, Outputs, Worker, ping};

/// Vehicles that report in each round.
const VEHICLES: usize = 12;
/// Rounds that are sent at the most.
const ROUNDS_MAX: usize = 2_000;
/// 2026-03-01T12:00:00Z.
const START_MS: i64 = 1_772_366_400_000;

/// Where the worker dies, in this order: a stream is made once.
const DEATHS: [(&str, u32); 9] = [
    ("bigquery_pings.created", 1),
    ("bigquery_pings.recorded", 1),
    ("bigquery_pings.append", 8),
    ("bigquery_pings.appended", 5),
    ("bigquery_pings.flush", 2),
    ("bigquery_events.append", 3),
    ("bigquery_events.appended", 2),
    ("bigquery_events.flush", 2),
    ("bigquery_pings.appended", 1),
];

fn launch(cloud: &Bigquery, data_dir: &Path, fences: &Path) -> Launch {
    let launch = Launch::run(data_dir)
        .fences(fences)
        .set("bigquery.dataset", bigquery::DATASET)
        .set("clock", "event")
        .set("commit.max_delay", "3ms")
        .set("detection.reorder_delay", "0s")
        .set("journal.heartbeat", "100ms")
        .set("journal.keep", "0s")
        .set("journal.min_free_percent", "1")
        .set("journal.snapshot_min_segments", "8");
    cloud.with_addresses(launch)
}

/// One round of pings: the vehicles go to and fro over a fence's edge, and now
/// and then one reports late.
fn round(number: usize) -> Vec<String> {
    let report = |vehicle: usize| {
        let late = if (number + vehicle).is_multiple_of(7) { 3 } else { 0 };
        let t_ms = START_MS + (number as i64 - late) * 20_000 + vehicle as i64;
        let time = Timestamp::from_millisecond(t_ms).unwrap().to_string();
        let inside = ((number + 3 * vehicle) / 5).is_multiple_of(2);
        let lon = if inside { 10.0 } else { 10.01 };
        let extra = format!(r#","ping_id":"p-{number}-{vehicle}","accuracy_m":5"#);
        ping(&format!("van-{vehicle}"), &time, lon, 50.0, &extra)
    };
    (0..VEHICLES).map(report).collect()
}

fn write_fence(directory: &Path) -> PathBuf {
    let path = directory.join("fence.geojson");
    let fence = json!({
        "type": "Feature",
        "id": "yard",
        "properties": { "name": "Yard", "radius_m": 100 },
        "geometry": { "type": "Point", "coordinates": [10.0, 50.0] },
    });
    std::fs::write(&path, fence.to_string()).unwrap();
    path
}

/// Sends rounds from `next` on until one is not acknowledged, or `last` was.
fn send(client: &Client, next: &mut usize, last: usize) {
    while *next < last {
        match client.send(&round(*next)) {
            Some(answer) if answer.status == 202 => *next += 1,
            _ => return,
        }
    }
}

fn send_all(worker: &Worker, next: &mut usize, more: usize) {
    let last = *next + more;
    send(&worker.client(), next, last);
    assert_eq!(*next, last, "{}", worker.log());
}

fn assert_each_row_once(cloud: &Bigquery, data_dir: &Path, rounds: usize) {
    let outputs = Outputs::of(data_dir);
    let pings = cloud.pings();
    assert_eq!(pings.len(), rounds * VEHICLES);
    assert!(pings == outputs.archive(), "rows are those of the archive");
    let events = cloud.events();
    assert!(events.len() > rounds / 5, "{} events", events.len());
    assert!(events == outputs.event_files(), "operations are those of the files");
}

#[test]
fn each_row_is_there_once_whatever_dies() {
    let cloud = Bigquery::new();
    assert_eq!(cloud.ensure(&[]).0, Some(0));
    let directory = TempDir::new().unwrap();
    let data_dir = directory.path().join("data");
    let fences = write_fence(directory.path());
    let launch = || launch(&cloud, &data_dir, &fences);
    let mut next = 0;
    for (name, nth) in DEATHS {
        let mut worker = launch().dies_at(name, nth).start_or_die();
        if worker.has_ended().is_none() {
            send(&worker.client(), &mut next, ROUNDS_MAX);
        }
        assert!(next < ROUNDS_MAX, "{name} did not come:\n{}", worker.log());
        let status = worker.wait();
        assert_eq!(status.signal(), Some(9), "{name}: {status}:\n{}", worker.log());
    }
    let mut worker = launch().start();
    send_all(&worker, &mut next, 30);
    assert!(worker.stop().success(), "{}", worker.log());
    assert_each_row_once(&cloud, &data_dir, next);
}

/// The journal still has all of it, and does not write it again.
#[test]
fn a_start_without_bigquery_doubles_no_row() {
    let cloud = Bigquery::new();
    cloud.ensure(&[]);
    let directory = TempDir::new().unwrap();
    let data_dir = directory.path().join("data");
    let fences = write_fence(directory.path());
    let with = || launch(&cloud, &data_dir, &fences).set("journal.keep", "1h");
    let mut next = 0;
    let mut worker = with().start();
    send_all(&worker, &mut next, 5);
    assert!(worker.stop().success(), "{}", worker.log());
    assert_eq!(cloud.pings().len(), 5 * VEHICLES);

    for _ in 0..2 {
        let mut worker = with().set("bigquery.dataset", "").start();
        send_all(&worker, &mut next, 1);
        assert!(worker.stop().success(), "{}", worker.log());
    }
    for rows in [6, 7] {
        let mut worker = with().start();
        send_all(&worker, &mut next, 1);
        assert!(worker.stop().success(), "{}", worker.log());
        assert_eq!(cloud.pings().len(), rows * VEHICLES, "{}", worker.log());
    }
}

/// BigQuery refuses, ends connections and streams while the worker runs; its
/// other outputs do not wait for it.
#[test]
fn bad_days_of_bigquery_stop_nothing_else() {
    let cloud = Bigquery::new();
    cloud.ensure(&[]);
    let directory = TempDir::new().unwrap();
    let data_dir = directory.path().join("data");
    let fences = write_fence(directory.path());
    let mut worker = launch(&cloud, &data_dir, &fences).start();
    let mut next = 0;
    let bad_days = [
        Fault::Answer(Code::ResourceExhausted),
        Fault::Status(Code::Unavailable),
        Fault::CutAfter,
        Fault::CutBefore,
        Fault::Answer(Code::OutOfRange),
    ];
    for fault in bad_days {
        cloud.standin.inject(Call::AppendRows, fault, 4).unwrap();
        send_all(&worker, &mut next, 20);
        for stream in cloud.standin.streams("fleet.pings").unwrap() {
            cloud.standin.finalize_stream(&stream).unwrap();
        }
        send_all(&worker, &mut next, 20);
    }
    assert!(worker.stop().success(), "{}", worker.log());
    // What did not fit into the time to stop is done by the next start.
    let mut worker = launch(&cloud, &data_dir, &fences).start();
    send_all(&worker, &mut next, 1);
    assert!(worker.stop().success(), "{}", worker.log());
    assert_each_row_once(&cloud, &data_dir, next);
}

#[test]
fn tables_are_set_up_and_checked_before_anything_is_taken_in() {
    let cloud = Bigquery::new();
    let directory = TempDir::new().unwrap();
    let fences = write_fence(directory.path());
    let launch = launch(&cloud, &directory.path().join("data"), &fences);
    let output = launch.output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("projects/p/datasets/fleet/tables/pings does not exist"), "{said}");

    let actions = |answer: &Value| -> Vec<Value> {
        let steps = answer["steps"].as_array().expect("steps");
        steps.iter().map(|step| step["action"].clone()).collect()
    };
    let (code, answer) = cloud.ensure(&["--dry-run"]);
    assert_eq!((code, actions(&answer)), (Some(0), vec![json!("create"); 8]));
    let (code, answer) = cloud.ensure(&[]);
    assert_eq!((code, actions(&answer)), (Some(0), vec![json!("create"); 8]), "{answer}");
    let (code, answer) = cloud.ensure(&[]);
    assert_eq!((code, actions(&answer)), (Some(0), vec![json!("keep"); 8]), "{answer}");

    let output = launch.set("bigquery.pings_table", "events").output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("column ping_id is missing"), "{said}");
    let (code, answer) = cloud.ensure(&["--set", "bigquery.events_table=visits"]);
    assert_eq!(code, Some(78), "{answer}");
}
