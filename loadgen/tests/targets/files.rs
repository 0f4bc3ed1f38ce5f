//! Runs into files, and arguments that make no sense, from the outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rstest::rstest;
use tempfile::TempDir;

fn loadgen(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.current_dir(folder).args(arguments).output().expect("the binary starts")
}

fn run(folder: &Path, seconds: &str) {
    let file = ["--target", "file", "--file", "pings.ndjson", "--allow-unchecked"];
    let run = ["run", "--profile", "smoke", "--out", "out", "--seconds", seconds];
    let output = loadgen(folder, &[&run[..], &file].concat());
    // The rate is the machine's.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
}

#[test]
fn a_run_into_a_file_can_be_judged_by_what_came_of_it() {
    let folder = TempDir::new().expect("a temporary directory");
    run(folder.path(), "3");
    // As a replay leaves it: one log for all shards.
    fs::create_dir_all(folder.path().join("data/pings")).expect("writable");
    fs::write(folder.path().join("data/event_log.ndjson"), "").expect("writable");
    let verify = ["verify", "--run", "out", "--data-dir", "data", "--format", "json"];
    let output = loadgen(folder.path(), &verify);
    assert_eq!(output.status.code(), Some(1), "nothing is there: {output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let tally = &report["pings"];
    assert!(tally["missing"].as_u64().expect("a number") > 0, "{tally}");
    assert_eq!(tally["missing"], tally["acknowledged"]);
    assert_eq!(report["events"]["operations"], 0, "they were looked at");

    // What it has read now is not known any more once it is gone.
    fs::remove_dir_all(folder.path().join("data/pings")).expect("it was there");
    let output = loadgen(folder.path(), &verify);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["pings"]["archive_read"], false);
    let unchecked = report["unchecked"].as_array().expect("a list");
    assert!(unchecked.contains(&"missing_max".into()), "{unchecked:?}");
}

#[test]
fn events_read_again_from_files_have_none_of_the_gaps_of_a_stream() {
    let folder = TempDir::new().expect("a temporary directory");
    run(folder.path(), "1");
    // As a run over HTTP measures it whose worker was started again meanwhile.
    let measured = folder.path().join("out/measured.json");
    let text = fs::read(&measured).expect("it was written");
    let mut report: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let feed = serde_json::json!({ "reconnects": 1, "gaps": 1, "unreadable": 1 });
    report["events"] = serde_json::json!({ "operations": 3, "feed": feed });
    fs::write(&measured, report.to_string()).expect("writable");
    let gaps = |more: &[&str]| {
        let verify = ["verify", "--run", "out", "--format", "json"];
        let output = loadgen(folder.path(), &[&verify[..], more].concat());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        report["events"]["feed"]["gaps"].as_u64().expect("a number")
    };
    assert_eq!(gaps(&[]), 1, "nothing was read again");
    fs::write(folder.path().join("events.ndjson"), "").expect("writable");
    assert_eq!(gaps(&["--events", "events.ndjson"]), 0);
}

#[test]
fn a_run_that_did_not_say_what_it_measured_is_not_judged_again() {
    let folder = TempDir::new().expect("a temporary directory");
    run(folder.path(), "1");
    fs::remove_file(folder.path().join("out/measured.json")).expect("it was written");
    let output = loadgen(folder.path(), &["verify", "--run", "out"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("measured.json") && told.contains("earlier loadgen"), "{told}");
}

#[test]
fn recorded_traces_that_nobody_takes_fail() {
    let folder = TempDir::new().expect("a temporary directory");
    let pings = "vehicle_id,event_time,lat,lon\na,2015-09-06T05:00:00Z,30.0,-97.0\n";
    fs::write(folder.path().join("buses.csv"), pings).expect("writable");
    let replay = |more: &[&str]| {
        let replay = ["replay", "--pings", "buses.csv", "--out", "out"];
        let output = loadgen(folder.path(), &[&replay[..], more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // Nothing listens there.
    let nowhere = ["--url", "http://127.0.0.1:1", "--no-read-back", "--patience", "0"];
    let (code, said) = replay(&nowhere);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAIL acknowledged_min") && said.ends_with("FAIL\n"), "{said}");
    let (code, said) = replay(&["--target", "file", "--file", "pings.ndjson"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_an_earlier_run_has_left_is_none_of_the_next() {
    let folder = TempDir::new().expect("a temporary directory");
    run(folder.path(), "4");
    let out = folder.path().join("out");
    for (name, text) in [("answer.hlog", "of another"), ("mine.hlog", "somebody's")] {
        fs::write(out.join(name), text).expect("writable");
    }
    let ledger = fs::read(out.join("ledger.bin")).expect("a ledger");
    run(folder.path(), "2");
    assert!(!out.join("answer.hlog").exists());
    assert!(out.join("mine.hlog").exists(), "only what loadgen writes goes");
    assert_ne!(fs::read(out.join("ledger.bin")).expect("a ledger"), ledger);
}

#[rstest]
#[case::no_profile(&["run", "--profile", "nope"], "nope")]
#[case::no_connections(&["run", "--profile", "smoke", "--connections", "0"], "--connections")]
#[case::another_scheme(&["run", "--profile", "smoke", "--url", "ftp://x"], "http")]
#[case::short_topic(
    &["run", "--profile", "smoke", "--target", "pubsub", "--topic", "t"],
    "projects/PROJECT/topics/ID"
)]
#[case::short_subscription(
    &["run", "--profile", "smoke", "--events-subscription", "s"],
    "projects/PROJECT/subscriptions/ID"
)]
#[case::topic_of_http(
    &["run", "--profile", "smoke", "--topic", "projects/p/topics/t"],
    "--target pubsub"
)]
#[case::another_file(
    &["run", "--profile", "smoke", "--target", "file", "--file", "x.csv"],
    "expected .ndjson"
)]
#[case::parquet_twice(
    &["run", "--profile", "smoke", "--target", "file", "--file", "x.parquet.zst"],
    "leave .zst out"
)]
#[case::engine_of_a_file(
    &["run", "--profile", "smoke", "--target", "file", "--file", "x.pb", "--data-dir", "d"],
    "--data-dir looks at an engine"
)]
#[case::no_clones(&["replay", "--pings", "x.csv", "--clones", "0"], "--clones")]
#[case::empty_messages(&["run", "--profile", "smoke", "--pings-per-message", "0"], "--pings-per-message")]
#[case::nobody(&["run", "--profile", "smoke", "--pid", "1073741824"], "no such process")]
fn what_makes_no_sense_is_refused_at_once(#[case] arguments: &[&str], #[case] message: &str) {
    let folder = TempDir::new().expect("a temporary directory");
    let output = loadgen(folder.path(), arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(message), "{told}");
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0, "something was written");
}
