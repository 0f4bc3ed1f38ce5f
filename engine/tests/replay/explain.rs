//! `fleetstream explain` over the journal that a replay leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{austin, fleetstream, replay_well};

const SQ: &str = r#"{"type":"FeatureCollection","features":[
    {"type":"Feature","id":"depot","properties":{"name":"Depot"},"geometry":{"type":"Polygon",
     "coordinates":[[[10,50],[10.01,50],[10.01,50.01],[10,50.01],[10,50]]]}},
    {"type":"Feature","id":"stop","properties":{"radius_m":50},"geometry":{"type":"Point",
     "coordinates":[10.02,50.005]}}]}"#;

/// A van that drives into the depot, seems to leave it for a moment, and
/// leaves it by far; and a bus that passes the stop while nobody hears of it.
const PINGS: &str = "\
vehicle_id,event_time,lat,lon,accuracy_m
van-7,2026-03-01T12:00:00Z,50.005,9.995,5
van-7,2026-03-01T12:01:00Z,50.005,10.0005,5
van-7,2026-03-01T12:02:00Z,50.005,9.999833,5
van-7,2026-03-01T12:03:00Z,50.005,10.0005,5
van-7,2026-03-01T12:04:00Z,50.005,9.99,5
van-7,2026-03-01T12:05:00Z,50.005,9.985,5
bus,2026-03-01T13:00:00Z,50.005,10.018,5
bus,2026-03-01T16:00:00Z,50.005,10.022,5
";

/// A folder with the replay of [`PINGS`] in `out`.
fn replayed() -> TempDir {
    replayed_by("robust")
}

fn replayed_by(profile: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary directory");
    fs::write(folder.path().join("pings.csv"), PINGS).expect("writable");
    fs::write(folder.path().join("fences.geojson"), SQ).expect("writable");
    let arguments =
        ["replay", "--pings", "pings.csv", "--fences", "fences.geojson", "--out", "out"];
    let arguments = [&arguments[..], &["--profile", profile]].concat();
    let output = fleetstream(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    folder
}

fn explain(folder: &Path, more: &[&str]) -> (i32, String, String) {
    let mut arguments = vec!["explain", "--data-dir", "out"];
    arguments.extend(more);
    let output = fleetstream(folder, &arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

fn explained(folder: &Path, more: &[&str]) -> Value {
    let (code, out, error) = explain(folder, &[more, &["--format", "json"]].concat());
    assert_eq!(code, 0, "{error}");
    serde_json::from_str(&out).expect("JSON")
}

fn at_depot(folder: &Path, at: &str) -> Value {
    explained(folder, &["--vehicle", "van-7", "--fence", "depot", "--at", at])
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("readable");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn why_there_is_no_event() {
    let folder = replayed();
    let answer = at_depot(folder.path(), "2026-03-01T12:02:10Z");
    assert_eq!((&answer["answer"], &answer["rule"]), (&json!("no_event"), &json!("exit_void")));
    assert_eq!(
        answer["conclusion"],
        "no exit: the run of outside pings from 2026-03-01T12:02:00.000Z has 1 ping, not decisive \
         (12 m outside ≤ 50 m + 5 m accuracy); voided by the inside ping at \
         2026-03-01T12:03:00.000Z (exit_void)"
    );
    let pending = &answer["steps"][2];
    assert_eq!(pending["after"]["state"], "pending_out");
    assert_eq!(pending["sight"]["decisive_beyond_m"], 55.0);
    assert_eq!(pending["ping"]["disposition"], "on_time");
    assert_eq!(answer["thresholds"]["exit_confirm"], 2);

    let passing = ["--vehicle", "bus", "--fence", "stop", "--at", "2026-03-01T14:00:00Z"];
    let answer = explained(folder.path(), &passing);
    assert_eq!(
        answer["conclusion"],
        "no cross: the gap of 3 h on the step from 2026-03-01T13:00:00.000Z to \
         2026-03-01T16:00:00.000Z, which passes 100 m through the fence, exceeds cross_max_gap \
         2 min 30 s"
    );
    assert_eq!(answer["rule"], "cross_gap");

    let bystander = ["--vehicle", "van-7", "--fence", "stop", "--at", "2026-03-01T12:01:30Z"];
    let answer = explained(folder.path(), &bystander);
    let conclusion = answer["conclusion"].as_str().expect("text");
    assert!(conclusion.starts_with("no event: outside all along: 1348 m outside"), "{conclusion}");
    let silent = at_depot(folder.path(), "2026-03-01T20:00:00Z");
    let conclusion = silent["conclusion"].as_str().expect("text");
    assert!(conclusion.ends_with("its last one is at 2026-03-01T12:05:00.000Z"), "{conclusion}");
}

#[test]
fn every_event_is_explained_and_confirmed() {
    let folder = replayed();
    let events = lines(&folder.path().join("out/events.ndjson"));
    let kinds: Vec<_> = events.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(kinds, ["geofence_enter", "geofence_exit", "geofence_visit"]);
    for event in &events {
        let id = event["event_id"].as_str().expect("an id");
        let answer = explained(folder.path(), &["--vehicle", "van-7", "--event", id]);
        assert_eq!(answer["answer"], "event");
        assert_eq!(&answer["event"]["content"], event);
        assert_eq!(answer["event"]["confirmed"], true);
        assert_eq!(answer["event"]["operations"][0]["op"], "assert");
        assert!(answer["steps"].as_array().is_some_and(|steps| steps.len() == 6), "{answer}");
    }
    // The same event, asked about by its time.
    let answer = at_depot(folder.path(), "2026-03-01T12:03:30Z");
    let conclusion = answer["conclusion"].as_str().expect("text");
    assert!(conclusion.starts_with("geofence_exit at 2026-03-01T12:03:0"), "{conclusion}");
    assert!(conclusion.contains("717 m outside at 2026-03-01T12:04:00.000Z"), "{conclusion}");
}

#[test]
fn the_text_shows_where_the_time_falls() {
    let folder = replayed();
    let question = ["--vehicle", "van-7", "--fence", "depot", "--at", "2026-03-01T12:02:10Z"];
    let (code, text, error) = explain(folder.path(), &question);
    assert_eq!(code, 0, "{error}");
    let position = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}:\n{text}"));
    assert!(position("no exit: the run") < position("inside → leaving?"));
    assert!(position("not decisive, up to 55 m") < position("12:02:10.000 ─── asked about"));
    assert!(position("─── asked about") < position("exit_void\n"));
    assert!(text.contains("fence    depot (Depot): version 1 always"), "{text}");
}

#[rstest]
#[case::vehicle(&["--vehicle", "van-8", "--fence", "depot", "--at", "2026-03-01T12:00:00Z"],
    "no ping of vehicle \"van-8\" in the journal of shard 0")]
#[case::fence(&["--vehicle", "van-7", "--fence", "depo", "--at", "2026-03-01T12:00:00Z"],
    "did you mean \"depot\"?")]
#[case::event(&["--vehicle", "van-7", "--event", "00000000000000000000000000000000"],
    "its newest events there:")]
fn what_is_not_there_is_named(#[case] question: &[&str], #[case] wanted: &str) {
    let folder = replayed();
    let (code, _, error) = explain(folder.path(), question);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains(wanted), "{error}");
}

#[rstest]
#[case::nothing(&["--vehicle", "van-7"])]
#[case::no_vehicle(&["--fence", "depot", "--at", "2026-03-01T12:00:00Z"])]
#[case::no_time(&["--vehicle", "van-7", "--fence", "depot"])]
#[case::both(&["--vehicle", "van-7", "--fence", "depot", "--at", "2026-03-01T12:00:00Z",
    "--event", "00000000000000000000000000000000"])]
#[case::time(&["--vehicle", "van-7", "--fence", "depot", "--at", "noon"])]
#[case::id(&["--vehicle", "van-7", "--event", "42"])]
fn an_unclear_question_is_a_wrong_command_line(#[case] question: &[&str]) {
    let folder = TempDir::new().expect("a temporary directory");
    let (code, _, error) = explain(folder.path(), question);
    assert_eq!(code, 2, "{error}");
}

#[test]
fn who_asks_nothing_is_told_what_can_be_asked() {
    let folder = TempDir::new().expect("a temporary directory");
    let (code, _, error) = explain(folder.path(), &["--vehicle", "van-7"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("--event <ID>|--fence <ID>"), "{error}");
}

#[test]
fn a_directory_without_a_journal_is_named_and_left_alone() {
    let folder = TempDir::new().expect("a temporary directory");
    let question = ["--vehicle", "van-7", "--fence", "depot", "--at", "2026-03-01T12:00:00Z"];
    let (code, _, error) = explain(folder.path(), &question);
    assert_eq!(code, 1);
    assert!(error.contains("--data-dir out: no journal there"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("a directory").count(), 0);
}

/// Every file below `folder` with its content.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a directory") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).expect("readable");
                files.insert(path, content);
            }
        }
    }
    files
}

#[test]
fn nothing_is_written_and_damage_is_named() {
    let folder = replayed();
    let before = tree(folder.path());
    at_depot(folder.path(), "2026-03-01T12:02:10Z");
    assert!(tree(folder.path()) == before, "something was written");

    let journal = folder.path().join("out/journal/shard-0/journal");
    let segments = before.iter().filter(|(path, _)| path.starts_with(&journal));
    let (path, bytes) = segments.max_by_key(|(_, bytes)| bytes.len()).expect("a segment");
    let mut bytes = bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).expect("writable");
    let question = ["--vehicle", "van-7", "--fence", "depot", "--at", "2026-03-01T12:00:00Z"];
    let (code, _, error) = explain(folder.path(), &question);
    assert_eq!(code, 1);
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(error.contains(&format!("shard-0/journal/{name}: ")), "{error}");
}

/// Where silence is taken for staying, a dwell may rest on it, or on the exit.
#[rstest]
#[case::silent(
    "",
    "nothing has been heard of the vehicle up to the enter + 5 min, which is taken for staying"
)]
#[case::gone(
    "car,2026-03-01T12:20:00Z,50.005,9.9,5\n",
    "the visit is closed by an exit at or after"
)]
#[case::seen(
    "car,2026-03-01T12:10:00Z,50.005,10.005,5\n",
    "an inside ping lies at or after the enter + 5 min"
)]
fn a_dwell_of_a_silent_vehicle_is_explained(#[case] more: &str, #[case] why: &str) {
    let folder = TempDir::new().expect("a temporary directory");
    let car = "car,2026-03-01T12:00:00Z,50.005,10.005,5\n";
    let bus = "bus,2026-03-01T13:00:00Z,50.005,10.018,5\n";
    let pings = ["vehicle_id,event_time,lat,lon,accuracy_m\n", car, more, bus].concat();
    fs::write(folder.path().join("pings.csv"), pings).expect("writable");
    fs::write(folder.path().join("fences.geojson"), SQ).expect("writable");
    let output = Command::new(env!("CARGO_BIN_EXE_fleetstream"))
        .current_dir(folder.path())
        .env_remove("FLEETSTREAM_SHARED_DATA")
        .env("FLEETSTREAM_DETECTION__ON_SILENCE", "assume")
        .args(["replay", "--pings", "pings.csv", "--fences", "fences.geojson", "--out", "out"])
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let events = lines(&folder.path().join("out/events.ndjson"));
    let dwell = events.iter().find(|event| event["kind"] == "geofence_dwell").expect("a dwell");
    let id = dwell["event_id"].as_str().expect("an id");
    let answer = explained(folder.path(), &["--vehicle", "car", "--event", id]);
    assert_eq!(answer["event"]["confirmed"], true, "{answer}");
    let conclusion = answer["conclusion"].as_str().expect("a sentence");
    assert!(conclusion.contains(why), "{conclusion}");
}

/// On a day of buses that came shuffled and doubled: final events are what the
/// trace leads to, and what was taken back is told as such.
#[test]
fn a_disturbed_day_is_explained_as_it_ended() {
    let (pings, fences) = austin();
    let options =
        ["--shuffle-seconds", "600", "--seed", "3", "--duplicate", "0.05", "--shards", "4"];
    let replayed = replay_well(&[&pings], &fences, &options);
    let folder = replayed.out().parent().expect("a folder").to_owned();
    let ask = |event: &Value| {
        let (vehicle, id) = (event["vehicle_id"].as_str(), event["event_id"].as_str());
        let (vehicle, id) = (vehicle.expect("a vehicle"), id.expect("an id"));
        explained(&folder, &["--vehicle", vehicle, "--event", id])
    };
    let mut by_kind: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    let events = replayed.lines("events.ndjson");
    for event in &events {
        by_kind.entry(event["kind"].as_str().expect("a kind")).or_default().push(event);
    }
    assert!(by_kind.len() >= 7, "{:?}", by_kind.keys());
    for (kind, events) in by_kind {
        let event = events[events.len() / 2];
        let answer = ask(event);
        assert_eq!(answer["answer"], "event", "{kind}");
        assert_eq!(&answer["event"]["content"], event, "{kind}");
        assert_eq!(answer["event"]["confirmed"], true, "{kind}: {event}");
    }
    let log = replayed.lines("event_log.ndjson");
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    for operation in &log {
        last.insert(operation["event_id"].as_str().expect("an id"), operation);
    }
    let retracted = last.into_values().find(|operation| operation["op"] == "retract");
    let answer = ask(retracted.expect("a shuffled day has retractions"));
    assert_eq!(
        (&answer["answer"], &answer["event"]["confirmed"]),
        (&json!("retracted"), &json!(true))
    );
    let operations = answer["event"]["operations"].as_array().expect("a list");
    assert_eq!(operations.first().map(|op| &op["op"]), Some(&json!("assert")));
    assert_eq!(operations.last().map(|op| &op["op"]), Some(&json!("retract")));
}

#[test]
fn a_fence_that_was_closed_or_asks_for_other_tags() {
    let hours = r#""schedule":{"zone":"Etc/UTC","week":{"mon-sun":["14:00-15:00"]}}"#;
    let closed = "and the fence was closed (it opens at 2026-03-01T14:00:00.000Z)";
    let asking = "and the fence asks for one of the tags [van], the vehicle had [bus, night]";
    for (property, why) in [(hours, closed), (r#""tags":["van"]"#, asking)] {
        let folder = TempDir::new().expect("a temporary directory");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("writable");
        };
        write("pings.csv", PINGS);
        write("fences.geojson", &SQ.replace(r#""name":"Depot""#, property));
        write("tags.json", r#"{"van-7":["night","bus"]}"#);
        let arguments = "replay --pings pings.csv --fences fences.geojson --out out \
             --vehicle-tags tags.json";
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let output = fleetstream(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");

        let answer = at_depot(folder.path(), "2026-03-01T12:01:10Z");
        let conclusion = answer["conclusion"].as_str().expect("a sentence");
        assert!(conclusion.starts_with("no enter: "), "{conclusion}");
        assert!(conclusion.ends_with(why), "{conclusion}");
        let sight = &answer["steps"][1]["sight"];
        assert_eq!((&sight["inside"], &sight["open"]), (&json!(true), &json!(why != closed)));
        assert_eq!(sight["assigned"], json!(why != asking));
    }
}

/// The end of the input decides it, and no ping confirms it.
#[test]
fn a_closing_after_the_last_ping() {
    let folder = TempDir::new().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("writable");
    };
    let hours = r#""schedule":{"zone":"Etc/UTC","week":{"mon-sun":["11:00-12:04"]}}"#;
    // The van stays; the bus carries the input past the closing.
    let stays = |line: &&str| !line.contains("T12:04") && !line.contains("T12:05");
    let pings = PINGS.lines().filter(stays).collect::<Vec<_>>().join("\n");
    write("pings.csv", &pings);
    write("fences.geojson", &SQ.replace(r#""name":"Depot""#, hours));
    let arguments = "replay --pings pings.csv --fences fences.geojson --out out";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let output = fleetstream(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let answer = at_depot(folder.path(), "2026-03-01T12:04:00Z");
    let told = "geofence_exit at 2026-03-01T12:04:00.000Z: schedule_closed then";
    assert_eq!((&answer["answer"], &answer["conclusion"]), (&json!("event"), &json!(told)));
    let steps = answer["steps"].as_array().expect("a list");
    let closing = steps.iter().find(|step| step["moment"] == "opening_hours").expect("a step");
    assert_eq!(closing["events"][0]["reason"], "schedule_closed");
    let id = closing["events"][0]["event_id"].as_str().expect("an id");
    let answer = explained(folder.path(), &["--vehicle", "van-7", "--event", id]);
    assert_eq!(
        (&answer["conclusion"], &answer["event"]["confirmed"]),
        (&json!(told), &json!(true))
    );
}

/// Plain dates an enter by the ping inside, and its rules are told also of a time
/// before all pings.
#[test]
fn plain_is_explained_by_its_own_rules() {
    let folder = replayed_by("plain");
    let before = at_depot(folder.path(), "2026-03-01T11:00:00Z");
    assert_eq!(before["thresholds"]["profile"], "plain", "{before}");
    let events = fs::read_to_string(folder.path().join("out/events.ndjson")).expect("events");
    let enter = events.lines().find(|line| line.contains("geofence_enter")).expect("an enter");
    let enter: Value = serde_json::from_str(enter).expect("JSON");
    let id = enter["event_id"].as_str().expect("an id");
    let (code, out, error) = explain(folder.path(), &["--vehicle", "van-7", "--event", id]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("the crossing is dated by the second"), "{out}");
}

#[test]
fn what_was_before_a_vehicle_was_forgotten_is_explained() {
    let folder = TempDir::new().expect("a temporary directory");
    let again = "van-7,2026-03-09T12:00:00Z,50.005,10.03,5\n";
    fs::write(folder.path().join("pings.csv"), format!("{PINGS}{again}")).expect("writable");
    fs::write(folder.path().join("fences.geojson"), SQ).expect("writable");
    let arguments = ["replay", "--pings", "pings.csv", "--fences", "fences.geojson"];
    let arguments = [&arguments[..], &["--out", "out", "--set", "detection.forget_after=2d"]];
    let output = fleetstream(folder.path(), &arguments.concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let enter = at_depot(folder.path(), "2026-03-01T12:00:30Z");
    assert_eq!(enter["answer"], "event", "{enter}");
    let later = at_depot(folder.path(), "2026-03-09T12:00:00Z");
    assert_ne!(later["answer"], "event", "{later}");
}
