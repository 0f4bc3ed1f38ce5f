//! Explanations of a journal that a worker owns: over HTTP, by the command
//! beside it, and after its history was shortened.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Launch, ping, segments_of, text, wait_for};

fn launch(dir: &TempDir) -> Launch {
    let fences = dir.path().join("fences.geojson");
    let feature = json!({
        "type": "Feature",
        "id": "depot",
        "properties": {},
        "geometry": {
            "type": "Polygon",
            "coordinates":
                [[[10.0, 50.0], [10.01, 50.0], [10.01, 50.01], [10.0, 50.01], [10.0, 50.0]]],
        },
    });
    let collection = json!({ "type": "FeatureCollection", "features": [feature] });
    fs::write(&fences, collection.to_string()).unwrap();
    Launch::run(&data(dir))
        .set("clock", "event")
        .set("commit.max_delay", "1ms")
        .set("detection.reorder_delay", "0s")
        // Whatever else fills this machine's disk.
        .set("journal.min_free_percent", "0")
        .fences(&fences)
}

fn data(dir: &TempDir) -> PathBuf {
    dir.path().join("data")
}

fn at(vehicle: &str, time: &str, lon: f64) -> String {
    ping(vehicle, &format!("2026-03-01T{time}Z"), lon, 50.005, r#","accuracy_m":5"#)
}

fn command(dir: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let dir = dir.to_str().unwrap();
    let arguments = [&["explain", "--format", "json", "--data-dir", dir], more].concat();
    let output = Launch::of(&arguments).output();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn depot_at<'a>(vehicle: &'a str, time: &'a str) -> [&'a str; 6] {
    ["--vehicle", vehicle, "--fence", "depot", "--at", time]
}

#[test]
fn a_running_worker_explains_and_lets_others_read() {
    let dir = TempDir::new().unwrap();
    let mut worker = launch(&dir).start();
    let client = worker.client();
    // V12: a late ping shows an earlier enter. Then one behind the hot window.
    client.deliver(&[at("a", "12:00:00", 9.999), at("a", "12:01:00", 10.001)]);
    client.deliver(&[at("a", "12:00:30", 10.001)]);
    client.deliver(&[at("a", "12:30:00", 10.001)]);
    client.deliver(&[at("a", "12:10:00", 9.9)]);
    let get = |query: &str| client.get(&format!("/v1/explain?{query}")).expect("an answer");

    let answer = get("vehicle=a&fence=depot&at=2026-03-01T12:00:20Z");
    assert_eq!(answer.status, 200, "{answer:?}");
    let entered = answer.json();
    assert_eq!(entered["answer"], "event");
    let conclusion = entered["conclusion"].as_str().unwrap();
    assert!(conclusion.starts_with("geofence_enter at 2026-03-01T12:00:15.000Z"), "{conclusion}");

    // Beside the worker, which holds the directory's lock.
    let question = depot_at("a", "2026-03-01T12:00:20Z");
    let (code, out, error) = command(&data(&dir), &question);
    assert_eq!(code, Some(0), "{error}");
    let beside: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&beside["conclusion"], &beside["steps"]),
        (&entered["conclusion"], &entered["steps"])
    );

    let late = get("vehicle=a&fence=depot&at=2026-03-01T12:10:00Z").json();
    assert_eq!((&late["answer"], &late["rule"]), (&json!("no_event"), &json!("too_late")));
    let conclusion = late["conclusion"].as_str().unwrap();
    assert!(conclusion.contains("began at 2026-03-01T12:15:00.000Z"), "{conclusion}");
    assert_eq!(late["arrivals"][0]["disposition"], "too_late");

    // What was told first was taken back.
    let content = &entered["steps"][1]["events"][0];
    let now = get(&format!("vehicle=a&event={}", content["event_id"].as_str().unwrap())).json();
    assert_eq!((&now["answer"], &now["event"]["confirmed"]), (&json!("event"), &json!(true)));
    let replaced = now["event"]["operations"][0]["replaces"].as_str().expect("it replaces another");
    let before = get(&format!("vehicle=a&event={replaced}")).json();
    assert_eq!(before["answer"], "retracted");
    let operations = before["event"]["operations"].as_array().unwrap();
    let ops: Vec<_> = operations.iter().map(|operation| operation["op"].clone()).collect();
    assert_eq!(ops, ["assert", "retract"]);
    let conclusion = before["conclusion"].as_str().unwrap();
    assert!(conclusion.contains("in its place came geofence_enter"), "{conclusion}");

    let refused = |query: &str| {
        let answer = get(query);
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    };
    let unclear = (400, "question_unclear".to_owned());
    assert_eq!(refused("fence=depot&at=2026-03-01T12:00:00Z"), unclear);
    assert_eq!(refused("vehicle=a"), unclear);
    assert_eq!(refused("vehicle=a&fence=depot&at=noon"), unclear);
    assert_eq!(refused("vehicle=a&event=42"), unclear);
    assert_eq!(refused("vehicle=a&colour=red"), (400, "query_unreadable".to_owned()));
    let unknown = |code: &str| (404, code.to_owned());
    let noon = "at=2026-03-01T12:00:00Z";
    assert_eq!(refused(&format!("vehicle=b&fence=depot&{noon}")), unknown("vehicle_unknown"));
    let unknown_vehicle = get(&format!("vehicle=0&fence=depot&{noon}")).json();
    let message = unknown_vehicle["message"].as_str().unwrap();
    assert!(message.ends_with("; vehicles with events there: a"), "{message}");
    assert_eq!(refused(&format!("vehicle=a&fence=port&{noon}")), unknown("fence_unknown"));
    assert_eq!(refused(&format!("vehicle=a&event={}", "0".repeat(32))), unknown("event_unknown"));
    assert!(worker.stop().success());
}

#[test]
fn the_newest_ping_is_provisional_only_until_its_delay_is_over() {
    let dir = TempDir::new().unwrap();
    let launch = launch(&dir)
        .set("clock", "wall")
        .set("detection.reorder_delay", "500ms")
        .set("journal.heartbeat", "100ms");
    let mut worker = launch.start();
    let client = worker.client();
    let now = jiff::Timestamp::now();
    let at = |time: jiff::Timestamp, lon| ping("a", &time.to_string(), lon, 50.005, "");
    client.deliver(&[at(now - Duration::from_secs(60), 9.99), at(now, 10.005)]);
    let newest = || {
        let query = format!("/v1/explain?vehicle=a&fence=depot&at={now}");
        client.get(&query).expect("an answer").json()["steps"][1].clone()
    };
    let judged = wait_for("the newest ping is judged", || {
        Some(newest()).filter(|step| step["provisional"] == json!(false))
    });
    assert_eq!(judged["ping"]["disposition"], "on_time", "{judged}");
    assert!(worker.stop().success());
}

#[test]
fn history_that_is_gone_is_told_and_snapshots_stand_in_for_it() {
    let dir = TempDir::new().unwrap();
    let data = data(&dir);
    let mut segments = Vec::new();
    // Vehicle b is heard of often enough to have a state before its window.
    let often: Vec<String> =
        (0..40).map(|minute| at("b", &format!("12:{minute:02}:00"), 10.005)).collect();
    for round in [
        [often, vec![at("a", "12:40:00", 10.005)]].concat(),
        vec![at("a", "13:00:00", 10.005), at("b", "13:00:00", 10.005)],
        vec![at("b", "14:00:00", 9.9), at("b", "14:01:00", 9.9), at("a", "14:01:00", 9.9)],
    ] {
        let mut worker = launch(&dir).start();
        worker.client().deliver(&round);
        assert!(worker.stop().success(), "{}", worker.log());
        segments.push(segments_of(&data, 0).len());
    }
    // What retention does once it is old enough: up to the older snapshot.
    let snapshots = fs::read_dir(data.join("journal/shard-0/snapshots")).unwrap();
    let mut snapshots: Vec<_> = snapshots.map(|entry| entry.unwrap().file_name()).collect();
    snapshots.sort();
    let older = snapshots.remove(0);
    for segment in segments_of(&data, 0) {
        if segment.file_name().unwrap() <= older.as_os_str() {
            fs::remove_file(segment).unwrap();
        }
    }
    assert!(segments_of(&data, 0).len() < segments[2], "something is gone");

    let told = |vehicle, time| {
        let (code, out, error) = command(&data, &depot_at(vehicle, time));
        assert_eq!(code, Some(0), "{error}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let left = told("b", "2026-03-01T13:30:00Z");
    assert_eq!((&left["answer"], &left["journal"]["complete"]), (&json!("event"), &json!(true)));
    let conclusion = left["conclusion"].as_str().unwrap();
    assert!(conclusion.contains("last inside at 2026-03-01T13:00:00.000Z"), "{conclusion}");
    assert!(left["journal"]["known_from"].is_string(), "{left}");
    // All of the other's pings are in the snapshot's window.
    let entered = told("a", "2026-03-01T12:40:00Z");
    let complete = &entered["journal"]["complete"];
    assert_eq!((&entered["answer"], complete), (&json!("event"), &json!(true)), "{entered}");

    let (code, _, error) = command(&data, &depot_at("b", "2026-03-01T12:10:00Z"));
    assert_eq!(code, Some(1));
    assert!(error.contains("has been deleted (journal.keep)"), "{error}");
}
